"""One escalation, what is known when it is decided on, and what follows from a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from tocsin_response.escalation.definition import Policy, Target, Urgency
from tocsin_response.escalation.round_robin import Cursor

NO_STEP = -1


class State(Enum):
    """Where an escalation is in its life."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    EXHAUSTED = "EXHAUSTED"


class Reason(Enum):
    """Why somebody is asked at this moment."""

    STEP_STARTED = "STEP_STARTED"
    STEP_TIMEOUT = "STEP_TIMEOUT"
    NOBODY_ON_CALL = "NOBODY_ON_CALL"
    NO_STEP_APPLIES = "NO_STEP_APPLIES"
    ACKNOWLEDGEMENT_EXPIRED = "ACKNOWLEDGEMENT_EXPIRED"
    ESCALATED = "ESCALATED"
    REASSIGNED = "REASSIGNED"
    ADDED = "ADDED"


@dataclass(frozen=True, slots=True)
class Escalation:
    """One run of a policy, as it was when the incident opened. `version` counts the changes of all escalations of the incident.

    It goes on until `needed` different people have acknowledged. While `waiting`, its step has not been asked: its hours have not begun.
    """

    id: str
    incident_id: str
    policy: Policy
    state: State
    step: int
    round: int
    due_at: datetime | None
    started_at: datetime
    stop_reason: str
    version: int
    opened_version: int
    about_gap: bool
    acknowledged_by: tuple[str, ...] = ()
    needed: int = 1
    waiting: bool = False

    @property
    def enough(self) -> bool:
        """Whether all acknowledgements are there."""
        return len(self.acknowledged_by) >= self.needed


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whom a target stands for at this moment, and why, for people: a responder, or a contact that is nobody's own.

    A policy that has a slot of a schedule may say more: of those with the same `turn` one is asked; `gap` has nobody, so that they are.
    """

    responder: str
    why: str
    contact: str = ""
    turn: str = ""
    gap: str = ""

    @property
    def name(self) -> str:
        return self.responder or self.contact


Roster = Mapping[Target, tuple[Candidate, ...]]


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision has to know beside the escalation: the time, the incident's severity, who is there, whose turn it is.

    `idle` says why a target has nobody, where that is known.
    """

    now: datetime
    severity: int
    roster: Roster
    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    idle: Mapping[Target, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """The policy begins."""


@dataclass(frozen=True, slots=True)
class Summoned:
    """This person (or contact) is asked now. `late_by` is None for a step that was on time. `stands`: even if somebody acknowledges."""

    responder: str
    reason: Reason
    explanation: str
    late_by: timedelta | None
    urgency: Urgency = Urgency.HIGH
    contact: str = ""
    step: int = NO_STEP
    round: int = 0
    stands: bool = False
    every_channel: bool = False


@dataclass(frozen=True, slots=True)
class GapFound:
    """Something had nobody, and why if that is known. `title` and `description` are for the alert; `alerting`: there is to be one."""

    gap: str
    asked_instead: tuple[str, ...]
    title: str
    description: str
    alerting: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """A round robin has moved on."""

    key: str
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Counted:
    """One more has acknowledged, and others are still asked."""

    by: str


@dataclass(frozen=True, slots=True)
class Redirected:
    """Somebody changed the way by hand."""

    by: str
    done: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nobody else is asked."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Everybody was asked, and nobody answered."""


Fact = Started | Summoned | GapFound | TurnTaken | Counted | Redirected | Stopped | Exhausted


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a round, both from 0."""

    step: int
    round: int
