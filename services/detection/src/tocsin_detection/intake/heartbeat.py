"""Pings of heartbeats: `POST <address>/<name>`, by whatever can make an HTTP request. A `GET` pings too, but never arms a heartbeat."""

from dataclasses import dataclass
from urllib.parse import unquote

from tocsin_detection.intake.intake import HttpAnswer, Outcome, Report, Request, json_answer
from tocsin_detection.signal import shortened, storable

LONGEST_NAME = 200
ARMING = ("POST", "PUT", "PATCH")
METHODS = (*ARMING, "GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping. A browser, a chat's preview or a crawler may GET an address that it found: that arms nothing."""

    name: str
    arms: bool


def ping_of(request: Request) -> Ping | None:
    """The ping that a request is; None if it is none."""
    name = storable(unquote(request.path.strip("/")))
    if request.method not in METHODS or not 0 < len(name) <= LONGEST_NAME or "/" in name:
        return None
    return Ping(name, request.method in ARMING)


def read(request: Request) -> Report:
    """Why a request is no ping: a ping says nothing that could be stored here."""
    if request.method not in METHODS:
        return _refuse(405, f"method: {shortened(request.method, 10)} is not served here: send a POST")
    return _refuse(404, "path: it does not name a heartbeat: send a POST to the integration's address, a slash and the heartbeat's name")


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """No report comes that far: each is refused by `read`."""
    return HttpAnswer(202)


def _refuse(status: int, error: str) -> Report:
    return Report(refusal=json_answer(status, {"error": error}))
