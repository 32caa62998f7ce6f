"""The life of an incident: which state follows from which command, and what the others hear of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict


class State(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(IntEnum):
    """Smaller is worse."""

    SEV1 = 1
    SEV2 = 2
    SEV3 = 3
    SEV4 = 4
    SEV5 = 5


class IncidentType(StrEnum):
    """Which kind of trouble it is."""

    SECURITY = "security"
    OPERATIONAL = "operational"
    COMPLIANCE = "compliance"
    PERFORMANCE = "performance"
    HUMAN_ERROR = "human_error"


class NotAcknowledgeable(Conflict):
    reason = "INCIDENT_NOT_ACKNOWLEDGEABLE"
    message = "incident {number} is resolved; nobody needs to take it. Reopen it if it is not over"


class NotReopenable(Conflict):
    reason = "INCIDENT_NOT_REOPENABLE"
    message = "incident {number} is {state}; only a resolved incident can be reopened"


class IsResolved(Conflict):
    reason = "INCIDENT_RESOLVED"
    message = "incident {number} is resolved; its severity stays as it was"


class NotPrivate(Conflict):
    reason = "INCIDENT_NOT_PRIVATE"
    message = "incident {number} is public; everybody may know of it"


class LastMember(Conflict):
    reason = "LAST_MEMBER"
    message = "{member} is the only one who may know of incident {number}; add somebody first, or make it public"


@dataclass(frozen=True, slots=True)
class AttachedAlert:
    """One alert of an incident. `version` is that of the alert as last heard."""

    alert_id: str
    title: str
    open: bool
    attached_at: datetime
    reason: str
    source_url: str
    version: int


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that people coordinate about.

    `group_key` is what further alerts must share to join it; None if none can. `open_alert_count` says how many of its alerts
    have not ended.
    `aside_by` is who put its only open alert aside, and has it until that ends; empty if nobody did.
    `severity_by_person` is true once a person has set the severity: alerts do not change it any more.
    `members` are who may know of it while it is `private`, sorted; they stay noted when it becomes public.
    """

    id: str
    number: int
    title: str
    summary: str
    state: State
    severity: Severity
    service: str
    group_key: str | None
    escalation_policy: str
    team: str
    opened_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    resolved_by: str = ""
    resolve_reason: str = ""
    declared_by: str = ""
    alert_count: int = 0
    open_alert_count: int = 0
    placement_reason: str = ""
    severity_by_person: bool = False
    aside_by: str = ""
    version: int = 1
    type: IncidentType = IncidentType.OPERATIONAL
    private: bool = False
    members: tuple[str, ...] = ()

    def attach(self, alert: AttachedAlert) -> Decision["Incident"]:
        """Gather one more open alert, for which nobody put anything aside. The caller has found this incident not resolved."""
        joined = self._next(alert_count=self.alert_count + 1, open_alert_count=self.open_alert_count + 1)
        again = joined.taken_up("another alert joined, which nobody has put aside", alert.attached_at)
        return Decision(again.state, (Attached(joined, alert), *again.facts), alert.reason)

    def acknowledge(self, by: str, at: datetime) -> Decision["Incident"]:
        """Take it, or take it over. Again by the same responder changes nothing. Raises NotAcknowledgeable."""
        match self.state:
            case State.OPEN:
                taken = self._next(state=State.ACKNOWLEDGED, acknowledged_by=by, acknowledged_at=self.acknowledged_at or at, aside_by="")
            case State.ACKNOWLEDGED if self.acknowledged_by == by and not self.aside_by:
                return Decision(self, reason=f"{by} has it already")
            case State.ACKNOWLEDGED:
                taken = self._next(acknowledged_by=by, aside_by="")
            case State.RESOLVED:
                raise NotAcknowledgeable(incident=self.id, number=self.number)
        return Decision(taken, (Acknowledged(taken),), f"{by} took it")

    def unacknowledge(self, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """What `by` said when they took it does not count any more. If somebody else has it by now, or it is over, it stays as it is."""
        if self.state is not State.ACKNOWLEDGED or self.acknowledged_by != by:
            return Decision(self, reason=f"{by} does not have it any more")
        waiting = self._next(state=State.OPEN, acknowledged_by="", aside_by="")
        return Decision(waiting, (Unacknowledged(waiting, by, reason, at),), reason)

    def resolve(self, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """End it; `by` is empty if its alerts ended by themselves. What is resolved stays as it is."""
        if self.state is State.RESOLVED:
            return Decision(self, reason="it was resolved already")
        over = self._next(state=State.RESOLVED, resolved_at=at, resolved_by=by, resolve_reason=reason, aside_by="")
        return Decision(over, (Resolved(over),), reason)

    def alert_ended(self, reason: str, at: datetime) -> Decision["Incident"]:
        """One of its open alerts ended. The last one ends the incident too, whoever has taken it."""
        left = replace(self, open_alert_count=self.open_alert_count - 1)
        if left.open_alert_count > 0 or left.state is State.RESOLVED:
            return Decision(left, reason=f"{left.open_alert_count} of its alerts are still open")
        return left.resolve("", f"its last open alert ended: {reason}", at)

    def alert_taken(self, by: str, at: datetime) -> Decision["Incident"]:
        """Somebody took one of its alerts. That takes the incident too where it is the only open one; whoever has it keeps it."""
        if not self.aside_by and (self.state is not State.OPEN or self.open_alert_count > 1):
            return Decision(self, reason="others of its alerts are open, or somebody has it already")
        return self.acknowledge(by, at)

    def put_aside(self, by: str, at: datetime) -> Decision["Incident"]:
        """Somebody put one of its alerts aside. Where it is the only open one they have the incident until that ends."""
        if self.state is not State.OPEN or self.open_alert_count > 1:
            return Decision(self, reason="others of its alerts are open, or somebody has it already")
        since = self.acknowledged_at or at
        taken = self._next(state=State.ACKNOWLEDGED, acknowledged_by=by, acknowledged_at=since, aside_by=by)
        return Decision(taken, (Acknowledged(taken),), f"{by} put its only open alert aside")

    def taken_up(self, reason: str, at: datetime) -> Decision["Incident"]:
        """What was put aside is not any more: it waits for somebody, unless somebody has taken it meanwhile."""
        if not self.aside_by:
            return Decision(self, reason="nobody has put it aside")
        return self.unacknowledge(self.aside_by, reason, at)

    def reopen(self, by: str, reason: str, at: datetime, *, keeps_group: bool) -> Decision["Incident"]:
        """Not over after all. `keeps_group` is False if another incident gathers the group's alerts by now. Raises NotReopenable."""
        if self.state is not State.RESOLVED:
            raise NotReopenable(incident=self.id, number=self.number, state=self.state)
        again = self._next(
            state=State.OPEN,
            opened_at=at,
            acknowledged_at=None,
            acknowledged_by="",
            resolved_at=None,
            resolved_by="",
            resolve_reason="",
            group_key=self.group_key if keeps_group else None,
        )
        return Decision(again, (Reopened(again, by, reason),), reason)

    def change_severity(self, severity: Severity, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """A person says how bad it is; from now on alerts do not change it. Raises IsResolved."""
        if self.state is State.RESOLVED:
            raise IsResolved(incident=self.id, number=self.number)
        if severity == self.severity:
            return Decision(replace(self, severity_by_person=True), reason="it has this severity already")
        changed = self._next(severity=severity, severity_by_person=True)
        return Decision(changed, (SeverityChanged(changed, self.severity, by, reason, at),), reason)

    def change_type(self, to: IncidentType, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """It is another kind of trouble. The same one changes nothing."""
        if to is self.type:
            return Decision(self, reason="it has this type already")
        changed = self._next(type=to)
        return Decision(changed, (TypeChanged(changed, self.type, by, reason, at),), reason)

    def make_private(self, members: Iterable[str], by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """Only these may know of it, beside who is a member already."""
        return self._known_to(True, {*self.members, *members}, by, reason, at)

    def make_public(self, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """Everybody may know of it."""
        return self._known_to(False, set(self.members), by, reason, at)

    def admit(self, member: str, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """One more may know of it. Raises NotPrivate."""
        if not self.private:
            raise NotPrivate(number=self.number)
        return self._known_to(True, {*self.members, member}, by, reason, at)

    def dismiss(self, member: str, by: str, reason: str, at: datetime) -> Decision["Incident"]:
        """One of its members may not know of it any more. Raises NotPrivate, LastMember."""
        if not self.private:
            raise NotPrivate(number=self.number)
        if self.members == (member,):
            raise LastMember(number=self.number, member=member)
        return self._known_to(True, set(self.members) - {member}, by, reason, at)

    def _known_to(self, private: bool, members: set[str], by: str, reason: str, at: datetime) -> Decision["Incident"]:
        if private is self.private and members == set(self.members):
            return Decision(self, reason="that is so already")
        changed = self._next(private=private, members=tuple(sorted(members)))
        added, removed = sorted(members - set(self.members)), sorted(set(self.members) - members)
        return Decision(changed, (PrivacyChanged(changed, tuple(added), tuple(removed), by, reason, at),), reason)

    def worsen(self, severity: Severity, reason: str, at: datetime) -> Decision["Incident"]:
        """An alert says that it is this bad. Better than thought, said of a resolved one, or against a person's word: changes nothing."""
        if severity >= self.severity or self.state is State.RESOLVED or self.severity_by_person:
            return Decision(self, reason="the severity stays")
        worse = self._next(severity=severity)
        return Decision(worse, (SeverityChanged(worse, self.severity, "", reason, at),), reason)

    def _next(self, **changed: object) -> "Incident":
        return replace(self, version=self.version + 1, **changed)  # type: ignore[arg-type]  # replace() checks the names at run time


@dataclass(frozen=True, slots=True)
class Opened:
    """An alert found no open incident to join, or a person declared one (no alert)."""

    incident: Incident
    alert: AttachedAlert | None


@dataclass(frozen=True, slots=True)
class Attached:
    incident: Incident
    alert: AttachedAlert


@dataclass(frozen=True, slots=True)
class SeverityChanged:
    """`changed_by` is empty if an alert changed it."""

    incident: Incident
    before: Severity
    changed_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TypeChanged:
    incident: Incident
    before: IncidentType
    changed_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PrivacyChanged:
    """`changed_by` is empty if a summons or a role did it."""

    incident: Incident
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    incident: Incident


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """Nobody has it any more, though it is not over."""

    incident: Incident
    acknowledged_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Resolved:
    incident: Incident


@dataclass(frozen=True, slots=True)
class Reopened:
    incident: Incident
    reopened_by: str
    reason: str


Told = Opened | Attached | SeverityChanged | TypeChanged | PrivacyChanged | Acknowledged | Unacknowledged | Resolved | Reopened


def opened(incident: Incident, alert: AttachedAlert | None = None) -> Decision[Incident]:
    """A new incident, with its first alert if one opened it."""
    count = 0 if alert is None else 1
    counted = replace(incident, alert_count=count, open_alert_count=count)
    return Decision(counted, (Opened(counted, alert),), incident.placement_reason)
