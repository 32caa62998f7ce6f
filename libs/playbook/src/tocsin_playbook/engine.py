"""What a run does next: one pure function for each thing that can happen to it. Everything between two of them is rows of a store."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Invalid
from tocsin_playbook.answers import approved, by_hand, looked_up, unanswered
from tocsin_playbook.facts import (
    ApprovalDenied,
    LateEffect,
    RunPaused,
    RunRerun,
    RunResumed,
    RunStarted,
    StepSkipped,
)
from tocsin_playbook.flow import Walk
from tocsin_playbook.outcomes import lost, put_slot, took
from tocsin_playbook.playbook import Kind, Playbook
from tocsin_playbook.refusals import NoSuchStep, NotAsked, RunEnded, RunNotEnded, StepEnded
from tocsin_playbook.run import (
    EXCEPTION,
    ROOT,
    UNDO,
    Answer,
    Branch,
    Outcome,
    OutcomeState,
    Run,
    RunState,
    Say,
    SlotState,
    StepInstance,
    StepState,
    Wait,
    opened,
    opener_of,
    prefix_of,
)
from tocsin_playbook.scope import NotAllowed
from tocsin_playbook.variables import Variable

TIMED_OUT = "ACTION_TIMEOUT: the step's time was up"


def begin(playbook: Playbook, variables: Mapping[str, str | None], now: datetime, run_id: str) -> Decision[Run]:
    """Start a run with these values of variables. Raises Invalid where a value is missing, unknown or wrong."""
    run = Run(run_id, playbook, variables=_given(playbook, variables), version=0)
    walk = Walk(run, now)
    walk.facts.append(RunStarted())
    walk.enter(ROOT, playbook.start)
    return walk.decision(f"{playbook.name} began")


def assignment_ended(run: Run, path: str, index: int, outcome: Outcome, now: datetime) -> Decision[Run]:
    """A runner says what came of an assignment. What comes twice, or for a step that was given up, changes nothing else."""
    instance = _instance(run, path)
    if not 0 <= index < len(instance.slots):
        raise NoSuchStep(run=run.id, path=f"{path}, assignment {index}")
    slot = instance.slots[index]
    walk = Walk(run, now)
    if slot.state is SlotState.CANCELLED and outcome.state is OutcomeState.SUCCEEDED and not instance.undoes:
        put_slot(walk, path, index, replace(slot, state=SlotState.CHANGED, explanation="done after it had been given up"))
        walk.facts.append(LateEffect(path, index))
    elif slot.state is SlotState.OPEN and not instance.state.ended:
        took(walk, path, index, outcome)
        walk.settle(path)
    return walk.decision(outcome.explanation)


def runner_lost(run: Run, path: str, index: int, now: datetime, why: str = "") -> Decision[Run]:
    """The runner that was at an assignment is gone. For a step that was given up, nothing changes."""
    instance = _instance(run, path)
    walk = Walk(run, now)
    if instance.slots[index].state is SlotState.OPEN and not instance.state.ended:
        lost(walk, path, index, why)
        walk.settle(path)
    return walk.decision(why)


def timer_fired(run: Run, path: str, now: datetime) -> Decision[Run]:
    """The timer of a step is due (`due_at`). One that is not due, or of a run that does not run, changes nothing."""
    instance = _instance(run, path)
    if run.state is not RunState.RUNNING or instance.due_at is None or instance.due_at > now:
        return Decision(run)
    walk = Walk(run, now)
    if instance.waiting_for is Wait.DELAY:
        walk.start(path)
    elif instance.waiting_for is Wait.APPROVAL:
        unanswered(walk, path)
    else:
        walk.end(path, StepState.FAILED, TIMED_OUT)
    return walk.decision()


def answered(run: Run, path: str, answer: Answer, now: datetime) -> Decision[Run]:
    """A person answers a step that waits for one. The same answer of the same person changes nothing. Raises NotAsked, Invalid."""
    instance = _instance(run, path)
    walk = Walk(run, now)
    match instance.waiting_for, answer.say:
        case Wait.APPROVAL, Say.APPROVE:
            approved(walk, path, answer)
        case Wait.APPROVAL, Say.DENY:
            why = f"{answer.by} denied it" + (f": {answer.why}" if answer.why else "")
            walk.facts.append(ApprovalDenied(path, answer.by, answer.why))
            walk.end(path, StepState.FAILED, why)
        case Wait.MANUAL, (Say.DONE | Say.FAILED):
            by_hand(walk, path, answer)
        case Wait.UNKNOWN, (Say.DONE | Say.FAILED | Say.RETRY):
            looked_up(walk, path, answer)
        case waits, said:
            raise NotAsked(path=path, said=said.value, state=instance.state.value, waits=waits.value or "nothing")
    return walk.decision(answer.why)


def child_finished(run: Run, path: str, well: bool, variables: Mapping[str, str | None], now: datetime, why: str = "") -> Decision[Run]:
    """The playbook that ran for a step ended. For a step that does not wait for one any more, nothing changes."""
    if _instance(run, path).waiting_for is not Wait.CHILD:
        return Decision(run)
    walk = Walk(run, now)
    walk.put(path, waiting_for=Wait.NOTHING)
    if well:
        try:
            walk.assign(path, variables)
            walk.end(path, StepState.DONE, why)
        except NotAllowed as error:
            walk.end(path, StepState.FAILED, str(error))
    else:
        walk.end(path, StepState.FAILED, why or "the playbook failed")
    return walk.decision()


def pause(run: Run, now: datetime, by: str = "", why: str = "") -> Decision[Run]:
    """Hand out nothing more until it is resumed. What is at work comes to its end. A paused run stays as it is."""
    _running(run)
    if run.state is RunState.PAUSED:
        return Decision(run)
    walk = Walk(run, now)
    walk.state(state=RunState.PAUSED, paused_at=now)
    walk.facts.append(RunPaused(by, why))
    return walk.decision(why)


def resume(run: Run, now: datetime, by: str = "") -> Decision[Run]:
    """Go on. Whatever was due is due later, by as long as it was paused."""
    _running(run)
    if run.state is RunState.RUNNING:
        return Decision(run)
    walk = Walk(run, now)
    by_how_much = now - (run.paused_at or now)
    for path, each in run.steps.items():
        if not each.state.ended:
            walk.put(path, not_before=_later(each.not_before, by_how_much), deadline=_later(each.deadline, by_how_much))
    walk.state(state=RunState.RUNNING, paused_at=None)
    walk.facts.append(RunResumed(by))
    return walk.decision()


def cancel(run: Run, now: datetime, by: str = "", why: str = "", undo: bool = False) -> Decision[Run]:
    """End a run. With `undo`, what its steps changed is undone first, as if it had failed. Raises RunEnded."""
    _running(run)
    walk = Walk(run, now)
    told = f"cancelled by {by or 'somebody'}" + (f": {why}" if why else "")
    walk.stop_all(told)
    walk.state(state=RunState.RUNNING, paused_at=None)
    walk.finish(RunState.CANCELLED, told, undo=undo)
    return walk.decision(told)


def skip(run: Run, path: str, now: datetime, by: str = "", why: str = "") -> Decision[Run]:
    """Give a step up and go on as if it had gone well. Raises RunEnded, StepEnded."""
    _running(run)
    instance = _instance(run, path)
    if instance.state.ended:
        raise StepEnded(path=path, state=instance.state.value)
    walk = Walk(run, now)
    walk.facts.append(StepSkipped(path, instance.step_id, by, why))
    walk.end(path, StepState.SKIPPED, why)
    return walk.decision(why)


def rerun_from(run: Run, path: str, now: datetime, by: str = "", why: str = "") -> Decision[Run]:
    """Let a run that has ended go on from a step it had reached; steps behind it come anew, with new attempts.

    Branches beside it that were cancelled begin again where they were. Variables stay as they are. Raises RunNotEnded, NoSuchStep.
    """
    if not run.state.final:
        raise RunNotEnded(run=run.id, state=run.state.value)
    instance = _instance(run, path)
    if instance.undoes:
        raise NoSuchStep(run=run.id, path=path)
    walk = Walk(run, now)
    inside = path.startswith(f"{EXCEPTION}/")
    walk.state(state=RunState.RUNNING, ending=RunState.FAILED if inside else None, reason=run.reason if inside else "")
    walk.facts.append(RunRerun(path, by, why))
    _reopen(walk, path)
    walk.enter(prefix_of(path), instance.step_id)
    return walk.decision(why)


def _given(playbook: Playbook, values: Mapping[str, str | None]) -> dict[str, Variable]:
    found = dict(playbook.variables)
    for name, value in values.items():
        if name not in found:
            raise Invalid(field=f"variables.{name}", detail=f"the playbook has no such variable; it has {', '.join(found) or 'none'}")
        if found[name].constant:
            raise Invalid(field=f"variables.{name}", detail="it is constant; leave it out")
        try:
            found[name] = found[name].given(value)
        except ValueError as error:
            raise Invalid(field=f"variables.{name}", detail=str(error)) from error
    for name, each in found.items():
        if each.external and each.value is None:
            raise Invalid(field=f"variables.{name}", detail=f"the playbook needs it from outside; give it a value of type {each.type}")
    return found


def _instance(run: Run, path: str) -> StepInstance:
    if path not in run.steps:
        raise NoSuchStep(run=run.id, path=path)
    return run.steps[path]


def _running(run: Run) -> None:
    if run.state.final:
        raise RunEnded(run=run.id, state=run.state.value)


def _later(instant: datetime | None, by: timedelta) -> datetime | None:
    return None if instant is None else instant + by


def _reopen(walk: Walk, path: str) -> None:
    """Let the steps around one wait for their branches again."""
    prefix = prefix_of(path)
    while opened(prefix):
        opener, number = opener_of(prefix)
        instance, step = walk.instance(opener), walk.step(opener)
        branches = list(instance.branches)
        mine = number - 1 if step.kind is Kind.PARALLEL else 0
        for each, branch in enumerate(branches):
            if each != mine and branch is Branch.CANCELLED:
                branches[each] = Branch.RUNNING
                _restart(walk, f"{opener}#{each + 1}", step.next_steps[each])
        branches[mine] = Branch.RUNNING
        deadline = walk.now + step.timeout if step.timeout else None
        walk.put(
            opener,
            state=StepState.WAITING,
            waiting_for=Wait.BRANCHES,
            branches=tuple(branches),
            deadline=deadline,
            ended_at=None,
            result="",
        )
        prefix = prefix_of(opener)


def _restart(walk: Walk, prefix: str, first: str) -> None:
    """Let a branch that was cancelled go on where it was."""
    cancelled = [each for each in walk.run.steps.values() if prefix_of(each.path) == prefix and each.state is StepState.CANCELLED]
    walk.enter(prefix, max(cancelled, key=lambda each: each.order).step_id if cancelled else first)


def due(run: Run) -> list[StepInstance]:
    """The instances that wait for a timer, the earliest first."""
    waiting = [(each.due_at, each.path, each) for each in run.steps.values() if each.due_at is not None]
    return [each for _, _, each in sorted(waiting, key=lambda found: found[:2])]


def undoing(run: Run) -> bool:
    """Whether a run has failed or was cancelled already and is only undoing what it did."""
    return run.ending is not None and any(path.startswith(f"{UNDO}/") and not each.state.ended for path, each in run.steps.items())
