"""The spans of an incident in the order in which a waterfall shows them: trace by trace, each span below what caused it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tocsin.edge.v1.edge_service_pb2 import Span

NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One span in its place: how deep below the first span of its trace, and when, in nanoseconds from the start of that trace."""

    span: Span
    depth: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: its bars from top to bottom, its length in nanoseconds, and the traces it is linked to."""

    id: str
    bars: tuple[Bar, ...]
    length: int
    links: tuple[str, ...]


def traces(spans: Iterable[Span]) -> list[Trace]:
    """The traces by their start. Every span appears exactly once, even where what caused it is missing."""
    grouped: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=started):
        grouped[span.trace_id].append(span)
    return [arranged(trace_id, members) for trace_id, members in grouped.items()]


def arranged(trace_id: str, spans: list[Span]) -> Trace:
    start = min(started(span) for span in spans)
    bars = tuple(Bar(span, depth, started(span) - start, max(ended(span), started(span)) - start) for span, depth in nested(spans))
    links = dict.fromkeys(link for span in spans for link in span.linked_trace_ids if link != trace_id)
    return Trace(trace_id, bars, max(bar.end for bar in bars), tuple(links))


def nested(spans: list[Span]) -> Iterator[tuple[Span, int]]:
    """Depth first, each span once. A span whose cause is missing, or lies in a circle, begins at depth 0."""
    ids = {span.span_id for span in spans}
    below: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        below[span.parent_span_id].append(span)
    first = [span for span in spans if span.parent_span_id not in ids]
    seen: set[int] = set()
    for top in [*first, *spans]:
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if id(span) not in seen:
                seen.add(id(span))
                yield span, depth
                waiting += [(each, depth + 1) for each in reversed(below[span.span_id])]


def started(span: Span) -> int:
    return span.started_at.seconds * NANOS + span.started_at.nanos


def ended(span: Span) -> int:
    return span.ended_at.seconds * NANOS + span.ended_at.nanos
