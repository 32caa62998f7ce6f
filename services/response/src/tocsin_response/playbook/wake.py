"""Wakes whoever waits for steps the moment there are some: in this process at once, in others by a hint through the database."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tocsin_chassis.postgres.announcements import Announcements
from tocsin_chassis.postgres.database import Database, Tx

CHANNEL = "steps"
WORD = "ready"


class Wake:
    """Whoever waits looks again when it is woken, and from time to time anyway."""

    def __init__(self, database: Database) -> None:
        self._ready = asyncio.Event()
        self._others = Announcements(database, CHANNEL, lambda words: self._wake(), self._wake)

    def after(self, tx: Tx) -> None:
        """There are steps once this transaction is committed."""
        tx.after_commit(self._tell)

    def next(self) -> asyncio.Event:
        """What is set when there are steps the next time."""
        return self._ready

    async def wait(self, woken: asyncio.Event, seconds: float) -> None:
        """Until then, or for so long."""
        try:
            await asyncio.wait_for(woken.wait(), seconds)
        except TimeoutError:
            return

    def listen(self) -> Coroutine[Any, Any, None]:
        """Hear of steps that other processes made ready; runs until cancelled."""
        return self._others.run()

    def _tell(self) -> None:
        self._wake()
        self._others.say([WORD])

    def _wake(self) -> None:
        """Those who wait now are woken; who comes later waits for the next time."""
        self._ready.set()
        self._ready = asyncio.Event()
