from hypothesis import given
from hypothesis import strategies as some
from tocsin.edge.v1.edge_service_pb2 import Span

from tocsin_client.waterfall import traces


def span(id: str, parent: str = "", start: int = 0, end: int = 0, trace: str = "t", links: tuple[str, ...] = ()) -> Span:
    made = Span(trace_id=trace, span_id=id, parent_span_id=parent, name=id, linked_trace_ids=links)
    made.started_at.FromNanoseconds(start)
    made.ended_at.FromNanoseconds(end)
    return made


def test_spans_stand_below_what_caused_them_in_the_order_of_time() -> None:
    [trace] = traces([span("c", "a", 30, 40), span("d", "b", 12, 15), span("a", "", 10, 50), span("b", "a", 11, 20)])
    assert [(bar.span.name, bar.depth) for bar in trace.bars] == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    assert [(bar.start, bar.end) for bar in trace.bars] == [(0, 40), (1, 10), (2, 5), (20, 30)]
    assert trace.length == 40


def test_traces_come_by_start_and_know_their_links() -> None:
    found = traces([span("x", trace="late", start=9, end=9, links=("early", "late")), span("y", trace="early", start=1, end=2)])
    assert [(trace.id, trace.links) for trace in found] == [("early", ()), ("late", ("early",))]


NAMES = some.sampled_from("abcdef")


@given(some.lists(some.tuples(NAMES, NAMES, some.integers(0, 99), some.integers(0, 99)), max_size=12))
def test_every_span_is_drawn_once_whatever_its_parents(shape: list[tuple[str, str, int, int]]) -> None:
    given_spans = [span(*each) for each in shape]
    drawn = [bar for trace in traces(given_spans) for bar in trace.bars]
    assert sorted(id(bar.span) for bar in drawn) == sorted(id(each) for each in given_spans)
    assert all(0 <= bar.start <= bar.end for bar in drawn)
