"""Whether an incident may go to another phase: criteria, what is seen of them, and what the commander may override."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Forbidden, Invalid
from tocsin_response.command.plan import COMMANDER, Criterion, Looked, Phase, Plan

MOST_NAMED = 5


class PhaseGateClosed(Conflict):
    """`open` names each criterion that is open, with how to close it."""

    reason = "PHASE_GATE_CLOSED"
    message = "{phase} cannot be entered yet: {open}. The commander may go on all the same, with a reason"


class NotTheCommander(Forbidden):
    reason = "NOT_THE_COMMANDER"
    message = "only the commander may go on while mandatory criteria are open; that is {commander}, not {caller}"


class LastPhase(Conflict):
    reason = "LAST_PHASE"
    message = "lessons learned is the last phase; resolve the incident when they are written down"


@dataclass(frozen=True, slots=True)
class Situation:
    """What criteria look at. None: nothing is kept of it here, so that nothing can be open.

    `open_tasks` are titles by phase, `measures` those in force, `undecided` those of them that nobody has decided about,
    `runs` playbooks that ended well, `simulated` those that did on simulated systems, `running` those under way.
    """

    ticked: Set[str] = frozenset()
    answered: Set[str] = frozenset()
    holders: Mapping[str, str] = field(default_factory=dict)
    open_tasks: Mapping[Phase, tuple[str, ...]] = field(default_factory=dict)
    severity_set_by: str = ""
    measures: tuple[str, ...] | None = None
    undecided: tuple[str, ...] | None = None
    evidence: int | None = None
    obligations: tuple[str, ...] | None = None
    runs: tuple[str, ...] | None = None
    running: tuple[str, ...] | None = None
    simulated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """A criterion as it stands: whether it holds, what was seen, and how to make it hold."""

    criterion: Criterion
    text: str
    met: bool
    seen: str
    remedy: str

    @property
    def closed(self) -> bool:
        """Whether it keeps the incident from going on."""
        return self.criterion.mandatory and not self.met


@dataclass(frozen=True, slots=True)
class Entered:
    """An incident goes to another phase. `overridden` are the sentences of the criteria that were open."""

    phase: Phase
    before: Phase
    by: str
    reason: str
    at: datetime
    overridden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Where somebody wants to go, and why."""

    to: Phase
    by: str
    reason: str
    override: bool
    at: datetime


def gates(plan: Plan, phase: Phase, criteria: Iterable[Criterion], now: Situation) -> list[Gate]:
    """How these criteria of a phase stand."""
    return [_gate(plan, phase, each, now) for each in criteria]


def in_the_way(plan: Plan, current: Phase, to: Phase, now: Situation) -> list[Gate]:
    """The mandatory criteria that are open on the way forward: exits of what is left, entry of what is entered."""
    left = [gate for phase in Phase if current <= phase < to for gate in gates(plan, phase, plan.phase(phase).exit, now)]
    return [gate for gate in (*left, *gates(plan, to, plan.phase(to).entry, now)) if gate.closed]


def enter(plan: Plan, current: Phase, step: Step, now: Situation) -> Decision[Phase]:
    """Go there. The present phase changes nothing. Raises PhaseGateClosed, NotTheCommander, Invalid."""
    if step.to is current:
        return Decision(current, reason="it is in this phase already")
    if step.to < current:
        if not step.reason:
            raise Invalid(field="reason", detail=f"say why it goes back from {current.words} to {step.to.words}")
        return Decision(step.to, (Entered(step.to, current, step.by, step.reason, step.at),), step.reason)
    closed = in_the_way(plan, current, step.to, now)
    if closed and not step.override:
        told = {f"gate.{number}.{gate.criterion.key}": _sentence(gate) for number, gate in enumerate(closed, 1)}
        raise PhaseGateClosed(phase=step.to.words, open="; ".join(_sentence(gate) for gate in closed), **told)
    if closed and now.holders.get(COMMANDER) != step.by:
        raise NotTheCommander(commander=now.holders.get(COMMANDER) or "nobody yet", caller=step.by)
    if closed and not step.reason:
        raise Invalid(field="reason", detail="say why it goes on though criteria are open")
    overridden = tuple(f"{gate.text} ({gate.seen})" for gate in closed)
    return Decision(step.to, (Entered(step.to, current, step.by, step.reason, step.at, overridden),), step.reason)


def following(current: Phase) -> Phase:
    """The next phase. Raises LastPhase."""
    if current is Phase.LESSONS_LEARNED:
        raise LastPhase()
    return Phase(current + 1)


def _sentence(gate: Gate) -> str:
    return f"{gate.text}: {gate.seen} ({gate.remedy})"


def _gate(plan: Plan, phase: Phase, criterion: Criterion, now: Situation) -> Gate:
    met, usual, seen, remedy = _look(plan, phase, criterion, now)
    return Gate(criterion, criterion.text or usual, met, seen, "" if met else remedy)


def _look(plan: Plan, phase: Phase, criterion: Criterion, now: Situation) -> tuple[bool, str, str, str]:
    """Whether it holds, what must hold, what was seen, how to mend it."""
    subject = criterion.subject
    match criterion.kind:
        case Looked.CHECKED:
            of = plan.phase_of_check(subject)
            text = plan.phase(of).checklist[subject] if of is not None else subject
            met = subject in now.ticked
            return met, text, "it is ticked" if met else "it is not ticked", f"tocsin command check INCIDENT {subject}"
        case Looked.ROLE_FILLED:
            holder = now.holders.get(subject, "")
            title = plan.roles[subject].title if subject in plan.roles else subject
            return bool(holder), f"{title} is named", holder or "nobody has the role", f"tocsin command role INCIDENT {subject} RESPONDER"
        case Looked.TASKS_DONE:
            left = now.open_tasks.get(phase, ())
            return not left, f"the tasks of {phase.words} are done", _listed(left, "none is open"), "complete or cancel them"
        case Looked.SEVERITY_SET:
            by = now.severity_set_by
            return bool(by), "a person said how bad it is", by or "nobody did", "tocsin incident severity INCIDENT SEV"
        case Looked.QUESTION_ANSWERED:
            of = plan.phase_of_question(subject)
            text = plan.phase(of).questions[subject] if of is not None else subject
            met = subject in now.answered
            return met, text, "it is answered" if met else "it is not answered", f"tocsin command answer INCIDENT {subject} ANSWER"
        case _:
            return _look_around(criterion, now)


def _look_around(criterion: Criterion, now: Situation) -> tuple[bool, str, str, str]:
    """What other nouns keep: measures, evidence, obligations, runs."""
    match criterion.kind:
        case Looked.NO_MEASURE_IN_FORCE:
            return _none_of(now.measures, "no containment measure is in force", "lift what is in force")
        case Looked.MEASURES_DECIDED:
            return _none_of(now.undecided, "every measure in force was decided about", "lift or keep each of them")
        case Looked.OBLIGATIONS_ANSWERED:
            return _none_of(now.obligations, "every obligation is answered", "answer each of them")
        case Looked.EVIDENCE_COLLECTED:
            text, count = "evidence is collected", now.evidence
            if count is None:
                return True, text, "nothing is kept of evidence here", ""
            return count > 0, text, f"{count} pieces" if count else "there is none", "collect what may be lost, before it is"
        case _:
            return _look_at_runs(criterion.subject, now)


def _look_at_runs(playbook: str, now: Situation) -> tuple[bool, str, str, str]:
    if not playbook:
        return _none_of(now.running, "no run is under way", "wait for it, or cancel it")
    text = f"a run of {playbook} ended well"
    if now.runs is None:
        return True, text, "nothing is kept of runs here", ""
    met = playbook in now.runs
    seen = "one did on simulated systems only" if playbook in now.simulated else "none did"
    return met, text, "it did" if met else seen, f"run the playbook {playbook}"


def _none_of(found: tuple[str, ...] | None, text: str, remedy: str) -> tuple[bool, str, str, str]:
    if found is None:
        return True, text, "nothing is kept of that here", ""
    return not found, text, _listed(found, "none is open"), remedy


def _listed(items: tuple[str, ...], nothing: str) -> str:
    if not items:
        return nothing
    more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return ", ".join(items[:MOST_NAMED]) + more
