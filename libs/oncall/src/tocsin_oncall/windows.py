"""The hours of a week at which a layer has duty, in wall-clock time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tocsin_oncall.wall import instant_of, wall_of

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
MONDAY = datetime(1970, 1, 5)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From one time of the week until just before another, both counted from Monday 00:00. The end may lie in the week that follows."""

    start: timedelta
    end: timedelta

    def __post_init__(self) -> None:
        assert timedelta(0) <= self.start < WEEK and self.start < self.end <= self.start + WEEK


def window(start_day: int, start: timedelta, end_day: int, end: timedelta) -> Window:
    """From a weekday (0 is Monday) and time until another; one that ends no later than it begins wraps over Sunday."""
    begins, ends = start_day * DAY + start, end_day * DAY + end
    return Window(begins, ends if ends > begins else ends + WEEK)


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same hours in windows that neither touch nor overlap. Empty: the whole week, so that there is nothing to restrict."""
    spread = sorted(Window(each.start, each.end) for each in windows)
    if not spread:
        return ()
    found: list[list[timedelta]] = []
    for each in spread:
        if found and each.start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], each.end)
        else:
            found.append([each.start, each.end])
    # The last one may reach over Sunday into the first ones.
    while len(found) > 1 and found[-1][1] - WEEK >= found[0][0]:
        found[-1][1] = max(found[-1][1], found[0][1] + WEEK)
        del found[0]
    if len(found) == 1 and found[0][1] - found[0][0] >= WEEK:
        return ()
    return tuple(Window(start, end) for start, end in found)


def covered(windows: tuple[Window, ...], zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Span]:
    """The spans of merged windows that touch a range, in order. Touching spans are one, and a span that clocks pass over is none."""
    first = (wall_of(since, zone) - MONDAY) // WEEK - 2
    last = (wall_of(until, zone) - MONDAY) // WEEK + 1
    pending: Span | None = None
    for week in range(first, last + 1):
        for start, end in _week(windows, zone, week):
            if end <= since or start >= end:
                continue
            if start >= until:
                break
            if pending is not None and start <= pending[1]:
                pending = (pending[0], max(end, pending[1]))
                continue
            if pending is not None:
                yield pending
            pending = (start, end)
    if pending is not None:
        yield pending


@lru_cache(maxsize=4096)
def _week(windows: tuple[Window, ...], zone: ZoneInfo, week: int) -> tuple[Span, ...]:
    """The windows of one week (0 is that of 1970-01-05) as instants. Teams that share hours share the answer."""
    monday = MONDAY + week * WEEK
    return tuple((instant_of(monday + each.start, zone), instant_of(monday + each.end, zone)) for each in windows)


def inside(windows: tuple[Window, ...], wall: datetime) -> bool:
    """Whether clocks that show `wall` are within the hours."""
    into = (wall - MONDAY) % WEEK
    return not windows or any(each.start <= into < each.end or each.start <= into + WEEK < each.end for each in windows)
