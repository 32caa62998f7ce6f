"""What the facts about runs of playbooks mean for people."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import playbook_events_pb2 as playbook
from tocsin.response.v1.playbook_pb2 import Question, Run, Step

from tocsin_review.line import Line, instant

ASKED = {Question.KIND_MANUAL: "people are to do", Question.KIND_OUTCOME: "somebody is to say what became of"}
EXERCISE = " (exercise: nothing real was touched)"
ENDS = {Run.STATE_SUCCEEDED: "has reached its end", Run.STATE_FAILED: "failed", Run.STATE_CANCELLED: "was cancelled"}


def _run_started(fact: playbook.RunStarted) -> Line:
    run = fact.run
    how = " in an exercise" if run.simulated else ""
    summary = f"Playbook {run.playbook} (version {run.playbook_version}) started{how}"
    return Line(summary, run.started_by, run.reason, instant(run.started_at), run.incident_id)


def _step_succeeded(fact: playbook.StepSucceeded) -> Line:
    verb = "was skipped" if fact.step.state == Step.STATE_SKIPPED else "is done"
    return _of_step(fact, verb)


def _step_failed(fact: playbook.StepFailed) -> Line:
    verb = "ran out of time" if fact.step.state == Step.STATE_TIMED_OUT else "failed"
    return _of_step(fact, verb)


def _of_step(fact: playbook.StepSucceeded | playbook.StepFailed, verb: str) -> Line:
    summary = f"{_step(fact.playbook, fact.step)} {verb}{EXERCISE if fact.simulated else ''}"
    return Line(summary, reason=fact.step.explanation, incident_id=fact.incident_id)


def _approval_sought(fact: playbook.ApprovalSought) -> Line:
    question = fact.question
    asked = ", ".join(question.roles) or "any responder"
    count = f"{question.quorum} of " if question.quorum > 1 else ""
    what = ASKED.get(question.kind, f"{count}{asked} must approve")
    summary = f"{what[:1].upper()}{what[1:]} step {_name(question)}{EXERCISE if fact.simulated else ''}"
    return Line(summary, question.requester, question.text, incident_id=question.incident_id)


def _approval_granted(fact: playbook.ApprovalGranted) -> Line:
    verb = "approved" if fact.question.kind in (Question.KIND_UNSPECIFIED, Question.KIND_APPROVAL) else "answered as done"
    return _answered(f"Step {_name(fact.question)} is {verb}", fact)


def _approval_denied(fact: playbook.ApprovalDenied) -> Line:
    verb = "denied" if fact.question.kind in (Question.KIND_UNSPECIFIED, Question.KIND_APPROVAL) else "answered as failed"
    return _answered(f"Step {_name(fact.question)} is {verb}", fact)


def _answered(summary: str, fact: playbook.ApprovalGranted | playbook.ApprovalDenied) -> Line:
    return Line(summary, fact.by, fact.question.explanation, incident_id=fact.question.incident_id)


def _approval_withdrawn(fact: playbook.ApprovalWithdrawn) -> Line:
    summary = f"Nobody needs to answer any more about step {_name(fact.question)}"
    return Line(summary, reason=fact.reason, incident_id=fact.question.incident_id)


def _run_steered(fact: playbook.RunSteered) -> Line:
    return Line(f"Playbook {fact.run.playbook}: {fact.done}", fact.by, fact.reason, incident_id=fact.run.incident_id)


def _run_finished(fact: playbook.RunFinished) -> Line:
    run = fact.run
    summary = f"Playbook {run.playbook} {ENDS.get(run.state, 'has ended')}{EXERCISE if run.simulated else ''}"
    return Line(summary, reason=run.explanation, at=instant(run.ended_at), incident_id=run.incident_id)


def _step(name: str, step: Step) -> str:
    return f"Playbook {name}: {step.name or step.step_id or 'a step'}"


def _name(question: Question) -> str:
    return f"{question.step_name} of playbook {question.playbook}"


# In the order of cause and effect, for what happens at the same instant.
PLAYBOOK_NARRATORS: Mapping[type[Message], Callable[[Any], Line]] = {
    playbook.ApprovalGranted: _approval_granted,
    playbook.ApprovalDenied: _approval_denied,
    playbook.ApprovalWithdrawn: _approval_withdrawn,
    playbook.RunStarted: _run_started,
    playbook.RunSteered: _run_steered,
    playbook.StepSucceeded: _step_succeeded,
    playbook.StepFailed: _step_failed,
    playbook.ApprovalSought: _approval_sought,
    playbook.RunFinished: _run_finished,
}
