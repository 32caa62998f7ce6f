"""Compares what should have fired with what did, from what was stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# A tick is a quarter of a second; whatever is later than this was not on time.
GRACE = timedelta(seconds=30)


class Flaw(Enum):
    """What is wrong."""

    OVERDUE = "OVERDUE"
    LATE = "LATE"
    NOT_STARTED = "NOT_STARTED"
    UNEXPECTED = "UNEXPECTED"


@dataclass(frozen=True, slots=True)
class Fired:
    """A step that was taken after the first; `due_at` is None if a person wanted it."""

    step: int
    round: int
    due_at: datetime | None
    fired_at: datetime
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One escalation with all that was stored of it, in order of time. `first_due_at` is None if an older version began it."""

    escalation_id: str
    incident_id: str
    running: bool
    step: int
    due_at: datetime | None
    first_due_at: datetime | None
    ended_at: datetime | None
    fired: tuple[Fired, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference."""

    flaw: Flaw
    incident_id: str
    escalation_id: str
    due_at: datetime | None
    fired_at: datetime | None
    text: str


def findings(records: Sequence[Recorded], now: datetime) -> list[Finding]:
    """Every difference of these escalations."""
    return [finding for record in records for finding in _of(record, now)]


def expected(records: Sequence[Recorded], now: datetime) -> int:
    """How many timers should have fired by now: those that did, and those that are overdue."""
    return sum(sum(1 for fired in record.fired if fired.due_at is not None) + (_overdue(record, now) is not None) for record in records)


def acknowledgement_overdue(incident_id: str, due_at: datetime) -> Finding:
    """The time of an acknowledgement is over, and nobody was told."""
    text = f"the acknowledgement ran out at {_said(due_at)}, and nobody was told"
    return Finding(Flaw.OVERDUE, incident_id, "", due_at, None, text)


def not_started(incident_id: str, opened_at: datetime) -> Finding:
    """An incident is open, and there is no escalation."""
    text = f"the incident is open since {_said(opened_at)} and nobody was asked"
    return Finding(Flaw.NOT_STARTED, incident_id, "", opened_at, None, text)


def _of(record: Recorded, now: datetime) -> Iterator[Finding]:
    due = record.first_due_at
    for fired in record.fired:
        name = f"step {fired.step + 1}, round {fired.round + 1}"
        if fired.due_at is None:
            due = fired.next_due_at
            continue
        if fired.fired_at < fired.due_at:
            yield _found(Flaw.UNEXPECTED, record, fired, f"{name} was taken before it was due at {_said(fired.due_at)}")
        elif due is not None and fired.due_at != due:
            text = f"{name} was taken as if due at {_said(fired.due_at)}, but it was due at {_said(due)}"
            yield _found(Flaw.UNEXPECTED, record, fired, text)
        elif fired.fired_at - fired.due_at > GRACE:
            late = int((fired.fired_at - fired.due_at).total_seconds())
            yield _found(Flaw.LATE, record, fired, f"{name} was due at {_said(fired.due_at)} and taken {late} s later")
        if record.ended_at is not None and fired.fired_at > record.ended_at:
            yield _found(Flaw.UNEXPECTED, record, fired, f"{name} was taken after the escalation had ended at {_said(record.ended_at)}")
        due = fired.next_due_at
    due = _overdue(record, now)
    if due is not None:
        text = f"the step after step {record.step + 1} was due at {_said(due)} and has not been taken"
        yield Finding(Flaw.OVERDUE, record.incident_id, record.escalation_id, due, None, text)


def _overdue(record: Recorded, now: datetime) -> datetime | None:
    """When a step was due that has not been taken: not yet, or not before it ended."""
    due = record.due_at if record.running else record.fired[-1].next_due_at if record.fired else record.first_due_at
    return due if due is not None and (record.ended_at or now) - due > GRACE else None


def _found(flaw: Flaw, record: Recorded, fired: Fired, text: str) -> Finding:
    return Finding(flaw, record.incident_id, record.escalation_id, fired.due_at, fired.fired_at, text)


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
