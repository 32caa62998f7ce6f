"""When turns begin: every so many units, at every window of the week, or by a rule of recurrence.

Turns are numbered from 0, which begins at the anchor. All three kinds answer the same questions.
"""

import calendar
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from dateutil.rrule import rruleset, rrulestr

from tocsin_oncall.wall import FUTURE, LATEST, instant_of, wall_of
from tocsin_oncall.windows import MONDAY, WEEK, Window

SLOWEST_RULE = 4
MOST_OCCURRENCES = 300_000


class Unit(Enum):
    """What the length of a turn is counted in; the value is its seconds, as far as it has so many."""

    CUSTOM = 1
    HOURLY = 3600
    DAILY = 86400
    WEEKLY = 604800
    MONTHLY = 0


class Boundary(Enum):
    """What stays regular when clocks change: the time they show, or the time that has passed."""

    WALL = "wall"
    ELAPSED = "elapsed"


class Stretch(NamedTuple):
    """Part of a turn, or all of it: from `start` until just before `end`."""

    start: datetime
    end: datetime
    turn: int


class Rhythm(Protocol):
    """When turns begin."""

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose clocks it follows."""
        ...

    def wall(self, turn: int) -> datetime:
        """The planned wall-clock time at which a turn begins."""
        ...

    def instant(self, turn: int) -> datetime:
        """When a turn begins."""
        ...

    def turn_at(self, at: datetime) -> int:
        """The last turn that has begun by then; negative before the anchor."""
        ...

    def stretches(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        """The parts of turns (from 0) with duty that touch a range, in order of their beginning. None is empty."""
        ...


@dataclass(frozen=True)
class Turns:
    """Turns follow each other without a pause. Their lengths, counted in units, repeat."""

    unit: Unit
    lengths: tuple[int, ...]
    anchor: datetime
    zone: ZoneInfo
    boundary: Boundary = Boundary.WALL

    @cached_property
    def _prefix(self) -> list[int]:
        sums = [0]
        for length in self.lengths:
            sums.append(sums[-1] + length)
        return sums

    @cached_property
    def _begin(self) -> datetime:
        return instant_of(self.anchor, self.zone)

    def _units(self, turn: int) -> int:
        rounds, rest = divmod(turn, len(self.lengths))
        return rounds * self._prefix[-1] + self._prefix[rest]

    def wall(self, turn: int) -> datetime:
        if self.unit is Unit.MONTHLY:
            return months_after(self.anchor, self._units(turn))
        return self.anchor + timedelta(seconds=self._units(turn) * self.unit.value)

    def instant(self, turn: int) -> datetime:
        if self.boundary is Boundary.ELAPSED:
            return self._begin + timedelta(seconds=self._units(turn) * self.unit.value)
        return instant_of(self.wall(turn), self.zone)

    def turn_at(self, at: datetime) -> int:
        turn = self._near(at)
        while self.instant(turn) > at:
            turn -= 1
        while self.instant(turn + 1) <= at:
            turn += 1
        return turn

    def stretches(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        turn = max(self.turn_at(since), 0)
        start = self.instant(turn)
        while start < until:
            end = self.instant(turn + 1)
            # Where clocks skip a whole day two handoffs fall together, and the turn between them has no time.
            if start < end:
                yield Stretch(start, end, turn)
            turn, start = turn + 1, end

    def _near(self, at: datetime) -> int:
        """About the turn at an instant."""
        shown = wall_of(at, self.zone)
        if self.unit is Unit.MONTHLY:
            units = (shown.year - self.anchor.year) * 12 + shown.month - self.anchor.month
        elif self.boundary is Boundary.ELAPSED:
            units = (at - self._begin) // timedelta(seconds=self.unit.value)
        else:
            units = (shown - self.anchor) // timedelta(seconds=self.unit.value)
        rounds, rest = divmod(units, self._prefix[-1])
        return rounds * len(self.lengths) + bisect_right(self._prefix, rest) - 1


@dataclass(frozen=True)
class Occurrences:
    """A turn is so many windows of the week that follow each other: on weekdays, say, everybody has a day in turn."""

    windows: tuple[Window, ...]
    count: int
    anchor: datetime
    zone: ZoneInfo

    @cached_property
    def _sorted(self) -> tuple[Window, ...]:
        return tuple(sorted(self.windows))

    @cached_property
    def _first(self) -> int:
        """The number, counted from the week of 1970-01-05, of the first window from the anchor on."""
        week = (self.anchor - MONDAY) // WEEK
        into = self.anchor - MONDAY - week * WEEK
        return week * len(self._sorted) + sum(each.start < into for each in self._sorted)

    def wall(self, turn: int) -> datetime:
        return self._start(self._first + turn * self.count)

    def instant(self, turn: int) -> datetime:
        return instant_of(self.wall(turn), self.zone)

    def turn_at(self, at: datetime) -> int:
        return (self._number_at(at) - self._first) // self.count

    def stretches(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        # A window may last a week, so the one before may still hold.
        number = max(self._number_at(since) - len(self._sorted) - 1, self._first)
        while (start := instant_of(self._start(number), self.zone)) < until:
            end = instant_of(self._end(number), self.zone)
            if start < end and end > since:
                yield Stretch(start, end, (number - self._first) // self.count)
            number += 1

    def _number_at(self, at: datetime) -> int:
        """The last window that has begun by then."""
        number = (wall_of(at, self.zone) - MONDAY) // WEEK * len(self._sorted)
        while instant_of(self._start(number), self.zone) > at:
            number -= 1
        while instant_of(self._start(number + 1), self.zone) <= at:
            number += 1
        return number

    def _start(self, number: int) -> datetime:
        week, index = divmod(number, len(self._sorted))
        return MONDAY + week * WEEK + self._sorted[index].start

    def _end(self, number: int) -> datetime:
        week, index = divmod(number, len(self._sorted))
        return MONDAY + week * WEEK + self._sorted[index].end


@dataclass(frozen=True)
class Rule:
    """Occurrences by an RRULE (with RDATE and EXDATE), each so long. A turn is so many of them, or so many periods of the rule."""

    text: str
    anchor: datetime
    lasts: timedelta
    count: int
    by_period: bool
    zone: ZoneInfo
    boundary: Boundary = Boundary.WALL

    def __post_init__(self) -> None:
        assert self.count > 0 and self.lasts > timedelta(0)

    def wall(self, turn: int) -> datetime:
        if self.by_period:
            return self._period_start(turn * self.count)
        return self._occurrence(turn * self.count)

    def instant(self, turn: int) -> datetime:
        wall = self.wall(turn)
        return instant_of(wall, self.zone) if wall < LATEST else FUTURE

    def turn_at(self, at: datetime) -> int:
        if self.by_period:
            return self._period(wall_of(at, self.zone)) // self.count
        shown = wall_of(at, self.zone)
        self._know(shown)
        number = bisect_right(self._known, shown) - 1
        while number + 1 < len(self._known) and instant_of(self._known[number + 1], self.zone) <= at:
            number += 1
        return number // self.count

    def stretches(self, since: datetime, until: datetime) -> Iterator[Stretch]:
        self._know(wall_of(until, self.zone) + timedelta(days=1))
        begin = wall_of(since, self.zone) - self.lasts - timedelta(days=1)
        for number in range(max(bisect_right(self._known, begin) - 1, 0), len(self._known)):
            start = instant_of(self._known[number], self.zone)
            if start >= until:
                break
            end = start + self.lasts if self.boundary is Boundary.ELAPSED else instant_of(self._known[number] + self.lasts, self.zone)
            if start < end and end > since:
                yield Stretch(start, end, self._turn(number))

    def _turn(self, number: int) -> int:
        return (self._period(self._known[number]) if self.by_period else number) // self.count

    def _occurrence(self, number: int) -> datetime:
        while len(self._known) <= number and self._more():
            pass
        return self._known[number] if 0 <= number < len(self._known) else LATEST

    def _know(self, until: datetime) -> None:
        """Every occurrence until that time is known, and one more if there is one."""
        while (not self._known or self._known[-1] <= until) and self._more():
            pass

    def _more(self) -> bool:
        found = next(self._coming, None)
        if found is None or found > LATEST or len(self._known) >= MOST_OCCURRENCES:
            return False
        self._known.append(found)
        return True

    @cached_property
    def _known(self) -> list[datetime]:
        return []

    @cached_property
    def _coming(self) -> Iterator[datetime]:
        return iter(rule_of(self.text, self.anchor))

    @cached_property
    def _base(self) -> "_Period":
        return _period(self.text, self.anchor)

    def _period(self, wall: datetime) -> int:
        """How many periods of the rule lie between the anchor's and this time's."""
        every, first = self._base.every, self.anchor.date()
        match self._base.frequency:
            case 0:
                return (wall.year - first.year) // every
            case 1:
                return ((wall.year - first.year) * 12 + wall.month - first.month) // every
            case 2:
                return (self._week_start(wall.date()) - self._week_start(first)).days // 7 // every
            case 3:
                return (wall.date() - first).days // every
            case _:
                return (wall - self.anchor) // timedelta(hours=every)

    def _period_start(self, period: int) -> datetime:
        every, first = self._base.every, self.anchor.date()
        match self._base.frequency:
            case 0:
                return datetime(first.year + period * every, 1, 1)
            case 1:
                return months_after(datetime(first.year, first.month, 1), period * every)
            case 2:
                return datetime.combine(self._week_start(first) + timedelta(weeks=period * every), datetime.min.time())
            case 3:
                return datetime.combine(first + timedelta(days=period * every), datetime.min.time())
            case _:
                return self.anchor + timedelta(hours=period * every)

    def _week_start(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self._base.week_start) % 7)


@dataclass(frozen=True, slots=True)
class _Period:
    """What an RRULE counts in: 0 years, 1 months, 2 weeks, 3 days, 4 hours; every so many; a week begins on this weekday."""

    frequency: int
    every: int
    week_start: int


def rule_of(text: str, anchor: datetime) -> rruleset:
    """The rule as a library understands it, in wall-clock time. Raises ValueError, for people."""
    for line in text.upper().splitlines():
        name = line.partition(":")[0].partition(";")[0].strip()
        if ":" in line and name not in ("RRULE", "RDATE", "EXDATE"):
            raise ValueError(f"may hold RRULE, RDATE and EXDATE, not {name}; the beginning is given by start")
    try:
        parsed = rrulestr(text, dtstart=anchor, forceset=True, ignoretz=True)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f'is not a rule such as "FREQ=WEEKLY;BYDAY=MO,TU": {error}') from None
    assert isinstance(parsed, rruleset)
    if any(rule._freq > SLOWEST_RULE for rule in _rules(parsed)):
        raise ValueError("must not recur more often than hourly")
    if not all(occurs(rule) for rule in _rules(parsed)):
        raise ValueError("names days that never come")
    return parsed


@lru_cache(maxsize=1024)
def _ever_occurs(rule: str) -> bool:
    return next(iter(rrulestr(rule)), None) is not None


def occurs(rule: Any) -> bool:
    """Whether a rule ever matches. One that does not is searched to the end of all calendars, so it must be found out once, and refused."""
    return _ever_occurs(str(rule.replace(until=None, count=None)))


def _rules(known: rruleset) -> list[Any]:
    """Its RRULEs. The library keeps what it read to itself, and has no other way to ask for it."""
    rules: list[Any] = getattr(known, "_rrule")  # noqa: B009
    return rules


def _period(text: str, anchor: datetime) -> _Period:
    """By what turns are counted; without an RRULE every day is a period."""
    for rule in _rules(rule_of(text, anchor)):
        return _Period(rule._freq, rule._interval, rule._wkst)
    return _Period(3, 1, 0)


def months_after(wall: datetime, months: int) -> datetime:
    """The same day of another month, or its last day if it is too short."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    day = min(wall.day, calendar.monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day)
