"""A measure is something that was done to contain an incident; it is in force until somebody or its time lifts it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, NotFound

# How long after one look the next one comes; the last counts for all that follow.
LOOKS = tuple(timedelta(hours=hours) for hours in (1, 4, 12, 24))
MOST_LOOKS = 60
# Something may be in the way of one look.
LOOK_TWICE, LOST_AFTER = timedelta(minutes=5), 2
GONE = "it does not hold any more"
BY_HAND = "nothing here can undo it: undo it by hand, then confirm that it is lifted"


class MeasureNotFound(NotFound):
    reason = "MEASURE_NOT_FOUND"
    message = "there is no measure {measure}"


class MeasureNotInForce(Conflict):
    reason = "MEASURE_NOT_IN_FORCE"
    message = "measure {measure} is {state}; only one in force can be {wanted}"


class NothingToLookAt(Conflict):
    reason = "NOTHING_TO_LOOK_AT"
    message = "no runner can look at measure {measure}: look yourself, and report what you find"


class TargetKind(IntEnum):
    """What something is done to; the numbers are those of the contract."""

    OTHER = 0
    HOST = 1
    ADDRESS = 2
    DOMAIN = 3
    HASH = 4
    USER = 5
    KEY = 6
    WORKLOAD = 7


class State(Enum):
    """Whether a measure still holds."""

    IN_FORCE = "in force"
    LIFTING = "being lifted"
    LIFTED = "lifted"
    LOST = "lost"


class Verification(Enum):
    """Whether it was seen to be effective: that the other side took it on says nothing."""

    NONE = "nothing to look at"
    AWAITED = "taken on, not seen to be effective yet"
    EFFECTIVE = "effective"
    NOT_VERIFIED = "not verified"


@dataclass(frozen=True, slots=True)
class Measure:
    """`decision` says why it is lifted, or why it stays; `trouble` what went wrong with lifting it; `finding` what the last look found.

    `simulated`: taken in an exercise, at a simulated twin; nothing real is held.
    """

    id: str
    incident_id: str
    action: str
    connector: str
    target_kind: TargetKind
    target: str
    reason: str
    applied_by: str
    applied_at: datetime
    until: datetime | None = None
    state: State = State.IN_FORCE
    verified_at: datetime | None = None
    reversible: bool = False
    run_id: str = ""
    step_path: str = ""
    prior_state: Mapping[str, Any] | None = field(default=None, hash=False)
    assignment_id: str = ""
    simulated: bool = False
    undo_run_id: str = ""
    lifted_by: str = ""
    lifted_at: datetime | None = None
    decision: str = ""
    kept: bool = False
    trouble: str = ""
    verification: Verification = Verification.NONE
    finding: str = ""
    next_look_at: datetime | None = None
    looks: int = 0
    missed: int = 0
    version: int = 1

    @property
    def is_lookable(self) -> bool:
        """Whether a runner can see if it holds: one took it, and a look had something to see."""
        return bool(self.assignment_id) and self.verification is not Verification.NONE

    @property
    def is_undecided(self) -> bool:
        """Whether a phase that wants every measure decided has to wait for this one."""
        return self.state is not State.LIFTED and not self.kept

    def seen(self, finding: str, now: datetime) -> Decision["Measure"]:
        """A look shows that it is effective. One that was seen, or is lifted, stays as it is."""
        if self.state is State.LIFTED or self.verification is Verification.EFFECTIVE:
            return Decision(self)
        after = self._changed(verification=Verification.EFFECTIVE, verified_at=now, finding=finding).watched(now)
        return Decision(after, (Verified(after, now),), finding)

    def watched(self, now: datetime) -> "Measure":
        """It is looked at again, ever more rarely, and not for ever. Nobody looks at what an exercise did to a twin."""
        watched = self.is_lookable and self.verification is Verification.EFFECTIVE and not self.simulated and self.looks < MOST_LOOKS
        return replace(self, next_look_at=now + LOOKS[min(self.looks, len(LOOKS) - 1)] if watched else None)

    def looked_at(self) -> "Measure":
        """A look begins. Raises MeasureNotInForce, NothingToLookAt."""
        self._require_lookable()
        return self._changed(next_look_at=None)

    def holds(self, finding: str, now: datetime) -> Decision["Measure"]:
        """A look found it."""
        if self.state not in (State.IN_FORCE, State.LOST):
            return Decision(self)
        found = {"state": State.IN_FORCE, "trouble": "", "missed": 0, "looks": self.looks + 1}
        after = self._changed(**found, verification=Verification.EFFECTIVE, verified_at=now, finding=finding)
        return Decision(after.watched(now), (), finding)

    def missing(self, finding: str, now: datetime) -> Decision["Measure"]:
        """A look did not find it. It is looked at once more soon: the second look in a row that misses it says that it is lost."""
        if self.state is not State.IN_FORCE:
            return Decision(self)
        looked = self._changed(missed=self.missed + 1, looks=self.looks + 1, finding=finding)
        if looked.missed < LOST_AFTER:
            return Decision(replace(looked, next_look_at=now + LOOK_TWICE), (), finding)
        after = replace(looked, state=State.LOST, trouble=finding or GONE, next_look_at=None)
        return Decision(after, (Lost(after, after.trouble, now),), after.trouble)

    def not_looked_at(self, why: str, now: datetime) -> Decision["Measure"]:
        """It could not be looked at, which says nothing; later again."""
        if self.state is not State.IN_FORCE:
            return Decision(self)
        return Decision(self._changed(looks=self.looks + 1, finding=why).watched(now), (), why)

    def _require_lookable(self) -> None:
        if self.state not in (State.IN_FORCE, State.LOST):
            raise MeasureNotInForce(measure=self.id, state=self.state.value, wanted="looked at")
        if not self.is_lookable:
            raise NothingToLookAt(measure=self.id)

    def not_seen_yet(self, finding: str) -> Decision["Measure"]:
        """A look does not show it yet."""
        if self.state is State.LIFTED or self.verification is not Verification.AWAITED or self.finding == finding:
            return Decision(self)
        return Decision(self._changed(finding=finding))

    def not_verified(self, finding: str, now: datetime) -> Decision["Measure"]:
        """Nobody looks any more, and it was not seen: whether it holds is not known, and a person has to look."""
        if self.state is State.LIFTED or self.verification is not Verification.AWAITED:
            return Decision(self)
        after = self._changed(verification=Verification.NOT_VERIFIED, finding=finding)
        return Decision(after, (NotVerified(after, now),), finding)

    def expire(self, now: datetime) -> Decision["Measure"]:
        """Its time is up. Expiring what is not in force changes nothing."""
        if self.state is not State.IN_FORCE or self.until is None or self.until > now:
            return Decision(self)
        after = self._changed(state=State.LIFTING, lifted_by="", decision="its time is up", trouble="" if self.reversible else BY_HAND)
        return Decision(after, (Expired(after, now),), "its time is up")

    def lift(self, by: str, reason: str) -> Decision["Measure"]:
        """Have it undone. One that is being lifted is tried again; one that is lifted stays so."""
        if self.state is State.LIFTED:
            return Decision(self)
        trouble = "" if self.reversible else BY_HAND
        return Decision(
            self._changed(state=State.LIFTING, lifted_by=by, decision=reason, undo_run_id="", trouble=trouble), (), f"{by} lifts it"
        )

    def undone_by(self, run_id: str) -> "Measure":
        """A run is undoing it."""
        return self._changed(undo_run_id=run_id)

    def lifted(self, by: str, reason: str, now: datetime) -> Decision["Measure"]:
        """It was undone. Twice is once."""
        if self.state is State.LIFTED:
            return Decision(self)
        after = self._changed(
            state=State.LIFTED, lifted_by=by or self.lifted_by, lifted_at=now, decision=reason or self.decision, trouble=""
        )
        return Decision(after, (Lifted(after),), after.decision)

    def not_lifted(self, trouble: str) -> Decision["Measure"]:
        """Undoing it failed; it is still being lifted, and somebody has to look."""
        if self.state is not State.LIFTING:
            return Decision(self)
        return Decision(self._changed(trouble=trouble or "undoing it failed"))

    def keep(self, by: str, reason: str, now: datetime) -> Decision["Measure"]:
        """Decide that it stays. Raises MeasureNotInForce."""
        self._require_in_force("kept")
        if self.kept and self.decision == reason:
            return Decision(self)
        after = self._changed(kept=True, decision=reason)
        return Decision(after, (Kept(after, by, now),), reason)

    def prolong(self, until: datetime | None, by: str, now: datetime) -> Decision["Measure"]:
        """Give it another end, or none. Raises MeasureNotInForce."""
        self._require_in_force("prolonged")
        if self.until == until:
            return Decision(self)
        after = self._changed(until=until)
        return Decision(after, (Prolonged(after, by, now),))

    def report(self, *, holds: bool, finding: str, now: datetime) -> Decision["Measure"]:
        """Somebody looked. Raises MeasureNotInForce."""
        if self.state not in (State.IN_FORCE, State.LOST):
            raise MeasureNotInForce(measure=self.id, state=self.state.value, wanted="looked at")
        if holds:
            seen = {"verification": Verification.EFFECTIVE, "finding": finding}
            return Decision(self._changed(state=State.IN_FORCE, verified_at=now, trouble="", **seen))
        if self.state is State.LOST:
            return Decision(self)
        after = self._changed(state=State.LOST, trouble=finding or GONE, next_look_at=None)
        return Decision(after, (Lost(after, after.trouble, now),), after.trouble)

    def _require_in_force(self, wanted: str) -> None:
        if self.state is not State.IN_FORCE:
            raise MeasureNotInForce(measure=self.id, state=self.state.value, wanted=wanted)

    def _changed(self, **to: Any) -> "Measure":
        return replace(self, version=self.version + 1, **to)


@dataclass(frozen=True, slots=True)
class Applied:
    """The measure is in force from now on."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Expired:
    """Its time is up."""

    measure: Measure
    at: datetime


@dataclass(frozen=True, slots=True)
class Lifted:
    """It was undone."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody decided that it stays."""

    measure: Measure
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Prolonged:
    """It got another end."""

    measure: Measure
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lost:
    """It does not hold any more, though nobody lifted it."""

    measure: Measure
    finding: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """It was taken on before, and is seen to be effective now."""

    measure: Measure
    at: datetime


@dataclass(frozen=True, slots=True)
class NotVerified:
    """It was taken on, and was not seen to be effective as long as anybody looked."""

    measure: Measure
    at: datetime


Fact = Verified | NotVerified | Applied | Expired | Lifted | Kept | Prolonged | Lost
