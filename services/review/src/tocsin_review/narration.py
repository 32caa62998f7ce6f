"""What each fact means for people: one line, who did it, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.communication.v1 import events_pb2 as communication
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.detection.v1 import events_pb2 as detection
from tocsin.response.v1 import events_pb2 as response
from tocsin.review.v1 import events_pb2 as review
from tocsin.triage.v1 import events_pb2 as triage
from tocsin.triage.v1.incident_pb2 import Severity

CHANNELS = {ContactMethod.KIND_EMAIL: "e-mail", ContactMethod.KIND_WEBHOOK: "webhook"}
PAGES = {
    Page.KIND_SUMMONS: "page",
    Page.KIND_RESOLVED: "message that it is resolved",
    Page.KIND_DIRECT: "direct page",
    Page.KIND_TAKEN: "message that it is taken",
}
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """A fact, said for people. It is about an incident, or about an alert that some incident gathers; about neither, nobody asks for it.

    `at` is when it happened; None: when it was told. `rank` orders what happened at the same instant, cause before effect.
    """

    summary: str
    actor: str = ""
    reason: str = ""
    at: datetime | None = None
    incident_id: str = ""
    alert_id: str = ""
    rank: int = 0


def narrate(fact: Message, told_at: datetime) -> Line:
    """The line of a fact. Raises KeyError for a type that is not in NARRATORS."""
    rank = RANKS[type(fact)]
    line = NARRATORS[type(fact)](fact)
    at = line.at or _own_time(fact) or told_at
    if isinstance(fact, triage.IncidentAcknowledged):
        # A takeover keeps the first time; it happened when it was told.
        at = max(at, told_at)
    return replace(line, summary=_cut(line.summary), reason=_cut(line.reason), at=at, rank=rank)


def _alert_opened(fact: detection.AlertOpened) -> Line:
    alert = fact.alert
    summary = f"Alert opened by {alert.integration}: {alert.title}"
    return Line(summary, reason=fact.reason, at=_instant(alert.opened_at), alert_id=alert.id)


def _alert_changed(fact: detection.AlertChanged) -> Line:
    alert = fact.alert
    return Line(f"Alert changed: {alert.title}", reason=fact.reason, at=_instant(alert.last_signal_at), alert_id=alert.id)


def _alert_acknowledged(fact: detection.AlertAcknowledged) -> Line:
    alert = fact.alert
    return Line(f"Alert taken: {alert.title}", alert.acknowledged_by, fact.reason, _instant(alert.acknowledged_at), alert_id=alert.id)


def _alert_suppressed(fact: detection.AlertSuppressed) -> Line:
    alert = fact.alert
    return Line(f"Alert held back: {alert.title}", reason=fact.reason, at=_instant(alert.last_signal_at), alert_id=alert.id)


def _alert_resolved(fact: detection.AlertResolved) -> Line:
    alert = fact.alert
    reason = fact.reason or alert.resolve_reason
    return Line(f"Alert ended: {alert.title}", reason=reason, at=_instant(alert.resolved_at), alert_id=alert.id)


def _incident_opened(fact: triage.IncidentOpened) -> Line:
    incident = fact.incident
    verb = "declared" if incident.declared_by else "opened"
    return Line(
        f"Incident #{incident.number} {verb}, {severity_name(incident.severity)} for {incident.service}: {incident.title}",
        actor=incident.declared_by,
        reason=incident.placement_reason,
        at=_instant(incident.opened_at),
        incident_id=incident.id,
    )


def _alert_attached(fact: triage.AlertAttached) -> Line:
    return Line(
        f"Alert joined the incident, which has {fact.incident.alert_count} now: {fact.alert.title}",
        reason=fact.alert.reason,
        at=_instant(fact.alert.attached_at),
        incident_id=fact.incident.id,
    )


def _severity_changed(fact: triage.SeverityChanged) -> Line:
    summary = f"Severity changed from {severity_name(fact.before)} to {severity_name(fact.incident.severity)}"
    return Line(summary, actor=fact.changed_by, reason=fact.reason, incident_id=fact.incident.id)


def _incident_acknowledged(fact: triage.IncidentAcknowledged) -> Line:
    incident = fact.incident
    summary = f"{incident.acknowledged_by} has taken the incident"
    return Line(summary, actor=incident.acknowledged_by, at=_instant(incident.acknowledged_at), incident_id=incident.id)


def _incident_resolved(fact: triage.IncidentResolved) -> Line:
    incident = fact.incident
    summary = f"Resolved by {incident.resolved_by}" if incident.resolved_by else "Resolved, as its alerts ended"
    return Line(summary, incident.resolved_by, incident.resolve_reason, _instant(incident.resolved_at), incident.id)


def _incident_reopened(fact: triage.IncidentReopened) -> Line:
    incident = fact.incident
    return Line(f"Reopened by {fact.reopened_by}", fact.reopened_by, fact.reason, _instant(incident.opened_at), incident.id)


def _escalation_started(fact: response.EscalationStarted) -> Line:
    escalation = fact.escalation
    what = f"the policy {escalation.policy}" if escalation.policy else "the platform's fallback: the incident has no policy"
    return Line(f"Escalation started by {what}", at=_instant(escalation.started_at), incident_id=escalation.incident_id)


def _responder_summoned(fact: response.ResponderSummoned) -> Line:
    summons = fact.summons
    step = f"step {summons.step + 1}" + (f", round {summons.round + 1}" if summons.round else "")
    reason = summons.explanation or summons.reason
    return Line(f"{summons.responder} is asked to respond ({step})", "", reason, _instant(summons.at), fact.incident.id)


def _coverage_gap_found(fact: response.CoverageGapFound) -> Line:
    instead = f"{', '.join(fact.asked_instead)} asked instead" if fact.asked_instead else "there was nobody else to ask"
    return Line(f"Coverage gap: nobody for {fact.gap}; {instead}", incident_id=fact.incident_id)


def _escalation_stopped(fact: response.EscalationStopped) -> Line:
    return Line("Escalation stopped", reason=fact.escalation.stop_reason, incident_id=fact.escalation.incident_id)


def _escalation_exhausted(fact: response.EscalationExhausted) -> Line:
    return Line("Everybody was asked and nobody answered", reason=fact.escalation.stop_reason, incident_id=fact.escalation.incident_id)


def _page(verb: str, instant: Callable[[Page], Timestamp | None]) -> Callable[[Any], Line]:
    def narrator(fact: Any) -> Line:
        page: Page = fact.page
        what = PAGES.get(page.kind, "page").capitalize()
        again = ", again after an unknown outcome" if page.resent_after_unknown else ""
        over = f" by {CHANNELS[page.channel]}" if page.channel in CHANNELS else ""
        moment = instant(page)
        at = None if moment is None else _instant(moment)
        return Line(f"{what} to {page.responder}{over} {verb}{again}", "", page.state_reason or page.reason, at, page.incident_id)

    return narrator


def _reply_received(fact: communication.ReplyReceived) -> Line:
    answer = "takes the incident" if fact.answer == "ACKNOWLEDGE" else fact.answer.lower()
    return Line(f"{fact.responder} answered a page: {answer}", fact.responder, "", _instant(fact.at), fact.incident_id)


def _review_opened(fact: review.ReviewOpened) -> Line:
    return Line("Review drafted", incident_id=fact.incident_id)


# In the order of cause and effect, for what happens at the same instant.
NARRATORS: Mapping[type[Message], Callable[[Any], Line]] = {
    detection.AlertOpened: _alert_opened,
    detection.AlertChanged: _alert_changed,
    detection.AlertSuppressed: _alert_suppressed,
    detection.AlertAcknowledged: _alert_acknowledged,
    detection.AlertResolved: _alert_resolved,
    triage.IncidentOpened: _incident_opened,
    triage.AlertAttached: _alert_attached,
    triage.SeverityChanged: _severity_changed,
    triage.IncidentReopened: _incident_reopened,
    response.EscalationStarted: _escalation_started,
    response.CoverageGapFound: _coverage_gap_found,
    response.ResponderSummoned: _responder_summoned,
    communication.PageSent: _page("sent", lambda page: page.sent_at),
    communication.PageDelivered: _page("delivered", lambda page: page.delivered_at),
    communication.PageFailed: _page("failed", lambda page: None),
    communication.ReplyReceived: _reply_received,
    triage.IncidentAcknowledged: _incident_acknowledged,
    response.EscalationExhausted: _escalation_exhausted,
    triage.IncidentResolved: _incident_resolved,
    response.EscalationStopped: _escalation_stopped,
    communication.PageCancelled: _page("cancelled", lambda page: None),
    review.ReviewOpened: _review_opened,
}
RANKS = {kind: rank for rank, kind in enumerate(NARRATORS)}


def severity_name(severity: int) -> str:
    """SEV1 … SEV5, also for one that a newer version knows."""
    return Severity.Name(severity).removeprefix("SEVERITY_") if severity in Severity.values() else f"SEV{severity}"  # type: ignore[arg-type]


def _own_time(fact: Message) -> datetime | None:
    """The instant that a fact itself names; None if it names none, or comes from a version that does not."""
    stamp = getattr(fact, "at", None)
    return _instant(stamp) if isinstance(stamp, Timestamp) else None


def _instant(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None


def _cut(text: str) -> str:
    """One line, not too long: senders' titles have no limit here. No NUL, which Postgres does not store."""
    line = " ".join(text.replace("\x00", " ").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
