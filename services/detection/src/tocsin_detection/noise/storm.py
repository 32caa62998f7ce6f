"""A storm: an integration opens so many alerts that one must stand for all of them. Pure, but for the counts it keeps in memory."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.integration import BUILT_IN
from tocsin_detection.noise.matcher import Matchers
from tocsin_detection.noise.silence import in_time
from tocsin_detection.signal import MOST_TITLE, Signal, shortened

# The alerts that stand for storms have fingerprints that begin so; they are no part of a storm.
PREFIX = "storm/"
# A sender that names a new service with every alert must not get through all the same.
MOST_SERVICES_PASSING = 200
# The worst first, in the words of most senders.
SEVERITIES = (
    "critical",
    "sev1",
    "p1",
    "error",
    "sev2",
    "p2",
    "high",
    "warning",
    "sev3",
    "p3",
    "medium",
    "low",
    "sev4",
    "p4",
    "info",
    "sev5",
    "p5",
)
MOST_LINES = 20
BUCKETS = 10


@dataclass(frozen=True, slots=True)
class StormRule:
    """More than `alerts` new alerts of one integration within `within` are a storm. Its matchers name integrations only."""

    name: str
    description: str
    matchers: Matchers
    alerts: int
    within: timedelta
    release_after: timedelta | None


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm. `alert_id` is the alert that stands for it, empty until there is one; `service` is what it is mostly about."""

    id: str
    integration: str
    rule: str
    alerts: int
    within: timedelta
    service: str
    started_at: datetime
    ended_at: datetime | None = None
    alert_id: str = ""
    release_at: datetime | None = None

    def hold(self, now: datetime) -> Hold:
        """What holds back every alert of it."""
        often = f"more than {self.alerts} new alerts within {in_time(self.within)} since {self.started_at:%H:%M:%S}Z"
        reason = f"{self.integration} floods: {often}; one alert stands for all of them (rule {self.rule})"
        return Hold(HoldKind.STORM, self.id, "", reason, now)


@dataclass(slots=True)
class Flow:
    """How many alerts one integration opened lately, as far as this process knows. Counted in tenths of `within`."""

    within: timedelta
    _buckets: deque[tuple[int, int]] = field(default_factory=deque)
    _services: dict[str, int] = field(default_factory=dict)

    def count(self, now: datetime) -> int:
        """Alerts within the time before now."""
        self._forget(now)
        return sum(number for _, number in self._buckets)

    def add(self, alerts: Iterable[Alert], now: datetime) -> None:
        """Count alerts that opened now."""
        self._forget(now)
        bucket = self._bucket(now)
        number = 0
        for alert in alerts:
            number += 1
            self._services[alert.sender_service] = bucket
        if self._buckets and self._buckets[-1][0] == bucket:
            number += self._buckets.pop()[1]
        self._buckets.append((bucket, number))

    def services(self, now: datetime) -> set[str]:
        """The services that alerts within the time before now were about."""
        self._forget(now)
        return set(self._services)

    def _bucket(self, now: datetime) -> int:
        return int(now.timestamp() / self.within.total_seconds() * BUCKETS)

    def _forget(self, now: datetime) -> None:
        oldest = self._bucket(now) - BUCKETS
        if not self._buckets or self._buckets[0][0] > oldest:
            return
        while self._buckets and self._buckets[0][0] <= oldest:
            self._buckets.popleft()
        self._services = {service: bucket for service, bucket in self._services.items() if bucket > oldest}


@dataclass(frozen=True, slots=True)
class Tally:
    """How many alerts of a storm were about one service, with one severity."""

    service: str
    severity: str
    alerts: int


def stands_for_a_storm(alert: Alert) -> bool:
    """Whether it is the alert of a storm, which no storm may hold back."""
    return alert.integration == BUILT_IN and alert.fingerprint.startswith(PREFIX)


def mostly(alerts: Iterable[Alert]) -> str:
    """The service that most of the alerts are about; empty if most say none."""
    return Counter(alert.sender_service for alert in alerts).most_common(1)[0][0]


def summary(storm: Storm, tallies: Iterable[Tally], now: datetime, resolved: bool) -> Signal:
    """The signal that opens, updates or ends the alert that stands for a storm."""
    by_service, by_severity = _sums(tallies)
    total = sum(by_service.values())
    until = storm.ended_at or now
    title = f"{storm.integration} floods: {total} alerts held back in {in_time(until - storm.started_at)}"
    worst = next((word for word in SEVERITIES if word in by_severity), "")
    return Signal(
        integration=BUILT_IN,
        fingerprint=PREFIX + storm.integration,
        title=shortened(title, MOST_TITLE),
        starts_at=storm.started_at,
        ends_at=until if resolved else None,
        resolved=resolved,
        description=_described(storm, by_service, by_severity),
        labels={"alertname": "AlertStorm", "source": storm.integration},
        severity=worst,
        service=storm.service,
    )


def _sums(tallies: Iterable[Tally]) -> tuple[Counter[str], Counter[str]]:
    by_service: Counter[str] = Counter()
    by_severity: Counter[str] = Counter()
    for tally in tallies:
        by_service[tally.service] += tally.alerts
        by_severity[tally.severity] += tally.alerts
    return by_service, by_severity


def _described(storm: Storm, by_service: Counter[str], by_severity: Counter[str]) -> str:
    opened = f"More than {storm.alerts} alerts opened within {in_time(storm.within)} (rule {storm.rule})."
    stays = "One by one they wake nobody; the first alert of every other service does. List them by `tocsin alert list --held`."
    return "\n".join([opened, stays, *_lines("By service", by_service), *_lines("By severity", by_severity)])


def _lines(heading: str, numbers: Mapping[str, int]) -> list[str]:
    listed = Counter(numbers).most_common(MOST_LINES)
    more = len(numbers) - len(listed)
    return [f"{heading}:", *(f"- {word or 'not said'}: {number}" for word, number in listed), *([f"- {more} more"] if more else [])]
