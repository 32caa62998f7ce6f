"""Short words between the processes of one service, through the database: hints, lost while nobody listens."""

import asyncio
from collections.abc import Callable

from psycopg import AsyncConnection

from tocsin_chassis.postgres.database import Database

PAUSE_SECONDS = 0.05
# NOTIFY takes 8,000 bytes at most.
MOST_BYTES = 7_000


class Announcements:
    """Says words to every process of the service that listens to the same channel, this one among them.

    What is said is sent within a moment, outside of any transaction: a NOTIFY inside one makes commits wait for each other.
    `listening` is False while words of others may be missed; `on_gap` is called before it becomes True again.
    """

    def __init__(self, database: Database, channel: str, hear: Callable[[list[str]], None], on_gap: Callable[[], None]) -> None:
        self.listening = False
        self._database = database
        self._channel = f"{channel}_{database.service}"
        self._hear = hear
        self._on_gap = on_gap
        self._waiting: list[str] = []
        self._words_wait = asyncio.Event()

    def say(self, words: list[str]) -> None:
        """Tell the others soon. A word holds no space."""
        self._waiting.extend(words)
        self._words_wait.set()

    async def run(self) -> None:
        """Listen and tell until cancelled, or until the connection is lost: then it raises."""
        try:
            async with await self._connect() as ear, await self._connect() as mouth:
                await ear.execute(b"LISTEN " + self._channel.encode())
                self._on_gap()
                self.listening = True
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(ear))
                    tasks.create_task(self._tell(mouth))
        finally:
            self.listening = False

    async def _connect(self) -> AsyncConnection[object]:
        name = f"tocsin-{self._database.service}-{self._channel}"
        return await AsyncConnection.connect(self._database.url, autocommit=True, application_name=name, connect_timeout=3)

    async def _listen(self, ear: AsyncConnection[object]) -> None:
        async for notice in ear.notifies():
            self._hear(notice.payload.split())

    async def _tell(self, mouth: AsyncConnection[object]) -> None:
        while True:
            await self._words_wait.wait()
            self._words_wait.clear()
            words, self._waiting = self._waiting, []
            for text in _bundled(words):
                await mouth.execute("SELECT pg_notify(%s, %s)", (self._channel, text))
            await asyncio.sleep(PAUSE_SECONDS)


def _bundled(words: list[str]) -> list[str]:
    bundles, bundle, size = list[str](), list[str](), 0
    for word in words:
        if size + len(word) >= MOST_BYTES:
            bundles.append(" ".join(bundle))
            bundle, size = [], 0
        bundle.append(word)
        size += len(word.encode()) + 1
    return [*bundles, " ".join(bundle)] if bundle else bundles
