"""Between messages of the contract and the words of this service."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.communication.v1 import events_pb2 as events
from tocsin.communication.v1 import page_pb2 as pb
from tocsin.triage.v1 import incident_pb2 as triage_pb

from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.page import Page, Told

FACTS = {
    Told.SENT: events.PageSent,
    Told.DELIVERED: events.PageDelivered,
    Told.FAILED: events.PageFailed,
    Told.CANCELLED: events.PageCancelled,
}
_KINDS: dict[Channel, "pb.ContactMethod.Kind.ValueType"] = {
    channel: pb.ContactMethod.Kind.Value(f"KIND_{channel.value}") for channel in Channel if channel is not Channel.NONE
}
_CHANNELS = {kind: channel for channel, kind in _KINDS.items()}


def to_incident(message: triage_pb.Incident) -> Incident:
    """The copy that a fact carries; its turn is decided when it is compared with the one before."""
    state = triage_pb.Incident.State.Name(message.state).removeprefix("STATE_")
    return Incident(
        id=message.id,
        version=message.version,
        number=message.number,
        title=message.title,
        summary=message.summary,
        service=message.service,
        severity=triage_pb.Severity.Name(message.severity).removeprefix("SEVERITY_"),
        state=IncidentState(state) if state in list(IncidentState) else IncidentState.OPEN,
        opened_at=message.opened_at.ToDatetime(UTC),
        acknowledged_by=message.acknowledged_by,
        resolve_reason=message.resolve_reason,
        turn=message.version,
    )


def page_to_proto(page: Page) -> pb.Page:
    """The page as others see it; its body and address stay here."""
    return pb.Page(
        id=page.id,
        kind=pb.Page.Kind.Value(f"KIND_{page.kind.value}"),
        incident_id=page.incident_id,
        summons_id=page.summons_id,
        responder=page.responder,
        contact_method=page.contact_method,
        channel=_KINDS.get(page.channel, pb.ContactMethod.KIND_UNSPECIFIED),
        state=pb.Page.State.Value(f"STATE_{page.state.value}"),
        state_reason=page.state_reason,
        reason=page.reason,
        subject=page.subject,
        attempts=page.attempts,
        resent_after_unknown=page.resent_after_unknown,
        provider_id=page.provider_id,
        created_at=instant(page.created_at),
        due_at=instant(page.due_at),
        sent_at=instant(page.sent_at) if page.sent_at else None,
        delivered_at=instant(page.delivered_at) if page.delivered_at else None,
    )


def fact_of(told: object, page: Page) -> Message:
    """The fact that tells of a page."""
    return FACTS[Told(str(told))](page=page_to_proto(page))


def to_method(message: pb.ContactMethod) -> ContactMethod:
    """A contact method of the configuration."""
    delay = message.delay.ToTimedelta() if message.HasField("delay") else None
    return ContactMethod(message.name, message.responder, _CHANNELS[message.kind], message.address, delay)


def method_to_proto(method: ContactMethod) -> pb.ContactMethod:
    """The same, for the configuration."""
    return pb.ContactMethod(
        name=method.name,
        responder=method.responder,
        kind=_KINDS[method.channel],
        address=method.address,
        delay=_duration(method.delay) if method.delay is not None else None,
    )


def instant(at: datetime) -> Timestamp:
    """An instant as a message."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


def _duration(delay: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(delay)
    return made
