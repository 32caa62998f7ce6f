"""What the facts of the command of incidents mean for people."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import command_events_pb2 as facts
from tocsin.response.v1.command_pb2 import Phase

from tocsin_review.line import Line, instant


def _phase(number: int) -> str:
    return Phase.Name(number).removeprefix("PHASE_").replace("_", " ").lower() if number in Phase.values() else f"phase {number}"  # type: ignore[arg-type]  # it is one


def _phase_entered(fact: facts.PhaseEntered) -> Line:
    entry = fact.entry
    despite = f", though open: {'; '.join(entry.overridden)}" if entry.overridden else ""
    back = "Back to" if fact.before > entry.phase else "Phase"
    return Line(f"{back} {_phase(entry.phase)}{despite}", entry.entered_by, entry.reason, instant(entry.entered_at), fact.incident_id)


def _role_assigned(fact: facts.RoleAssigned) -> Line:
    holding = fact.holding
    if not holding.responder:
        said = f"{fact.before} gave up the role {holding.role}"
    elif fact.before:
        said = f"{holding.role}: {holding.responder} instead of {fact.before}"
    else:
        said = f"{holding.role}: {holding.responder}"
    reason = holding.summary or holding.reason
    return Line(said, holding.assigned_by, reason, instant(holding.since), fact.incident_id)


def _task_added(fact: facts.TaskAdded) -> Line:
    task = fact.task
    owner = f" for {task.owner}" if task.owner else ""
    return Line(f"Task{owner}: {task.title}", task.created_by, _origin(task.source), instant(task.created_at), task.incident_id)


def _origin(source: str) -> str:
    return {"plan": "the plan wants it", "playbook": "a playbook wants it"}.get(source, "")


def _task_completed(fact: facts.TaskCompleted) -> Line:
    task = fact.task
    return Line(f"Task done: {task.title}", task.closed_by, task.result, instant(task.closed_at), task.incident_id)


def _task_changed(fact: facts.TaskChanged) -> Line:
    return Line(f"Task {fact.done}: {fact.task.title}", fact.changed_by, fact.reason, incident_id=fact.task.incident_id)


def _task_due(fact: facts.TaskDue) -> Line:
    state = "is due" if fact.overdue else "is due soon"
    return Line(f"{fact.responder} is reminded that a task {state}: {fact.task.title}", incident_id=fact.task.incident_id)


def _decision_logged(fact: facts.DecisionLogged) -> Line:
    decision = fact.decision
    return Line(f"Decided: {decision.text}", decision.decided_by, decision.reason, instant(decision.at), fact.incident_id)


def _check_ticked(fact: facts.CheckTicked) -> Line:
    check = fact.check
    said = "Ticked" if check.ticked else "Not ticked any more"
    return Line(f"{said}: {check.text}", check.by, check.note, instant(check.at), fact.incident_id)


def _question_answered(fact: facts.QuestionAnswered) -> Line:
    answer = fact.answer
    return Line(
        f"{answer.question} {answer.text}".strip() or "A question was answered", answer.by, "", instant(answer.at), fact.incident_id
    )


def _bridge_set(fact: facts.BridgeSet) -> Line:
    bridge = fact.bridge
    where = " ".join(filter(None, [bridge.url, bridge.dial_in]))
    said = f"Meeting place: {where}" if where else "There is no meeting place any more"
    return Line(said, bridge.set_by, "", instant(bridge.at), fact.incident_id)


def _responder_joined(fact: facts.ResponderJoined) -> Line:
    who = fact.attendant
    return Line(f"{who.responder} joined", who.responder, who.reason, instant(who.joined_at), fact.incident_id)


def _update_due(fact: facts.UpdateDue) -> Line:
    return Line(f"{fact.responder} is reminded that people wait for word", incident_id=fact.incident_id)


def _update_noted(fact: facts.UpdateNoted) -> Line:
    return Line(f"People were told: {fact.text}", fact.by, incident_id=fact.incident_id)


def _plan_reviewed(fact: facts.PlanReviewed) -> Line:
    """About a plan; no incident asks for it."""
    return Line(f"The plan {fact.plan} was reviewed", fact.by, fact.note)


COMMAND_NARRATORS: Mapping[type[Message], Callable[[Any], Line]] = {
    facts.PhaseEntered: _phase_entered,
    facts.RoleAssigned: _role_assigned,
    facts.ResponderJoined: _responder_joined,
    facts.TaskAdded: _task_added,
    facts.TaskChanged: _task_changed,
    facts.TaskDue: _task_due,
    facts.TaskCompleted: _task_completed,
    facts.CheckTicked: _check_ticked,
    facts.QuestionAnswered: _question_answered,
    facts.DecisionLogged: _decision_logged,
    facts.BridgeSet: _bridge_set,
    facts.UpdateDue: _update_due,
    facts.UpdateNoted: _update_noted,
    facts.PlanReviewed: _plan_reviewed,
}
