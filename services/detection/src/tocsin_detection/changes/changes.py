"""What is done with changes: keep and tell, list, forget."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tocsin.detection.v1.change_events_pb2 import ChangeReported

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database
from tocsin_detection.changes import store
from tocsin_detection.changes.change import Change
from tocsin_detection.changes.wire import change_message
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids

KEPT = timedelta(days=90)
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of changes, newest first, and the token of the next; empty on the last."""

    changes: list[Change]
    next_page_token: str


class Changes:
    """Keeps changes for 90 days."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def report(self, told: Change) -> None:
        """Keep a change and tell the others; one that was told before is left as it is."""
        change = replace(told, id=self._ids.new())
        async with self._database.transaction() as tx:
            if await store.insert_change(tx, change):
                tx.emit(ChangeReported(change=change_message(change)), aggregate=change.id, version=1)

    async def list(self, wanted: store.Wanted) -> Listing:
        """One page; `wanted.limit` is its size."""
        async with self._database.transaction(plans_anew=True) as tx:
            # One more than wanted says whether there is a next page.
            found = await store.list_changes(tx, replace(wanted, limit=wanted.limit + 1))
        page = found[: wanted.limit]
        return Listing(page, page_token(page[-1]) if len(found) > len(page) else "")

    async def forget_old(self) -> None:
        """Delete what was told longer ago than changes are kept, some at a time."""
        deleted = AT_ONCE
        while deleted == AT_ONCE:
            async with self._database.transaction() as tx:
                deleted = await store.delete_changes(tx, self._clock.now() - KEPT, AT_ONCE)


def page_token(last: Change) -> str:
    """The token of the page after this change."""
    return paging.encode(last.happened_at.isoformat(), last.id)
