"""Incidents, alerts and the catalogue as protobuf messages, and back."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.noise_pb2 import ReplayedAlert
from tocsin.triage.v1 import events_pb2 as events
from tocsin.triage.v1 import triage_service_pb2
from tocsin.triage.v1.catalogue_pb2 import Route as RouteMessage
from tocsin.triage.v1.catalogue_pb2 import Service as ServiceMessage
from tocsin.triage.v1.incident_pb2 import AttachedAlert as AttachedAlertMessage
from tocsin.triage.v1.incident_pb2 import Incident as IncidentMessage
from tocsin.triage.v1.incident_pb2 import IncidentType as TypeMessage
from tocsin.triage.v1.incident_pb2 import Severity as SeverityMessage

from tocsin_chassis.postgres.database import Tx
from tocsin_triage.catalogue import Route, Service
from tocsin_triage.correlation import Alert
from tocsin_triage.incident import (
    Acknowledged,
    Attached,
    AttachedAlert,
    Incident,
    IncidentType,
    Opened,
    PrivacyChanged,
    Reopened,
    Resolved,
    Severity,
    SeverityChanged,
    State,
    Told,
    TypeChanged,
    Unacknowledged,
)
from tocsin_triage.simulation import Came, Difference, Gathered, Played

MOST_SHOWN = 20
STATES = {
    State.OPEN: IncidentMessage.STATE_OPEN,
    State.ACKNOWLEDGED: IncidentMessage.STATE_ACKNOWLEDGED,
    State.RESOLVED: IncidentMessage.STATE_RESOLVED,
}
STATES_GIVEN = {number: state for state, number in STATES.items()}


def tell(tx: Tx, facts: Iterable[object]) -> None:
    """Emit the facts of a decision, each with the version of the incident in it."""
    for fact in facts:
        assert isinstance(fact, Told)
        tx.emit(fact_message(fact), aggregate=fact.incident.id, version=fact.incident.version)


def fact_message(fact: Told) -> Message:
    incident = incident_message(fact.incident)
    match fact:
        case Opened(alert=alert):
            return events.IncidentOpened(incident=incident, alert=None if alert is None else attached_message(alert))
        case Attached(alert=alert):
            return events.AlertAttached(incident=incident, alert=attached_message(alert))
        case SeverityChanged(before=before, changed_by=by, reason=reason, at=at):
            return events.SeverityChanged(
                incident=incident, before=severity_message(before), changed_by=by, reason=reason, at=timestamp(at)
            )
        case TypeChanged(before=old, changed_by=by, reason=reason, at=at):
            return events.TypeChanged(incident=incident, before=type_message(old), changed_by=by, reason=reason, at=timestamp(at))
        case PrivacyChanged(added=added, removed=removed, changed_by=by, reason=reason, at=at):
            return events.PrivacyChanged(incident=incident, added=added, removed=removed, changed_by=by, reason=reason, at=timestamp(at))
        case Acknowledged():
            return events.IncidentAcknowledged(incident=incident)
        case Unacknowledged(acknowledged_by=by, reason=reason, at=at):
            return events.IncidentUnacknowledged(incident=incident, acknowledged_by=by, reason=reason, at=timestamp(at))
        case Resolved():
            return events.IncidentResolved(incident=incident)
        case Reopened(reopened_by=by, reason=reason):
            return events.IncidentReopened(incident=incident, reopened_by=by, reason=reason)


def incident_message(incident: Incident) -> IncidentMessage:
    return IncidentMessage(
        id=incident.id,
        number=incident.number,
        title=incident.title,
        summary=incident.summary,
        state=STATES[incident.state],
        severity=severity_message(incident.severity),
        service=incident.service,
        escalation_policy=incident.escalation_policy,
        team=incident.team,
        opened_at=timestamp(incident.opened_at),
        acknowledged_at=timestamp(incident.acknowledged_at),
        acknowledged_by=incident.acknowledged_by,
        resolved_at=timestamp(incident.resolved_at),
        resolved_by=incident.resolved_by,
        resolve_reason=incident.resolve_reason,
        declared_by=incident.declared_by,
        alert_count=incident.alert_count,
        placement_reason=incident.placement_reason,
        version=incident.version,
        type=type_message(incident.type),
        private=incident.private,
        members=incident.members,
    )


def attached_message(alert: AttachedAlert) -> AttachedAlertMessage:
    return AttachedAlertMessage(
        alert_id=alert.alert_id,
        title=alert.title,
        open=alert.open,
        attached_at=timestamp(alert.attached_at),
        reason=alert.reason,
        source_url=alert.source_url,
    )


def alert_of(message: AlertMessage, reason: str = "", put_aside_by: str = "") -> Alert:
    """The alert as triage sees it; `reason` and `put_aside_by` are the fact's."""
    still_open = message.state != AlertMessage.STATE_RESOLVED
    return Alert(
        id=message.id,
        version=message.version,
        title=message.title,
        description=message.description,
        integration=message.integration,
        labels=dict(message.labels),
        sender_severity=message.sender_severity,
        sender_service=message.sender_service,
        source_url=message.source_url,
        open=still_open,
        ended_because="" if still_open else reason or message.resolve_reason or "its sender says so",
        taken_by=message.acknowledged_by if still_open else "",
        aside=message.HasField("snoozed_until"),
        put_aside_by=put_aside_by,
    )


def played_of(message: ReplayedAlert, came: Came | None) -> Played:
    """An alert of the past, as it is placed once more."""
    alert = Alert(
        id=message.alert_id,
        version=1,
        title=message.title,
        description="",
        integration=message.integration,
        labels=dict(message.labels),
        sender_severity=message.sender_severity,
        sender_service=message.sender_service,
        source_url="",
        open=not message.HasField("ended_at"),
    )
    wakes_at = message.would_wake_at.ToDatetime(UTC) if message.HasField("would_wake_at") else None
    return Played(alert, came, wakes_at, message.ended_at.ToDatetime(UTC) if message.HasField("ended_at") else None)


def difference_message(difference: Difference) -> triage_service_pb2.PlacementDifference:
    return triage_service_pb2.PlacementDifference(
        did=map(_gathered_message, difference.did[:MOST_SHOWN]),
        would=map(_gathered_message, difference.would[:MOST_SHOWN]),
        did_count=len(difference.did),
        would_count=len(difference.would),
        summary=difference.summary,
    )


def _gathered_message(incident: Gathered) -> triage_service_pb2.PlacedIncident:
    return triage_service_pb2.PlacedIncident(
        number=incident.number,
        title=incident.title,
        service=incident.service,
        severity=severity_message(incident.severity),
        escalation_policy=incident.escalation_policy,
        opened_at=timestamp(incident.opened_at),
        alerts=incident.alerts,
        reason=incident.reason,
    )


def service_message(service: Service) -> ServiceMessage:
    return ServiceMessage(
        name=service.name,
        display_name=service.display_name,
        description=service.description,
        team=service.team,
        escalation_policy=service.escalation_policy,
        runbook_url=service.runbook_url,
        depends_on=service.depends_on,
        group_by=service.group_by,
    )


def service_of(message: ServiceMessage) -> Service:
    return Service(
        name=message.name,
        display_name=message.display_name,
        description=message.description,
        team=message.team,
        escalation_policy=message.escalation_policy,
        runbook_url=message.runbook_url,
        depends_on=tuple(message.depends_on),
        group_by=tuple(message.group_by),
    )


def route_message(route: Route) -> RouteMessage:
    severity = SeverityMessage.SEVERITY_UNSPECIFIED if route.severity is None else severity_message(route.severity)
    return RouteMessage(
        name=route.name,
        position=route.position,
        match=route.match,
        service=route.service,
        severity=severity,
        incident_type=TypeMessage.INCIDENT_TYPE_UNSPECIFIED if route.incident_type is None else type_message(route.incident_type),
    )


def route_of(message: RouteMessage) -> Route:
    type_ = type_of(message.incident_type)
    return Route(message.name, message.position, dict(message.match), message.service, severity_of(message.severity), type_)


def severity_message(severity: Severity) -> SeverityMessage.ValueType:
    return SeverityMessage.Value(f"SEVERITY_{severity.name}")


def severity_of(number: int) -> Severity | None:
    """The severity that is given; None if none is."""
    return Severity(number) if number else None


def type_message(kind: IncidentType) -> TypeMessage.ValueType:
    return TypeMessage.Value(f"INCIDENT_TYPE_{kind.name}")


def type_of(number: int) -> IncidentType | None:
    """The type that is given; None if none is."""
    return IncidentType[TypeMessage.Name(number).removeprefix("INCIDENT_TYPE_")] if number else None  # type: ignore[arg-type]  # it is one


def timestamp(instant: datetime | None) -> Timestamp | None:
    """An aware instant as a message; None stays None."""
    if instant is None:
        return None
    message = Timestamp()
    message.FromDatetime(instant)
    return message
