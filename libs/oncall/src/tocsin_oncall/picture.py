"""Schedules as pictures: who is on call on which day, and how the load is shared. SVG, without any script."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise
from zoneinfo import ZoneInfo

from tocsin_oncall.duties import Load
from tocsin_oncall.render import Shift
from tocsin_oncall.wall import instant_of, wall_of

# Told apart by people who do not see every colour, too (Okabe and Ito).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f00", "#5e3c99")
GAP_COLOUR = "#c0143c"
DAY = timedelta(days=1)
NAMES, ROW, HEAD, WIDTH = 150, 26, 52, 960
STYLE = "text{font:12px system-ui,sans-serif;fill:#222}.d{fill:#666;font-size:10px}.g{stroke:#ddd}.w{fill:#f3f3f3}"


def timeline(title: str, shifts: Sequence[Shift], zone: ZoneInfo) -> str:
    """One row for each person, a column for each day in `zone`, and a row of its own for gaps."""
    since, until = shifts[0].start, shifts[-1].end
    people = sorted({name for shift in shifts for name in shift.responders})
    rows = [*people, *(["nobody"] if any(not shift.responders for shift in shifts) else [])]
    height = HEAD + ROW * len(rows) + 12

    def at(instant: datetime) -> float:
        return NAMES + (instant - since) / (until - since) * (WIDTH - NAMES - 10)

    parts = [_head(title, WIDTH, height), *_columns(since, until, zone, height, at)]
    for row, name in enumerate(rows):
        top = HEAD + row * ROW
        parts.append(f'<text x="8" y="{top + 17}">{escape(name)}</text>')
        colour = GAP_COLOUR if row >= len(people) else COLOURS[row % len(COLOURS)]
        for bar in _bars(name if row < len(people) else "", shifts):
            parts.append(_bar(at(bar.start), top + 4, at(bar.end) - at(bar.start), colour, _said(bar, zone)))
    return "".join([*parts, "</svg>\n"])


def _bars(name: str, shifts: Sequence[Shift]) -> list[Shift]:
    """What one person (an empty name: nobody) has without a pause, whoever else is on call meanwhile."""
    found: list[Shift] = []
    for shift in shifts:
        if (name in shift.responders) if name else not shift.responders:
            if found and found[-1].end == shift.start:
                found[-1] = found[-1]._replace(end=shift.end)
            else:
                found.append(shift._replace(responders=(name,) if name else ()))
    return found


def loads(title: str, shared: Sequence[Load]) -> str:
    """One row for each person: all hours, and how many of them are at night and on weekends."""
    bars = (("hours", COLOURS[0]), ("night_hours", COLOURS[7]), ("weekend_hours", COLOURS[1]))
    height = HEAD + 40 * len(shared) + 30
    most = max((load.hours for load in shared), default=1) or 1
    parts = [_head(title, WIDTH, height)]
    for row, load in enumerate(shared):
        top = HEAD + row * 40
        parts.append(f'<text x="8" y="{top + 20}">{escape(load.responder)}</text>')
        for number, (field, colour) in enumerate(bars):
            hours = getattr(load, field)
            length = hours / most * (WIDTH - NAMES - 90)
            said = f"{load.responder}: {hours:.1f} {field.replace('_', ' ')}"
            parts.append(_bar(NAMES, top + number * 11, length, colour, said, 10))
            parts.append(f'<text class="d" x="{NAMES + length + 4:.1f}" y="{top + number * 11 + 9}">{hours:.0f} h</text>')
    for number, (field, colour) in enumerate(bars):
        left = NAMES + number * 140
        parts.append(_bar(left, height - 22, 10, colour, field, 10))
        parts.append(f'<text class="d" x="{left + 14}" y="{height - 13}">{field.replace("_", " ")}</text>')
    return "".join([*parts, "</svg>\n"])


def _head(title: str, width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f'<title>{escape(title)}</title><style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>'
    )


def _columns(since: datetime, until: datetime, zone: ZoneInfo, height: int, at: Callable[[datetime], float]) -> Iterable[str]:
    """A line at every midnight, weekends shaded, dates as far as there is room."""
    day = wall_of(since, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [day + number * DAY for number in range((until - since) // DAY + 3)]
    every = max(1, len(days) // 40 + 1)
    for number, (here, following) in enumerate(pairwise(days)):
        left, right = max(at(instant_of(here, zone)), NAMES), min(at(instant_of(following, zone)), WIDTH - 10)
        if right <= left:
            continue
        if here.weekday() >= 5:
            yield f'<rect class="w" x="{left:.1f}" y="{HEAD - 14}" width="{right - left:.1f}" height="{height - HEAD + 8}"/>'
        yield f'<line class="g" x1="{left:.1f}" y1="{HEAD - 14}" x2="{left:.1f}" y2="{height - 6}"/>'
        if number % every == 0:
            yield f'<text class="d" x="{left + 2:.1f}" y="{HEAD - 5}">{here.day}</text>'
        if here.day == 1 or number == 0:
            yield f'<text class="d" x="{left + 2:.1f}" y="{HEAD - 16}">{here:%b %Y}</text>'


def _bar(left: float, top: float, width: float, colour: str, said: str, height: int = ROW - 8) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{max(width, 0.6):.1f}" height="{height}" rx="2" fill="{colour}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _said(shift: Shift, zone: ZoneInfo) -> str:
    start, end = shift.start.astimezone(zone), shift.end.astimezone(zone)
    return f"{', '.join(shift.responders) or 'nobody'}, {start:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M} {end:%Z}: {shift.reason}"
