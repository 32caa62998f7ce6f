"""A hold: one reason why an open alert wakes nobody."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class HoldKind(StrEnum):
    """What holds an alert back."""

    SILENCE = "SILENCE"
    MAINTENANCE = "MAINTENANCE"
    INHIBITION = "INHIBITION"
    FLAPPING = "FLAPPING"
    THRESHOLD = "THRESHOLD"
    STORM = "STORM"
    SNOOZE = "SNOOZE"


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds it, who made that (empty: a rule of Tocsin's own), why in words, since when, until when.

    `rule` is its id or name; of an inhibition it is the id of the alert that explains this one, and `named` the rule's name.
    `until` is None where the end depends on what happens; such a hold is looked at again every few seconds.
    """

    kind: HoldKind
    rule: str
    by: str
    reason: str
    since: datetime
    until: datetime | None = None
    named: str = ""

    def since_then(self, since: datetime) -> "Hold":
        """The same hold, which began then."""
        return replace(self, since=since)
