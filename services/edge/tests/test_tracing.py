"""One trace from the caller to the service behind, by either protocol."""

from collections.abc import Iterator

import pytest
from edge_harness import ADMIN_KEY, Edge, bearer
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tocsin.triage.v1 import triage_service_pb2, triage_service_pb2_grpc

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
LIST = "tocsin.triage.v1.TriageService/ListIncidents"


@pytest.fixture(name="spans")
def _spans() -> Iterator[InMemorySpanExporter]:
    """Every span of this process. The provider can be set once for a process, so an existing one gets another exporter."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


def chain(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the call, the outermost first."""
    own = [span for span in spans.get_finished_spans() if span.name == LIST and format(span.context.trace_id, "032x") == TRACE]
    return sorted(own, key=lambda span: span.start_time or 0)


async def test_a_call_leaves_one_span_on_each_side_of_each_hop(door: Edge, spans: InMemorySpanExporter) -> None:
    stub = door.service(triage_service_pb2_grpc.TriageServiceStub)
    await stub.ListIncidents(triage_service_pb2.ListIncidentsRequest(), metadata=(*bearer(ADMIN_KEY), ("traceparent", PARENT)))

    async def complete() -> bool:
        return len(chain(spans)) == 3

    await door.world.eventually(complete)
    outer, middle, inner = chain(spans)
    assert [span.kind for span in (outer, middle, inner)] == [trace.SpanKind.SERVER, trace.SpanKind.CLIENT, trace.SpanKind.SERVER]
    assert middle.parent is not None and middle.parent.span_id == outer.context.span_id
    assert inner.parent is not None and inner.parent.span_id == middle.context.span_id


async def test_a_browsers_call_is_traced_the_same(door: Edge, spans: InMemorySpanExporter) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "traceparent": PARENT}
    assert (await door.http.post(f"/{LIST}", json={}, headers=headers)).status_code == 200
    assert [span.kind for span in chain(spans)][:2] == [trace.SpanKind.SERVER, trace.SpanKind.CLIENT]
