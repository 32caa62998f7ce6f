"""What a run does next: one pure function for each thing that can happen to it. Everything between two of them is rows of a store."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Invalid, NotFound
from tocsin_playbook.facts import (
    ApprovalCounted,
    ApprovalDenied,
    ApprovalGranted,
    LateEffect,
    ManualAnswered,
    RunPaused,
    RunRerun,
    RunResumed,
    RunStarted,
    StepRetried,
    StepSkipped,
)
from tocsin_playbook.flow import Walk
from tocsin_playbook.playbook import Kind, OnUnknown, Playbook
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
    Slot,
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

LOOK_AGAIN = timedelta(seconds=10)
# How often an action whose outcome is unknown is done once more, if the playbook does not say.
TRIES_AFTER_UNKNOWN = 3
LONGEST_BACKOFF = timedelta(hours=1)
TIMED_OUT = "ACTION_TIMEOUT: the step's time was up"
WELL = {OutcomeState.SUCCEEDED: SlotState.CHANGED, OutcomeState.ALREADY_IN_STATE: SlotState.UNNEEDED}


class NoSuchStep(NotFound):
    """The run never reached such a step."""

    reason = "STEP_NOT_FOUND"
    message = "run {run} has no step {path}"


class RunEnded(Conflict):
    """The run has ended."""

    reason = "RUN_ENDED"
    message = "run {run} has {state}; run it again from a step, or start another one"


class RunNotEnded(Conflict):
    """The run has not ended."""

    reason = "RUN_NOT_ENDED"
    message = "run {run} is {state}; cancel it first"


class StepEnded(Conflict):
    """The step has ended."""

    reason = "STEP_ENDED"
    message = "step {path} is {state} already"


class NotAsked(Conflict):
    """The step waits for no such answer."""

    reason = "STEP_NOT_ASKING"
    message = "step {path} does not wait for {said}; it is {state}, waiting for {waits}"


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
        _slot(walk, path, index, replace(slot, state=SlotState.CHANGED, explanation="done after it had been given up"))
        walk.facts.append(LateEffect(path, index))
    elif slot.state is SlotState.OPEN and not instance.state.ended:
        _took(walk, path, index, outcome)
        walk.settle(path)
    return walk.decision(outcome.explanation)


def timer_fired(run: Run, path: str, now: datetime) -> Decision[Run]:
    """The timer of a step is due (`due_at`). One that is not due, or of a run that does not run, changes nothing."""
    instance = _instance(run, path)
    if run.state is not RunState.RUNNING or instance.due_at is None or instance.due_at > now:
        return Decision(run)
    walk = Walk(run, now)
    if instance.waiting_for is Wait.DELAY:
        walk.start(path)
    elif instance.waiting_for is Wait.APPROVAL:
        _unanswered(walk, path)
    else:
        walk.end(path, StepState.FAILED, TIMED_OUT)
    return walk.decision()


def answered(run: Run, path: str, answer: Answer, now: datetime) -> Decision[Run]:
    """A person answers a step that waits for one. The same answer of the same person changes nothing. Raises NotAsked, Invalid."""
    instance = _instance(run, path)
    walk = Walk(run, now)
    match instance.waiting_for, answer.say:
        case Wait.APPROVAL, Say.APPROVE:
            _approved(walk, path, answer)
        case Wait.APPROVAL, Say.DENY:
            why = f"{answer.by} denied it" + (f": {answer.why}" if answer.why else "")
            walk.facts.append(ApprovalDenied(path, answer.by, answer.why))
            walk.end(path, StepState.FAILED, why)
        case Wait.MANUAL, (Say.DONE | Say.FAILED):
            _by_hand(walk, path, answer)
        case Wait.UNKNOWN, (Say.DONE | Say.FAILED | Say.RETRY):
            _looked_up(walk, path, answer)
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


def _slot(walk: Walk, path: str, index: int, slot: Slot) -> None:
    slots = walk.instance(path).slots
    walk.put(path, slots=(*slots[:index], slot, *slots[index + 1 :]))


def _took(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    """Note what came of an assignment."""
    slot = walk.instance(path).slots[index]
    match outcome.state:
        case OutcomeState.SUCCEEDED | OutcomeState.ALREADY_IN_STATE:
            _well(walk, path, index, outcome)
        case OutcomeState.ACCEPTED:
            later = outcome.look_again_at or walk.now + LOOK_AGAIN
            _slot(walk, path, index, replace(slot, look_first=True, not_before=later, explanation=outcome.explanation))
        case OutcomeState.UNKNOWN if not slot.look_first:
            _slot(walk, path, index, replace(slot, look_first=True, explanation=outcome.explanation))
        case OutcomeState.UNKNOWN:
            _never_known(walk, path, index, outcome)
        case OutcomeState.REJECTED:
            _slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=outcome.explanation or "refused"))
        case OutcomeState.FAILED | OutcomeState.TIMED_OUT:
            _try_again(walk, path, index, outcome, walk.step(path).options.retry.attempts)


def _well(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    slot = walk.instance(path).slots[index]
    state, explanation = WELL[outcome.state], outcome.explanation
    if not walk.instance(path).undoes:
        try:
            walk.assign(path, outcome.variables)
        except NotAllowed as error:
            # It was done, and may have to be undone; the step fails all the same.
            explanation = str(error)
            _slot(walk, path, index, replace(slot, state=state, explanation=explanation))
            walk.end(path, StepState.FAILED, explanation)
            return
    _slot(walk, path, index, replace(slot, state=state, explanation=explanation))


def _never_known(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    """Even looking did not tell: do as the playbook says."""
    slot, options = walk.instance(path).slots[index], walk.step(path).options
    explanation = outcome.explanation or "nobody knows whether it was done"
    if walk.instance(path).undoes:
        _slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=explanation))
    elif options.on_unknown is OnUnknown.RETRY:
        _try_again(walk, path, index, outcome, max(options.retry.attempts, TRIES_AFTER_UNKNOWN))
    else:
        state = SlotState.SKIPPED if options.on_unknown is OnUnknown.SKIP else SlotState.UNKNOWN
        _slot(walk, path, index, replace(slot, state=state, explanation=explanation))


def _try_again(walk: Walk, path: str, index: int, outcome: Outcome, most: int) -> None:
    slot, retry = walk.instance(path).slots[index], walk.step(path).options.retry
    if slot.tries >= most:
        told = outcome.explanation or outcome.state.value.lower().replace("_", " ")
        _slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=told))
        return
    backoff = min(retry.backoff * 2 ** (slot.tries - 1), LONGEST_BACKOFF)
    later = max(walk.now + backoff, outcome.look_again_at or walk.now)
    # What timed out may have been done in part: whoever tries again has to look.
    look = outcome.state is not OutcomeState.FAILED
    again = Slot(slot.command, slot.target, SlotState.OPEN, slot.attempt + 1, slot.tries + 1, look, later, outcome.explanation, slot.undoes)
    _slot(walk, path, index, again)
    walk.facts.append(StepRetried(path, index, again.attempt, outcome.explanation))


def _unanswered(walk: Walk, path: str) -> None:
    approval = walk.step(path).options.approval
    if approval and approval.approve_on_timeout:
        walk.facts.append(ApprovalGranted(path, (), "nobody answered in time, which counts as agreeing"))
        walk.execute(path)
    else:
        walk.facts.append(ApprovalDenied(path, "", "nobody answered in time"))
        walk.end(path, StepState.FAILED, "nobody approved it in time")


def _approved(walk: Walk, path: str, answer: Answer) -> None:
    instance, approval = walk.instance(path), walk.step(path).options.approval
    if answer.by in instance.approvals:
        return
    approvals = (*instance.approvals, answer.by)
    walk.put(path, approvals=approvals)
    missing = (approval.quorum if approval else 1) - len(approvals)
    if missing > 0:
        walk.facts.append(ApprovalCounted(path, answer.by, answer.why, missing))
    else:
        walk.facts.append(ApprovalGranted(path, approvals, answer.why))
        walk.execute(path)


def _by_hand(walk: Walk, path: str, answer: Answer) -> None:
    index = len(walk.instance(path).slots) - 1
    well = answer.say is Say.DONE
    if well:
        try:
            walk.assign(path, answer.variables)
        except NotAllowed as error:
            raise Invalid(field="variables", detail=str(error)) from error
    state = SlotState.UNNEEDED if well else SlotState.FAILED
    told = answer.why or ("" if well else f"{answer.by} says that it failed")
    _slot(walk, path, index, replace(walk.instance(path).slots[index], state=state, explanation=told))
    walk.facts.append(ManualAnswered(path, answer.by, well, answer.why))
    walk.settle(path)


def _looked_up(walk: Walk, path: str, answer: Answer) -> None:
    """Somebody says what came of the assignments that nobody knew of."""
    for index, slot in enumerate(walk.instance(path).slots):
        if slot.state is not SlotState.UNKNOWN:
            continue
        told = f"{answer.by} says: {answer.why or answer.say.value}"
        if answer.say is Say.RETRY:
            again = Slot(slot.command, slot.target, attempt=slot.attempt + 1, tries=slot.tries + 1, look_first=True, explanation=told)
            _slot(walk, path, index, again)
        else:
            state = SlotState.CHANGED if answer.say is Say.DONE else SlotState.FAILED
            _slot(walk, path, index, replace(slot, state=state, explanation=told))
    walk.facts.append(ManualAnswered(path, answer.by, answer.say is not Say.FAILED, answer.why))
    walk.put(path, state=StepState.READY, waiting_for=Wait.NOTHING)
    walk.settle(path)


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
