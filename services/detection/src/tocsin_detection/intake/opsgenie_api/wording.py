"""How Opsgenie words its answers: one envelope for all of them, and the headers that its clients look for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin_detection.intake import opsgenie
from tocsin_detection.intake.intake import HttpAnswer, json_answer


@dataclass(frozen=True, slots=True)
class Said:
    """An answer without its envelope."""

    status: int
    content: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is refused; `said` says why and how to mend it."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.content["message"])
        self.said = said


def refused(status: int, message: str, **headers: str) -> Refused:
    """Refused as a whole."""
    return Refused(Said(status, {"message": message}, headers))


def unprocessable(errors: Mapping[str, str]) -> Refused:
    """422: what is wrong, by field."""
    return Refused(Said(422, opsgenie.unprocessable(errors)))


def worded(said: Said, request_id: str, took: float) -> HttpAnswer:
    """The whole answer. `took` is in seconds."""
    answer = json_answer(said.status, {**said.content, "took": round(took, 3), "requestId": request_id})
    headers = {
        "X-Request-Id": request_id,
        "X-Response-Time": f"{took:.3f}",
        "X-RateLimit-State": "OK",
        "X-RateLimit-Reason": "ACCOUNT",
        "X-RateLimit-Period-In-Sec": "60",
        **said.headers,
    }
    return HttpAnswer(answer.status, answer.content_type, answer.body, headers)
