"""Quiet hours: when a responder is not to be paged, by the clock on their wall. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True)
class Window:
    """From `begins` to `ends`, on the next day if it does not end later; `days` are those on which it begins."""

    days: frozenset[int]
    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The windows in the responder's zone, and what comes through all the same."""

    zone: str
    windows: tuple[Window, ...]
    except_services: frozenset[str] = frozenset()
    except_severities: frozenset[str] = frozenset()
    high_too: bool = False

    def excepts(self, urgent: bool, service: str, severity: str) -> str:
        """Why a page comes through in quiet hours, for people; empty if it does not."""
        if urgent and not self.high_too:
            return "urgent pages come through quiet hours"
        if service in self.except_services:
            return f"pages of {service} come through quiet hours"
        return f"{severity} comes through quiet hours" if severity in self.except_severities else ""

    def until(self, at: datetime) -> datetime | None:
        """When the quiet that holds at this instant ends, windows that follow without a gap included; None if it is not quiet."""
        ends = self._end(at)
        for _ in range(len(self.windows) * len(DAYS)):
            further = self._end(ends) if ends is not None else None
            if further is None:
                break
            ends = further
        return ends

    def _end(self, at: datetime) -> datetime | None:
        """The latest end of the windows that hold at this instant."""
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        spans = [_span(window, today - timedelta(days=back), zone) for back in (0, 1) for window in self.windows]
        return max((ends for begins, ends in (span for span in spans if span is not None) if begins <= at < ends), default=None)


def _span(window: Window, day: date, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The window that begins on this day, as instants. An hour that the clocks leave out is the first instant after it."""
    if day.weekday() not in window.days:
        return None
    last = day if window.ends > window.begins else day + timedelta(days=1)
    return _instant(day, window.begins, zone), _instant(last, window.ends, zone)


def _instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """A time on the wall as an instant; the first of two, and the first valid one after a gap."""
    utc = ZoneInfo("UTC")
    naive = datetime.combine(day, wall)
    guess = naive.replace(tzinfo=zone).astimezone(utc)
    if guess.astimezone(zone).replace(tzinfo=None) == naive:
        return guess
    # In a gap the second reading of the time lies before the jump and the first one after it: the jump is in between.
    low, high = sorted((guess, naive.replace(tzinfo=zone, fold=1).astimezone(utc)))
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)


def days(names: Sequence[str]) -> frozenset[int]:
    """The days by name; none given means every day."""
    return frozenset(DAYS.index(name) for name in names) or frozenset(range(len(DAYS)))
