"""Handoffs keep their wall-clock time in a zone, whatever the zone's clocks do meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo


class Unit(Enum):
    """How often the duty moves; the value is the number of days."""

    DAILY = 1
    WEEKLY = 7


@dataclass(frozen=True, slots=True)
class Shift:
    """One responder's turn, from `since` until just before `until`. `until` is None when the turn never ends."""

    number: int
    responder: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """Hands the duty on every `length` units at `handoff` o'clock. `zone` is a name of the IANA database."""

    unit: Unit
    length: int
    starts_on: date
    handoff: time
    responders: tuple[str, ...]
    zone: str

    def shift_at(self, at: datetime) -> Shift | None:
        """The shift that holds `at`; None before the first handoff, and always without responders."""
        if not self.responders:
            return None
        if len(set(self.responders)) == 1:
            return self._only_shift(at)
        index = (at.astimezone(ZoneInfo(self.zone)).date() - self.starts_on).days // self._days + 1
        while index >= 0 and self.handoff_instant(index) > at:
            index -= 1
        return self._shift(index) if index >= 0 else None

    def shifts(self, since: datetime, until: datetime) -> Iterator[Shift]:
        """Every shift that touches the range, in order of time."""
        shift = self.shift_at(max(since, self.handoff_instant(0)))
        while shift is not None and shift.since < until:
            yield shift
            # Where clocks skip a whole day two handoffs fall together: shift_at passes over the empty shift between them.
            shift = self.shift_at(shift.until) if shift.until is not None else None

    def handoff_instant(self, index: int) -> datetime:
        """When the shift with this index (from 0) begins, in UTC."""
        day = self.starts_on + timedelta(days=index * self._days)
        return instant_of(datetime.combine(day, self.handoff), ZoneInfo(self.zone))

    @property
    def words(self) -> str:
        """The rotation in words: "weekly rotation"."""
        if self._length == 1:
            return f"{self.unit.name.lower()} rotation"
        return f"rotation every {self._length} {'days' if self.unit is Unit.DAILY else 'weeks'}"

    @property
    def _length(self) -> int:
        return self.length or 1

    @property
    def _days(self) -> int:
        return self.unit.value * self._length

    def _shift(self, index: int) -> Shift:
        responder = self.responders[index % len(self.responders)]
        return Shift(index + 1, responder, self.handoff_instant(index), self.handoff_instant(index + 1))

    def _only_shift(self, at: datetime) -> Shift | None:
        """Somebody who relieves nobody but themselves has one shift without end."""
        since = self.handoff_instant(0)
        return Shift(1, self.responders[0], since, None) if since <= at else None


# Every question about a schedule asks for the same few handoffs.
@lru_cache(maxsize=8192)
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """When clocks in `zone` show `wall`, in UTC: the first time if they do so twice, the first instant after the gap if they never do."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    before, after = sorted((instant, wall.replace(tzinfo=zone, fold=1).astimezone(UTC)))
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=1) // 2)
        before, after = (middle, after) if _wall(middle, zone) < wall else (before, middle)
    return after


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)
