"""Wall-clock time and instants: what clocks of a zone show, and when they show it."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

SECOND = timedelta(seconds=1)
EARLIEST, LATEST = datetime(1970, 1, 1), datetime(2999, 12, 31)
# Stands for "without limit" where instants are compared.
PAST, FUTURE = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
# Names that the database of zones holds and that are no zone.
NO_ZONES = frozenset({"localtime", "Factory"})
WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?")


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """When clocks in `zone` show `wall`, in UTC: the first time if they do so twice, the first instant after the gap if they never do."""
    first = wall.replace(tzinfo=zone)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    assert before is not None and after is not None
    if before >= after:
        return wall.replace(tzinfo=UTC) - before
    return _after_gap(wall, zone)


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in `zone` show at that instant."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Every instant at which clocks in `zone` show `wall`: one, two where it comes twice, none where clocks pass over it."""
    possible = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(instant for instant in possible if wall_of(instant, zone) == wall))


def typed(text: str, zone: ZoneInfo) -> datetime:
    """The instant that a person wrote: "2026-10-25", "2026-10-25T09:00" in `zone`, or with an offset of its own.

    Raises ValueError, for people: it is no time; clocks show it twice (with both readings) or never.
    """
    if not WRITTEN.fullmatch(text):
        raise ValueError(f'{text!r} is not a time such as "2026-11-23T09:00"')
    moment = datetime.fromisoformat(text)
    if not EARLIEST <= moment.replace(tzinfo=None) <= LATEST:
        raise ValueError(f"{text} does not lie between the years {EARLIEST.year} and {LATEST.year}")
    return moment.astimezone(UTC) if moment.tzinfo is not None else only_reading(moment, zone)


def only_reading(wall: datetime, zone: ZoneInfo) -> datetime:
    """The one instant at which clocks show `wall`. Raises ValueError, for people, if there are two or none."""
    match readings(wall, zone):
        case (instant,):
            return instant
        case (first, second):
            both = f"{first.astimezone(zone).isoformat()} or {second.astimezone(zone).isoformat()}"
            raise ValueError(f"{wall:%Y-%m-%d %H:%M} comes twice in {zone.key}: write {both}")
        case _:
            after = instant_of(wall, zone).astimezone(zone)
            raise ValueError(f"{wall:%Y-%m-%d %H:%M} does not exist in {zone.key}: clocks go on to {after.isoformat()}")


@cache
def zone_named(name: str) -> ZoneInfo:
    """The zone of the IANA database. Raises ValueError, for people."""
    if name not in _zones():
        raise ValueError(f"{name!r} is not a time zone of the IANA database, such as Europe/Paris")
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_ZONES


@lru_cache(maxsize=1024)
def _after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    before, after = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while after - before > SECOND:
        middle = before + timedelta(seconds=(after - before) // SECOND // 2)
        before, after = (middle, after) if wall_of(middle, zone) < wall else (before, middle)
    return after
