"""Until when a duty has to be done, and when people are reminded; pure."""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from tocsin_response.obligation.regime import Duty, Span, Unit

A_DAY = timedelta(days=1)
LAST_MOMENT = time(23, 59, 59)
MARKS = (50, 75, 90, 100)

IsBusinessDay = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a regime: in which zone they begin, and which of them are business days."""

    zone: tzinfo
    is_business_day: IsBusinessDay


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when, and how that was counted, for people. Without `at` it is: without undue delay."""

    at: datetime | None
    explanation: str


def deadline(duty: Duty, start: datetime, events: Mapping[str, datetime], days: Days) -> Deadline:
    """The deadline of a duty whose clock started then; `events` are those that are known, for its cap."""
    begun = duty.event or f"the submission of {duty.after}"
    if duty.within is None:
        return Deadline(None, f"without undue delay after {begun}")
    base = _end_of_year(start, days) if duty.from_end_of_year else start
    counted = end_of(duty.within, base, days, duty.day_ends_at)
    said = f"{duty.within} after {'the end of the year of ' if duty.from_end_of_year else ''}{begun}"
    if duty.cap is None or duty.cap.event not in events:
        return Deadline(counted, said)
    limit = end_of(duty.cap.within, events[duty.cap.event], days, duty.day_ends_at)
    if limit >= counted or (duty.cap.lapses and limit < start):
        return Deadline(counted, said)
    return Deadline(max(limit, start), f"{duty.cap.within} after {duty.cap.event}, which is before {said}")


def end_of(span: Span, start: datetime, days: Days, day_ends_at: time | None = None) -> datetime:
    """When a time is over that begins then. Hours go by; what is counted in days or months ends with its last day, there."""
    if span.unit is Unit.HOURS:
        return start.astimezone(UTC) + timedelta(hours=span.amount)
    first = start.astimezone(days.zone).date()
    match span.unit:
        case Unit.CALENDAR_DAYS:
            last = first + span.amount * A_DAY
        case Unit.BUSINESS_DAYS:
            last = _business_days_after(first, span.amount, days.is_business_day)
        case _:
            last = _months_after(first, span.amount)
    ended = datetime.combine(last, day_ends_at or LAST_MOMENT, days.zone).astimezone(UTC)
    return max(ended, start.astimezone(UTC))


def reminders(start: datetime, due: datetime, now: datetime) -> list[tuple[int, datetime]]:
    """When people are reminded, by how much of the time is over. Of those that have passed already only the last one, now."""
    at = [(percent, start + (due - start) * percent / 100) for percent in MARKS]
    passed = [percent for percent, moment in at if moment <= now]
    return [(percent, now) for percent in passed[-1:]] + [(percent, moment) for percent, moment in at if moment > now]


def _business_days_after(day: date, count: int, is_business_day: IsBusinessDay) -> date:
    """The day of the event does not count; if it is no business day, the next one that is counts as the first."""
    while count > 0 or not is_business_day(day):
        day += A_DAY
        if is_business_day(day):
            count -= 1
    return day


def _months_after(day: date, count: int) -> date:
    years, month = divmod(day.month - 1 + count, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _end_of_year(start: datetime, days: Days) -> datetime:
    return datetime(start.astimezone(days.zone).year, 12, 31, 12, tzinfo=days.zone)
