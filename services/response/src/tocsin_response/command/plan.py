"""What a plan says: phases with criteria, checklists, questions and tasks, roles, and how often people are told how it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

COMMANDER = "commander"
COMMUNICATIONS = "communications"
USUAL_REVIEW_DAYS = 90


class Phase(IntEnum):
    """In their order."""

    PREPARATION = 1
    IDENTIFICATION = 2
    CONTAINMENT = 3
    ERADICATION = 4
    RECOVERY = 5
    LESSONS_LEARNED = 6

    @property
    def words(self) -> str:
        """As people read it."""
        return self.name.lower().replace("_", " ")


class Looked(IntEnum):
    """What a criterion looks at."""

    CHECKED = 1
    ROLE_FILLED = 2
    TASKS_DONE = 3
    NO_MEASURE_IN_FORCE = 4
    MEASURES_DECIDED = 5
    EVIDENCE_COLLECTED = 6
    OBLIGATIONS_ANSWERED = 7
    RUN_FINISHED = 8
    SEVERITY_SET = 9
    QUESTION_ANSWERED = 10


@dataclass(frozen=True, slots=True)
class Criterion:
    """What must hold. `subject` is the item, role, playbook or question that is meant."""

    key: str
    kind: Looked
    subject: str = ""
    text: str = ""
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """What becomes a task when its phase is entered the first time."""

    title: str
    description: str = ""
    role: str = ""
    due_after: timedelta | None = None
    remind_before: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A playbook that is started or proposed when its phase is entered the first time; `variables` are expressions over the incident."""

    playbook: str
    starts: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """What a plan says of one phase. Items of the checklist and questions are texts by key."""

    goal: str = ""
    entry: tuple[Criterion, ...] = ()
    exit: tuple[Criterion, ...] = ()
    checklist: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[PlannedTask, ...] = ()
    playbooks: tuple[PlannedRun, ...] = ()


@dataclass(frozen=True, slots=True)
class RolePlan:
    """A role, and what is expected of whoever has it."""

    title: str
    expectations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a plan. `cadence` is by severity, 1 the worst."""

    name: str
    version: int
    phases: Mapping[Phase, PhasePlan]
    roles: Mapping[str, RolePlan]
    cadence: Mapping[int, timedelta]
    commander_acknowledges: bool = False
    review_days: int = USUAL_REVIEW_DAYS

    def phase(self, phase: Phase) -> PhasePlan:
        """What it says of a phase; nothing, of one that it does not name."""
        return self.phases.get(phase, PhasePlan())

    def phase_of_check(self, key: str) -> Phase | None:
        """The phase whose checklist has this item."""
        return next((phase for phase, planned in self.phases.items() if key in planned.checklist), None)

    def phase_of_question(self, key: str) -> Phase | None:
        """The phase that asks this."""
        return next((phase for phase, planned in self.phases.items() if key in planned.questions), None)


NO_PLAN = Plan("", 0, {}, {COMMANDER: RolePlan("Incident commander")}, {})
