"""What the facts about obligations mean for people."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import obligation_events_pb2 as facts
from tocsin.response.v1.obligation_pb2 import Obligation

from tocsin_review.line import Line

ANSWERS = {
    Obligation.STATE_SUBMITTED: "Submitted",
    Obligation.STATE_WAIVED: "Waived",
    Obligation.STATE_WITHDRAWN: "Withdrawn",
}


def _started(fact: facts.ObligationStarted) -> Line:
    kept = fact.obligation
    until = f"until {kept.due_at.ToDatetime():%Y-%m-%d %H:%M}Z" if kept.HasField("due_at") else "without undue delay"
    return Line(f"Obligation by {_what(kept)}, {until}", reason=kept.explanation, incident_id=kept.incident_id)


def _due(fact: facts.ObligationDue) -> Line:
    kept = fact.obligation
    said = f"{fact.percent} % of the time is over" if fact.percent < 100 else "The time is up"
    until = f"due at {kept.due_at.ToDatetime():%Y-%m-%d %H:%M}Z" if kept.HasField("due_at") else ""
    return Line(f"{said}: {_what(kept)}", reason=until, incident_id=kept.incident_id)


def _answered(fact: facts.ObligationAnswered) -> Line:
    kept = fact.obligation
    late = ", late" if kept.late else ""
    reference = f", reference {kept.reference}" if kept.reference else ""
    verb = ANSWERS.get(kept.state, "Answered")
    return Line(f"{verb}{late}: {_what(kept)}{reference}", kept.answered_by, kept.reason, incident_id=kept.incident_id)


def _paused(fact: facts.ObligationPaused) -> Line:
    kept = fact.obligation
    return Line(f"Its clock is paused: {_what(kept)}", fact.by, kept.pause_reason, incident_id=kept.incident_id)


def _resumed(fact: facts.ObligationResumed) -> Line:
    kept = fact.obligation
    said = f"Its clock goes on: {_what(kept)}, due at {kept.due_at.ToDatetime():%Y-%m-%d %H:%M}Z"
    return Line(said, fact.by, fact.reason, incident_id=kept.incident_id)


def _what(kept: Obligation) -> str:
    return f"{kept.regime}: {kept.title}"


OBLIGATIONS: Mapping[type[Message], Callable[[Any], Line]] = {
    facts.ObligationStarted: _started,
    facts.ObligationDue: _due,
    facts.ObligationAnswered: _answered,
    facts.ObligationPaused: _paused,
    facts.ObligationResumed: _resumed,
}
