"""Time comes in by the door: whoever needs it takes a Clock."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class FollowingClock:
    """Follows another clock (the database's): set from time to time, running on the monotonic clock in between.

    A worker whose own clock is wrong or jumps therefore fires no timer early or late.
    """

    def __init__(self) -> None:
        self._base = datetime.now(UTC)
        self._since = time.monotonic()

    def now(self) -> datetime:
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def follow(self, instant: datetime) -> None:
        """It is `instant` (with a zone) now, says the clock that is followed."""
        self._base = instant.astimezone(UTC)
        self._since = time.monotonic()


class ManualClock:
    """Stands still until it is moved. For tests and simulations."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def forward(self, by: timedelta) -> datetime:
        """Move on by a duration; returns the new instant."""
        self._now += by
        return self._now
