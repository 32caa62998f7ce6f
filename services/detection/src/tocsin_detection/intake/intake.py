"""What every intake is: reads one HTTP request into signals, and words the answer that its sender expects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qs

from tocsin_detection.integration import Integration
from tocsin_detection.signal import Signal

JSON = "application/json"
MOST_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of a sender, and the integration whose key it had.

    `path` is the part below the integration's address, still percent-encoded, `query` what follows the question mark, as it came.
    Names of headers are lower case.
    """

    integration: Integration
    received_at: datetime
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    def parameters(self, name: str) -> list[str]:
        """The values of a parameter of the query, in their order."""
        return parse_qs(self.query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS).get(name, [])


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the sender gets. `headers` come beside the Content-Type."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One part of a report that is not stored: its position from 0, and what is wrong and how to mend it."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a request says. With a `refusal` it says nothing that can be stored, and the refusal is the answer."""

    signals: tuple[Signal, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    refusal: HttpAnswer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """For each signal of the report the id of the alert it opened, joined or ended; None where it is about no alert."""

    alert_ids: tuple[str | None, ...]


class Intake(Protocol):
    """One format that only reports. A module with these two functions is one."""

    def read(self, request: Request) -> Report:
        """Everything usable in the request. Never raises, whatever the bytes are."""
        ...

    def answer(self, report: Report, outcome: Outcome) -> HttpAnswer:
        """What the sender expects after its report was stored."""
        ...


class RepeatingIntake(Intake, Protocol):
    """One whose senders say the whole state again every minute: `read` is `statements`, then `read_statements` of all of them."""

    def statements(self, request: Request) -> list[Any] | Report:
        """The parts of the request, unread; a Report if it is refused as a whole."""
        ...

    def said(self, statement: Any, now: datetime) -> tuple[bytes, datetime] | None:
        """A digest of everything a firing statement says but its end, and that end; None if it has to be read to be known."""
        ...

    def read_statements(self, statements: Sequence[tuple[int, Any]], request: Request) -> Report:
        """Everything usable in these parts, each with its position in the request."""
        ...


class SenderApi(Protocol):
    """The rest of what a sender's own API can do beside reporting: read, silence, ping. It reads and writes through use cases."""

    async def serve(self, request: Request) -> HttpAnswer | Request | None:
        """The answer; None if the request is a report, which `Intake.read` then reads, or a Request to read in its place.

        Raises what its use cases raise.
        """
        ...


class BadPart(Exception):
    """One part of a report cannot be used; the text says why, and what to do."""


def json_answer(status: int, content: object) -> HttpAnswer:
    """An answer with a JSON body."""
    return HttpAnswer(status, JSON, json.dumps(content, ensure_ascii=False).encode() + b"\n")
