"""Logs, traces and metrics of a process."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from contextvars import Token
from datetime import UTC, datetime

import prometheus_client
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tocsin_chassis.sampling import sampler

tracer = trace.get_tracer("tocsin")
# Facts carry a traceparent and no baggage: asking every propagator would cost as much as a span.
_W3C = TraceContextTextMapPropagator()
# Whoever begins a trace decides whether it is recorded, unless an operator has chosen a sampler that asks for each span anew.
_DECIDED_AT_ITS_BEGINNING = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased").startswith("parentbased")

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the trace it belongs to and whatever `extra` held."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self.service,
            "message": record.getMessage(),
        }
        if current := trace_id():
            line["trace_id"] = current
        line.update({name: str(value) for name, value in record.__dict__.items() if name not in _STANDARD})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def start_logging(service: str, level: str) -> None:
    """Send all logs of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("yoyo", "urllib3", "nats", "httpx", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def start_tracing(service: str) -> TracerProvider | None:
    """Export spans by OTLP over HTTP, if OTEL_EXPORTER_OTLP_ENDPOINT or its _TRACES_ form is set (standard meaning)."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return None
    # Imported here: it brings an HTTP client that a process without export does not need.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # The standard variable still has its say.
    chosen = None if os.environ.get("OTEL_TRACES_SAMPLER") else sampler()
    provider = TracerProvider(sampler=chosen, resource=Resource.create({"service.name": f"tocsin-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    return provider


def start_metrics(listen: str) -> None:
    """Serve /metrics at host:port; an empty text serves none."""
    if listen:
        host, _, port = listen.rpartition(":")
        prometheus_client.start_http_server(int(port), host)


class Spanned:
    """A span that is current within a block and ends with it; what is raised there is not written into it.

    In a trace that is not recorded none is begun, and the trace goes on as it came: under load nearly all are like that, and the spans
    that nobody sees would cost as much as the work that they are about. The library's own way nests three generators for each.
    """

    __slots__ = ("_before", "_span")

    def __init__(self, name: str, kind: SpanKind, context: Context | None = None) -> None:
        parent = trace.get_current_span(context)
        known = parent.get_span_context()
        goes_on = known.is_valid and not known.trace_flags.sampled and _DECIDED_AT_ITS_BEGINNING
        self._span = parent if goes_on else tracer.start_span(name, context, kind)
        self._before: Token[Context] | None = None

    def __enter__(self) -> Span:
        self._before = attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *raised: object) -> None:
        assert self._before is not None
        detach(self._before)
        self._span.end()


def trace_id() -> str:
    """The current trace as 32 hex digits; empty outside a trace."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def traceparent() -> str:
    """The current trace context as a W3C traceparent header; empty outside a trace."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: trace.Span) -> str:
    """The context of a span as a W3C traceparent header; empty if it has none."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else ""


def trace_context(headers: Mapping[str, str]) -> Context:
    """The trace context that `headers` (with a traceparent, or without) carry."""
    return _W3C.extract({"traceparent": headers.get("traceparent", "")}, context=Context())


def name_incident(incident_id: str) -> None:
    """Say which incident the current span is about."""
    trace.get_current_span().set_attribute("tocsin.incident.id", incident_id)
