"""What communication knows of an incident: a copy taken from facts."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class IncidentState(StrEnum):
    """Where the incident is in its life."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Incident:
    """The incident as of `version`. `turn` is the version at which its state or taker last changed."""

    id: str
    version: int
    number: int
    title: str
    summary: str
    service: str
    severity: str
    state: IncidentState
    opened_at: datetime
    acknowledged_by: str
    resolve_reason: str
    turn: int
    private: bool = False

    def as_told_to(self, responder: str) -> "Incident":
        """What may be said of it: a room, which is nobody's own (no responder), hears of a private one only that there is one."""
        return self if responder or not self.private else replace(self, title="a private incident", summary="", resolve_reason="")

    def following(self, before: "Incident | None") -> "Incident":
        """This copy, with the turn that it belongs to, given the copy before it."""
        same = before is not None and (before.state, before.acknowledged_by, before.opened_at) == (
            self.state,
            self.acknowledged_by,
            self.opened_at,
        )
        return replace(self, turn=before.turn if before is not None and same else self.version)
