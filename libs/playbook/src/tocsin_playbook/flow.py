"""How a run moves on: from a step to the next one, into branches and out of them, until only assignments, people or timers are left."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from tocsin_kernel.decision import Decision
from tocsin_playbook import conditions
from tocsin_playbook.facts import (
    ApprovalSought,
    ChildWanted,
    ManualSought,
    OutcomeUnknown,
    StepFailed,
    StepStarted,
    StepSucceeded,
)
from tocsin_playbook.ledger import Ledger
from tocsin_playbook.pattern import BadCondition
from tocsin_playbook.playbook import Kind, Step
from tocsin_playbook.run import (
    EXCEPTION,
    ROOT,
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
from tocsin_playbook.scope import as_manual_text, scope

# How many steps one transition may take. More means a loop in which nothing waits for anything.
MOST_MOVES = 2_000
MOST_ITERATIONS = 10_000


class Walk(Ledger):
    """One transition of a run. Changes are gathered here, and handed over by `decision`."""

    def __init__(self, run: Run, now: datetime) -> None:
        super().__init__(run, now)
        self._before = run
        self._moves = 0

    def decision(self, reason: str = "") -> Decision[Run]:
        """What came of it."""
        self._work()
        if not self.facts and self.current() == self._before:
            return Decision(self._before, (), reason)
        after = replace(self.run, steps=self._steps, version=self._before.version + 1)
        return Decision(after, tuple(self.facts), reason or after.reason)

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
        except BadCondition as error:
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

    def next_command(self, path: str, number: int) -> None:
        """Begin with a command of an action; behind the last one the step is done."""
        step = self.step(path)
        if number >= len(step.commands):
            self.end(path, StepState.DONE, self.told(path))
            return
        command, before = step.commands[number], self._steps[path]
        manual = command["type"] == "manual"
        targets = ("",) if manual or not step.targets else step.targets
        fresh = tuple(Slot(number, target, attempt=before.attempt) for target in targets)
        changed = self.put(path, command=number, slots=(*before.slots, *fresh), state=StepState.READY, waiting_for=Wait.NOTHING)
        if manual:
            self.put(path, state=StepState.WAITING, waiting_for=Wait.MANUAL)
            text = as_manual_text(command, scope(self.current(), path))
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
            self.end(path, StepState.FAILED, self.told(path))
        elif instance.undoes:
            self.end(path, StepState.DONE, self.told(path))
        else:
            self.next_command(path, instance.command + 1)

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
        seen = scope(self.current(), path)
        given = {name: seen[name] for name in step.in_args if name in seen}
        self.facts.append(ChildWanted(path, step.playbook_id, step.playbook_version, given))

    def _fork(self, path: str, step: Step) -> None:
        self._open(path, tuple(Branch.RUNNING for _ in step.next_steps))
        for number, first in enumerate(step.next_steps, 1):
            self.enter(f"{path}#{number}", first)

    def _choose(self, path: str, step: Step) -> None:
        if conditions.holds(step.condition, scope(self.current(), path)):
            self._take(path, step.on_true, "the condition holds")
        else:
            self._take(path, step.on_false, "the condition does not hold")

    def _switch(self, path: str, step: Step) -> None:
        name = step.switch.strip().removesuffix(":value")
        found = scope(self.current(), path).get(name)
        if found is None or found.value is None:
            raise BadCondition(f"{name} has no value")
        self._take(path, step.cases.get(found.value, step.cases.get("default", "")), f"{name} is {found.value}")

    def _loop(self, path: str, step: Step) -> None:
        instance = self._steps[path]
        if not conditions.holds(step.condition, scope(self.current(), path)):
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
        except BadCondition as error:
            self.end(path, StepState.FAILED, str(error))

    def _join(self, path: str, step: Step, well: bool, why: str) -> None:
        branches = self._steps[path].branches
        if step.options.join_any and well:
            self.end(path, StepState.DONE, "one branch went well")
        elif not (well or step.options.join_any or step.options.branches_may_fail):
            self.end(path, StepState.FAILED, why)
        elif Branch.RUNNING not in branches:
            lost = len(branches) - branches.count(Branch.DONE)
            told = f"{lost} of {len(branches)} branches failed" if lost else ""
            through = branches.count(Branch.DONE) > 0 and (not lost or step.options.branches_may_fail)
            self.end(path, StepState.DONE if through else StepState.FAILED, told)

    def _ask(self, path: str) -> None:
        instance = self.put(path, state=StepState.WAITING, waiting_for=Wait.UNKNOWN)
        indexes = tuple(index for index, slot in enumerate(instance.slots) if slot.state is SlotState.UNKNOWN)
        self.facts.append(OutcomeUnknown(path, instance.step_id, indexes, self.told(path)))

    def _undo_ended(self, path: str) -> None:
        self.note_undone(path)
        if not self.undo_next():
            self.close(self.run.ending or RunState.FAILED, self.run.reason)

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
