"""Every call has a deadline, and it shrinks on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from tocsin_chassis.grpc.wrapping import Around, Call

MARGIN_SECONDS = 0.05

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class Deadlines(Around):
    """Gives a call without a deadline the longest allowed one, and cancels the handler when time is up. Streams may last."""

    def __init__(self, longest: float, streaming: frozenset[str]) -> None:
        self._longest = longest
        self._streaming = streaming

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        if call.method in self._streaming:
            yield
            return
        given = call.context.time_remaining()
        seconds = self._longest if given is None else min(given, self._longest)
        token = _ends_at.set(asyncio.get_running_loop().time() + seconds)
        try:
            async with asyncio.timeout(seconds):
                yield
        finally:
            _ends_at.reset(token)


def remaining(default: float) -> float:
    """How many seconds a call to another service may take: `default`, or what is left of the call being handled."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return default
    return max(0.0, min(default, ends_at - asyncio.get_running_loop().time() - MARGIN_SECONDS))
