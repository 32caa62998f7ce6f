"""A heartbeat: something that has to report in regularly. Pure: the old heartbeat and what happened in, the new one out."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_detection.signal import Signal, one_line, severity_word
from tocsin_kernel.errors import AlreadyExists, NotFound

LONGEST_INTERVAL = timedelta(days=366)
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9 ._:@-]{0,198}[A-Za-z0-9._:@-])?")


class State(StrEnum):
    """Where a heartbeat stands."""

    NEVER_PINGED = "NEVER_PINGED"
    ALIVE = "ALIVE"
    LATE = "LATE"
    DISABLED = "DISABLED"


class Unit(StrEnum):
    """What an interval counts."""

    MINUTES = "MINUTES"
    HOURS = "HOURS"
    DAYS = "DAYS"

    @property
    def length(self) -> timedelta:
        return LENGTHS[self]


LENGTHS = {Unit.MINUTES: timedelta(minutes=1), Unit.HOURS: timedelta(hours=1), Unit.DAYS: timedelta(days=1)}


class HeartbeatNotFound(NotFound):
    reason = "HEARTBEAT_NOT_FOUND"
    message = "there is no heartbeat {name}"


class HeartbeatExists(AlreadyExists):
    reason = "HEARTBEAT_EXISTS"
    message = "there is a heartbeat {name} already; names are unique, also across integrations"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat. Its first ping arms it; from then on one is expected within `every` units and the grace.

    `expected_since` is what the interval counts from: the newest ping, or when it was switched on again; None: it waits for the
    ping that arms it. Times are aware, in UTC.
    """

    name: str
    integration: str
    every: int
    unit: Unit
    created_at: datetime
    grace: timedelta = timedelta(0)
    description: str = ""
    service: str = ""
    owner_team: str = ""
    alert_message: str = ""
    alert_tags: tuple[str, ...] = ()
    alert_priority: str = ""
    disabled: bool = False
    last_ping_at: datetime | None = None
    expected_since: datetime | None = None
    late_since: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """How long lies between two pings at most, without the grace."""
        return self.every * self.unit.length

    @property
    def state(self) -> State:
        if self.disabled:
            return State.DISABLED
        if self.late_since is not None:
            return State.LATE
        return State.NEVER_PINGED if self.expected_since is None else State.ALIVE

    @property
    def due_at(self) -> datetime | None:
        """When it is late unless a ping comes; None while it cannot be late, or is so already."""
        if self.expected_since is None or self.state is not State.ALIVE:
            return None
        return self.expected_since + self.interval + self.grace


def ping(heartbeat: Heartbeat, now: datetime, *, arms: bool) -> Heartbeat:
    """It reported in. A ping that does not arm changes nothing before the first one that does."""
    if heartbeat.last_ping_at is None and not arms:
        return heartbeat
    return replace(heartbeat, last_ping_at=now, expected_since=now, late_since=None)


def expire(heartbeat: Heartbeat, now: datetime) -> Heartbeat:
    """Late from now on, if its time has passed; otherwise as it was."""
    due_at = heartbeat.due_at
    return heartbeat if due_at is None or due_at > now else replace(heartbeat, late_since=due_at)


def enable(heartbeat: Heartbeat, now: datetime) -> Heartbeat:
    """Switched on. One that was pinged before gets a whole interval to report in."""
    if not heartbeat.disabled:
        return heartbeat
    return replace(heartbeat, disabled=False, expected_since=now if heartbeat.last_ping_at else None)


def disable(heartbeat: Heartbeat) -> Heartbeat:
    """Switched off: never late."""
    return replace(heartbeat, disabled=True, late_since=None)


def reconfigured(stored: Heartbeat, wanted: Heartbeat) -> Heartbeat:
    """What is wanted, with what has happened so far. One that is late under another integration has yet to be late under this one."""
    late_since = stored.late_since if stored.integration == wanted.integration else None
    return replace(
        wanted,
        created_at=stored.created_at,
        disabled=stored.disabled,
        last_ping_at=stored.last_ping_at,
        expected_since=stored.expected_since,
        late_since=late_since,
    )


def lateness(heartbeat: Heartbeat, service: str, since: datetime) -> Signal:
    """The signal that no ping came in time. `service` is that of its integration."""
    labels = {"heartbeat": heartbeat.name} | ({"team": heartbeat.owner_team} if heartbeat.owner_team else {})
    return Signal(
        integration=heartbeat.integration,
        fingerprint=_fingerprint(heartbeat),
        title=one_line(heartbeat.alert_message) or f"heartbeat {heartbeat.name} is late",
        description=_explained(heartbeat),
        labels=labels,
        tags=heartbeat.alert_tags,
        severity=severity_word(heartbeat.alert_priority),
        service=heartbeat.service or service,
        starts_at=since,
    )


def recovery(heartbeat: Heartbeat, now: datetime, note: str) -> Signal:
    """The signal that ends its alert; `note` says why."""
    return Signal(
        integration=heartbeat.integration,
        fingerprint=_fingerprint(heartbeat),
        title=heartbeat.name,
        starts_at=heartbeat.late_since or now,
        ends_at=now,
        resolved=True,
        note=note,
    )


def _fingerprint(heartbeat: Heartbeat) -> str:
    return f"heartbeat/{heartbeat.name}"


def _explained(heartbeat: Heartbeat) -> str:
    last = f"The last ping came at {heartbeat.last_ping_at:%Y-%m-%d %H:%M:%S}Z" if heartbeat.last_ping_at else "No ping came"
    grace = f", with a grace of {heartbeat.grace}" if heartbeat.grace else ""
    expected = f"{last}; one is expected every {heartbeat.every} {heartbeat.unit.lower()}{grace}."
    return "\n".join(filter(None, (expected, heartbeat.description)))
