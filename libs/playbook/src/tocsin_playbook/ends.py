"""When an effect is to end, as `until` of an action says it: an ISO 8601 duration, or an instant."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta

from tocsin_playbook.terms import from_iso

WHOLE, PART = r"(\d{1,9})", r"(\d{1,9}(?:[.,]\d{1,9})?)"
DURATION = re.compile(rf"P(?=.)(?:{WHOLE}Y)?(?:{WHOLE}M)?(?:{PART}W)?(?:{PART}D)?(?:T(?=.)(?:{PART}H)?(?:{PART}M)?(?:{PART}S)?)?")
FRACTION_INSIDE = re.compile(r"[.,]\d+[WDHM]T?\d")
UNITS = ("weeks", "days", "hours", "minutes", "seconds")
LONGEST_YEARS = 10
FIX = "write how long it holds, 8h or PT8H30M, or until when, 2026-12-24T18:00:00Z"


@dataclass(frozen=True, slots=True)
class Length:
    """How long something holds; months and years are those of the calendar."""

    months: int
    rest: timedelta

    def after(self, start: datetime) -> datetime:
        """When it ends that begins then."""
        return start + relativedelta(months=self.months) + self.rest


def read(text: str) -> Length | datetime:
    """What it says. Raises ValueError that tells how to write it."""
    found = DURATION.fullmatch(text)
    if found is None:
        return _instant(text)
    if FRACTION_INSIDE.search(text):
        raise ValueError(f"only the last part of a duration has a fraction; {FIX}")
    years, months, *rest = found.groups()
    parts = {unit: float(value.replace(",", ".")) for unit, value in zip(UNITS, rest, strict=True) if value}
    total, too_long = int(years or 0) * 12 + int(months or 0), timedelta(days=366 * LONGEST_YEARS)
    try:
        length = Length(total, timedelta(**parts))
    except OverflowError:
        length = Length(total, too_long + timedelta(days=1))
    if not total and not length.rest:
        raise ValueError(f"it would hold for no time at all; {FIX}")
    if total > 12 * LONGEST_YEARS or length.rest > too_long:
        raise ValueError(f"it holds longer than {LONGEST_YEARS} years; leave it out, and it holds until somebody lifts it")
    return length


def end_of(text: str, now: datetime) -> datetime:
    """When it ends that begins now, even if that has passed. Raises ValueError that tells how to write it."""
    said = read(text)
    return said.after(now) if isinstance(said, Length) else said


def flaw(text: str, now: datetime | None = None) -> str:
    """What is wrong with it; empty if nothing is. Without a clock an instant that has passed is none."""
    try:
        said = read(text)
    except ValueError as error:
        return str(error)
    passed = isinstance(said, datetime) and now is not None and said <= now
    return f"{text} has passed; give it an end that is yet to come" if passed else ""


def told(text: str) -> str:
    """The same for people."""
    return f"for {from_iso(text)}" if text.startswith("P") else f"until {text}"


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"it is neither a duration nor an instant of ISO 8601; {FIX}") from None
    if found.tzinfo is None:
        raise ValueError("nobody knows in which zone that is; end it with Z, or with an offset such as +01:00")
    return found.astimezone(UTC)
