"""What every intake is: reads one HTTP request into signals, and words the answer that its sender expects."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_detection.integration import Integration
from tocsin_detection.signal import Signal

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of a sender, and the integration whose key it had. `path` is the part below the integration's address."""

    integration: Integration
    received_at: datetime
    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the sender gets."""

    status: int
    content_type: str = ""
    body: bytes = b""


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
    """One format. A module with these two functions is one."""

    def read(self, request: Request) -> Report:
        """Everything usable in the request. Never raises, whatever the bytes are."""
        ...

    def answer(self, report: Report, outcome: Outcome) -> HttpAnswer:
        """What the sender expects after its report was stored."""
        ...


class BadPart(Exception):
    """One part of a report cannot be used; the text says why, and what to do."""


def json_answer(status: int, content: object) -> HttpAnswer:
    """An answer with a JSON body."""
    return HttpAnswer(status, JSON, json.dumps(content, ensure_ascii=False).encode() + b"\n")
