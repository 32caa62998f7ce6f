"""What is held back for how often it happens: what flaps, and what has not happened often enough. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.matcher import Matchers
from tocsin_detection.noise.silence import in_time


@dataclass(frozen=True, slots=True)
class Flapping:
    """What opens `openings` times within `within` flaps; it is calm once it has stayed open for `calm_after`."""

    name: str
    description: str
    matchers: Matchers
    openings: int
    within: timedelta
    calm_after: timedelta

    def hold(self, alert: Alert, openings: int, now: datetime) -> Hold | None:
        """What holds the alert back, given how often it opened within the time before it opened, this time included."""
        calm_at = alert.opened_at + self.calm_after
        if openings < self.openings or calm_at <= now:
            return None
        calm = f"until it has stayed open for {in_time(self.calm_after)}"
        rule = f"the platform's default, rule {self.name}" if self == DEFAULT_FLAPPING else f"rule {self.name}"
        reason = f"it flaps: it opened {openings} times within {in_time(self.within)} ({rule}); held {calm}"
        return Hold(HoldKind.FLAPPING, self.name, "", reason, now, calm_at)


# What every installation begins with, as the migration writes it: what stays open is told, however often it came and went.
DEFAULT_FLAPPING = Flapping(
    "flapping", "What opens again and again is told once it stays open.", (), 5, timedelta(minutes=30), timedelta(minutes=5)
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A thing counts once it has happened `occurrences` times within `within`."""

    name: str
    description: str
    matchers: Matchers
    occurrences: int
    within: timedelta

    def hold(self, count: "Count", now: datetime) -> Hold | None:
        """What holds back an alert about a thing that happened so often."""
        happened = sum(mark > now - self.within for mark in count.marks)
        if happened >= self.occurrences:
            return None
        reason = f"it happened {happened} of {self.occurrences} times within {in_time(self.within)} (rule {self.name})"
        return Hold(HoldKind.THRESHOLD, self.name, "", reason, now)


@dataclass(frozen=True, slots=True)
class Count:
    """When a thing happened last, as often as rules ask for; and how far the alert is counted whose signals these are."""

    integration: str
    fingerprint: str
    alert_id: str
    occurrences: int
    marks: tuple[datetime, ...]


def counted(before: Count | None, alert: Alert, most: int) -> Count:
    """The count after what the alert has heard. An alert that is judged again without a signal counts nothing."""
    seen = before.occurrences if before is not None and before.alert_id == alert.id else 0
    new = max(alert.occurrences - seen, 0)
    marks = (*(before.marks if before is not None else ()), *([alert.last_signal_at] * min(new, most)))
    return Count(alert.integration, alert.fingerprint, alert.id, max(alert.occurrences, seen), marks[-most:])


def strictest(rules: Sequence[Threshold]) -> int:
    """How many marks must be kept for these rules."""
    return max((rule.occurrences for rule in rules), default=0)
