"""Escalation words between protobuf and the domain."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1 import escalation_pb2 as pb
from tocsin.response.v1 import events_pb2 as events
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_response.escalation.policy import Escalation, GapFound, Kind, Policy, State, Step, Target
from tocsin_response.escalation.store import Summons
from tocsin_response.oncall.wire import timestamp

_STATES = {
    State.RUNNING: pb.Escalation.STATE_RUNNING,
    State.STOPPED: pb.Escalation.STATE_STOPPED,
    State.EXHAUSTED: pb.Escalation.STATE_EXHAUSTED,
}


def policy_of(definition: dict[str, object]) -> Policy:
    """The policy whose protobuf message was kept as JSON."""
    given = json_format.ParseDict(definition, pb.EscalationPolicy())
    steps = tuple(Step(_targets(step.targets), step.delay.ToTimedelta()) for step in given.steps)
    return Policy(given.name, steps, given.repeat, _targets(given.fallback))


def is_open(incident: Incident) -> bool:
    """Whether people are still to be asked."""
    return incident.state == Incident.STATE_OPEN


def why_not_open(incident: Incident) -> str:
    """Why nobody is asked any more, for people."""
    if incident.state == Incident.STATE_ACKNOWLEDGED:
        return f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "acknowledged"
    by = f"resolved by {incident.resolved_by}" if incident.resolved_by else "resolved"
    return f"{by}: {incident.resolve_reason}" if incident.resolve_reason else by


def escalation_to_proto(escalation: Escalation) -> pb.Escalation:
    return pb.Escalation(
        id=escalation.id,
        incident_id=escalation.incident_id,
        policy=escalation.policy.name,
        state=_STATES[escalation.state],
        step=escalation.step,
        round=escalation.round,
        due_at=timestamp(escalation.due_at),
        started_at=timestamp(escalation.started_at),
        stop_reason=escalation.stop_reason,
    )


def summons_to_proto(summons: Summons) -> pb.Summons:
    made = pb.Summons(
        id=summons.id,
        escalation_id=summons.escalation_id,
        responder=summons.responder,
        step=summons.step,
        round=summons.round,
        reason=summons.reason,
        explanation=summons.explanation,
        at=_instant(summons.at),
    )
    if summons.late_by is not None:
        made.late_by.CopyFrom(_duration(summons))
    return made


def started(escalation: Escalation) -> Message:
    return events.EscalationStarted(escalation=escalation_to_proto(escalation))


def stopped(escalation: Escalation, at: datetime) -> Message:
    return events.EscalationStopped(escalation=escalation_to_proto(escalation), at=_instant(at))


def exhausted(escalation: Escalation, at: datetime) -> Message:
    return events.EscalationExhausted(escalation=escalation_to_proto(escalation), at=_instant(at))


def summoned(summons: Summons, incident: Incident) -> Message:
    return events.ResponderSummoned(summons=summons_to_proto(summons), incident=incident)


def gap_found(escalation: Escalation, gap: GapFound, at: datetime) -> Message:
    return events.CoverageGapFound(
        escalation_id=escalation.id, incident_id=escalation.incident_id, gap=gap.gap, asked_instead=gap.asked_instead, at=_instant(at)
    )


def _targets(given: Iterable[pb.Target]) -> tuple[Target, ...]:
    return tuple(_target(target) for target in given)


def _target(given: pb.Target) -> Target:
    kind = given.WhichOneof("target")
    assert kind is not None
    return Target(Kind(kind), getattr(given, kind))


def _instant(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at.astimezone(UTC))
    return made


def _duration(summons: Summons) -> Duration:
    made = Duration()
    if summons.late_by is not None:
        made.FromTimedelta(summons.late_by)
    return made
