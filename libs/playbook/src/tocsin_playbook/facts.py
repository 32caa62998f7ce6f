"""What a run tells: the facts of its decisions. Paths name instances of steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_playbook.run import RunState
from tocsin_playbook.variables import Variable


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run began."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step began to act; a delay and an approval are behind it."""

    path: str
    step_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StepRetried:
    """An assignment failed and is tried again."""

    path: str
    index: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """A step went well."""

    path: str
    step_id: str
    attempt: int
    result: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed, and why."""

    path: str
    step_id: str
    attempt: int
    result: str


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """Somebody skipped a step."""

    path: str
    step_id: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class ApprovalSought:
    """People of these roles are asked whether a step may act. No roles: anybody who may run playbooks."""

    path: str
    step_id: str
    roles: tuple[str, ...]
    quorum: int
    until: datetime


@dataclass(frozen=True, slots=True)
class ApprovalCounted:
    """Somebody agreed, and more are needed."""

    path: str
    by: str
    why: str
    missing: int


@dataclass(frozen=True, slots=True)
class ApprovalGranted:
    """Enough agreed; `by` is empty if nobody answered in time and that counts as agreeing."""

    path: str
    by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ApprovalDenied:
    """Somebody disagreed; `by` is empty if nobody answered in time."""

    path: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class ManualSought:
    """Somebody has to do something by hand, and to say what came of it."""

    path: str
    step_id: str
    text: str
    agent: str
    out_args: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ManualAnswered:
    """Somebody said what came of it."""

    path: str
    by: str
    well: bool
    why: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody can find out whether assignments of a step were done: somebody has to look and say so."""

    path: str
    step_id: str
    indexes: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ChildWanted:
    """Another playbook is to run for a step, with these variables."""

    path: str
    playbook_id: str
    playbook_version: str
    variables: Mapping[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildUnwanted:
    """The playbook that runs for a step is to be cancelled."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class UndoWanted:
    """What a step changed is to be undone; `undo` is the path of the instance that does it."""

    path: str
    undo: str
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UndoEnded:
    """What a step changed was undone, or could not be."""

    path: str
    undo: str
    well: bool
    result: str


@dataclass(frozen=True, slots=True)
class LateEffect:
    """Something was done although its step had been given up meanwhile; it stands."""

    path: str
    index: int


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Nothing more is handed out until it is resumed."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    """It goes on; what was due meanwhile is due as much later as it was paused."""

    by: str


@dataclass(frozen=True, slots=True)
class RunRerun:
    """A run that had ended goes on from a step."""

    path: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ended. `standing` are the steps whose effects should have been undone and were not."""

    state: RunState
    reason: str
    standing: tuple[str, ...] = ()
