"""Whether a service knows what has been said: not at its start, and not after the broker was away, until its consumers have caught up."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from tocsin_chassis.events.line import Line

log = logging.getLogger(__name__)

# Whoever has not caught up by then goes on without: a page too many is better than none. It is long enough for a start and for the usual
# restart of a broker, and short beside the shortest delay that a policy has.
MOST_SECONDS = 5.0
# A broker that is back hears only now what others had to say meanwhile: their relays connect again and publish within this time.
RETURN_SECONDS = 1.0


class Hearing:
    """Timers that ask somebody wait by it: what calls them off may have been said already, and lie in the stream."""

    def __init__(self, line: Line, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: set[str] = set()
        self._behind: set[str] = set()
        self._since = self._not_before = now()
        self._changed = asyncio.Event()
        line.on_loss(self._lost)
        line.on_return(self._returned)

    def begin(self) -> None:
        """The service begins to listen: from now on it is waited for those that are behind."""
        self._since = self._now()

    def behind(self, consumer: str) -> None:
        """This one begins anew and does not know yet what its stream holds."""
        self._known.add(consumer)
        if not self._behind:
            self._since = self._now()
        self._behind.add(consumer)

    def caught_up(self, consumer: str) -> None:
        """What its stream held when it began is handled."""
        self._behind.discard(consumer)
        self._changed.set()

    @property
    def is_clear(self) -> bool:
        """Whoever is to be asked may be asked."""
        return self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """How long is waited at most from now on."""
        now = self._now()
        return max(self._not_before - now, self._since + MOST_SECONDS - now if self._behind else 0.0, 0.0)

    async def wait(self) -> None:
        """Until everything is heard, or has been waited for long enough."""
        if self.is_clear:
            return
        while (left := self.seconds_left) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
        if self._behind:
            log.warning("timers go on though this is not heard to its end: %s", ", ".join(sorted(self._behind)))

    def _lost(self) -> None:
        self._behind |= self._known
        self._since = self._now()

    def _returned(self) -> None:
        self._behind |= self._known
        self._since = self._now()
        self._not_before = self._since + RETURN_SECONDS
