"""Since when this process hears what senders say: silence from before may be its own deafness."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tocsin_kernel.clock import Clock

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Listening:
    """While detection or its database was down nobody could be heard. What was expected from before gets a grace first."""

    def __init__(self, clock: Clock, grace: timedelta) -> None:
        self._clock = clock
        self._grace = grace
        self._since = clock.now()
        self._deaf = False

    @contextmanager
    def attempt(self) -> Iterator[datetime]:
        """Gives the instant that a sender must have been heard since for its silence to count. A failure inside is deafness."""
        now = self._clock.now()
        try:
            if self._deaf:
                self._since, self._deaf = now, False
            yield self._since if now < self._since + self._grace else LONG_AGO
        except Exception:
            self._deaf = True
            raise
