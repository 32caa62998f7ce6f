"""What a pull has brought: messages that are not handled yet, and what the broker says of the pull itself."""

import asyncio
import contextlib
from collections.abc import Collection

from nats.aio.msg import Msg

from tocsin_chassis.events.holding import Holding

SILENCE_SECONDS = 15.0


class LineLost(Exception):
    """The broker was away: the pull went with it, and what it had delivered may not have arrived."""


class Arrivals:
    """Messages that have arrived and are not handled yet."""

    def __init__(self, patient: Collection[str], most: int, holding: Holding) -> None:
        self._patient = patient
        self._most = most
        self._holding = holding
        self._messages: list[Msg] = []
        self._some = asyncio.Event()
        self._pressing = asyncio.Event()
        self._cut_off = False

    def cut_off(self) -> None:
        """The broker knows of no pull any more."""
        self._cut_off = True
        self._some.set()
        self._pressing.set()

    async def add(self, message: Msg) -> None:
        """The subscription calls this for each."""
        self._messages.append(message)
        if _status(message) is None:
            self._holding.take(message)
        self._some.set()
        if len(self._messages) >= self._most or not self._may_wait(message):
            self._pressing.set()

    async def gather(self, patience: float, *, at_once: bool = False) -> list[Msg]:
        """What has arrived, waiting for the first, and then for more as long as nobody waits for any of it.

        `at_once`: without waiting at all. Raises TimeoutError when not even a sign of life comes, LineLost when none will come.
        """
        if not at_once:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._some.wait()
        if patience and not at_once and not self._pressing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._pressing.wait()
        if self._cut_off:
            raise LineLost
        gathered, self._messages = self._messages, []
        self._some.clear()
        self._pressing.clear()
        return gathered

    def _may_wait(self, message: Msg) -> bool:
        """Whether nobody waits for this fact. Where many are behind it, they fill the batch before patience ends."""
        return message.subject.rpartition(".")[0] in self._patient


def messages_of(arrived: list[Msg]) -> tuple[list[Msg], bool]:
    """The messages among what has arrived, and whether the pull has ended. Raises ConnectionError if the consumer is gone."""
    batch, ended = [], False
    for message in arrived:
        status = _status(message)
        if status is None:
            batch.append(message)
        elif status == "409" and "Consumer Deleted" in str(message.headers):
            raise ConnectionError("the consumer was deleted")
        elif status != "100":
            ended = True
    return batch, ended


def _status(message: Msg) -> str | None:
    """What the broker says by this instead of a fact; None if it is one."""
    return (message.headers or {}).get("Status") if not message.data else None
