"""Alerts as protobuf messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.alert_pb2 import AlertLogEntry
from tocsin.detection.v1.alert_pb2 import Hold as HoldMessage
from tocsin.detection.v1.alert_pb2 import Party as PartyMessage
from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved, AlertSuppressed

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold
from tocsin_detection.store import LogEntry
from tocsin_detection.telling import Telling, Told

PARTIES = {
    "user": PartyMessage.KIND_RESPONDER,
    "team": PartyMessage.KIND_TEAM,
    "escalation": PartyMessage.KIND_ESCALATION_POLICY,
    "schedule": PartyMessage.KIND_SCHEDULE,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FACTS: Mapping[Telling, Callable[..., Message]] = {
    Telling.OPENED: AlertOpened,
    Telling.CHANGED: AlertChanged,
    Telling.ACKNOWLEDGED: AlertAcknowledged,
    Telling.SUPPRESSED: AlertSuppressed,
    Telling.RESOLVED: AlertResolved,
}


def fact_of(told: Told) -> Message:
    """The fact that tells the others."""
    assert told.telling is not None
    if told.put_aside_by:
        return AlertChanged(alert=alert_message(told.alert), reason=told.reason, put_aside_by=told.put_aside_by)
    return FACTS[told.telling](alert=alert_message(told.alert), reason=told.reason)


def alert_message(alert: Alert, incident_id: str = "") -> AlertMessage:
    """`incident_id` is that of a private incident."""
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
        tags=alert.tags,
        tiny_id=alert.tiny_id,
        acknowledged_at=timestamp(alert.acknowledged_at),
        acknowledged_by=alert.acknowledged_by,
        snoozed_until=timestamp(alert.snoozed_until),
        told=alert.told,
        holds=[hold_message(hold) for hold in alert.holds],
        responders=[party_message(party) for party in _parties(alert)],
        incident_id=incident_id,
    )


def _parties(alert: Alert) -> Sequence[Mapping[str, str]]:
    """Whom its sender asks for: {type, id | name | username}."""
    parties: Any = alert.sender_fields.get("responders", ())
    return parties  # type: ignore[no-any-return]  # what only its sender's API writes


def party_message(party: Mapping[str, str]) -> PartyMessage:
    """A person is named by a mailbox, or by a name."""
    return PartyMessage(kind=PARTIES[party["type"]], name=party.get("name") or party.get("username") or party.get("id", ""))


def hold_message(hold: Hold) -> HoldMessage:
    return HoldMessage(
        kind=HoldMessage.Kind.Value(f"KIND_{hold.kind}"),
        rule=hold.rule,
        by=hold.by,
        reason=hold.reason,
        since=timestamp(hold.since),
        until=timestamp(hold.until),
    )


def log_message(entry: LogEntry) -> AlertLogEntry:
    return AlertLogEntry(at=timestamp(entry.at), decision=entry.decision, reason=entry.reason, by=entry.by)


def timestamp(instant: datetime | None) -> Timestamp | None:
    """An aware instant as a message; None stays None."""
    if instant is None:
        return None
    since = instant - EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)
