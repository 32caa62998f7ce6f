"""What each fact means for people: one line, who did it, and why."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.communication.v1 import events_pb2 as communication
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.detection.v1 import change_events_pb2 as changes
from tocsin.detection.v1 import events_pb2 as detection
from tocsin.detection.v1 import noise_events_pb2 as noise
from tocsin.detection.v1.alert_pb2 import Asked, Party
from tocsin.detection.v1.noise_pb2 import Silence
from tocsin.edge.v1 import events_pb2 as edge
from tocsin.response.v1 import events_pb2 as response
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.review.v1 import events_pb2 as review
from tocsin.triage.v1 import events_pb2 as triage
from tocsin.triage.v1.incident_pb2 import IncidentType, Severity

from tocsin_review.command_lines import COMMAND_NARRATORS
from tocsin_review.containment_lines import CONTAINMENT_NARRATORS
from tocsin_review.evidence_lines import EVIDENCE
from tocsin_review.line import EVERY_SERVICE, Line
from tocsin_review.line import instant as _instant
from tocsin_review.obligation_lines import OBLIGATIONS
from tocsin_review.playbook_lines import PLAYBOOK_NARRATORS

CHANNELS = {ContactMethod.KIND_EMAIL: "e-mail", ContactMethod.KIND_WEBHOOK: "webhook"}
PAGES = {
    Page.KIND_SUMMONS: "page",
    Page.KIND_RESOLVED: "message that it is resolved",
    Page.KIND_DIRECT: "direct page",
    Page.KIND_TAKEN: "message that it is taken",
}
WANTED = {Asked.HOW_ADD: "add", Asked.HOW_ESCALATE: "go on by", Asked.HOW_ASSIGN: "give it to"}
PARTIES = {
    Party.KIND_RESPONDER: "responder",
    Party.KIND_TEAM: "team",
    Party.KIND_ESCALATION_POLICY: "escalation policy",
    Party.KIND_SCHEDULE: "schedule",
}
LONGEST = 1000
_EQUAL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


def narrate(fact: Message, told_at: datetime) -> Line:
    """The line of a fact. Raises KeyError for a type that is not in NARRATORS."""
    rank = RANKS[type(fact)]
    line = NARRATORS[type(fact)](fact)
    at = line.at or _own_time(fact) or told_at
    if isinstance(fact, triage.IncidentAcknowledged):
        # A takeover keeps the first time; it happened when it was told.
        at = max(at, told_at)
    return replace(line, summary=_cut(line.summary), reason=_cut(line.reason), at=at, rank=rank)


def _change_reported(fact: changes.ChangeReported) -> Line:
    change = fact.change
    where = f" ({change.source})" if change.source else ""
    at = _instant(change.happened_at) or _instant(change.received_at)
    return Line(f"Change: {change.summary}{where}", reason=f"told by {change.integration}", at=at, service=change.service)


def _configuration_changed(fact: edge.ConfigurationChanged) -> Line:
    return Line(f"Configuration of {fact.service} changed", fact.changed_by, service=EVERY_SERVICE)


def _silence_created(fact: noise.SilenceCreated) -> Line:
    silence = fact.silence
    until = f" until {silence.ends_at.ToDatetime(UTC):%Y-%m-%d %H:%M}Z" if silence.ends_at.seconds else ""
    summary = f"Silence {fact.reason or 'made'}{until}: {_matchers(silence)}"
    return _of_silence(silence, Line(summary, silence.created_by, silence.comment, _instant(silence.updated_at)))


def _silence_expiring(fact: noise.SilenceExpiring) -> Line:
    held = f"{fact.silence.held} alerts would be told" if fact.silence.held else "it holds nothing back"
    return _of_silence(fact.silence, Line(f"Silence ends soon: {_matchers(fact.silence)}", reason=held))


def _silence_expired(fact: noise.SilenceExpired) -> Line:
    return _of_silence(fact.silence, Line(f"Silence ended: {_matchers(fact.silence)}", fact.by, fact.reason))


def _of_silence(silence: Silence, line: Line) -> Line:
    """It concerns the alert or the service that it names; one that names neither may concern any."""
    named = {name: text for name, text in map(_named, silence.matchers) if text}
    if "alert_id" in named:
        return replace(line, alert_id=named["alert_id"]) if _is_uuid(named["alert_id"]) else line
    return replace(line, service=named.get("service", EVERY_SERVICE))


def _named(matcher: str) -> tuple[str, str]:
    """The name and text of a matcher that wants one text; no text for any other."""
    found = _EQUAL.fullmatch(matcher.strip())
    return (found[1], found[2].replace('\\"', '"').replace("\\\\", "\\")) if found else ("", "")


def _matchers(silence: Silence) -> str:
    return ", ".join(silence.matchers)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


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


def _alert_response_asked(fact: detection.AlertResponseAsked) -> Line:
    """The incident that gathers the alert tells it."""
    return Line(f"{fact.asked.by} asks: {_wanted(fact.asked)}", fact.asked.by, fact.asked.note, _instant(fact.asked.at))


def _response_asked(fact: triage.ResponseAsked) -> Line:
    asked = fact.asked
    return Line(f"{asked.by} asks: {_wanted(asked)}", asked.by, asked.note, _instant(asked.at), fact.incident.id)


def _asked_in_vain(fact: response.AskedInVain) -> Line:
    return Line(f"{fact.party} could not be asked", fact.by, fact.reason, incident_id=fact.incident_id)


def _wanted(asked: Asked) -> str:
    if asked.how == Asked.HOW_ACTION:
        return f"do {asked.action}"
    kind = PARTIES.get(asked.party.kind, "")
    return f"{WANTED.get(asked.how, '')} {kind} {asked.party.name}".strip()


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


def _type_changed(fact: triage.TypeChanged) -> Line:
    summary = f"Type changed from {type_name(fact.before)} to {type_name(fact.incident.type)}"
    return Line(summary, actor=fact.changed_by, reason=fact.reason, incident_id=fact.incident.id)


def _privacy_changed(fact: triage.PrivacyChanged) -> Line:
    came = [f"{', '.join(fact.added)} may know of it"] if fact.added else []
    went = [f"{', '.join(fact.removed)} may not any more"] if fact.removed else []
    said = "; ".join([*came, *went]) or "its members stay noted"
    state = "private" if fact.incident.private else "public"
    return Line(f"The incident is {state}: {said}", fact.changed_by, fact.reason, incident_id=fact.incident.id)


def _alerts_withheld(fact: triage.AlertsWithheld) -> Line:
    count = len(fact.alert_ids)
    return Line(
        f"{count} alerts are shown to its members only" if count > 1 else "Its alert is shown to its members only",
        incident_id=fact.incident.id,
    )


def _incident_acknowledged(fact: triage.IncidentAcknowledged) -> Line:
    incident = fact.incident
    summary = f"{incident.acknowledged_by} has taken the incident"
    return Line(summary, actor=incident.acknowledged_by, at=_instant(incident.acknowledged_at), incident_id=incident.id)


def _incident_unacknowledged(fact: triage.IncidentUnacknowledged) -> Line:
    summary = f"The acknowledgement of {fact.acknowledged_by} does not count any more"
    return Line(summary, reason=fact.reason, incident_id=fact.incident.id)


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
    reason = summons.explanation or summons.reason
    return Line(f"{summons.responder} is asked to respond ({_step(summons)})", "", reason, _instant(summons.at), fact.incident.id)


def _step(summons: Summons) -> str:
    if summons.step < 0:
        return "asked for by hand"
    return f"step {summons.step + 1}" + (f", round {summons.round + 1}" if summons.round else "")


def _coverage_gap_found(fact: response.CoverageGapFound) -> Line:
    instead = f"{', '.join(fact.asked_instead)} asked instead" if fact.asked_instead else "there was nobody else to ask"
    return Line(f"Coverage gap: nobody for {fact.gap}; {instead}", reason=fact.why, incident_id=fact.incident_id)


def _contact_summoned(fact: response.ContactSummoned) -> Line:
    summons = fact.summons
    return Line(f"{summons.contact} is told", "", summons.explanation or summons.reason, _instant(summons.at), fact.incident.id)


def _acknowledgement_counted(fact: response.AcknowledgementCounted) -> Line:
    escalation = fact.escalation
    count = f"{len(escalation.acknowledged_by)} of {escalation.acknowledgements_needed}"
    return Line(f"{fact.acknowledged_by} acknowledged, {count}", fact.acknowledged_by, incident_id=escalation.incident_id)


def _acknowledgement_expired(fact: response.AcknowledgementExpired) -> Line:
    return Line(f"The acknowledgement by {fact.acknowledged_by} ran out", reason=fact.reason, incident_id=fact.incident_id)


def _escalation_redirected(fact: response.EscalationRedirected) -> Line:
    return Line(f"Escalation: {fact.done}", fact.by, fact.reason, incident_id=fact.escalation.incident_id)


def _summons_answered(fact: response.SummonsAnswered) -> Line:
    summons = fact.summons
    said = {Summons.ANSWER_ACCEPTED: "comes", Summons.ANSWER_DECLINED: "does not come"}.get(summons.answer, "answered")
    at = _instant(summons.answered_at)
    return Line(f"{summons.responder} {said}", summons.responder, summons.answer_reason, at, fact.incident_id)


def _duty_changed(fact: response.DutyChanged) -> Line:
    """About a schedule; no incident asks for it."""
    return Line(f"On call for {fact.schedule}: {', '.join(fact.came) or 'nobody'} instead of {', '.join(fact.went) or 'nobody'}")


def _handoff_due(fact: response.HandoffDue) -> Line:
    """About a schedule; no incident asks for it."""
    return Line(f"Handoff of {fact.schedule} comes: from {', '.join(fact.going) or 'nobody'} to {', '.join(fact.coming) or 'nobody'}")


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
    answer = {"ACKNOWLEDGE": "takes the incident", "RESOLVE": "it is over"}.get(fact.answer, fact.answer.lower())
    return Line(f"{fact.responder} answered a page: {answer}", fact.responder, "", _instant(fact.at), fact.incident_id)


def _contact_failing(fact: communication.ContactFailing) -> Line:
    """About a responder; no incident asks for it."""
    method = fact.contact.contact_method
    return Line(f"Contact {method.name} of {method.responder} changed its health", reason=fact.contact.health_reason)


def _reachability_in_doubt(fact: communication.ReachabilityInDoubt) -> Line:
    """About a responder; no incident asks for it."""
    return Line(f"{fact.reachability.responder} may not be reachable", reason=fact.reachability.problem)


def _reachability_checked(fact: communication.ReachabilityChecked) -> Line:
    """About a responder; no incident asks for it."""
    return Line(f"{fact.responder} was looked at: can they be reached?", reason=fact.problem)


def _delegation_made(fact: communication.DelegationMade) -> Line:
    """About a responder; no incident asks for it."""
    made = fact.delegation
    return Line(f"Pages of {made.from_responder} go to {made.to_responder}", made.made_by, made.reason, _instant(fact.at))


def _delegation_ended(fact: communication.DelegationEnded) -> Line:
    """About a responder; no incident asks for it."""
    made = fact.delegation
    return Line(f"Pages of {made.from_responder} do not go to {made.to_responder} any more", at=_instant(fact.at))


def _paging_stopped(fact: communication.PagingStopped) -> Line:
    return Line("All paging was stopped", fact.by, fact.reason, service=EVERY_SERVICE)


def _paging_resumed(fact: communication.PagingResumed) -> Line:
    return Line("Paging goes on", fact.by, service=EVERY_SERVICE)


def _review_opened(fact: review.ReviewOpened) -> Line:
    return Line("Review drafted", incident_id=fact.incident_id)


# In the order of cause and effect, for what happens at the same instant.
NARRATORS: Mapping[type[Message], Callable[[Any], Line]] = {
    changes.ChangeReported: _change_reported,
    edge.ConfigurationChanged: _configuration_changed,
    noise.SilenceCreated: _silence_created,
    noise.SilenceExpiring: _silence_expiring,
    noise.SilenceExpired: _silence_expired,
    detection.AlertOpened: _alert_opened,
    detection.AlertChanged: _alert_changed,
    detection.AlertSuppressed: _alert_suppressed,
    detection.AlertAcknowledged: _alert_acknowledged,
    detection.AlertResolved: _alert_resolved,
    triage.IncidentOpened: _incident_opened,
    triage.AlertAttached: _alert_attached,
    triage.SeverityChanged: _severity_changed,
    triage.TypeChanged: _type_changed,
    triage.PrivacyChanged: _privacy_changed,
    triage.AlertsWithheld: _alerts_withheld,
    triage.IncidentReopened: _incident_reopened,
    detection.AlertResponseAsked: _alert_response_asked,
    triage.ResponseAsked: _response_asked,
    response.AskedInVain: _asked_in_vain,
    response.AcknowledgementExpired: _acknowledgement_expired,
    triage.IncidentUnacknowledged: _incident_unacknowledged,
    response.HandoffDue: _handoff_due,
    response.DutyChanged: _duty_changed,
    response.EscalationStarted: _escalation_started,
    response.CoverageGapFound: _coverage_gap_found,
    response.EscalationRedirected: _escalation_redirected,
    response.ResponderSummoned: _responder_summoned,
    response.ContactSummoned: _contact_summoned,
    response.SummonsAnswered: _summons_answered,
    communication.ContactFailing: _contact_failing,
    communication.ReachabilityInDoubt: _reachability_in_doubt,
    communication.ReachabilityChecked: _reachability_checked,
    communication.DelegationMade: _delegation_made,
    communication.DelegationEnded: _delegation_ended,
    communication.PagingStopped: _paging_stopped,
    communication.PagingResumed: _paging_resumed,
    communication.PageSent: _page("sent", lambda page: page.sent_at),
    communication.PageDelivered: _page("delivered", lambda page: page.delivered_at),
    communication.PageFailed: _page("failed", lambda page: None),
    communication.ReplyReceived: _reply_received,
    **EVIDENCE,
    **OBLIGATIONS,
    response.AcknowledgementCounted: _acknowledgement_counted,
    triage.IncidentAcknowledged: _incident_acknowledged,
    **PLAYBOOK_NARRATORS,
    **COMMAND_NARRATORS,
    **CONTAINMENT_NARRATORS,
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


def type_name(kind: int) -> str:
    """security, human error …; "unknown" for one that only a newer version knows."""
    if kind not in IncidentType.values():
        return "unknown"
    return IncidentType.Name(kind).removeprefix("INCIDENT_TYPE_").replace("_", " ").lower()  # type: ignore[arg-type]  # it is one


def _own_time(fact: Message) -> datetime | None:
    """The instant that a fact itself names; None if it names none, or comes from a version that does not."""
    stamp = getattr(fact, "at", None)
    return _instant(stamp) if isinstance(stamp, Timestamp) else None


def _cut(text: str) -> str:
    """One line, not too long: senders' titles have no limit here. No NUL, which Postgres does not store."""
    line = " ".join(text.replace("\x00", " ").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
