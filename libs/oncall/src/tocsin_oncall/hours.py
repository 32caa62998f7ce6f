"""When a team works, and when a step or a rule of an escalation policy applies."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tocsin_oncall.wall import instant_of, wall_of
from tocsin_oncall.windows import Window

DAY = timedelta(days=1)
# A window is at most a week long, so that one that is open now began within this time.
LOOK_BACK = 8
# Who waits for hours that do not begin within a year waits for ever, and is told so.
LOOK_AHEAD = 370
SEVERITIES = frozenset({1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Hours:
    """Windows of the week in wall-clock time of a zone. On the days of `closed_on` none begins."""

    name: str
    zone: str
    windows: tuple[Window, ...]
    closed_on: frozenset[date] = frozenset()

    def __str__(self) -> str:
        return f"the hours of {self.name}" if self.name else f"its hours in {self.zone}"

    def open_at(self, at: datetime) -> bool:
        """Whether a window is open then."""
        return any(start <= at < end for start, end in self._spans(at, 1))

    def next_change(self, at: datetime, *, opens: bool) -> datetime | None:
        """The first instant from `at` on at which it is open (or shut); None if that is more than a year away."""
        if opens:
            return next((max(start, at) for start, end in self._spans(at, LOOK_AHEAD) if end > at), None)
        shut = at
        for start, end in self._spans(at, LOOK_AHEAD):
            if start <= shut < end:
                shut = end
        return shut if shut - at < LOOK_AHEAD * DAY - LOOK_BACK * DAY else None

    def edges(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """The beginnings and ends of its windows within a range."""
        for span in self._spans(since, (until - since) // DAY + 2):
            yield from (edge for edge in span if since < edge < until)

    def _spans(self, at: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """The windows that begin from a week before until so many days after, by start; those of no length are left out."""
        zone = _zone(self.zone)
        today = wall_of(at, zone).date()
        for offset in range(-LOOK_BACK, days + 1):
            yield from _spans_of(self, today + offset * DAY)


@dataclass(frozen=True, slots=True)
class Condition:
    """When something applies: with one of these severities (none given: any), and inside the hours, or outside of them."""

    severities: frozenset[int] = frozenset()
    hours: Hours | None = None
    outside: bool = False

    @property
    def always(self) -> bool:
        return not self.severities and self.hours is None

    def __str__(self) -> str:
        parts = []
        if self.severities:
            parts.append("for " + " and ".join(f"SEV{severity}" for severity in sorted(self.severities)))
        if self.hours is not None:
            parts.append(f"{'outside' if self.outside else 'within'} {self.hours}")
        return " ".join(parts) or "always"

    def holds(self, severity: int, at: datetime) -> bool:
        if self.severities and severity not in self.severities:
            return False
        return self.hours is None or self.hours.open_at(at) is not self.outside

    def holds_from(self, severity: int, at: datetime) -> datetime | None:
        """The first instant from `at` on at which it holds; None if waiting does not help."""
        if self.severities and severity not in self.severities:
            return None
        return at if self.hours is None else self.hours.next_change(at, opens=not self.outside)


ALWAYS = Condition()


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _spans_of(hours: Hours, day: date) -> list[tuple[datetime, datetime]]:
    if day in hours.closed_on:
        return []
    zone, midnight = _zone(hours.zone), datetime(day.year, day.month, day.day)
    found = []
    for window in hours.windows:
        if window.start // DAY == day.weekday():
            begins = midnight + window.start % DAY
            start, end = instant_of(begins, zone), instant_of(begins + (window.end - window.start), zone)
            if start < end:
                found.append((start, end))
    return sorted(found)
