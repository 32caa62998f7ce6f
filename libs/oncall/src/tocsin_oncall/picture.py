"""Schedules as pictures: who is on call on which day, and how the load is shared. SVG, without any script."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tocsin_oncall.duties import Load
from tocsin_oncall.render import Shift
from tocsin_oncall.strata import Stratum
from tocsin_oncall.wall import instant_of, wall_of

# Told apart by people who do not see every colour, too (Okabe and Ito).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f00", "#5e3c99")
GAP_COLOUR = "#c0143c"
DAY = timedelta(days=1)
NAMES, ROW, HEAD, WIDTH = 150, 26, 52, 960
# How wide a character is, at most mostly: there is no telling what the reader's fonts are.
CHARACTER = 6.6
FINAL, NOBODY = "on call", "nobody"
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.d{fill:#666;font-size:10px}.g{stroke:#ddd}.w{fill:#f3f3f3}"
    ".b{fill:#fff;font-size:11px;paint-order:stroke;stroke:#222;stroke-width:2px;pointer-events:none}.f{stroke:#888}.t{font-weight:bold}"
)


def timeline(title: str, shifts: Sequence[Shift], zone: ZoneInfo, strata: Sequence[Stratum] = ()) -> str:
    """A row for each of the strata, the final row of who is on call, then one for each person; a column for each day in `zone`."""
    since, until = shifts[0].start, shifts[-1].end
    people = sorted({name for each in (shifts, *(stratum.shifts for stratum in strata)) for shift in each for name in shift.responders})
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(people)}
    rows = [*_rows_of(strata), *([_Row(FINAL, tuple(shifts), final=True)] if strata else []), *_rows_of_people(people, shifts)]
    height = HEAD + ROW * len(rows) + 12

    def at(instant: datetime) -> float:
        return NAMES + (instant - since) / (until - since) * (WIDTH - NAMES - 10)

    parts = [_head(title, WIDTH, height), *_columns(since, until, zone, height, at)]
    for number, row in enumerate(rows):
        top = HEAD + number * ROW
        weight = ' class="t"' if row.final else ""
        parts.append(f'<text x="8" y="{top + 17}"{weight}>{escape(_clip(row.name, NAMES - 16))}<title>{escape(row.name)}</title></text>')
        if row.final:
            parts += [_rule(top), _rule(top + ROW)]
        for bar in row.shifts:
            parts += _shared_bar(at(bar.start), at(bar.end), top + 4, bar, colours, _said(bar, zone), named=row.named)
    return "".join([*parts, "</svg>\n"])


class _Row(NamedTuple):
    """What a row shows; `named` writes into its bars whose they are."""

    name: str
    shifts: tuple[Shift, ...]
    final: bool = False
    named: bool = True


def _rows_of(strata: Sequence[Stratum]) -> list[_Row]:
    """A row for each; what is at the same time gets rows below it, without a name."""
    rows = []
    for stratum in strata:
        lanes: list[list[Shift]] = [[]]
        for shift in stratum.shifts:
            lane = next((each for each in lanes if not each or each[-1].end <= shift.start), None)
            if lane is None:
                lanes.append(lane := [])
            lane.append(shift)
        rows += [_Row("" if number else stratum.name, tuple(lane)) for number, lane in enumerate(lanes)]
    return rows


def _rows_of_people(people: Sequence[str], shifts: Sequence[Shift]) -> list[_Row]:
    """A row for each person who is on call, and one for gaps."""
    rows = [_Row(name, tuple(_bars(name, shifts)), named=False) for name in people]
    return [row for row in (*rows, _Row(NOBODY, tuple(_bars("", shifts)), named=False)) if row.shifts]


def _shared_bar(left: float, right: float, top: int, shift: Shift, colours: Mapping[str, str], said: str, *, named: bool) -> Iterable[str]:
    """One bar; several people share its height. Whose it is stands in it as far as there is room."""
    names = shift.responders or (NOBODY,)
    height = (ROW - 8) / len(names)
    for number, name in enumerate(names):
        yield _bar(left, top + number * height, right - left, colours.get(name, GAP_COLOUR), said, height)
    words = _clip(", ".join(names), right - left - 6) if named else ""
    if words:
        yield f'<text class="b" x="{left + 4:.1f}" y="{top + 13}">{escape(words)}</text>'


def _rule(top: int) -> str:
    return f'<line class="f" x1="0" y1="{top}" x2="{WIDTH}" y2="{top}"/>'


def _clip(text: str, room: float) -> str:
    """As much as fits, with an ellipsis; nothing where not even three characters would."""
    most = int(room / CHARACTER)
    return text if len(text) <= most else f"{text[: most - 1]}…" if most >= 4 else ""


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
        f'<text class="t" x="8" y="18">{escape(title)}</text>'
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


def _bar(left: float, top: float, width: float, colour: str, said: str, height: float = ROW - 8) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:g}" width="{max(width, 0.6):.1f}" height="{height:g}" rx="2" fill="{colour}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _said(shift: Shift, zone: ZoneInfo) -> str:
    start, end = shift.start.astimezone(zone), shift.end.astimezone(zone)
    return f"{', '.join(shift.responders) or 'nobody'}, {start:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M} {end:%Z}: {shift.reason}"
