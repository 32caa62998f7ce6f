"""Instants and durations as people write and read them, in their own zone."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tocsin_client.errors import UsageError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhdw]\s*)+")
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
FORMS = 'an ISO 8601 time ("2026-11-23T09:00", "2026-11-23 09:00+01:00"), "now", "+2h", "in 2h", "-30m" or "2h ago"'


def instant(text: str, now: datetime, argument: str, zone: tzinfo | None = None) -> datetime:
    """The instant that a text means. A time without a zone is one in `zone` (None: the user's). UsageError names `argument`."""
    words = text.strip()
    if words.lower() == "now":
        return now
    try:
        return relative(words, now) or written(words, zone)
    except OtherReadings as error:
        raise UsageError(f"{argument}: {error}") from None
    except (ValueError, OverflowError):
        raise UsageError(f"{argument}: {text!r} is not a time; give {FORMS}") from None


def end(text: str, now: datetime, argument: str, zone: tzinfo | None = None) -> datetime:
    """The instant at which something ends: any instant, or how long it lasts from now ("2h"). UsageError names `argument`."""
    if DURATION.fullmatch(text.strip().lower()):
        return now + duration(text, argument)
    try:
        return instant(text, now, argument, zone)
    except UsageError:
        raise UsageError(f'{argument}: {text!r} is neither a duration such as "2h" nor a time; a time is {FORMS}') from None


def relative(words: str, now: datetime) -> datetime | None:
    """An instant counted from now; None if the words are of another form."""
    if later := re.fullmatch(r"(?:\+|in\s+)(.+)", words):
        return now + span(later[1])
    if earlier := re.fullmatch(r"-(.+)", words) or re.fullmatch(r"(.+?)\s+ago", words):
        return now - span(earlier[1])
    return None


class OtherReadings(ValueError):
    """Clocks show a time twice, or never: only its writer knows what is meant."""


def written(words: str, zone: tzinfo | None) -> datetime:
    """The instant of a time as it is written. OtherReadings, with both of them, if clocks of the zone show it twice or never."""
    moment = datetime.fromisoformat(words)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first < second:
        both = f"{first.astimezone(zone).isoformat()} or {second.astimezone(zone).isoformat()}"
        raise OtherReadings(f"{words} comes twice, because clocks go back: write {both}")
    if second < first:
        raise OtherReadings(
            f"{words} does not exist, because clocks go forward: write {first.astimezone(zone).isoformat()}, or another time"
        )
    return first


def duration(text: str, argument: str) -> timedelta:
    """A length of time such as "2h", "1h30m", "90s", "7d", "2w". UsageError names `argument`."""
    try:
        return span(text)
    except (ValueError, OverflowError):
        raise UsageError(f'{argument}: {text!r} is not a duration; give one such as "30m", "2h", "1h30m" or "7d"') from None


def span(text: str) -> timedelta:
    words = text.strip().lower()
    if not DURATION.fullmatch(words):
        raise ValueError(text)
    return sum((timedelta(**{UNITS[each[2]]: float(each[1])}) for each in PART.finditer(words)), timedelta())


def read(stamp: Any) -> datetime:
    """A protobuf Timestamp as an instant in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def local(message: Any, field: str, zone: tzinfo | None = None) -> str:
    """An instant of a message in the user's zone, "2026-11-23 09:00:00 CET"; empty if it is absent."""
    if not message.HasField(field):
        return ""
    return read(getattr(message, field)).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def age(message: Any, field: str, now: datetime) -> str:
    """How long ago an instant of a message was: "5m"; empty if it is absent."""
    return lasting(now - read(getattr(message, field))) if message.HasField(field) else ""


def length(message: Any, field: str) -> str:
    """A duration of a message: "4m 10s"; "—" if it is absent."""
    if not message.HasField(field):
        return "—"
    value = getattr(message, field)
    return lasting(timedelta(seconds=value.seconds, microseconds=value.nanos // 1000))


def lasting(time: timedelta) -> str:
    """A length of time in its two largest units; never negative, since clocks differ."""
    seconds = max(0, int(time.total_seconds()))
    counted = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((index for index, (count, _) in enumerate(counted) if count), 3)
    return " ".join(f"{count}{unit}" for count, unit in counted[first : first + 2] if count) or "0s"
