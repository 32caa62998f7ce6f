"""Who was on call, there and here, second by second: the proof that a schedule means the same after the move."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_client.importing.model import Plain, Span
from tocsin_oncall import plain
from tocsin_oncall.render import Plan, together

HOUR = timedelta(hours=1)
NEAR_A_CHANGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A time over which both sides do not agree. `kind`: dst, gap, unknown-person, override or other."""

    start: datetime
    end: datetime
    there: frozenset[str]
    here: frozenset[str]
    kind: str


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far both sides agree about one schedule over one range."""

    schedule: str
    since: datetime
    until: datetime
    agreed: timedelta
    differences: tuple[Difference, ...]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        whole = self.until - self.since
        return self.agreed / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Here:
    """What names in a schedule stand for here, all schedules (policies may lead to them), and who is known; empty: it does not matter."""

    known: plain.Known
    schedules: Mapping[str, Plain] = field(default_factory=dict)
    people: frozenset[str] = frozenset()

    def plan(self, schedule: Plain) -> Plan:
        """Raises ValueError for a schedule that cannot be read."""
        made = plain.schedule_of(schedule, self.known)
        others = [other for name, other in self.schedules.items() if name != made.name] if made.policies else []
        return together(self.known, [*(plain.read(other, self.known)[0] for other in others), made])[made.name]


def compare(schedule: Plain, rendered: Sequence[Span], since: datetime, until: datetime, here: Here) -> Fidelity:
    """Sweep every boundary of both sides. Raises ValueError for a schedule that cannot be read."""
    spans = [Span(shift.start, shift.end, frozenset(shift.responders)) for shift in here.plan(schedule).shifts(since, until)]
    edges = sorted({since, until, *(edge for span in (*spans, *rendered) for edge in (span.start, span.end) if since < edge < until)})
    mine, theirs = _by_start(spans, edges), _by_start(rendered, edges)
    agreed, differences = timedelta(0), list[Difference]()
    for start, end in pairwise(edges):
        there, ours = theirs[start], mine[start]
        if there == ours:
            agreed += end - start
            continue
        last = differences[-1] if differences else None
        if last is not None and last.end == start and (last.there, last.here) == (there, ours):
            start = differences.pop().start
        differences.append(Difference(start, end, there, ours, _kind(start, end, there, ours, schedule, here.people)))
    return Fidelity(str(schedule.get("name", "")), since, until, agreed, tuple(differences))


def fitted(schedule: Plain, rendered: Sequence[Span], since: datetime, until: datetime, here: Here) -> Plain:
    """The schedule with the boundaries (wall-clock time or elapsed time) that reproduce best what the other system says of it.

    What a zone's change of clocks does to its rotations is documented nowhere, so it is read off what was rendered.
    """
    best, best_share = schedule, compare(schedule, rendered, since, until, here).share
    for number, layer in enumerate(schedule.get("layers", ())):
        if best_share == 1.0 or "rotation" not in layer:
            continue
        other = "WALL" if layer["rotation"].get("boundary") == "ELAPSED" else "ELAPSED"
        layers = [dict(each) for each in best["layers"]]
        layers[number] = {**layers[number], "rotation": {**layers[number]["rotation"], "boundary": other}}
        candidate = {**best, "layers": layers}
        share = compare(candidate, rendered, since, until, here).share
        if share > best_share:
            best, best_share = candidate, share
    return best


def _by_start(spans: Iterable[Span], edges: Sequence[datetime]) -> dict[datetime, frozenset[str]]:
    """Who is on call from each edge on; several spans at once are a union."""
    found = dict.fromkeys(edges[:-1], frozenset[str]())
    for span in spans:
        for edge in edges[bisect_left(edges, span.start) : bisect_left(edges, span.end)]:
            if edge in found:
                found[edge] |= span.people
    return found


def _kind(start: datetime, end: datetime, there: frozenset[str], here: frozenset[str], schedule: Plain, people: frozenset[str]) -> str:
    zones = {str(schedule.get("time_zone", "UTC")), *(layer["time_zone"] for layer in schedule.get("layers", ()) if layer.get("time_zone"))}
    if end - start == HOUR and any(_clocks_change(ZoneInfo(zone), start - NEAR_A_CHANGE, end + NEAR_A_CHANGE) for zone in zones):
        return "dst"
    if people and there - people:
        return "unknown-person"
    if any(_overlaps(override, start, end) for override in schedule.get("overrides", ())):
        return "override"
    return "gap" if not there or not here else "other"


def _clocks_change(zone: ZoneInfo, since: datetime, until: datetime) -> bool:
    return since.astimezone(zone).utcoffset() != until.astimezone(zone).utcoffset()


def _overlaps(override: Mapping[str, Any], start: datetime, end: datetime) -> bool:
    since, until = (datetime.fromisoformat(str(override[field]).replace("Z", "+00:00")) for field in ("from", "until"))
    return since < end and start < until
