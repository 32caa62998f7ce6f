"""The changes of one transition: instances, variables, facts, and how steps and the run come to an end."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from tocsin_playbook.catalogue import undoable
from tocsin_playbook.facts import ChildUnwanted, RunFinished, UndoEnded, UndoWanted
from tocsin_playbook.playbook import Step
from tocsin_playbook.run import UNDO, Branch, Run, RunState, Slot, SlotState, StepInstance, StepState, Wait, within
from tocsin_playbook.scope import settled


class Ledger:
    """What a transition changes, until it is handed over as a decision."""

    def __init__(self, run: Run, now: datetime) -> None:
        self.run = run
        self.now = now
        self.facts: list[object] = []
        self._steps = dict(run.steps)
        self._todo: deque[Callable[[], None]] = deque()

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

    def assign(self, path: str, values: Mapping[str, str | None]) -> None:
        """Set the variables that a step brought. Raises NotAllowed."""
        changed = settled(self.current(), path, values, self.step(path).out_args)
        self.run = replace(self.run, variables=changed.variables)
        self._steps = dict(changed.steps)

    def current(self) -> Run:
        """The run as it stands by now."""
        return replace(self.run, steps=self._steps)

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
                self.note_undone(path)

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
            branches=tuple(Branch.CANCELLED if each is Branch.RUNNING else each for each in instance.branches),
            result=result,
            ended_at=self.now,
            order=self.run.ended_count,
        )

    def told(self, path: str) -> str:
        """What was said of the assignments, the bad first."""
        told = sorted((slot.state.well, slot.explanation) for slot in self._steps[path].slots if slot.explanation)
        return "; ".join(dict.fromkeys(text for _, text in told))[:2_000]

    def finish(self, state: RunState, reason: str, undo: bool) -> None:
        """The run is through: undo what is to be undone, then close it."""
        self.state(ending=state, reason=reason)
        if not (undo and self.undo_next()):
            self.close(state, reason)

    def close(self, state: RunState, reason: str) -> None:
        """The run ended for good."""
        self.state(state=state, ending=None, reason=reason, paused_at=None)
        standing = tuple(path for path, each in self._steps.items() if any(slot.state is SlotState.STANDS for slot in each.slots))
        self.facts.append(RunFinished(state, reason, standing))
        self._todo.clear()

    def undo_next(self) -> bool:
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
        # What was taken on may still become effective: it is called off.
        to_undo = (SlotState.CHANGED, SlotState.UNVERIFIED)
        return [index for index, slot in slots if slot.state in to_undo and undoable(step.commands[slot.command])]

    def note_undone(self, path: str) -> None:
        """Note at a step what became of undoing it."""
        undo = self._steps[path]
        changed = list(self._steps[undo.undoes].slots)
        for slot in undo.slots:
            done = SlotState.UNDONE if slot.state.well else SlotState.STANDS
            changed[slot.undoes] = replace(changed[slot.undoes], state=done)
        self.put(undo.undoes, slots=tuple(changed))
        self.facts.append(UndoEnded(undo.undoes, path, undo.state is StepState.DONE, undo.result))
