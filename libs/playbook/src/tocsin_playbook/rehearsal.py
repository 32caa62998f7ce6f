"""A rehearsal: a whole run played at once with given outcomes and answers. For tests of playbooks; nothing is carried out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tocsin_kernel.decision import Decision
from tocsin_playbook import engine, facts
from tocsin_playbook.assignments import assignments
from tocsin_playbook.playbook import Playbook
from tocsin_playbook.run import Answer, Assignment, Outcome, OutcomeState, Run, RunState, Say, StepInstance, Verb, Wait

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST_TURNS = 10_000
WELL = Outcome(OutcomeState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Script:
    """What comes of each step, by its name or id, in order; what is not said goes well. "silence": nobody answers, until the timer."""

    outcomes: Mapping[str, Sequence[Outcome | str]] = field(default_factory=dict)
    answers: Mapping[str, Sequence[Answer | str]] = field(default_factory=dict)
    children: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Rehearsal:
    """Plays a run to its end. `trace` tells what happened in words; `run` is how it stands."""

    def __init__(self, playbook: Playbook, variables: Mapping[str, str | None], script: Script, run_id: str = "rehearsal") -> None:
        self.now = START
        self.facts: list[object] = []
        self.carried_out: list[Assignment] = []
        self._script = script
        self._left: dict[str, list[Outcome | str]] = {name: list(each) for name, each in script.outcomes.items()}
        self._answers: dict[str, list[Answer | str]] = {name: list(each) for name, each in script.answers.items()}
        self._asked: defaultdict[str, int] = defaultdict(int)
        self.run = self._took(engine.begin(playbook, variables, self.now, run_id))

    def play(self) -> "Rehearsal":
        """Until it ends, or waits for something that will never come."""
        for _ in range(MOST_TURNS):
            if self.run.state.final or not self._turn():
                return self
        raise RuntimeError(f"the run did not end within {MOST_TURNS} turns")

    @property
    def trace(self) -> list[str]:
        """What happened, in order."""
        return [line for fact in self.facts for line in _told(fact, self.run)]

    def _turn(self) -> bool:
        for each in assignments(self.run):
            if (each.not_before or self.now) <= self.now and self._carried_out(each):
                return True
        for waiting in list(self.run.steps.values()):
            if self._answered(waiting):
                return True
        return self._time_passes()

    def _carried_out(self, assignment: Assignment) -> bool:
        outcome = self._next(self._left, assignment.path, "undo " if assignment.verb is Verb.UNDO else "")
        if outcome == "silence":
            return False
        self.carried_out.append(assignment)
        said = outcome if isinstance(outcome, Outcome) else Outcome(OutcomeState(outcome)) if outcome else WELL
        self.run = self._took(engine.assignment_ended(self.run, assignment.path, assignment.index, said, self.now))
        return True

    def _answered(self, instance: StepInstance) -> bool:
        if instance.waiting_for is Wait.CHILD:
            outcome = self._next(self._left, instance.path) or "SUCCEEDED"
            if outcome == "silence":
                return False
            values = self._script.children.get(self._name(instance.path), {})
            self.run = self._took(engine.child_finished(self.run, instance.path, outcome == "SUCCEEDED", values, self.now))
            return True
        if instance.waiting_for not in (Wait.APPROVAL, Wait.MANUAL, Wait.UNKNOWN):
            return False
        said = self._next(self._answers, instance.path) or ("approve" if instance.waiting_for is Wait.APPROVAL else "done")
        if said == "silence":
            return False
        self._asked[instance.path] += 1
        answer = said if isinstance(said, Answer) else Answer(Say(said), by=f"person {self._asked[instance.path]}")
        self.run = self._took(engine.answered(self.run, instance.path, answer, self.now))
        return True

    def _time_passes(self) -> bool:
        timers = [each.due_at for each in engine.due(self.run) if each.due_at]
        times = [*timers, *(each.not_before for each in assignments(self.run) if each.not_before)]
        later = [each for each in times if each > self.now]
        if not timers and not later:
            return False
        self.now = min(later) if later and not any(each <= self.now for each in timers) else self.now
        for each in engine.due(self.run):
            if each.due_at and each.due_at <= self.now:
                self.run = self._took(engine.timer_fired(self.run, each.path, self.now))
                break
        return True

    def _next(self, said: dict[str, list[Outcome | str]] | dict[str, list[Answer | str]], path: str, prefix: str = "") -> object:
        """What is said of a step next; silence stays."""
        for name in (prefix + self._name(path), prefix + path.rpartition("/")[2]):
            left = said.get(name)
            if left:
                return left[0] if left[0] == "silence" else left.pop(0)
        return None

    def _name(self, path: str) -> str:
        return self.run.playbook.steps[self.run.steps[path].step_id].title

    def _took(self, decision: Decision[Run]) -> Run:
        self.facts.extend(decision.facts)
        return decision.state


def _told(fact: object, run: Run) -> Iterable[str]:
    if isinstance(fact, facts.RunFinished):
        standing = f", still standing: {', '.join(_short(each, run) for each in fact.standing)}" if fact.standing else ""
        yield f"run {fact.state.value}{standing}" if fact.state is not RunState.SUCCEEDED else "run succeeded"
    elif isinstance(fact, facts.ApprovalGranted):
        yield f"{_short(fact.path, run)}: approved by {', '.join(fact.by) or 'nobody, in time'}"
    elif type(fact) in WORDS:
        yield f"{_short(fact.path, run)}: {WORDS[type(fact)]}"  # type: ignore[attr-defined]
    elif isinstance(fact, facts.UndoEnded):
        yield f"{_short(fact.path, run)}: {'undone' if fact.well else 'not undone'}"


WORDS: Mapping[type, str] = {
    facts.StepStarted: "started",
    facts.StepRetried: "tried again",
    facts.StepSucceeded: "succeeded",
    facts.StepFailed: "failed",
    facts.StepSkipped: "skipped",
    facts.ApprovalSought: "approval sought",
    facts.ApprovalCounted: "one approval more",
    facts.ApprovalDenied: "denied",
    facts.ManualSought: "somebody asked",
    facts.OutcomeUnknown: "outcome unknown",
    facts.ChildWanted: "playbook wanted",
    facts.ChildUnwanted: "playbook unwanted",
    facts.UndoWanted: "to be undone",
    facts.LateEffect: "done after all",
}


def _short(path: str, run: Run) -> str:
    """A path with names for ids, with the rounds and branches it went through."""
    parts = []
    for part in path.split("/"):
        step, _, number = part.partition("#")
        title = run.playbook.steps[step].title if step in run.playbook.steps else step
        parts.append(f"{title}#{number}" if number else title)
    return "/".join(parts)
