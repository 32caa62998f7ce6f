"""Spans within a trace: whoever begins it decides whether they are recorded."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tocsin_chassis import telemetry
from tocsin_chassis.telemetry import Spanned, trace_context, traceparent

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


@pytest.fixture(name="spans")
def _spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    return exporter


def test_a_recorded_trace_gets_a_span_below_the_one_it_came_from(spans: InMemorySpanExporter) -> None:
    with Spanned("outer", SpanKind.SERVER, trace_context({"traceparent": f"{TRACE}-01"})), Spanned("inner", SpanKind.CLIENT):
        pass
    inner, outer = spans.get_finished_spans()
    assert (outer.name, inner.name) == ("outer", "inner")
    assert outer.parent is not None and format(outer.parent.span_id, "016x") == "00f067aa0ba902b7"
    assert inner.parent is not None and inner.parent.span_id == outer.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_trace_that_is_not_recorded_goes_on_as_it_came(spans: InMemorySpanExporter) -> None:
    with Spanned("outer", SpanKind.SERVER, trace_context({"traceparent": f"{TRACE}-00"})), Spanned("inner", SpanKind.CLIENT):
        assert traceparent() == f"{TRACE}-00"
    assert not spans.get_finished_spans()


def test_what_is_raised_ends_the_span_and_nothing_more(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="wrong"), Spanned("failing", SpanKind.SERVER):
        raise ValueError("wrong")
    [span] = spans.get_finished_spans()
    assert span.status.is_unset and not span.events
    assert not traceparent()
