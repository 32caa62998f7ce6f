"""A fact as a consumer sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from google.protobuf.message import Message

FactMessage = TypeVar("FactMessage", bound=Message, covariant=True)

ID = "Nats-Msg-Id"
VERSION = "Tocsin-Version"
OCCURRED_AT = "Tocsin-Occurred-At"
TRACEPARENT = "traceparent"


@dataclass(frozen=True, slots=True)
class Fact(Generic[FactMessage]):
    """One fact. It may come twice, late, or out of order; `version` is that of its aggregate."""

    id: UUID
    message: FactMessage
    subject: str
    aggregate: str
    version: int
    occurred_at: datetime
    trace_id: str
    traceparent: str

    @property
    def name(self) -> str:
        """The fact's name: "IncidentOpened"."""
        return self.message.DESCRIPTOR.name

    @property
    def source(self) -> str:
        """The service that said it: "triage"."""
        return self.subject.split(".", 2)[1]
