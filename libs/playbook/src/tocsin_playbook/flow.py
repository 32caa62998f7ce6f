"""How a run moves on: from a step to the next one, into branches and out of them, until only assignments, people or timers are left."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from tocsin_kernel.decision import Decision
from tocsin_playbook import conditions
from tocsin_playbook.catalogue import undoable
from tocsin_playbook.facts import (
    ApprovalSought,
    ChildUnwanted,
    ChildWanted,
    ManualSought,
    OutcomeUnknown,
    RunFinished,
    StepFailed,
    StepStarted,
    StepSucceeded,
    UndoEnded,
    UndoWanted,
)
from tocsin_playbook.playbook import Kind, Step
from tocsin_playbook.run import (
    EXCEPTION,
    ROOT,
    UNDO,
    Branch,
    Run,
    RunState,
    Slot,
    SlotState,
    StepInstance,
    StepState,
    Wait,
    opened,
    opener_of,
    prefix_of,
    within,
)
from tocsin_playbook.scope import as_manual_text, scope, settled

# How many steps one transition may take. More means a loop in which nothing waits for anything.
MOST_MOVES = 2_000
MOST_ITERATIONS = 10_000


class Walk:
    """One transition of a run. Changes are gathered here, and handed over by `decision`."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._before = run
        self.run = run
        self.now = now
        self.facts: list[object] = []
        self._steps = dict(run.steps)
        self._todo: deque[Callable[[], None]] = deque()
        self._moves = 0

    def decision(self, reason: str = "") -> Decision[Run]:
        """What came of it."""
        self._work()
        after = replace(self.run, steps=self._steps)
        if after == self._before and not self.facts:
            return Decision(self._before, (), reason)
        return Decision(replace(after, version=self._before.version + 1), tuple(self.facts), reason or after.reason)

    def instance(self, path: str) -> StepInstance:
        return self._steps[path]

    def put(self, path: str, **changes: object) -> StepInstance:
        """Change an instance."""
        changed: StepInstance = replace(self._steps[path], **changes)  # type: ignore[arg-type]
        self._steps[path] = changed
        return changed

    def step(self, path: str) -> Step:
        return self.run.playbook.steps[self._steps[path].step_id]

    def state(self, **changes: object) -> None:
        """Change the run itself."""
        self.run = replace(self.run, **changes)  # type: ignore[arg-type]

    def enter(self, prefix: str, step_id: str) -> None:
        """Reach a step of a branch, soon."""
        self._todo.append(partial(self._enter, prefix, step_id))

    def start(self, path: str) -> None:
        """The delay is over: ask for approval, or act."""
        approval = self.step(path).options.approval
        if approval is None:
            self.execute(path)
            return
        until = self.now + approval.ttl
        self.put(path, state=StepState.WAITING, waiting_for=Wait.APPROVAL, not_before=None, deadline=until)
        self.facts.append(ApprovalSought(path, self.step(path).id, approval.roles, approval.quorum, until))

    def execute(self, path: str) -> None:
        """Act: everything that had to come first is behind it."""
        step = self.step(path)
        deadline = self.now + step.timeout if step.timeout else None
        self.put(path, state=StepState.READY, waiting_for=Wait.NOTHING, not_before=None, deadline=deadline, started_at=self.now)
        if step.kind not in (Kind.START, Kind.END):
            self.facts.append(StepStarted(path, step.id, self._steps[path].attempt))
        try:
            self._acts[step.kind](self, path, step)
        except conditions.BadCondition as error:
            self.end(path, StepState.FAILED, str(error))

    def end(self, path: str, state: StepState, result: str = "") -> None:
        """A step ended: take note, and go on behind it."""
        self.stop(path, state, result)
        if self._steps[path].undoes:
            self._undo_ended(path)
            return
        step, attempt = self.step(path), self._steps[path].attempt
        if state is StepState.FAILED:
            self.facts.append(StepFailed(path, step.id, attempt, result))
            self._failed(prefix_of(path), step, result)
            return
        if state is StepState.DONE and step.kind not in (Kind.START, Kind.END):
            self.facts.append(StepSucceeded(path, step.id, attempt, result))
        self.enter(prefix_of(path), step.after)

    def stop(self, path: str, state: StepState, result: str) -> None:
        """End a step and everything that it opened, and go nowhere from there."""
        for each in self._beneath(path):
            self._stop(each, StepState.CANCELLED, result)
        self._stop(path, state, result)

    def stop_all(self, result: str) -> None:
        """End everything that has not ended. What was being undone may stand."""
        for path, each in list(self._steps.items()):
            self._stop(path, StepState.CANCELLED, result)
            if each.undoes and not each.state.ended:
                self._note_undone(path)

    def next_command(self, path: str, number: int) -> None:
        """Begin with a command of an action; behind the last one the step is done."""
        step = self.step(path)
        if number >= len(step.commands):
            self.end(path, StepState.DONE, self._told(path))
            return
        command, before = step.commands[number], self._steps[path]
        manual = command["type"] == "manual"
        targets = ("",) if manual or not step.targets else step.targets
        fresh = tuple(Slot(number, target, attempt=before.attempt) for target in targets)
        changed = self.put(path, command=number, slots=(*before.slots, *fresh), state=StepState.READY, waiting_for=Wait.NOTHING)
        if manual:
            self.put(path, state=StepState.WAITING, waiting_for=Wait.MANUAL)
            text = as_manual_text(command, scope(self._now(), path))
            self.facts.append(ManualSought(path, step.id, text, step.agent, step.out_args, changed.deadline))

    def settle(self, path: str) -> None:
        """An assignment ended: go on if it was the last one of its command."""
        instance = self._steps[path]
        now = [slot for slot in instance.slots if slot.command == instance.command]
        if instance.state.ended or any(slot.state is SlotState.OPEN for slot in now):
            return
        if any(slot.state is SlotState.UNKNOWN for slot in now):
            self._ask(path)
        elif not all(slot.state.well for slot in now):
            self.end(path, StepState.FAILED, self._told(path))
        elif instance.undoes:
            self.end(path, StepState.DONE, self._told(path))
        else:
            self.next_command(path, instance.command + 1)

    def assign(self, path: str, values: Mapping[str, str | None]) -> None:
        """Set the variables that a step brought. Raises NotAllowed."""
        changed = settled(self._now(), path, values, self.step(path).out_args)
        self.run = replace(self.run, variables=changed.variables)
        self._steps = dict(changed.steps)

    def finish(self, state: RunState, reason: str, undo: bool) -> None:
        """The run is through: undo what is to be undone, then close it."""
        self.state(ending=state, reason=reason)
        if not (undo and self._undo_next()):
            self.close(state, reason)

    def close(self, state: RunState, reason: str) -> None:
        """The run ended for good."""
        self.state(state=state, ending=None, reason=reason, paused_at=None)
        standing = tuple(path for path, each in self._steps.items() if any(slot.state is SlotState.STANDS for slot in each.slots))
        self.facts.append(RunFinished(state, reason, standing))
        self._todo.clear()

    def _now(self) -> Run:
        return replace(self.run, steps=self._steps)

    def _work(self) -> None:
        while self._todo:
            self._moves += 1
            if self._moves > MOST_MOVES:
                self._todo.clear()
                why = f"more than {MOST_MOVES} steps in a row had nothing to do: a loop in which nothing happens"
                self.stop_all(why)
                self.finish(RunState.FAILED, why, undo=True)
                return
            self._todo.popleft()()

    def _enter(self, prefix: str, step_id: str) -> None:
        if opened(prefix) and self._steps[opener_of(prefix)[0]].state.ended:
            return
        step = self.run.playbook.steps.get(step_id)
        if step is None or self._comes_back(prefix, step) or (step.kind is Kind.END and not step.delay):
            self._branch_ended(prefix, well=True, why="")
        elif step.kind is Kind.START and not step.delay:
            self.enter(prefix, step.after)
        else:
            self._begin(within(prefix, step_id), step)

    def _comes_back(self, prefix: str, step: Step) -> bool:
        """Whether a step is where the one that opened the branch goes on anyway, or a loop itself: the branch ends there."""
        if not opened(prefix):
            return False
        opener = self.step(opener_of(prefix)[0])
        return step.id == opener.after or (opener.kind is Kind.WHILE and step.id == opener.id)

    def _begin(self, path: str, step: Step) -> None:
        old = self._steps.get(path)
        attempt = 1 + max((old.attempt, *(slot.attempt for slot in old.slots))) if old else 1
        later = self.now + step.delay if step.delay else None
        self._steps[path] = StepInstance(
            path, step.id, StepState.WAITING, attempt, Wait.DELAY, later, variables=dict(step.variables), order=old.order if old else 0
        )
        if later is None:
            self.start(path)

    def _act(self, path: str, step: Step) -> None:
        self.next_command(path, 0)

    def _call(self, path: str, step: Step) -> None:
        self.put(path, state=StepState.WAITING, waiting_for=Wait.CHILD)
        seen = scope(self._now(), path)
        given = {name: seen[name] for name in step.in_args if name in seen}
        self.facts.append(ChildWanted(path, step.playbook_id, step.playbook_version, given))

    def _fork(self, path: str, step: Step) -> None:
        self._open(path, tuple(Branch.RUNNING for _ in step.next_steps))
        for number, first in enumerate(step.next_steps, 1):
            self.enter(f"{path}#{number}", first)

    def _choose(self, path: str, step: Step) -> None:
        if conditions.holds(step.condition, scope(self._now(), path)):
            self._take(path, step.on_true, "the condition holds")
        else:
            self._take(path, step.on_false, "the condition does not hold")

    def _switch(self, path: str, step: Step) -> None:
        name = step.switch.strip().removesuffix(":value")
        found = scope(self._now(), path).get(name)
        if found is None or found.value is None:
            raise conditions.BadCondition(f"{name} has no value")
        self._take(path, step.cases.get(found.value, step.cases.get("default", "")), f"{name} is {found.value}")

    def _loop(self, path: str, step: Step) -> None:
        instance = self._steps[path]
        if not conditions.holds(step.condition, scope(self._now(), path)):
            self.end(path, StepState.DONE, f"the condition does not hold after {instance.iteration} rounds")
        elif instance.iteration >= MOST_ITERATIONS:
            self.end(path, StepState.FAILED, f"it went round {MOST_ITERATIONS} times")
        else:
            self._open(path, (Branch.RUNNING,))
            self.put(path, iteration=instance.iteration + 1)
            self.enter(f"{path}#{instance.iteration + 1}", step.on_true)

    def _pass(self, path: str, step: Step) -> None:
        """A start or an end that was delayed."""
        self.stop(path, StepState.DONE, "")
        if step.kind is Kind.START:
            self.enter(prefix_of(path), step.after)
        else:
            self._branch_ended(prefix_of(path), well=True, why="")

    def _take(self, path: str, first: str, result: str) -> None:
        if not first:
            self.end(path, StepState.DONE, result)
            return
        self._open(path, (Branch.RUNNING,))
        self.put(path, result=result)
        self.enter(path, first)

    def _open(self, path: str, branches: tuple[Branch, ...]) -> None:
        self.put(path, state=StepState.WAITING, waiting_for=Wait.BRANCHES, branches=branches)

    def _failed(self, prefix: str, step: Step, why: str) -> None:
        if step.on_failure:
            self.enter(prefix, step.on_failure)
        else:
            self._branch_ended(prefix, well=False, why=f"{step.title}: {why}" if why else step.title)

    def _branch_ended(self, prefix: str, well: bool, why: str) -> None:
        if prefix == ROOT:
            self._root_ended(well, why)
        elif prefix == EXCEPTION:
            self.finish(RunState.FAILED, self.run.reason if well else f"{self.run.reason}; then {why}", undo=True)
        else:
            path, number = opener_of(prefix)
            instance = self._steps[path]
            branches = list(instance.branches)
            branches[number - 1 if self.step(path).kind is Kind.PARALLEL else 0] = Branch.DONE if well else Branch.FAILED
            self.put(path, branches=tuple(branches))
            self._opener_goes_on(path, well, why)

    def _root_ended(self, well: bool, why: str) -> None:
        if well:
            self.finish(RunState.SUCCEEDED, "", undo=False)
        elif self.run.playbook.exception:
            self.state(ending=RunState.FAILED, reason=why)
            self.enter(EXCEPTION, self.run.playbook.exception)
        else:
            self.finish(RunState.FAILED, why, undo=True)

    def _opener_goes_on(self, path: str, well: bool, why: str) -> None:
        step = self.step(path)
        if step.kind is Kind.PARALLEL:
            self._join(path, step, well, why)
        elif not well:
            self.end(path, StepState.FAILED, why)
        elif step.kind is Kind.WHILE:
            self._again(path, step)
        else:
            self.end(path, StepState.DONE, self._steps[path].result)

    def _again(self, path: str, step: Step) -> None:
        try:
            self._loop(path, step)
        except conditions.BadCondition as error:
            self.end(path, StepState.FAILED, str(error))

    def _join(self, path: str, step: Step, well: bool, why: str) -> None:
        branches = self._steps[path].branches
        if step.options.join_any and well:
            self._end_branches(path, StepState.DONE, "one branch went well")
        elif not (well or step.options.join_any or step.options.branches_may_fail):
            self._end_branches(path, StepState.FAILED, why)
        elif Branch.RUNNING not in branches:
            lost = len(branches) - branches.count(Branch.DONE)
            told = f"{lost} of {len(branches)} branches failed" if lost else ""
            through = branches.count(Branch.DONE) > 0 and (not lost or step.options.branches_may_fail)
            self._end_branches(path, StepState.DONE if through else StepState.FAILED, told)

    def _end_branches(self, path: str, state: StepState, result: str) -> None:
        branches = self._steps[path].branches
        self.put(path, branches=tuple(Branch.CANCELLED if each is Branch.RUNNING else each for each in branches))
        self.end(path, state, result)

    def _beneath(self, path: str) -> list[str]:
        return [each for each in self._steps if each.startswith((f"{path}/", f"{path}#"))]

    def _stop(self, path: str, state: StepState, result: str) -> None:
        instance = self._steps[path]
        if instance.state.ended:
            return
        if instance.waiting_for is Wait.CHILD and state is not StepState.DONE:
            self.facts.append(ChildUnwanted(path, result))
        given_up = (SlotState.OPEN, SlotState.UNKNOWN)
        slots = tuple(replace(slot, state=SlotState.CANCELLED) if slot.state in given_up else slot for slot in instance.slots)
        self.state(ended_count=self.run.ended_count + 1)
        self.put(
            path,
            state=state,
            waiting_for=Wait.NOTHING,
            not_before=None,
            deadline=None,
            slots=slots,
            result=result,
            ended_at=self.now,
            order=self.run.ended_count,
        )

    def _ask(self, path: str) -> None:
        instance = self.put(path, state=StepState.WAITING, waiting_for=Wait.UNKNOWN)
        indexes = tuple(index for index, slot in enumerate(instance.slots) if slot.state is SlotState.UNKNOWN)
        self.facts.append(OutcomeUnknown(path, instance.step_id, indexes, self._told(path)))

    def _told(self, path: str) -> str:
        """What was said of the assignments, the bad first."""
        told = sorted((slot.state.well, slot.explanation) for slot in self._steps[path].slots if slot.explanation)
        return "; ".join(dict.fromkeys(text for _, text in told))[:2_000]

    def _undo_next(self) -> bool:
        """Begin to undo what the step changed that ended last, of those that are to be undone. False: there is none."""
        left = [each for each in self._steps.values() if self._to_undo(each)]
        if not left:
            return False
        last = max(left, key=lambda each: each.order)
        indexes = tuple(reversed(self._to_undo(last)))
        path = within(UNDO, last.path)
        old = self._steps.get(path)
        attempt = old.attempt + 1 if old else 1
        slots = tuple(Slot(0, last.slots[index].target, attempt=attempt, undoes=index) for index in indexes)
        self._steps[path] = StepInstance(path, last.step_id, StepState.READY, attempt, slots=slots, started_at=self.now)
        self.facts.append(UndoWanted(last.path, path, indexes))
        return True

    def _to_undo(self, instance: StepInstance) -> list[int]:
        step = self.run.playbook.steps[instance.step_id]
        if instance.undoes or not step.options.undo_on_failure:
            return []
        slots = enumerate(instance.slots)
        return [index for index, slot in slots if slot.state is SlotState.CHANGED and undoable(step.commands[slot.command])]

    def _undo_ended(self, path: str) -> None:
        self._note_undone(path)
        if not self._undo_next():
            self.close(self.run.ending or RunState.FAILED, self.run.reason)

    def _note_undone(self, path: str) -> None:
        undo = self._steps[path]
        changed = list(self._steps[undo.undoes].slots)
        for slot in undo.slots:
            done = SlotState.UNDONE if slot.state.well else SlotState.STANDS
            changed[slot.undoes] = replace(changed[slot.undoes], state=done)
        self.put(undo.undoes, slots=tuple(changed))
        self.facts.append(UndoEnded(undo.undoes, path, undo.state is StepState.DONE, undo.result))

    _acts: Mapping[Kind, Callable[["Walk", str, Step], None]] = {
        Kind.ACTION: _act,
        Kind.PLAYBOOK: _call,
        Kind.PARALLEL: _fork,
        Kind.IF: _choose,
        Kind.WHILE: _loop,
        Kind.SWITCH: _switch,
        Kind.START: _pass,
        Kind.END: _pass,
    }
