"""What a runner is asked to do, and what came of it: the words of the runner, without any transport."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = Any
Document = Mapping[str, Json]


class Verb(StrEnum):
    """What is wanted."""

    EXECUTE = "execute"
    UNDO = "undo"
    VERIFY = "verify"


class State(StrEnum):
    """How an assignment went; the contract says what each means."""

    SUCCEEDED = "succeeded"
    ALREADY_IN_STATE = "already in state"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Variable:
    """A typed value of a playbook; the value is text."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One command of one step at one target."""

    id: str
    fence: int
    key: str
    command: Document
    verb: Verb = Verb.EXECUTE
    run_id: str = ""
    incident_id: str = ""
    step_path: str = ""
    attempt: int = 1
    look_first: bool = False
    agent: Document = field(default_factory=dict)
    target: Document = field(default_factory=dict)
    authentication: Document = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    out_args: tuple[str, ...] = ()
    seconds: float = 60.0
    hold_seconds: float | None = None
    """How long the effect is to hold; None: until somebody lifts it."""
    simulated: bool = False
    prior_state: Document | None = None
    undo_token: Document | None = None

    @property
    def type(self) -> str:
        """The type of its command."""
        return str(self.command.get("type", ""))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something brought home. `evidence` is true if a playbook asked for it; the rest records what was exchanged."""

    name: str
    media_type: str
    content: bytes
    source: str = ""
    tool: str = ""
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an assignment."""

    state: State
    explanation: str
    variables: Mapping[str, Variable] = field(default_factory=dict)
    undo_token: Document | None = None
    verified: bool = False
    look_again_at: datetime | None = None
    findings: tuple[Finding, ...] = ()


class Ended(Exception):
    """The work on an assignment cannot go on; the subclass says how that counts, the text why."""

    state = State.FAILED

    def __init__(self, explanation: str, again_at: datetime | None = None) -> None:
        super().__init__(explanation)
        self.again_at = again_at


class Refused(Ended):
    """By the other side or by a check before; nothing was changed, and trying again is useless."""

    state = State.REJECTED


class Failed(Ended):
    """It is known that nothing was changed; it may work later, not before `again_at`."""


class Partly(Failed):
    """Some of it was done, and then it went no further."""


class Unknown(Ended):
    """Sent without an answer: it may or may not have been done."""

    state = State.UNKNOWN


class LeaseLost(Exception):
    """Somebody else has the assignment now, or might: nothing may be sent any more, and nothing is reported."""


KeepPrior = Callable[[Document], Awaitable[Document]]


@dataclass(slots=True)
class Task:
    """An assignment at work: what commands need beside what is asked."""

    assignment: Assignment
    keep_prior: KeepPrior
    """Keep what the target is like, durably, before it is changed; gives what was kept first. Raises LeaseLost."""
    held: Callable[[], bool]
    """True while the lease is good by the runner's own reckoning."""
    sent: bool = False
    """True once something left that may have an effect, until its answer came."""
    findings: list[Finding] = field(default_factory=list)

    def about_to_change(self) -> None:
        """To be called right before something leaves that may have an effect. Raises LeaseLost."""
        if not self.held():
            raise LeaseLost()
        self.sent = True

    def answered(self) -> None:
        """The other side has said what came of it."""
        self.sent = False
