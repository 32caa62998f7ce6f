"""A span as it is kept."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One piece of work of one process. Ids are bytes; `attributes` is a JSON object; `kind` is OTLP's number.

    `incident_id` is empty where the span names no incident.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    service: str
    kind: int
    started_at: datetime
    ended_at: datetime
    error: str
    attributes: str
    linked_trace_ids: list[str]
    incident_id: str
