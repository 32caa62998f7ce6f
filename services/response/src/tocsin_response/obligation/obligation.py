"""An obligation: a duty whose clock has started for an incident, and what came of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin_response.obligation.deadlines import Deadline
from tocsin_response.obligation.regime import Duty, Regime

PAUSED = "; its clock was paused for "


class ObligationNotFound(NotFound):
    reason = "OBLIGATION_NOT_FOUND"
    message = "there is no obligation {obligation}"


class NotRunning(Conflict):
    reason = "OBLIGATION_NOT_RUNNING"
    message = "obligation {obligation} is {state}; only a running one can be submitted, waived or paused"


class NotYoursToWaive(Forbidden):
    reason = "NOT_YOURS_TO_WAIVE"
    message = "a manager waives an obligation, or whoever is legal or commands the incident; {caller} is none of them"


class NotPausable(Conflict):
    reason = "OBLIGATION_NOT_PAUSABLE"
    message = (
        "the clock of obligation {obligation} cannot be paused: {citation} knows no pause. Submit what is known in time and add to it "
        "later, or say why it is late when it is submitted"
    )


class LatenessNeedsReason(Conflict):
    reason = "LATENESS_NEEDS_REASON"
    message = "obligation {obligation} was due at {due}; say why it is late"


class State(Enum):
    """What came of it."""

    RUNNING = "running"
    SUBMITTED = "submitted"
    WAIVED = "waived"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Submission:
    """What was submitted, when and to whom."""

    at: datetime
    recipient: str
    reference: str
    sha256: str
    late_reason: str
    evidence_id: str = ""


@dataclass(frozen=True, slots=True)
class Obligation:
    """`regime` is as it was when the clock started."""

    id: str
    incident_id: str
    regime: Regime
    duty: Duty
    event: str
    started_at: datetime
    due_at: datetime | None
    explanation: str
    recipient: str
    state: State = State.RUNNING
    submitted_at: datetime | None = None
    answered_by: str = ""
    reference: str = ""
    sha256: str = ""
    reason: str = ""
    paused_at: datetime | None = None
    pause_reason: str = ""
    paused_for: timedelta = timedelta()

    def is_late(self, now: datetime) -> bool:
        """Whether it was, or is, later than it should have been. A clock that is paused does not become late."""
        done = self.submitted_at if self.state is State.SUBMITTED else self.paused_at or now
        return self.state in (State.RUNNING, State.SUBMITTED) and self.due_at is not None and done is not None and done > self.due_at

    def counted(self, started_at: datetime, deadline: Deadline) -> "Obligation":
        """The same, counted anew; what it was paused stays paused."""
        due = deadline.at + self.paused_for if deadline.at is not None else None
        return replace(self, started_at=started_at, due_at=due, explanation=_said(deadline.explanation, self.paused_for))

    def pause(self, reason: str, now: datetime) -> Decision["Obligation"]:
        """Its clock stands still. Raises NotRunning, NotPausable."""
        self._require_running()
        if not self.duty.pause or self.due_at is None:
            raise NotPausable(obligation=self.id, citation=self.duty.citation or self.regime.name)
        if self.paused_at is not None:
            return Decision(self)
        return Decision(replace(self, paused_at=now, pause_reason=reason))

    def resume(self, now: datetime) -> Decision["Obligation"]:
        """Its clock goes on; it is due as much later as it was paused. Raises NotRunning."""
        self._require_running()
        if self.paused_at is None or self.due_at is None:
            return Decision(self)
        length = max(now - self.paused_at, timedelta())
        explanation = _said(self.explanation.split(PAUSED)[0], self.paused_for + length)
        return Decision(
            replace(
                self,
                due_at=self.due_at + length,
                explanation=explanation,
                paused_at=None,
                pause_reason="",
                paused_for=self.paused_for + length,
            )
        )

    def submit(self, by: str, submission: Submission) -> Decision["Obligation"]:
        """It was done. Lateness needs a reason. If its clock was paused, it was so until then."""
        self._require_running()
        if self.paused_at is not None:
            return self.resume(submission.at).state.submit(by, submission)
        if submission.at < self.started_at:
            raise Invalid(field="at", detail="is before the clock started")
        if self.due_at is not None and submission.at > self.due_at and not submission.late_reason:
            raise LatenessNeedsReason(obligation=self.id, due=self.due_at.isoformat())
        done = replace(
            self,
            state=State.SUBMITTED,
            submitted_at=submission.at,
            answered_by=by,
            recipient=submission.recipient or self.recipient,
            reference=submission.reference,
            sha256=submission.sha256,
            reason=submission.late_reason,
        )
        return Decision(done)

    def waive(self, by: str, reason: str) -> Decision["Obligation"]:
        """It need not be done."""
        self._require_running()
        return Decision(replace(self, state=State.WAIVED, answered_by=by, reason=reason))

    def withdraw(self, by: str, reason: str) -> Decision["Obligation"]:
        """What it started by was taken back; what was answered stays answered."""
        if self.state is not State.RUNNING:
            return Decision(self)
        return Decision(replace(self, state=State.WITHDRAWN, answered_by=by, reason=reason))

    def _require_running(self) -> None:
        if self.state is not State.RUNNING:
            raise NotRunning(obligation=self.id, state=self.state.value)


def _said(explanation: str, paused_for: timedelta) -> str:
    return f"{explanation}{PAUSED}{paused_for.total_seconds() / 3600:.0f} h" if paused_for else explanation
