"""The platform's checks of itself are paged every minute; what is over of them is forgotten."""

from datetime import timedelta

from tocsin_chassis.postgres.database import Database
from tocsin_communication.incidents import store
from tocsin_kernel.clock import Clock

KEPT = timedelta(hours=1)


class Checks:
    """Forgets the pages about the platform's checks, but for those of the last hour."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forget(self) -> None:
        """Forget what has ended."""
        async with self._database.transaction() as tx:
            await store.forget_checks(tx, self._clock.now() - KEPT)
