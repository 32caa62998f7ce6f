"""Calendars: events of others as duties or absences, and duties as events for others."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr
from icalendar import Calendar
from icalendar import Event as Written

from tocsin_oncall.rhythm import occurs
from tocsin_oncall.wall import instant_of

LONGEST_TEXT = 1_000_000
LEVEL = re.compile(r"^\s*\[L\d+\]\s*")
UNTIL = re.compile(r"UNTIL=(\d{8}(?:T\d{6})?)Z?", re.IGNORECASE)
TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)
# Properties come in so many types that one has to look at the values anyway.
Component = Any

PRODUCT = "-//Tocsin//on call//EN"


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One event, or one recurrence of it. `people` are those whom its text names."""

    start: datetime
    end: datetime
    people: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Events:
    """The events of an iCalendar text. Times without a zone are in `zone`; whole days last from midnight to midnight there.

    An event names whoever its summary (without a prefix such as "[L1]"), its description or an attendee says. `people` are their names by
    what may be written, in small letters. None: whatever the summary says is a name.
    """

    text: str
    zone: ZoneInfo
    people: Mapping[str, str] | None = None

    def between(self, since: datetime, until: datetime) -> Iterator[Event]:
        """The events that touch a range, by start."""
        found: set[Event] = set()
        for year in range(since.year, until.year + 1):
            found.update(event for event in self._of_year(year) if event.end > since and event.start < until)
        yield from sorted(found)

    def _of_year(self, year: int) -> tuple[Event, ...]:
        """Those that touch a year and the days around it: reading them is slow, and they are asked for again and again."""
        if year not in self._years:
            begin, end = datetime(year, 1, 1) - timedelta(days=2), datetime(year + 1, 1, 1) + timedelta(days=2)
            self._years[year] = tuple(sorted(event for series in self._series for event in self._recurrences(series, begin, end)))
        return self._years[year]

    @cached_property
    def _years(self) -> dict[int, tuple[Event, ...]]:
        return {}

    @cached_property
    def _components(self) -> list[Component]:
        return [each for each in calendar_of(self.text).walk("VEVENT") if "DTSTART" in each]

    @cached_property
    def _series(self) -> list[Component]:
        return [each for each in self._components if not _is_cancelled(each)]

    @cached_property
    def _moved(self) -> dict[str, set[datetime]]:
        """By series: the recurrences that another component replaces or cancels."""
        found: dict[str, set[datetime]] = {}
        for each in self._components:
            if "RECURRENCE-ID" in each:
                found.setdefault(str(each.get("UID", "")), set()).add(self._instant(each["RECURRENCE-ID"].dt))
        return found

    def _starts_of(self, component: Component) -> rruleset:
        """What is known of a series is kept: unfolding it begins at its first event every time."""
        if id(component) not in self._unfolded:
            self._unfolded[id(component)] = _starts(component)
        return self._unfolded[id(component)]

    @cached_property
    def _unfolded(self) -> dict[int, rruleset]:
        return {}

    def _recurrences(self, component: Component, begin: datetime, end: datetime) -> Iterator[Event]:
        """The events of one component that touch a range of wall-clock time."""
        first = component["DTSTART"].dt
        lasts = _length(component)
        summary = LEVEL.sub("", str(component.get("SUMMARY", ""))).strip()
        people = self._named(component, summary)
        moved = set() if "RECURRENCE-ID" in component else self._moved.get(str(component.get("UID", "")), set())
        for wall in self._starts_of(component).between(begin - lasts, end, inc=True):
            start = self._instant(_like(first, wall))
            stop = self._instant(_like(first, wall + lasts))
            if start < stop and start not in moved:
                yield Event(start, stop, people, summary)

    def _named(self, component: Component, summary: str) -> tuple[str, ...]:
        if self.people is None:
            return (summary,) if summary else ()
        if summary.lower() in self.people:
            return (self.people[summary.lower()],)
        attendees = component.get("ATTENDEE", [])
        for each in attendees if isinstance(attendees, list) else [attendees]:
            address = str(each).lower().removeprefix("mailto:")
            for written in (address, address.partition("@")[0]):
                if written in self.people:
                    return (self.people[written],)
        text = f"{summary}\n{component.get('DESCRIPTION', '')}".lower()
        named = {name for written, name in self.people.items() if re.search(rf"(?<![\w-]){re.escape(written)}(?![\w-])", text)}
        return tuple(sorted(named))

    def _instant(self, moment: date) -> datetime:
        if not isinstance(moment, datetime):
            return instant_of(datetime.combine(moment, datetime.min.time()), self.zone)
        return moment.astimezone(UTC) if moment.tzinfo is not None else instant_of(moment, self.zone)


def _is_cancelled(component: Component) -> bool:
    return str(component.get("STATUS", "")).upper() == "CANCELLED"


def _length(component: Component) -> timedelta:
    """How long it lasts, in wall-clock time."""
    first = component["DTSTART"].dt
    if "DTEND" in component:
        return _wall(component["DTEND"].dt) - _wall(first)
    if "DURATION" in component:
        lasts: timedelta = component["DURATION"].dt
        return lasts
    return timedelta(0) if isinstance(first, datetime) else timedelta(days=1)


def _starts(component: Component) -> rruleset:
    """When it begins, in the wall-clock time of its own zone: recurrences keep that time whatever clocks do."""
    first = _wall(component["DTSTART"].dt)
    known = rruleset(cache=True)
    known.rdate(first)
    for rule in _listed(component.get("RRULE")):
        known.rrule(_rule(_floating(rule.to_ical().decode(), component["DTSTART"].dt), dtstart=first))
    for day in _days(component.get("RDATE")):
        known.rdate(day)
    for day in _days(component.get("EXDATE")):
        known.exdate(day)
    return known


def _rule(text: str, dtstart: datetime) -> rrule:
    made = rrulestr(text, dtstart=dtstart)
    assert isinstance(made, rrule)
    if not occurs(made):
        raise ValueError("holds an event that recurs on days that never come")
    return made


def _floating(rule: str, first: date) -> str:
    """The rule with its UNTIL in the wall-clock time of the event, as the event's own beginning."""
    found = UNTIL.search(rule)
    if found is None or not isinstance(first, datetime) or first.tzinfo is None:
        return UNTIL.sub(lambda each: f"UNTIL={each[1]}", rule)
    until = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if "T" in found[1] else None
    return rule if until is None else UNTIL.sub(f"UNTIL={until.astimezone(first.tzinfo):%Y%m%dT%H%M%S}", rule)


def _days(given: Any) -> Iterator[datetime]:
    for each in _listed(given):
        for day in each.dts:
            yield _wall(day.dt)


def _listed(given: Any) -> list[Any]:
    return [] if given is None else given if isinstance(given, list) else [given]


def _wall(moment: date) -> datetime:
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else datetime.combine(moment, datetime.min.time())


def _like(first: date, wall: datetime) -> date:
    """A wall-clock time as a value of the same kind as the first one: a day, or a time in the same zone or in none."""
    return wall.replace(tzinfo=first.tzinfo) if isinstance(first, datetime) else wall.date()


def calendar_of(text: str) -> Calendar:
    """The calendar that a text holds. Raises ValueError, for people."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} characters")
    if TOO_OFTEN.search(text):
        raise ValueError("holds an event that recurs more often than hourly")
    try:
        read = Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"is not an iCalendar text: {error}") from None
    if not isinstance(read, Calendar):
        raise ValueError("is not an iCalendar text: it holds no VCALENDAR")
    for component in read.walk("VEVENT"):
        if "DTSTART" in component:
            _checked(component)
    return read


def _checked(component: Component) -> None:
    """Raises ValueError, for people, where its rules cannot be followed."""
    try:
        _starts(component)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot be followed at the event {component.get('SUMMARY', '')!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class Entry:
    """One duty as an event for others."""

    uid: str
    start: datetime
    end: datetime
    summary: str
    description: str


def feed(title: str, entries: Iterable[Entry], written_at: datetime) -> bytes:
    """An iCalendar text of duties that calendars may subscribe to."""
    made = Calendar()
    made.add("PRODID", PRODUCT)
    made.add("VERSION", "2.0")
    made.add("METHOD", "PUBLISH")
    made.add("X-WR-CALNAME", title)
    made.add("REFRESH-INTERVAL", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    made.add("X-PUBLISHED-TTL", "PT1H")
    for entry in entries:
        made.add_component(_component(entry, written_at))
    return bytes(made.to_ical())


def _component(entry: Entry, written_at: datetime) -> Component:
    event: Component = Written()
    event.add("UID", entry.uid)
    event.add("DTSTAMP", written_at.astimezone(UTC))
    event.add("DTSTART", entry.start.astimezone(UTC))
    event.add("DTEND", entry.end.astimezone(UTC))
    event.add("SUMMARY", entry.summary)
    event.add("DESCRIPTION", entry.description)
    event.add("TRANSP", "TRANSPARENT")
    return event
