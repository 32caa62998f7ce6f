"""A maintenance window: planned work holds alerts back, once or again and again, by the clock on the wall. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrule, rrulestr

from tocsin_detection.noise.matcher import Matchers
from tocsin_kernel.errors import AlreadyExists, Conflict, Invalid, NotFound

# A rule that names a day which never comes must not be followed for ever.
HORIZON = timedelta(days=5 * 366)
KNOWN_AHEAD = 20
EARLIEST, LATEST = datetime(2000, 1, 1), datetime(2999, 12, 31)
LONGEST = timedelta(days=31)
ALWAYS = ("FREQ", "INTERVAL", "WKST", "UNTIL")
# What may be said with each frequency. The library looks for the next time until the year 9999: day by day that takes half a minute
# where none comes, so that the frequent ones take only what always comes again.
ALLOWED = {
    "DAILY": (*ALWAYS, "BYDAY"),
    "WEEKLY": (*ALWAYS, "BYDAY"),
    "MONTHLY": (*ALWAYS, "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"),
    "YEARLY": (*ALWAYS, "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO"),
}
# After so many years the calendar is the same again, to the day of the week.
CYCLE = 400
MOST_INTERVAL = 1_000
LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
UNTIL = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?")
# Names that the database of zones holds and that are no zone.
NO_ZONES = frozenset({"localtime", "Factory"})


class WindowInvalid(Invalid):
    """`field` names what to mend."""

    reason = "MAINTENANCE_WINDOW_INVALID"


class WindowNotFound(NotFound):
    reason = "MAINTENANCE_WINDOW_NOT_FOUND"
    message = "there is no maintenance window {window}"


class WindowExists(AlreadyExists):
    reason = "MAINTENANCE_WINDOW_EXISTS"
    message = "there is a maintenance window {window} already; choose another name"


class WindowKeptInFiles(Conflict):
    reason = "MAINTENANCE_WINDOW_KEPT_IN_FILES"
    message = "maintenance window {window} is kept in files; remove it there and apply them with prune"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window is open: from `starts_at` until just before `ends_at`."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """One window. `starts_at` is a time on the wall of `zone`; `length` too: 22:00 and 8 hours end at 06:00, whatever the clocks do.

    Empty `services` leave the choice to the matchers, and the other way round. `closed_at` is when somebody closed it last.
    """

    name: str
    description: str
    services: tuple[str, ...]
    matchers: Matchers
    zone: str
    starts_at: datetime
    length: timedelta
    recurrence: str
    created_by: str
    created_at: datetime
    kept_in_files: bool
    closed_at: datetime | None = None

    @property
    def reason(self) -> str:
        """What is done, for people."""
        made = f", planned by {self.created_by}" if self.created_by else ""
        return f"maintenance {self.name}{made}" + (f": {self.description}" if self.description else "")


def occurrences(window: Window, after: datetime, most: int = KNOWN_AHEAD) -> list[Occurrence]:
    """When it is open, from what is open at `after` on: at most so many times, and at most five years ahead."""
    return list(islice((found for found in _all(window, after) if found.ends_at > after), most))


def check(window: Window, field: str) -> None:
    """Raises WindowInvalid, which names what is wrong below `field`."""
    if not window.services and not window.matchers:
        raise WindowInvalid(field=f"{field}.matchers", detail="it is about nothing; give services, matchers or both")
    if not timedelta(minutes=1) <= window.length <= LONGEST:
        raise WindowInvalid(field=f"{field}.length", detail=f"must be between a minute and {LONGEST.days} days")
    if window.recurrence:
        _check_recurrence(window, f"{field}.recurrence")


def zone_of(name: str, field: str) -> str:
    """The name of a time zone; empty: UTC. Raises WindowInvalid."""
    if name and name not in _zones():
        raise WindowInvalid(field=field, detail=f"{name!r} is not a time zone of the IANA database, such as Europe/Paris")
    return name or "UTC"


def on_the_wall(text: str, field: str) -> datetime:
    """A time on a wall, such as 2026-12-01T22:00. Raises WindowInvalid."""
    try:
        found = datetime.fromisoformat(text) if LOCAL.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not EARLIEST <= found <= LATEST:
        detail = f"{text!r} is not a time on the wall between 2000 and 2999, such as 2026-12-01T22:00; the zone stands beside it"
        raise WindowInvalid(field=field, detail=detail)
    return found


@dataclass(slots=True)
class Calendar:
    """A window whose next times are remembered, so that it costs nothing to ask whether it is open. Asked with rising instants."""

    window: Window
    _known: list[Occurrence] = field(default_factory=list)
    _from: datetime | None = None
    _until: datetime | None = None

    def open_at(self, now: datetime) -> Occurrence | None:
        """The time that is open now."""
        if self._from is None or self._until is None or not self._from <= now < self._until:
            self._look(now)
        return next((each for each in self._known if each.starts_at <= now < each.ends_at), None)

    def _look(self, now: datetime) -> None:
        self._known = occurrences(self.window, now)
        complete = len(self._known) < KNOWN_AHEAD
        self._from, self._until = now, now + HORIZON / 2 if complete else self._known[-1].starts_at


def _all(window: Window, after: datetime) -> Iterator[Occurrence]:
    zone = ZoneInfo(window.zone)
    local = after.astimezone(zone).replace(tzinfo=None)
    for start in _starts(window, local - window.length - timedelta(days=1), local + HORIZON):
        opened = start.replace(tzinfo=zone).astimezone(UTC)
        closed = (start + window.length).replace(tzinfo=zone).astimezone(UTC)
        # In the hour that a clock leaps over, start and end on the wall can be the same instant.
        closed = closed if closed > opened else opened + window.length
        if window.closed_at is not None and opened <= window.closed_at < closed:
            closed = window.closed_at
        yield Occurrence(opened, closed)


def _starts(window: Window, earliest: datetime, latest: datetime) -> Iterator[datetime]:
    """Its starts on the wall, from `earliest` on."""
    if not window.recurrence:
        yield from (window.starts_at,)
        return
    last = until_of(window.recurrence, window.zone)
    for start in rule_of(window.recurrence, window.starts_at, min(latest, last) if last else latest):
        if start >= earliest:
            yield start


def rule_of(recurrence: str, first: datetime, until: datetime) -> rrule:
    """The recurrence from its first time on, at most until an instant on the wall. Raises ValueError."""
    parts = ";".join(part for part in _parts(recurrence) if not part.startswith("UNTIL="))
    found = rrulestr(parts, dtstart=first)
    if not isinstance(found, rrule):
        raise ValueError("it holds more than one rule")
    return found.replace(until=until)


def until_of(recurrence: str, zone: str) -> datetime | None:
    """The last instant of a recurrence, on the wall of the zone; None if it has none. Raises ValueError."""
    given = next((part.removeprefix("UNTIL=") for part in _parts(recurrence) if part.startswith("UNTIL=")), None)
    if given is None:
        return None
    found = UNTIL.fullmatch(given)
    if found is None:
        raise ValueError(f"UNTIL={given} is neither 20261224 nor 20261224T220000 nor 20261224T220000Z")
    year, month, day, hour, minute, second, is_utc = found.groups()
    on = date(int(year), int(month), int(day))
    at = time(int(hour), int(minute), int(second)) if hour else time.max
    instant = datetime.combine(on, at)
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) if is_utc else instant


def _check_recurrence(window: Window, field: str) -> None:
    try:
        _check_parts(window.recurrence)
        until_of(window.recurrence, window.zone)
        comes = _comes(window)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise WindowInvalid(field=field, detail=f"is no recurrence such as FREQ=WEEKLY;BYDAY=SU: {error}") from error
    if not comes:
        raise WindowInvalid(field=field, detail="names a day that does not come within five years")


def _comes(window: Window) -> bool:
    """Whether it ever opens, tried in the last cycle of the calendar, where a search for what never comes is soon over."""
    first = window.starts_at.replace(year=window.starts_at.year + (9999 - window.starts_at.year) // CYCLE * CYCLE)
    found = next(iter(rule_of(window.recurrence, first, datetime.max)), None)
    return found is not None and found - first <= HORIZON


def _check_parts(recurrence: str) -> None:
    """Only rules of days: they are cheap to follow, and what a window needs."""
    pairs = [part.partition("=") for part in _parts(recurrence)]
    given = {name: text for name, _, text in pairs}
    if len(given) < len(pairs):
        raise ValueError("a part is given twice")
    allowed = ALLOWED.get(given.get("FREQ", ""))
    if allowed is None:
        raise ValueError(f"FREQ is one of {', '.join(ALLOWED)}")
    unknown = next((name for name in given if name not in allowed), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is not possible with FREQ={given['FREQ']}; use {', '.join(allowed)}")
    interval = given.get("INTERVAL", "1")
    if not (interval.isascii() and interval.isdigit() and 1 <= int(interval) <= MOST_INTERVAL):
        raise ValueError(f"INTERVAL is a number from 1 to {MOST_INTERVAL}, not {interval!r}")
    if given["FREQ"] == "DAILY" and "BYDAY" in given and interval != "1":
        raise ValueError("BYDAY is possible with FREQ=DAILY only every day; use FREQ=WEEKLY")


def _parts(recurrence: str) -> list[str]:
    return [part.strip() for part in recurrence.strip().upper().removeprefix("RRULE:").strip(";").split(";")]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)
