"""What the facts about containment, automations and recovery mean for people."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import containment_events_pb2 as containment
from tocsin.response.v1.containment_pb2 import Measure, Proposal

from tocsin_review.line import Line, instant


def _measure_applied(fact: containment.MeasureApplied) -> Line:
    measure = fact.measure
    until = f" until {measure.until.ToDatetime():%Y-%m-%d %H:%M}Z" if measure.HasField("until") else ""
    how = f" by {measure.connector}" if measure.connector else " by hand"
    exercise = " in an exercise" if measure.simulated else ""
    awaited = ", taken on and not seen to be effective yet" if measure.verification == Measure.VERIFICATION_AWAITED else ""
    summary = f"Measure: {measure.action} {measure.target}{how}{exercise}{until}{awaited}"
    return Line(summary, measure.applied_by, measure.reason, instant(measure.applied_at), measure.incident_id)


def _measure_expired(fact: containment.MeasureExpired) -> Line:
    return Line(f"The time of {_what(fact.measure)} is up", reason=fact.measure.trouble, incident_id=fact.measure.incident_id)


def _measure_lifted(fact: containment.MeasureLifted) -> Line:
    measure = fact.measure
    return Line(
        f"Lifted: {_what(measure)}", measure.lifted_by, measure.decision, instant(measure.lifted_at), incident_id=measure.incident_id
    )


def _measure_kept(fact: containment.MeasureKept) -> Line:
    return Line(f"Stays in force: {_what(fact.measure)}", fact.by, fact.measure.decision, incident_id=fact.measure.incident_id)


def _measure_prolonged(fact: containment.MeasureProlonged) -> Line:
    measure = fact.measure
    until = f"until {measure.until.ToDatetime():%Y-%m-%d %H:%M}Z" if measure.HasField("until") else "until it is lifted"
    return Line(f"In force {until}: {_what(measure)}", fact.by, incident_id=measure.incident_id)


def _measure_lost(fact: containment.MeasureLost) -> Line:
    return Line(f"Does not hold any more: {_what(fact.measure)}", reason=fact.finding, incident_id=fact.measure.incident_id)


def _measure_verified(fact: containment.MeasureVerified) -> Line:
    return Line(f"Seen to be effective: {_what(fact.measure)}", reason=fact.measure.finding, incident_id=fact.measure.incident_id)


def _measure_not_verified(fact: containment.MeasureNotVerified) -> Line:
    return Line(f"Not verified: {_what(fact.measure)}", reason=fact.measure.finding, incident_id=fact.measure.incident_id)


def _action_proposed(fact: containment.ActionProposed) -> Line:
    proposal = fact.proposal
    what = {
        Proposal.STATE_STARTED: f"started playbook {proposal.playbook}",
        Proposal.STATE_FAILED: f"could not start playbook {proposal.playbook}",
    }.get(proposal.state, f"proposes playbook {proposal.playbook}")
    author = f"Automation {proposal.automation}" if proposal.automation else f"Plan {proposal.plan}"
    summary = f"{author} {what}"
    return Line(summary, reason=proposal.reason, at=instant(proposal.proposed_at), incident_id=proposal.incident_id)


def _proposal_answered(fact: containment.ProposalAnswered) -> Line:
    proposal = fact.proposal
    verb = "Accepted" if proposal.state == Proposal.STATE_ACCEPTED else "Declined"
    at = instant(proposal.decided_at)
    return Line(f"{verb}: playbook {proposal.playbook}", proposal.decided_by, proposal.reason, at, proposal.incident_id)


def _recovery_watch_set(fact: containment.RecoveryWatchSet) -> Line:
    watch = fact.watch
    summary = f"Its return is looked out for until {watch.until.ToDatetime():%Y-%m-%d}, by {len(watch.indicators)} indicators"
    return Line(summary, watch.set_by, incident_id=watch.incident_id)


def _incident_recurred(fact: containment.IncidentRecurred) -> Line:
    return Line("It came back", reason=fact.watch.recurrence, at=instant(fact.watch.recurred_at), incident_id=fact.watch.incident_id)


def _action_refused(fact: containment.ActionRefused) -> Line:
    return Line(f"Refused: {fact.action} {fact.target}", reason=fact.reason, incident_id=fact.incident_id)


def _what(measure: Measure) -> str:
    return f"{measure.action} {measure.target}"


# In the order of cause and effect, for what happens at the same instant.
CONTAINMENT_NARRATORS: Mapping[type[Message], Callable[[Any], Line]] = {
    containment.ActionProposed: _action_proposed,
    containment.ProposalAnswered: _proposal_answered,
    containment.ActionRefused: _action_refused,
    containment.MeasureApplied: _measure_applied,
    containment.MeasureVerified: _measure_verified,
    containment.MeasureNotVerified: _measure_not_verified,
    containment.MeasureProlonged: _measure_prolonged,
    containment.MeasureKept: _measure_kept,
    containment.MeasureExpired: _measure_expired,
    containment.MeasureLost: _measure_lost,
    containment.MeasureLifted: _measure_lifted,
    containment.RecoveryWatchSet: _recovery_watch_set,
    containment.IncidentRecurred: _incident_recurred,
}
