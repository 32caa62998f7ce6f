"""Tells the broker that facts are still being handled, so that it waits for a process that works and not for one that is gone."""

import asyncio
from contextlib import suppress
from typing import Protocol

from nats.errors import Error as NatsError

# So long after the last sign of life another process gets what this one was handling.
ACK_WAIT_SECONDS = 10.0
# Several signs may come late: a busy process is no dead one.
SIGN_SECONDS = 2.5
# Whatever takes longer than this is stuck, and is handled anew.
MOST_SECONDS = 60.0


class Handled(Protocol):
    """A message that is acknowledged some time."""

    @property
    def is_acked(self) -> bool:
        """Nothing more is to be said about it."""
        ...

    async def in_progress(self) -> None:
        """The broker waits for it anew."""
        ...


class Holding:
    """What was delivered and is not acknowledged yet."""

    def __init__(self) -> None:
        self._since: list[tuple[float, Handled]] = []

    def take(self, message: Handled) -> None:
        """It was just delivered."""
        self._since.append((self._time(), message))

    async def give_signs(self) -> None:
        """For ever. Most facts are handled long before a sign is due."""
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            with suppress(NatsError, OSError):  # a broker that is away delivers everything anew
                await self.give_sign(self._time())

    @property
    def at_hand(self) -> list[Handled]:
        """What is neither acknowledged nor put off."""
        return [message for _, message in self._since if not message.is_acked]

    async def give_sign(self, now: float) -> None:
        """For what has been held since before the last sign, and is not stuck."""
        self._since = [(since, message) for since, message in self._since if not message.is_acked and now - since < MOST_SECONDS]
        for since, message in list(self._since):
            if now - since >= SIGN_SECONDS and not message.is_acked:
                await message.in_progress()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
