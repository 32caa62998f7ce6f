"""What if: alerts of the past are placed by other services and routes, beside where they were. Pure: alerts in, differences out.

An incident of the replay is over when the last of its alerts has ended: nobody resolves it by hand, and nobody reopens it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from tocsin_triage.catalogue import Catalogue
from tocsin_triage.correlation import Alert, place
from tocsin_triage.incident import Severity


@dataclass(frozen=True, slots=True)
class Came:
    """The incident that an alert of the past came into. `judged`: a person has said how bad it was."""

    number: int
    title: str
    service: str
    severity: Severity
    escalation_policy: str
    opened_at: datetime
    reason: str
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """An alert of the past: where it came, when it would have woken somebody (None: never), and when it ended (None: it has not)."""

    alert: Alert
    came: Came | None
    wakes_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """An incident, of the past (`number` above 0) or of the replay, and how many of the alerts it had."""

    number: int
    title: str
    service: str
    severity: Severity
    escalation_policy: str
    opened_at: datetime
    reason: str
    alerts: int = 1
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """What belongs together on either side, as it shares alerts; each side oldest first."""

    did: Sequence[Gathered]
    would: Sequence[Gathered]
    summary: str


@dataclass(slots=True)
class _Open:
    """An incident of the replay, until its last alert has ended."""

    index: int
    until: datetime | None

    def is_over(self, at: datetime) -> bool:
        return self.until is not None and self.until <= at


@dataclass(slots=True)
class Replay:
    """Takes alerts in the order in which they would have woken somebody."""

    catalogue: Catalogue
    moved: int = 0
    _would: list[Gathered] = field(default_factory=list)
    _did: dict[int, Gathered] = field(default_factory=dict)
    _open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    _shared: dict[int, set[int]] = field(default_factory=dict)
    _of: dict[int, set[int]] = field(default_factory=dict)

    @property
    def did_open(self) -> int:
        return len(self._did)

    @property
    def would_open(self) -> int:
        return len(self._would)

    def play(self, played: Played) -> None:
        """The next alert."""
        came = played.came
        if came is not None:
            self._count(came)
        if played.wakes_at is None:
            return
        index = self._place(played, played.wakes_at)
        if came is not None:
            self._shared.setdefault(came.number, set()).add(index)
            self._of.setdefault(index, set()).add(came.number)
            self.moved += came.service != self._would[index].service

    def differences(self) -> Iterator[Difference]:
        """What would have been otherwise, by when it began."""
        found = [different for did, would in self._together() if (different := compared(did, would)) is not None]
        yield from sorted(found, key=lambda each: min(one.opened_at for one in (*each.did, *each.would)))

    def _count(self, came: Came) -> None:
        before = self._did.get(came.number)
        self._did[came.number] = (
            replace(before, alerts=before.alerts + 1)
            if before is not None
            else Gathered(
                came.number, came.title, came.service, came.severity, came.escalation_policy, came.opened_at, came.reason, 1, came.judged
            )
        )

    def _place(self, played: Played, at: datetime) -> int:
        """The incident of the replay that the alert joins or opens."""
        found = place(played.alert, self.catalogue)
        key = (found.service.name, found.group_key)
        gathering = self._open.get(key)
        if gathering is None or gathering.is_over(at):
            opened = Gathered(0, played.alert.title, found.service.name, found.severity, found.service.escalation_policy, at, found.reason)
            self._would.append(opened)
            self._open[key] = _Open(len(self._would) - 1, played.ended_at)
            return len(self._would) - 1
        before = self._would[gathering.index]
        self._would[gathering.index] = replace(before, alerts=before.alerts + 1, severity=min(before.severity, found.severity))
        gathering.until = None if gathering.until is None or played.ended_at is None else max(gathering.until, played.ended_at)
        return gathering.index

    def _together(self) -> Iterator[tuple[list[Gathered], list[Gathered]]]:
        """Incidents of either side that share alerts, directly or through others."""
        seen: set[int] = set()
        for number in self._did:
            if number not in seen:
                numbers, indexes = self._reached(number)
                seen |= numbers
                yield _oldest_first([self._did[each] for each in numbers]), _oldest_first([self._would[each] for each in indexes])
        for index, incident in enumerate(self._would):
            if index not in self._of:
                yield [], [incident]

    def _reached(self, number: int) -> tuple[set[int], set[int]]:
        numbers, indexes, waiting = {number}, set[int](), [number]
        while waiting:
            for index in self._shared.get(waiting.pop(), set()) - indexes:
                indexes.add(index)
                waiting += self._of[index] - numbers
                numbers |= self._of[index]
        return numbers, indexes


def compared(did: Sequence[Gathered], would: Sequence[Gathered]) -> Difference | None:
    """What is otherwise, in words; None if nothing is."""
    match len(did), len(would):
        case 0, _:
            summary = "nobody was woken; an incident would have opened"
        case _, 0:
            summary = "nobody would have been woken"
        case 1, 1:
            summary = _changed(did[0], would[0])
        case several, 1:
            summary = f"{several} incidents would have been one"
        case 1, several:
            summary = f"one incident would have been {several}"
        case some, others:
            summary = f"{some} incidents would have been {others} others"
    return Difference(did, would, summary) if summary else None


def _changed(did: Gathered, would: Gathered) -> str:
    """What is otherwise about one incident; a person's word about its severity stands."""
    changes = []
    if did.service != would.service:
        changes.append(f"{would.service} instead of {did.service}")
    if did.severity != would.severity and not did.judged:
        changes.append(f"{would.severity.name} instead of {did.severity.name}")
    if did.escalation_policy != would.escalation_policy:
        changes.append(f"{_policy(would)} instead of {_policy(did)}")
    return "; ".join(changes)


def _policy(incident: Gathered) -> str:
    return f"the policy {incident.escalation_policy}" if incident.escalation_policy else "the platform's fallback"


def _oldest_first(incidents: list[Gathered]) -> list[Gathered]:
    return sorted(incidents, key=attrgetter("opened_at", "number"))
