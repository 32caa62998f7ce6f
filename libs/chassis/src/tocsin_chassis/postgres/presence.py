"""Whether the processes of a service live: each shows it by a lock that the database takes back when its connection ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from tocsin_chassis.postgres.database import Database, Tx

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5
# The random part of an id, which fits the key of a lock.
KEY_BITS = 62


class Presence:
    """This process, as others see it. What it begins can be noted under its `number`, which is its `own` and no other process's ever.

    A process that ends in whatever way loses its lock at once; one that stands still keeps it, and so does one on a machine that was
    cut off, until TCP gives up. One that lives loses it with its connection, for the moment until it has another one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.own = UUID(database.new_id()).int & ((1 << KEY_BITS) - 1)
        self._shown = False

    @property
    def number(self) -> int:
        """0 while nobody could see that this process lives."""
        return self.own if self._shown else 0

    async def show(self) -> None:
        """Hold the lock for ever."""
        while True:
            try:
                await self._hold()
            except (psycopg.Error, OSError) as error:
                log.warning("other processes do not see that this one lives: %s", error)
            finally:
                self._shown = False
            await asyncio.sleep(AGAIN_SECONDS)

    async def _hold(self) -> None:
        async with await AsyncConnection.connect(
            self._database.url,
            autocommit=True,
            application_name=f"tocsin-{self._database.service}-presence",
            connect_timeout=3,
            keepalives_idle=10,
            options="-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
        ) as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", (self.own,))
            self._shown = True
            async for _ in connection.notifies():  # nobody tells it anything: it waits until the connection ends
                pass


@asynccontextmanager
async def presence(database: Database) -> AsyncIterator[Presence]:
    """Show from now on that this process lives, until everything that it has begun has ended."""
    shown = Presence(database)
    task = asyncio.create_task(shown.show())
    try:
        yield shown
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def not_seen(tx: Tx, numbers: Sequence[int]) -> set[int]:
    """Those of these processes that hold no lock now."""
    return set(
        await tx.values(
            int,
            "SELECT number FROM unnest(%s::bigint[]) AS known (number) WHERE pg_try_advisory_xact_lock_shared(number)",
            (list(numbers),),
        )
    )
