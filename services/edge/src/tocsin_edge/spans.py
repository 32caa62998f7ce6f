"""The spans that this installation keeps: what a request went through, from the first byte to the last call."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tocsin_chassis.postgres.database import Database
from tocsin_edge import store
from tocsin_edge.span import SpanRow
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict

INCIDENT = "tocsin.incident.id"
KEPT_FOR = timedelta(days=7)
MOST_IN_A_TRACE = 5_000
FORGOTTEN_AT_ONCE = 10_000
MOST_CHARACTERS = 2_000


class TracesKeptElsewhere(Conflict):
    reason = "TRACES_KEPT_ELSEWHERE"
    message = "this installation sends its spans to another collector; look there"


class Spans:
    """Keeps spans for seven days and up to a number; `receiving` says whether this installation keeps them at all."""

    def __init__(self, database: Database, clock: Clock, kept: int, receiving: bool) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept
        self._receiving = receiving
        # One batch at a time: spans must not take the connections that calls need.
        self._turn = asyncio.Lock()

    async def receive(self, request: ExportTraceServiceRequest) -> None:
        """Keep everything in an export request."""
        rows = list(_rows(request))
        if not rows:
            return
        async with self._turn, self._database.transaction() as tx:
            await store.save_spans(tx, rows, self._clock.now())

    async def of(self, incident_id: str) -> list[SpanRow]:
        """All spans of the traces that name an incident, by start. Raises TracesKeptElsewhere."""
        if not self._receiving:
            raise TracesKeptElsewhere()
        async with self._database.transaction() as tx:
            return await store.spans_of(tx, incident_id, MOST_IN_A_TRACE)

    async def forget_old(self) -> None:
        """Drop what is too old or too much, in batches."""
        while True:
            async with self._database.transaction() as tx:
                gone = await store.forget_spans(tx, self._clock.now() - KEPT_FOR, self._kept, FORGOTTEN_AT_ONCE)
            if gone < FORGOTTEN_AT_ONCE:
                return


def _rows(request: ExportTraceServiceRequest) -> Iterator[SpanRow]:
    for resource in request.resource_spans:
        service = next((_text(pair.value) for pair in resource.resource.attributes if pair.key == "service.name"), "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) == 16 and len(span.span_id) == 8:
                    yield replace(_row(span), service=_clean(service))


def _row(span: Span) -> SpanRow:
    attributes = {_clean(pair.key): _clean(_text(pair.value)) for pair in span.attributes}
    return SpanRow(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=_clean(span.name),
        service="",
        kind=span.kind,
        started_at=_instant(span.start_time_unix_nano),
        ended_at=_instant(span.end_time_unix_nano),
        error=_error(span),
        attributes=json.dumps(attributes),
        linked_trace_ids=[link.trace_id.hex() for link in span.links],
        incident_id=attributes.get(INCIDENT, ""),
    )


def _error(span: Span) -> str:
    if span.status.code != Status.STATUS_CODE_ERROR:
        return ""
    return _clean(span.status.message) or "error"


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "array_value":
        return ", ".join(_text(item) for item in value.array_value.values)
    return str(getattr(value, kind))


def _clean(text: str) -> str:
    """Postgres holds no zero bytes, and nobody reads more than this of one value."""
    return text.replace("\0", "")[:MOST_CHARACTERS]


def _instant(nanoseconds: int) -> datetime:
    """Whole microseconds; what lies outside of the calendar becomes its beginning."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
