"""The audit log: who changed what through this door. An entry is there before the call is passed on, and completed after it."""

import logging
from uuid import UUID

from google.protobuf.message import Message
from tocsin.edge.v1.events_pb2 import ConfigurationChanged

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import trace_id
from tocsin_edge import store
from tocsin_edge.contracts import APPLY, Method
from tocsin_edge.wire import timestamp
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids

log = logging.getLogger(__name__)

OK = "OK"
# What an entry says until its call is over; one that says so for long is of an edge that died before it heard the outcome.
STARTED = "STARTED"
OPENED_PRIVATE = "OPENED_PRIVATE_INCIDENT"
ANONYMOUS = "anonymous"


class Audit:
    """Writes one entry for each call that could change something, and tells the world when a configuration did."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def begin(self, caller: str, method: Method) -> store.AuditRow | None:
        """Keep what somebody is about to do. None if that is not possible: an incident must be taken all the same, and the log says so."""
        entry = self._entry(caller, method, STARTED)
        try:
            async with self._database.transaction() as tx:
                await store.save_audit_entry(tx, entry)
        except Exception as error:
            log.error("an audit entry could not be kept: %s calls %s", caller, method.path, exc_info=error)
            return None
        return entry

    async def opened(self, caller: str, path: str, incident_id: str) -> None:
        """Keep that an administrator opened a private incident of which they are no member. Raises what keeps it from being kept."""
        entry = store.AuditRow(UUID(self._ids.new()), self._clock.now(), caller, path, f"{OPENED_PRIVATE} {incident_id}", trace_id())
        async with self._database.transaction() as tx:
            await store.save_audit_entry(tx, entry)

    async def note(self, caller: str, method: Method, outcome: str, request: bytes, begun: store.AuditRow | None = None) -> None:
        """Keep what happened. The call is over: when this fails it is logged with everything that the entry would have said."""
        entry = begun or self._entry(caller, method, outcome)
        try:
            async with self._database.transaction() as tx:
                if begun is None:
                    await store.save_audit_entry(tx, entry)
                else:
                    await store.complete_audit_entry(tx, begun.id, outcome)
                if outcome == OK and _configured(method, request):
                    fact = ConfigurationChanged(service=method.owner, changed_by=caller, at=timestamp(self._clock.now()))
                    tx.emit(fact, aggregate=method.owner, version=await store.next_configuration_version(tx, method.owner))
        except Exception as error:
            log.error("an audit entry could not be kept: %s called %s: %s", caller, method.path, outcome, exc_info=error)

    def _entry(self, caller: str, method: Method, outcome: str) -> store.AuditRow:
        return store.AuditRow(UUID(self._ids.new()), self._clock.now(), caller, method.path, outcome, trace_id())

    async def entries(self, requested: int, page_token: str) -> tuple[list[store.AuditRow], str]:
        """One page, newest first, and the token of the next (empty: none). Raises Invalid for a token that is not of this list."""
        size = paging.page_size(requested)
        async with self._database.transaction(plans_anew=True) as tx:
            rows = await store.audit_entries(tx, _oldest_seen(page_token), size + 1)
        return rows[:size], paging.encode(str(rows[size - 1].id)) if len(rows) > size else ""


def _oldest_seen(page_token: str) -> UUID | None:
    if not page_token:
        return None
    try:
        return UUID(paging.decode(page_token, 1)[0])
    except ValueError:
        raise paging.refused() from None


def _configured(method: Method, request: bytes) -> bool:
    """Whether the call changed a configuration and did not only ask what would change."""
    if method.name != APPLY:
        return False
    message: Message = method.request.FromString(request)
    return not getattr(message, "dry_run", False)
