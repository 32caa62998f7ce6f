"""The line of the timeline in which a fact is said for people."""

from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

EVERY_SERVICE = "*"


@dataclass(frozen=True, slots=True)
class Line:
    """A fact, said for people. It is about an incident, or about an alert that some incident gathers, or about a service (EVERY_SERVICE:
    about all), and then it belongs to the incidents that were open then; about none of them, nobody asks for it.

    `at` is when it happened; None: when it was told. `rank` orders what happened at the same instant, cause before effect.
    """

    summary: str
    actor: str = ""
    reason: str = ""
    at: datetime | None = None
    incident_id: str = ""
    alert_id: str = ""
    rank: int = 0
    service: str = ""

    @property
    def is_asked_for(self) -> bool:
        return bool(self.incident_id or self.alert_id or self.service)


def instant(stamp: Timestamp) -> datetime | None:
    """The instant; None if it is not set."""
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None
