"""Who is asked next: the decisions of an escalation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from tocsin_kernel.decision import Decision

LATE_AFTER = timedelta(seconds=2)
PLATFORM_DELAY = timedelta(minutes=5)
PLATFORM_REPEAT = 3


class Kind(Enum):
    """What a target names."""

    RESPONDER = "responder"
    SCHEDULE = "schedule"
    TEAM = "team"
    PLATFORM = "platform"


class State(Enum):
    """Where an escalation is in its life."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    EXHAUSTED = "EXHAUSTED"


class Reason(Enum):
    """Why a responder is asked at this moment."""

    STEP_STARTED = "STEP_STARTED"
    STEP_TIMEOUT = "STEP_TIMEOUT"
    NOBODY_ON_CALL = "NOBODY_ON_CALL"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a step asks."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}" if self.name else "the platform's fallback"


PLATFORM = Target(Kind.PLATFORM)


@dataclass(frozen=True, slots=True)
class Step:
    """Asks its targets, then waits."""

    targets: tuple[Target, ...]
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps in order, gone through 1 + `repeat` times. An empty name is the platform's own policy."""

    name: str
    steps: tuple[Step, ...]
    repeat: int
    fallback: tuple[Target, ...] = ()

    def __str__(self) -> str:
        return self.name or "the platform's policy"


PLATFORM_POLICY = Policy("", (Step((PLATFORM,), PLATFORM_DELAY),), PLATFORM_REPEAT)


@dataclass(frozen=True, slots=True)
class Escalation:
    """One run of a policy, as it was when the incident opened. `version` counts the changes of all escalations of the incident."""

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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A responder whom a target stands for at this moment, and why, for people."""

    responder: str
    why: str


Roster = Mapping[Target, tuple[Candidate, ...]]


@dataclass(frozen=True, slots=True)
class Started:
    """The policy begins."""


@dataclass(frozen=True, slots=True)
class Summoned:
    """This person is asked now. `late_by` is None for a step that was on time."""

    responder: str
    reason: Reason
    explanation: str
    late_by: timedelta | None


@dataclass(frozen=True, slots=True)
class GapFound:
    """Something had nobody. `title` and `description` are for the alert about it; `alerting` says whether there is to be one."""

    gap: str
    asked_instead: tuple[str, ...]
    title: str
    description: str
    alerting: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nobody else is asked."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Everybody was asked, and nobody answered."""


def targets_of(escalation: Escalation) -> tuple[Target, ...]:
    """Every target that the coming decision may need to know the candidates of."""
    step, _ = _position_after(escalation) or (escalation.step, escalation.round)
    steps = escalation.policy.steps
    return tuple(dict.fromkeys((*steps[escalation.step].targets, *steps[step].targets, *escalation.policy.fallback, PLATFORM)))


def start(escalation: Escalation, wanted: str, roster: Roster, now: datetime) -> Decision[Escalation]:
    """Ask the first step. `wanted` is the policy that the incident names; it may be empty or unknown."""
    begun = replace(escalation, due_at=now + escalation.policy.steps[0].delay)
    facts = (Started(), *_missing_policy(begun, wanted, roster), *_ask(begun, roster, Reason.STEP_STARTED, None))
    return Decision(begun, facts, f"the incident opened; {escalation.policy} begins")


def time_out(escalation: Escalation, roster: Roster, now: datetime) -> Decision[Escalation]:
    """Nobody answered in time: ask the next step, counting its delay from now. However late it is, only one step is taken.

    An escalation that is not running, or not due yet, stays as it is.
    """
    if escalation.state is not State.RUNNING or escalation.due_at is None or escalation.due_at > now:
        return Decision(escalation)
    position = _position_after(escalation)
    changed = replace(escalation, version=escalation.version + 1)
    if position is None:
        rounds = f"{escalation.round + 1} times" if escalation.round else "once"
        why = f"every step of {escalation.policy} was gone through {rounds} and nobody answered"
        return Decision(replace(changed, state=State.EXHAUSTED, due_at=None, stop_reason=why), (Exhausted(),), why)
    step, round_ = position
    moved = replace(changed, step=step, round=round_, due_at=now + escalation.policy.steps[step].delay)
    late_by = now - escalation.due_at
    facts = _ask(moved, roster, Reason.STEP_TIMEOUT, late_by if late_by > LATE_AFTER else None)
    return Decision(moved, facts, f"step {escalation.step + 1} was not answered in time")


def stop(escalation: Escalation, reason: str) -> Decision[Escalation]:
    """Ask nobody else. Only a running escalation changes."""
    if escalation.state is not State.RUNNING:
        return Decision(escalation)
    stopped = replace(escalation, state=State.STOPPED, due_at=None, stop_reason=reason, version=escalation.version + 1)
    return Decision(stopped, (Stopped(),), reason)


def _position_after(escalation: Escalation) -> tuple[int, int] | None:
    """(step, round) that follows; None after the last one."""
    if escalation.step + 1 < len(escalation.policy.steps):
        return escalation.step + 1, escalation.round
    return (0, escalation.round + 1) if escalation.round < escalation.policy.repeat else None


def _missing_policy(escalation: Escalation, wanted: str, roster: Roster) -> tuple[GapFound, ...]:
    if escalation.policy.name:
        return ()
    asked = _candidates((PLATFORM,), roster)
    if not asked:
        # The step itself tells of it, once.
        return ()
    gap = f"escalation policy {wanted}" if wanted else "no escalation policy"
    # An incident without a policy takes the default way, which is as wanted; a policy that does not exist is a mistake to mend.
    return (_gap(escalation, gap, f"There is no {gap}", asked, alerting=bool(wanted)),)


def _ask(escalation: Escalation, roster: Roster, reason: Reason, late_by: timedelta | None) -> tuple[GapFound | Summoned, ...]:
    step = escalation.policy.steps[escalation.step]
    place = f"Step {escalation.step + 1} of {escalation.policy}"
    if escalation.round:
        place += f", round {escalation.round + 1}"
    asked = _candidates(step.targets, roster)
    if asked:
        return tuple(Summoned(name, reason, f"{place}: {why}", late_by) for name, why in asked.items())
    nobody = " and ".join(str(target) for target in step.targets)
    instead = _candidates(escalation.policy.fallback, roster) or _candidates((PLATFORM,), roster)
    gap = _gap(escalation, nobody, f"Nobody is on call for {nobody}", instead, alerting=True)
    summonses = tuple(
        Summoned(name, Reason.NOBODY_ON_CALL, f"{place}: nobody is on call for {nobody}; asked instead: {why}", late_by)
        for name, why in instead.items()
    )
    return (gap, *summonses)


def _gap(escalation: Escalation, gap: str, title: str, asked: Mapping[str, str], *, alerting: bool) -> GapFound:
    names = tuple(asked)
    told = f"Asked instead: {', '.join(names)}." if names else "There is no responder who could be asked instead."
    description = f"{title}: {escalation.policy} met this gap. {told}"
    # An incident that is itself about a gap does not make another one.
    return GapFound(gap, names, title, description, alerting and not escalation.about_gap)


def _candidates(targets: tuple[Target, ...], roster: Roster) -> dict[str, str]:
    """Responders by name, each once, with the first reason to ask them."""
    found: dict[str, str] = {}
    for target in targets:
        for candidate in roster.get(target, ()):
            found.setdefault(candidate.responder, candidate.why)
    return found
