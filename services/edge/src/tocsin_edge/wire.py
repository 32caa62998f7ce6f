"""From the edge's own words to its proto messages."""

import json
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.edge.v1 import edge_service_pb2 as pb

from tocsin_edge.health import Condition
from tocsin_edge.live import Beat
from tocsin_edge.span import SpanRow
from tocsin_edge.store import ApiKeyRow, AuditRow
from tocsin_edge.visitor import Visitor

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


def timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def caller_to_proto(visitor: Visitor) -> pb.Caller:
    return pb.Caller(name=visitor.name, role=visitor.role, api_key=visitor.api_key)  # type: ignore[arg-type]  # the number is the role's


def api_key_to_proto(row: ApiKeyRow) -> pb.ApiKey:
    return pb.ApiKey(
        name=row.name,
        role=row.role,  # type: ignore[arg-type]  # the number is the role's
        created_at=timestamp(row.created_at),
        expires_at=timestamp(row.expires_at) if row.expires_at else None,
        last_used_at=timestamp(row.last_used_at) if row.last_used_at else None,
    )


def audit_to_proto(row: AuditRow) -> pb.AuditEntry:
    return pb.AuditEntry(
        id=str(row.id), at=timestamp(row.at), caller=row.caller, method=row.method, outcome=row.outcome, trace_id=row.trace_id
    )


def condition_to_proto(condition: Condition) -> pb.ComponentHealth:
    return pb.ComponentHealth(name=condition.name, healthy=condition.healthy, detail=condition.detail, remedy=condition.remedy)


def beat_to_proto(beat: Beat) -> pb.WatchResponse:
    if beat.happening is None:
        return pb.WatchResponse(seq=beat.seq, epoch=beat.epoch, resync=beat.resync)
    happening = beat.happening
    return pb.WatchResponse(seq=beat.seq, epoch=beat.epoch, fact=happening.fact, source=happening.source, incident_id=happening.incident_id)


def span_to_proto(row: SpanRow) -> pb.Span:
    return pb.Span(
        trace_id=row.trace_id.hex(),
        span_id=row.span_id.hex(),
        parent_span_id=row.parent_span_id.hex(),
        name=row.name,
        service=row.service,
        kind=_KINDS.get(row.kind, "internal"),
        started_at=timestamp(row.started_at),
        ended_at=timestamp(row.ended_at),
        error=row.error,
        attributes=json.loads(row.attributes),
        linked_trace_ids=row.linked_trace_ids,
    )
