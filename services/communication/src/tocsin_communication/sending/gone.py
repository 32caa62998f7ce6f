"""Pages that were being sent by a process that is gone: somebody else goes on with them soon, instead of when their lease ends."""

import asyncio
from collections.abc import Callable

from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.presence import Presence, not_seen
from tocsin_communication.sending import store

# One that lives and has lost its connection, as all do when the database starts again, is back within this time.
RETURN_SECONDS = 2.0


class Gone:
    """Ends the leases of senders that are gone. One that stands still is not gone: whether it goes on nobody knows, so its lease counts."""

    def __init__(self, database: Database, presence: Presence, wake: Callable[[], None]) -> None:
        self._database = database
        self._presence = presence
        self._wake = wake
        self._missed_since: dict[int, float] = {}

    async def look(self) -> None:
        """Look who is missing, and end the leases of those that have been missing for a while."""
        (others,) = await self._database.ask(store.OTHER_SENDERS, {"own": self._presence.own})
        if not others:
            self._missed_since.clear()
            return
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as tx:
            missing = await not_seen(tx, others)
            self._missed_since = {number: self._missed_since.get(number, now) for number in missing}
            gone = [number for number, since in self._missed_since.items() if now - since >= RETURN_SECONDS]
            if gone and await store.end_leases(tx, gone):
                tx.after_commit(self._wake)
