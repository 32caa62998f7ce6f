"""Searches in Opsgenie's words: exact, or refused where that would take too long. What an index has is found at once.

Few alerts are all looked at. Of many, those that come first in an order that an index has; if that does not fill the page, all, one
such search after the other, so that the others keep their connections.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from tocsin_chassis.postgres.database import Database, TookTooLong, Tx
from tocsin_detection.alert_list_store import alerts_of
from tocsin_detection.intake.opsgenie_api import search_store as store
from tocsin_detection.intake.opsgenie_api.conditions import WALKS, Search
from tocsin_detection.intake.opsgenie_api.query import asks_status_only
from tocsin_detection.intake.opsgenie_api.searching import DEEPEST_OFFSET, Page, too_wide

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many alerts are looked at: so few always at once, so many more than a page needs along an index, so many at most."""

    few: int = 8_000
    ahead: int = 8_000
    most: int = 250_000
    patience: timedelta = timedelta(seconds=4)


class Searches:
    """Finds and counts the alerts of an integration. Raises Refused where too much would have to be looked at."""

    def __init__(self, database: Database, bounds: Bounds | None = None) -> None:
        self._database = database
        self._bounds = bounds or Bounds()
        self._turn = asyncio.Lock()

    async def page(self, search: Search) -> Page:
        async with self._reading() as tx:
            if await store.are_few(tx, search, self._bounds.few):
                return await self._whole(tx, search)
            if (page := await self._along(tx, search)) is not None:
                return page
        return await self._thoroughly(search, self._whole)

    async def count(self, search: Search) -> int:
        async with self._reading() as tx:
            if asks_status_only(search.wanted):
                counted = await store.count_by_status(tx, search, self._bounds.most)
                if counted <= self._bounds.most:
                    return counted
            elif await store.are_few(tx, search, self._bounds.few):
                return await store.count_all(tx, search)
        return await self._thoroughly(search, store.count_all, counted_by_index=asks_status_only(search.wanted))

    async def _along(self, tx: Tx, search: Search) -> Page | None:
        """The page, if those that come first in its order fill it."""
        if search.sort not in WALKS:
            return None
        ids = await store.next_ids(tx, search, search.offset + search.limit + self._bounds.ahead)
        if len(ids) <= search.limit:
            return None
        total = await store.count_by_status(tx, search, DEEPEST_OFFSET + search.limit) if asks_status_only(search.wanted) else None
        return await self._shown(tx, search, ids[:-1], total)

    async def _whole(self, tx: Tx, search: Search) -> Page:
        found = await store.find_all(tx, search)
        return await self._shown(tx, search, found.ids, found.total)

    async def _shown(self, tx: Tx, search: Search, ids: Sequence[str], total: int | None) -> Page:
        alerts = {alert.id: alert for alert in await alerts_of(tx, search.integration, ids)}
        more = total is None or total > search.offset + search.limit
        return Page([alerts[alert_id] for alert_id in ids], more, total)

    async def _thoroughly(
        self, search: Search, look: Callable[[Tx, Search], Awaitable[Answer]], *, counted_by_index: bool = False
    ) -> Answer:
        """What is found by looking at all, when it is this search's turn."""
        async with self._turn, self._reading() as tx:
            if not counted_by_index and not await store.are_few(tx, search, self._bounds.most):
                raise too_wide(f"there are more than {self._bounds.most} alerts to look at")
            return await look(tx, search)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Tx]:
        try:
            async with self._database.reading() as tx:
                await store.be_patient(tx, self._bounds.patience)
                yield tx
        except TookTooLong as error:
            raise too_wide(f"it would take longer than {self._bounds.patience.total_seconds():g} s") from error
