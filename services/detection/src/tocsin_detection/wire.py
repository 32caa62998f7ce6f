"""Alerts and integrations as protobuf messages, and back."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.alert_pb2 import AlertLogEntry
from tocsin.detection.v1.events_pb2 import AlertChanged, AlertOpened, AlertResolved
from tocsin.detection.v1.integration_pb2 import Integration as IntegrationMessage

from tocsin_detection.alert import Alert, Decision, Verdict
from tocsin_detection.integration import Integration
from tocsin_detection.store import LogEntry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FACTS: Mapping[Verdict, Callable[..., Message]] = {
    Verdict.OPENED: AlertOpened,
    Verdict.CHANGED: AlertChanged,
    Verdict.RESOLVED: AlertResolved,
}


def fact_of(decision: Decision) -> Message | None:
    """The fact that a decision tells the others; None for one that concerns nobody else."""
    make = FACTS.get(decision.verdict)
    if make is None or decision.alert is None:
        return None
    return make(alert=alert_message(decision.alert), reason=decision.reason)


def alert_message(alert: Alert) -> AlertMessage:
    return AlertMessage(
        id=alert.id,
        integration=alert.integration,
        fingerprint=alert.fingerprint,
        state=AlertMessage.STATE_OPEN if alert.open else AlertMessage.STATE_RESOLVED,
        title=alert.title,
        description=alert.description,
        labels=alert.labels,
        annotations=alert.annotations,
        source_url=alert.source_url,
        sender_severity=alert.sender_severity,
        sender_service=alert.sender_service,
        starts_at=timestamp(alert.starts_at),
        ends_at=timestamp(alert.ends_at),
        opened_at=timestamp(alert.opened_at),
        last_signal_at=timestamp(alert.last_signal_at),
        resolved_at=timestamp(alert.resolved_at),
        resolve_reason=alert.resolve_reason,
        occurrences=alert.occurrences,
        version=alert.version,
    )


def log_message(entry: LogEntry) -> AlertLogEntry:
    return AlertLogEntry(at=timestamp(entry.at), decision=entry.decision, reason=entry.reason)


def integration_message(integration: Integration) -> IntegrationMessage:
    """The integration as it is shown."""
    return IntegrationMessage(
        name=integration.name,
        kind=integration.kind,
        service=integration.service,
        description=integration.description,
        created_at=timestamp(integration.created_at),
        last_report_at=timestamp(integration.last_report_at),
    )


def configured(integration: Integration) -> IntegrationMessage:
    """The part of an integration that is kept in files."""
    return IntegrationMessage(
        name=integration.name, kind=integration.kind, service=integration.service, description=integration.description
    )


def integration_of(message: IntegrationMessage, created_at: datetime) -> Integration:
    """The wanted integration; what is output only in the message is ignored."""
    return Integration(message.name, message.kind, message.service, message.description, created_at)


def timestamp(instant: datetime | None) -> Timestamp | None:
    """An aware instant as a message; None stays None."""
    if instant is None:
        return None
    since = instant - EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)
