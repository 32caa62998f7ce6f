"""Escalation words between protobuf and the domain."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1 import escalation_pb2 as pb
from tocsin.response.v1 import events_pb2 as events
from tocsin.triage.v1.incident_pb2 import Incident, Severity

from tocsin_response.escalation.escalation import Escalation, GapFound, Redirected, State
from tocsin_response.escalation.store import Summons
from tocsin_response.escalation.timer_store import Expiring
from tocsin_response.oncall.wire import timestamp

_STATES = {
    State.RUNNING: pb.Escalation.STATE_RUNNING,
    State.STOPPED: pb.Escalation.STATE_STOPPED,
    State.EXHAUSTED: pb.Escalation.STATE_EXHAUSTED,
}


def is_open(incident: Incident) -> bool:
    """Whether people are still to be asked."""
    return incident.state == Incident.STATE_OPEN


def is_acknowledged(incident: Incident) -> bool:
    """Whether somebody has it, and it is not over."""
    return incident.state == Incident.STATE_ACKNOWLEDGED


def is_closed(incident: Incident) -> bool:
    """Whether it is over."""
    return incident.state == Incident.STATE_RESOLVED


def severity(incident: Incident) -> int:
    """1 (worst) to 5; SEV3 where none is said."""
    return incident.severity or Severity.SEVERITY_SEV3


def why_not_open(incident: Incident) -> str:
    """Why nobody is asked any more, for people."""
    if incident.state == Incident.STATE_ACKNOWLEDGED:
        return f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "acknowledged"
    by = f"resolved by {incident.resolved_by}" if incident.resolved_by else "resolved"
    return f"{by}: {incident.resolve_reason}" if incident.resolve_reason else by


def escalation_to_proto(escalation: Escalation, acknowledgement_expires_at: datetime | None = None) -> pb.Escalation:
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
        acknowledged_by=escalation.acknowledged_by,
        acknowledgements_needed=escalation.needed,
        waiting=escalation.waiting,
        acknowledgement_expires_at=timestamp(acknowledgement_expires_at),
    )


def summons_to_proto(summons: Summons) -> pb.Summons:
    return pb.Summons(
        id=summons.id,
        escalation_id=summons.escalation_id,
        responder=summons.responder,
        step=summons.step,
        round=summons.round,
        reason=summons.reason,
        explanation=summons.explanation,
        at=_instant(summons.at),
        late_by=duration(summons.late_by) if summons.late_by is not None else None,
        urgency=pb.Urgency.Value(f"URGENCY_{summons.urgency}"),
        contact=summons.contact,
        stands_when_acknowledged=summons.stands,
        every_channel=summons.every_channel,
        answer=pb.Summons.Answer.Value(f"ANSWER_{summons.answer or 'UNSPECIFIED'}"),
        answer_reason=summons.answer_reason,
        answered_at=timestamp(summons.answered_at),
    )


def started(escalation: Escalation) -> Message:
    return events.EscalationStarted(escalation=escalation_to_proto(escalation))


def stopped(escalation: Escalation, at: datetime) -> Message:
    return events.EscalationStopped(escalation=escalation_to_proto(escalation), at=_instant(at))


def exhausted(escalation: Escalation, at: datetime) -> Message:
    return events.EscalationExhausted(escalation=escalation_to_proto(escalation), at=_instant(at))


def summoned(summons: Summons, incident: Incident) -> Message:
    message = summons_to_proto(summons)
    if summons.contact:
        return events.ContactSummoned(summons=message, incident=incident)
    return events.ResponderSummoned(summons=message, incident=incident)


def gap_found(escalation: Escalation, gap: GapFound, at: datetime) -> Message:
    return events.CoverageGapFound(
        escalation_id=escalation.id,
        incident_id=escalation.incident_id,
        gap=gap.gap,
        asked_instead=gap.asked_instead,
        at=_instant(at),
        why=gap.why,
    )


def counted(escalation: Escalation, by: str) -> Message:
    return events.AcknowledgementCounted(escalation=escalation_to_proto(escalation), acknowledged_by=by)


def redirected(escalation: Escalation, redirected: Redirected, at: datetime) -> Message:
    return events.EscalationRedirected(
        escalation=escalation_to_proto(escalation), by=redirected.by, done=redirected.done, reason=redirected.reason, at=_instant(at)
    )


def answered(summons: Summons, incident_id: str) -> Message:
    return events.SummonsAnswered(summons=summons_to_proto(summons), incident_id=incident_id)


def expired(timer: Expiring, at: datetime) -> Message:
    said = f"{timer.acknowledged_by} acknowledged, and nothing followed within {_said(timer.after)}"
    return events.AcknowledgementExpired(
        incident_id=timer.incident_id, acknowledged_by=timer.acknowledged_by, after=duration(timer.after), at=_instant(at), reason=said
    )


def duration(length: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(length)
    return made


def _instant(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at.astimezone(UTC))
    return made


def _said(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
