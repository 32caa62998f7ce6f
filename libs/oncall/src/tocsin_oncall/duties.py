"""What each person has on call over several schedules: spans of duty, conflicts, and how fairly the load is shared."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tocsin_oncall.ical import Event
from tocsin_oncall.render import Shift
from tocsin_oncall.stand import contact_of
from tocsin_oncall.wall import instant_of, wall_of

NIGHT = (time(22), time(6))
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
UTC_ZONE = ZoneInfo("UTC")


class Span(NamedTuple):
    """One person is on call for one schedule, without a pause."""

    start: datetime
    end: datetime
    responder: str
    schedule: str


class Clash(Enum):
    """What a duty clashes with."""

    ABSENCE = "absence"
    HOLIDAY = "holiday"
    DOUBLE_DUTY = "double duty"
    REST = "rest"


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """A duty that clashes with something."""

    start: datetime
    end: datetime
    responder: str
    kind: Clash
    schedules: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one person carries."""

    responder: str
    hours: float
    night_hours: float
    nights: int
    weekend_hours: float
    weekends: int
    duties: int
    longest_hours: float
    shortest_rest_hours: float | None


@dataclass(frozen=True, slots=True)
class Away:
    """Events that keep people from duty: those of one responder, or of everybody (None)."""

    responder: str | None
    events: tuple[Event, ...]


def spans(shifts: Mapping[str, Iterable[Shift]]) -> list[Span]:
    """Each person's duties without a pause, by schedule, by start. A contact that a policy names is no person."""
    found: list[Span] = []
    for schedule, listed in shifts.items():
        open_: dict[str, Span] = {}
        for shift in listed:
            for name in (each for each in shift.responders if not contact_of(each)):
                before = open_.get(name)
                if before is not None and before.end == shift.start:
                    open_[name] = before._replace(end=shift.end)
                else:
                    if before is not None:
                        found.append(before)
                    open_[name] = Span(shift.start, shift.end, name, schedule)
        found.extend(open_.values())
    return sorted(found)


def conflicts(duties: Sequence[Span], away: Iterable[Away], rest: Mapping[str, timedelta]) -> list[Conflict]:
    """Everything that duties clash with, by start. `rest` is the least rest by schedule."""
    listed = list(away)
    found = [conflict for span in duties for each in listed if each.responder in (None, span.responder) for conflict in _away(span, each)]
    for held in _by_person(duties).values():
        found += _double(held)
        found += _tired(held, rest)
    return sorted(found)


def fairness(duties: Sequence[Span], zones: Mapping[str, ZoneInfo]) -> list[Load]:
    """The load of each person, most hours first. What two schedules ask at once counts once."""
    loads = [_load(name, held, zones.get(name, UTC_ZONE)) for name, held in _by_person(duties).items()]
    return sorted(loads, key=lambda load: (-load.hours, load.responder))


def _by_person(duties: Iterable[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = defaultdict(list)
    for span in duties:
        found[span.responder].append(span)
    return found


def _away(span: Span, away: Away) -> Iterator[Conflict]:
    for event in away.events:
        start, end = max(span.start, event.start), min(span.end, event.end)
        if start < end:
            kind = Clash.HOLIDAY if away.responder is None else Clash.ABSENCE
            said = "it is a holiday" if away.responder is None else f"{span.responder} is away"
            detail = f"{span.responder} is on call for {span.schedule}, but {said}" + (f": {event.summary}" if event.summary else "")
            yield Conflict(start, end, span.responder, kind, (span.schedule,), detail)


def _double(held: Sequence[Span]) -> Iterator[Conflict]:
    for number, span in enumerate(held):
        for other in held[number + 1 :]:
            if other.start >= span.end:
                break
            end = min(span.end, other.end)
            detail = f"{span.responder} is on call for {span.schedule} and {other.schedule} at once"
            yield Conflict(other.start, end, span.responder, Clash.DOUBLE_DUTY, (span.schedule, other.schedule), detail)


def _tired(held: Sequence[Span], rest: Mapping[str, timedelta]) -> Iterator[Conflict]:
    for before, after in pairwise(_joined(held)):
        pause, least = after.start - before.end, rest.get(after.schedule, timedelta(0))
        if timedelta(0) < pause < least:
            detail = (
                f"{after.responder} has {pause / HOUR:g} h of rest before the duty for {after.schedule}; the least is {least / HOUR:g} h"
            )
            schedules = tuple(dict.fromkeys((before.schedule, after.schedule)))
            yield Conflict(before.end, after.start, after.responder, Clash.REST, schedules, detail)


def _joined(held: Sequence[Span]) -> list[Span]:
    """The times at which a person has any duty: overlapping and touching ones are one."""
    found: list[Span] = []
    for span in sorted(held):
        if found and span.start <= found[-1].end:
            found[-1] = found[-1]._replace(end=max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _load(name: str, held: Sequence[Span], zone: ZoneInfo) -> Load:
    joined = _joined(held)
    lengths = [(span.end - span.start) / HOUR for span in joined]
    nights = [part for span in joined for part in _nights(span, zone)]
    weekends = [part for span in joined for part in _weekends(span, zone)]
    rests = [(after.start - before.end) / HOUR for before, after in pairwise(joined)]
    return Load(
        responder=name,
        hours=sum(lengths),
        night_hours=sum(hours for _, hours in nights),
        nights=len({day for day, _ in nights}),
        weekend_hours=sum(hours for _, hours in weekends),
        weekends=len({day for day, _ in weekends}),
        duties=len(joined),
        longest_hours=max(lengths),
        shortest_rest_hours=min(rests, default=None),
    )


def _nights(span: Span, zone: ZoneInfo) -> Iterator[tuple[datetime, float]]:
    """The nights of a duty, by the day on which each begins, and their hours."""
    for day in _days(span, zone):
        yield from _part(
            span, day, instant_of(datetime.combine(day, NIGHT[0]), zone), instant_of(datetime.combine(day + DAY, NIGHT[1]), zone)
        )


def _weekends(span: Span, zone: ZoneInfo) -> Iterator[tuple[datetime, float]]:
    """The weekends of a duty, by their Saturday, and their hours."""
    for day in _days(span, zone):
        if day.weekday() == 5:
            yield from _part(span, day, instant_of(day, zone), instant_of(day + 2 * DAY, zone))


def _days(span: Span, zone: ZoneInfo) -> Iterator[datetime]:
    """Every day that a duty touches, and the one before."""
    day = datetime.combine(wall_of(span.start, zone).date(), time()) - DAY
    while day <= wall_of(span.end, zone):
        yield day
        day += DAY


def _part(span: Span, day: datetime, start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    hours = (min(span.end, end) - max(span.start, start)) / HOUR
    if hours > 0:
        yield day, hours
