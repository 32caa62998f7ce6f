"""Restrictions of other systems as windows of the week."""

from datetime import timedelta
from typing import Any

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LONG_DAYS = {day: number for number, day in enumerate(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))}
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def window(start_day: int | None, start: timedelta, lasts: timedelta) -> dict[str, Any] | None:
    """A window that begins on a day of the week (0 is Monday; None: every day) and lasts so long; None if it is the whole time."""
    if lasts >= (WEEK if start_day is not None else DAY):
        return None
    end = start + lasts
    made: dict[str, Any] = {"start": clock(start), "end": clock(end % DAY if end != DAY else DAY)}
    if start_day is None:
        return made
    made["days"] = [DAYS[start_day]]
    days_later = (end - timedelta(microseconds=1)) // DAY
    if days_later > 1 or (days_later == 1 and end % DAY > start):
        made["end_day"] = DAYS[(start_day + end // DAY) % 7]
        made["end"] = clock(end % DAY)
    return made


def between(start_day: int, start: timedelta, end_day: int, end: timedelta) -> dict[str, Any] | None:
    """A window from one time of the week to another; the same time twice is a whole week, or a day where the day is the same."""
    lasts = (end_day * DAY + end - start_day * DAY - start) % WEEK
    if not lasts:
        return None
    return window(start_day, start, lasts)


def clock(at: timedelta) -> str:
    """A time of day: "09:00", "09:00:30", "24:00"."""
    minutes, seconds = divmod(int(at.total_seconds()), 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def time_of(text: str) -> timedelta:
    """The time of day in "09:00:00"."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)
