"""A run of a playbook as rows: the run itself and one instance of each step that was reached, with the assignments it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any

from tocsin_playbook.playbook import Playbook, Step
from tocsin_playbook.variables import Variable

ROOT = ""
# In front of the paths of steps of the exception branch, and of those that undo what other steps did.
EXCEPTION = "exception"
UNDO = "undo"


class RunState(Enum):
    """How a run is. The last three are final, until somebody runs it again from a step."""

    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class StepState(Enum):
    """How an instance of a step is. CLAIMED is for the store: for the rules it is as good as READY."""

    READY = "ready"
    CLAIMED = "claimed"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (StepState.READY, StepState.CLAIMED, StepState.WAITING)


class Wait(Enum):
    """What a waiting step waits for."""

    NOTHING = ""
    DELAY = "delay"
    APPROVAL = "approval"
    MANUAL = "manual"
    # Nobody can find out whether an action was done: somebody has to say so.
    UNKNOWN = "unknown"
    CHILD = "child"
    BRANCHES = "branches"


class SlotState(Enum):
    """How one assignment is. CHANGED: done, and it changed something. UNNEEDED: it was so already."""

    OPEN = "open"
    CHANGED = "changed"
    UNNEEDED = "unneeded"
    FAILED = "failed"
    # Nobody knows whether it was done, and a person has to say so.
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    # Taken on by the other side, and never seen to be effective.
    UNVERIFIED = "unverified"
    UNDONE = "undone"
    # It should have been undone, and was not.
    STANDS = "stands"

    @property
    def well(self) -> bool:
        return self in (SlotState.CHANGED, SlotState.UNNEEDED, SlotState.SKIPPED)


class Branch(Enum):
    """How a branch is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verb(Enum):
    """What is wanted of a runner."""

    EXECUTE = "execute"
    UNDO = "undo"
    # Only look what became of what was taken on.
    VERIFY = "verify"


class OutcomeState(Enum):
    """How an assignment went, as the runner's contract names it."""

    SUCCEEDED = "SUCCEEDED"
    ALREADY_IN_STATE = "ALREADY_IN_STATE"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an assignment. `look_again_at`: for ACCEPTED when to look, for FAILED not to try before."""

    state: OutcomeState
    explanation: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    look_again_at: datetime | None = None


class Say(Enum):
    """What a person says to a waiting step."""

    APPROVE = "approve"
    DENY = "deny"
    DONE = "done"
    FAILED = "failed"
    # Only to a step whose outcome is unknown: do it once more.
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a person. Whether they have the role for it, or stand in for one who has (`in_place_of`), was decided before."""

    say: Say
    by: str
    why: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    in_place_of: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One assignment of a step: a command (by its number) at a target (by its id). `tries` counts those of this visit of the step.

    `undoes` is, in a step that undoes another one's effects, the index of the slot there. `doubted`: it was handed out once more because
    nobody knew what had come of it. `looks` counts how often it was only found to be taken on.
    """

    command: int = 0
    target: str = ""
    state: SlotState = SlotState.OPEN
    attempt: int = 1
    tries: int = 1
    look_first: bool = False
    not_before: datetime | None = None
    explanation: str = ""
    undoes: int = 0
    doubted: bool = False
    looks: int = 0


@dataclass(frozen=True, slots=True)
class StepInstance:
    """One instance of a step in a run: one row.

    `slots` are the assignments that were made so far, in order; those of later commands come when the earlier ones are done.
    `not_before` is when a delay is over, `deadline` when the step is late; the earlier of them is its timer.
    """

    path: str
    step_id: str
    state: StepState
    attempt: int = 1
    waiting_for: Wait = Wait.NOTHING
    not_before: datetime | None = None
    deadline: datetime | None = None
    slots: tuple[Slot, ...] = ()
    command: int = 0
    branches: tuple[Branch, ...] = ()
    iteration: int = 0
    approvals: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    result: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    # Counts, over the run, which step ended when; undoing goes backwards by it.
    order: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When `timer_fired` is to be called; None: never."""
        if self.state.ended:
            return None
        times = [each for each in (self.not_before if self.waiting_for is Wait.DELAY else None, self.deadline) if each]
        return min(times, default=None)

    @property
    def undoes(self) -> str:
        """The path of the step whose effects this one undoes; empty if it is a step like others."""
        return self.path.removeprefix(f"{UNDO}/") if self.path.startswith(f"{UNDO}/") else ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `ending` is how it will end once what has to be undone is undone."""

    id: str
    playbook: Playbook
    state: RunState = RunState.RUNNING
    variables: Mapping[str, Variable] = field(default_factory=dict)
    steps: Mapping[str, StepInstance] = field(default_factory=dict)
    version: int = 1
    ending: RunState | None = None
    reason: str = ""
    paused_at: datetime | None = None
    ended_count: int = 0

    def step(self, instance: StepInstance) -> Step:
        """What the playbook says of an instance."""
        return self.playbook.steps[instance.step_id]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One command at one target, to be carried out now (not before `not_before`)."""

    path: str
    index: int
    attempt: int
    verb: Verb
    look_first: bool
    not_before: datetime | None
    deadline: datetime | None
    command: Mapping[str, Any]
    agent: Mapping[str, Any]
    target_id: str
    target: Mapping[str, Any]
    authentication: Mapping[str, Any]
    variables: Mapping[str, Variable]
    out_args: tuple[str, ...]
    # For UNDO: path, index and attempt of the assignment whose effect is to be undone.
    undo_of: tuple[str, int, int] | None = None

    @property
    def capability(self) -> str:
        """What a runner must have for it: a connector, or the type of the command."""
        return str(self.command.get("connector") or self.command["type"])


def idempotency_key(run_id: str, assignment: Assignment) -> str:
    """The same for the same attempt at the same thing, however often it is handed out."""
    parts = (run_id, assignment.path, str(assignment.index), assignment.target_id, str(assignment.attempt))
    return sha256("\n".join(parts).encode()).hexdigest()


def changed_steps(before: Run | None, after: Run) -> list[StepInstance]:
    """The instances that a decision made or changed: the rows to write."""
    old: Mapping[str, StepInstance] = before.steps if before else {}
    return [each for path, each in after.steps.items() if old.get(path) is not each and old.get(path) != each]


def within(prefix: str, step_id: str) -> str:
    """The path of a step in a branch."""
    return f"{prefix}/{step_id}" if prefix else step_id


def prefix_of(path: str) -> str:
    """The branch that a step is in: ROOT, EXCEPTION, UNDO, or the path of the step that opened it, with the number of the branch."""
    return path.rpartition("/")[0]


def opener_of(prefix: str) -> tuple[str, int]:
    """The path of the step that opened a branch, and the number of the branch or iteration: "while--x#2" -> ("while--x", 2)."""
    head, _, last = prefix.rpartition("/")
    step, _, number = last.partition("#")
    return within(head, step), int(number or 1)


def opened(prefix: str) -> bool:
    """Whether a branch was opened by a step, and is not one of the run's own."""
    return prefix not in (ROOT, EXCEPTION, UNDO)
