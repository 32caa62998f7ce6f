"""Between messages of the contract and the words of this service."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.communication.v1 import contact_pb2, paging_service_pb2
from tocsin.communication.v1 import events_pb2 as events
from tocsin.communication.v1 import page_pb2 as pb
from tocsin.communication.v1 import rules_pb2 as rules_pb
from tocsin.response.v1 import escalation_pb2 as response_pb
from tocsin.triage.v1 import incident_pb2 as triage_pb

from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.contacts.knowledge import Contact
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Page, State, Told
from tocsin_communication.rules.delegation import Delegation
from tocsin_communication.rules.limits import Allowance
from tocsin_communication.rules.personal import PersonalRules, Planned, Step, Urgency
from tocsin_communication.rules.quiet import QuietHours, Window, days
from tocsin_communication.sending.store import AttemptRow

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
        private=message.private,
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
        sent_at=maybe_instant(page.sent_at),
        delivered_at=maybe_instant(page.delivered_at),
        urgency=pb.Urgency.Value(f"URGENCY_{page.urgency.value}"),
        account=page.account,
        bundle_id=page.bundle_id or "",
        delegated_from=page.delegated_from,
        seen_at=maybe_instant(page.seen_at),
        answered_at=maybe_instant(page.used_at),
        next_attempt_at=instant(page.attempt_at) if page.state is State.PENDING else None,
    )


def attempts_to_proto(page: Page, rows: Sequence[AttemptRow]) -> list[pb.Attempt]:
    """The story of a page. One that was taken the first time is told by the page alone."""
    if not rows and page.sent_at is not None:
        outcome = "DELIVERED" if page.delivered_at == page.sent_at else "ACCEPTED"
        return [
            pb.Attempt(
                number=page.attempts,
                at=instant(page.sent_at),
                account=page.account,
                outcome=outcome,
                detail=page.state_reason,
                provider_id=page.provider_id,
            )
        ]
    return [
        pb.Attempt(
            number=row.number, at=instant(row.at), account=row.account, outcome=row.outcome, detail=row.detail, provider_id=row.provider_id
        )
        for row in rows
    ]


def fact_of(told: object, page: Page, at: datetime) -> Message:
    """The fact that tells what became of a page; a page itself knows when it was sent and delivered, and no other end."""
    match Told(str(told)):
        case Told.SENT:
            return events.PageSent(page=page_to_proto(page))
        case Told.DELIVERED:
            return events.PageDelivered(page=page_to_proto(page))
        case Told.FAILED:
            return events.PageFailed(page=page_to_proto(page), at=instant(at))
        case Told.CANCELLED:
            return events.PageCancelled(page=page_to_proto(page), at=instant(at))


def to_method(message: pb.ContactMethod) -> ContactMethod:
    """A contact method of the configuration."""
    delay = message.delay.ToTimedelta() if message.HasField("delay") else None
    return ContactMethod(message.name, message.responder, _CHANNELS[message.kind], message.address, delay)


def channel_named(kind: "pb.ContactMethod.Kind.ValueType") -> Channel:
    """The channel of a kind."""
    return _CHANNELS[kind]


def method_to_proto(method: ContactMethod) -> pb.ContactMethod:
    """The same, for the configuration."""
    return pb.ContactMethod(
        name=method.name,
        responder=method.responder,
        kind=_KINDS[method.channel],
        address=method.address,
        delay=_duration(method.delay) if method.delay is not None else None,
    )


def kind_to_proto(channel: Channel) -> "pb.ContactMethod.Kind.ValueType":
    """The channel as a kind of contact method."""
    return _KINDS.get(channel, pb.ContactMethod.KIND_UNSPECIFIED)


def channel_of(kind: int) -> str:
    """The channel of a kind, as it is stored."""
    return pb.ContactMethod.Kind.Name(kind).removeprefix("KIND_")  # type: ignore[arg-type]


def urgency_of(value: int) -> Urgency:
    """The urgency of a fact or a request; what is not said is high."""
    return Urgency.LOW if value == response_pb.URGENCY_LOW else Urgency.HIGH


def to_rules(packed: bytes) -> PersonalRules:
    """Personal rules as they are stored."""
    return rules_of(rules_pb.PersonalRules.FromString(packed))


def packed_rules(packed: bytes | None) -> rules_pb.PersonalRules | None:
    """Personal rules as they are stored, as a message."""
    return None if packed is None else rules_pb.PersonalRules.FromString(packed)


def rules_of(message: rules_pb.PersonalRules) -> PersonalRules:
    """Personal rules of the configuration. Raises ValueError for times that are none."""
    quiet = None
    if message.HasField("quiet_hours"):
        given = message.quiet_hours
        windows = tuple(
            Window(days(window.days), time.fromisoformat(window.begins), time.fromisoformat(window.ends)) for window in given.windows
        )
        quiet = QuietHours(given.zone, windows, frozenset(given.except_services), frozenset(given.except_severities), given.high_too)
    return PersonalRules(_steps(message.high), _steps(message.low), quiet)


def _steps(steps: Sequence[rules_pb.PersonalStep]) -> tuple[Step, ...]:
    return tuple(Step(step.contact_method, step.delay.ToTimedelta()) for step in steps)


def limit_of(message: rules_pb.PageLimit) -> tuple[Allowance, ...]:
    """A limit of the configuration."""
    return tuple(Allowance(each.count, each.within.ToTimedelta()) for each in message.allowances)


def limit_to_proto(name: str, allowances: Sequence[Allowance]) -> rules_pb.PageLimit:
    """The same, for the configuration."""
    return rules_pb.PageLimit(
        name=name, allowances=[rules_pb.Allowance(count=each.count, within=_duration(each.within)) for each in allowances]
    )


def contact_to_proto(contact: Contact) -> contact_pb2.Contact:
    """A contact method and what is known of it."""
    return contact_pb2.Contact(
        contact_method=method_to_proto(contact.method),
        health=contact_pb2.Contact.Health.Value(f"HEALTH_{contact.health.value}"),
        health_reason=contact.why,
        confirmed_at=maybe_instant(contact.confirmed_at),
        failing_since=maybe_instant(contact.failing_since),
        last_reached_at=maybe_instant(contact.last_reached_at),
        added_by=contact.added_by,
    )


def delegation_to_proto(delegation: Delegation) -> contact_pb2.Delegation:
    """A delegation."""
    return contact_pb2.Delegation(
        id=delegation.id,
        from_responder=delegation.from_responder,
        to_responder=delegation.to_responder,
        starts_at=instant(delegation.starts_at),
        ends_at=instant(delegation.ends_at),
        reason=delegation.reason,
        made_by=delegation.made_by,
        ended_at=maybe_instant(delegation.ended_at),
    )


def planned_to_proto(page: Planned, warning: str) -> paging_service_pb2.PreviewedPage:
    """A page that would be made."""
    return paging_service_pb2.PreviewedPage(
        responder=page.method.responder,
        contact_method=page.method.name,
        channel=kind_to_proto(page.method.channel),
        at=instant(page.at),
        reason=page.why or "at once",
        warning=warning,
    )


def maybe_instant(at: datetime | None) -> Timestamp | None:
    """An instant as a message; nothing stays nothing."""
    return instant(at) if at is not None else None


def instant(at: datetime) -> Timestamp:
    """An instant as a message."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


def _duration(delay: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(delay)
    return made
