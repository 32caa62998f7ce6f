"""Reads calendars from their addresses, again and again; what was read last stays where reading fails."""

import logging
from datetime import timedelta

from tocsin_chassis.outgoing import Outgoing, OutgoingFailed, OutgoingRefused
from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_oncall.ical import LONGEST_TEXT, calendar_of
from tocsin_response.oncall import store
from tocsin_response.oncall.store import Fetch

log = logging.getLogger(__name__)

BATCH = 5
SECONDS = 10.0
LEASE = timedelta(minutes=2)
PAUSE, PAUSE_AFTER_FAILURE = timedelta(hours=1), timedelta(minutes=5)


class Fetching:
    """The calendars that have an address."""

    def __init__(self, database: Database, clock: Clock, outside: Outgoing) -> None:
        self._database = database
        self._clock = clock
        self._outside = outside

    async def fetch_due(self) -> None:
        """Read every calendar that is due."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            fetches = await store.claim_fetches(tx, now, now + LEASE, BATCH)
        for fetch in fetches:
            await self._fetch(fetch)

    async def _fetch(self, fetch: Fetch) -> None:
        try:
            text = await self._read(fetch.url)
        except (OutgoingRefused, OutgoingFailed, ValueError) as error:
            log.warning("calendar %s could not be read, and stays as it was: %s", fetch.name, error)
            async with self._database.transaction() as tx:
                await store.plan_fetch(tx, fetch, self._clock.now() + PAUSE_AFTER_FAILURE, str(error))
            return
        async with self._database.transaction() as tx:
            if text != fetch.fetched:
                await store.keep_fetched(tx, fetch, text)
            await store.plan_fetch(tx, fetch, self._clock.now() + PAUSE, "")

    async def _read(self, url: str) -> str:
        """The text. Raises OutgoingRefused, OutgoingFailed, and ValueError if it is no calendar."""
        text = (await self._outside.get(url, SECONDS, LONGEST_TEXT)).decode()
        if "\0" in text:
            raise ValueError("the text holds a NUL character")
        calendar_of(text)
        return text
