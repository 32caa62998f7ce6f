"""An automation: a condition over a fact, and the playbook that it starts or proposes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, IntEnum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, NotFound


class ProposalNotFound(NotFound):
    reason = "PROPOSAL_NOT_FOUND"
    message = "there is no proposal {proposal}"


class ProposalDecided(Conflict):
    reason = "PROPOSAL_DECIDED"
    message = "proposal {proposal} is {state} already"


class Trigger(IntEnum):
    """What is looked at; the numbers are those of the contract."""

    INCIDENT_OPENED = 1
    SEVERITY_CHANGED = 2
    ALERT_ATTACHED = 3
    PHASE_ENTERED = 4
    INCIDENT_RESOLVED = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """An automation as it is applied."""

    name: str
    version: int
    triggers: frozenset[Trigger]
    condition: str
    playbook: str
    starts: bool
    variables: Mapping[str, str] = field(hash=False)
    disabled: bool = False


class State(Enum):
    """What became of a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    STARTED = "started"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A playbook that an automation would start, or has started; `fact_id` is the fact that it was about.

    Without an automation it is the plan of the incident that has it for a phase.
    """

    id: str
    automation: str
    automation_version: int
    incident_id: str
    fact_id: str
    playbook: str
    variables: Mapping[str, str] = field(hash=False)
    state: State
    reason: str
    proposed_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None
    run_id: str = ""
    plan: str = ""
    plan_version: int = 0
    phase: int = 0

    @property
    def author(self) -> str:
        """Who proposes it, for people."""
        return f"automation {self.automation}" if self.automation else f"plan {self.plan}"

    def accept(self, by: str, run_id: str, now: datetime) -> Decision["Proposal"]:
        """Its playbook was started as this run. Raises ProposalDecided."""
        self.require_open()
        after = replace(self, state=State.ACCEPTED, decided_by=by, decided_at=now, run_id=run_id)
        return Decision(after, (Answered(after),), f"{by} accepted it")

    def decline(self, by: str, reason: str, now: datetime) -> Decision["Proposal"]:
        """Nothing is started. Declining twice changes nothing. Raises ProposalDecided."""
        if self.state is State.DECLINED:
            return Decision(self)
        self.require_open()
        after = replace(self, state=State.DECLINED, decided_by=by, decided_at=now, reason=reason or self.reason)
        return Decision(after, (Answered(after),), f"{by} declined it")

    def require_open(self) -> None:
        """Raises ProposalDecided."""
        if self.state is not State.OPEN:
            raise ProposalDecided(proposal=self.id, state=self.state.value)


@dataclass(frozen=True, slots=True)
class Answered:
    """A person decided."""

    proposal: Proposal
