"""E-mail: one message is one signal. Its `X-Tocsin-Key`, its thread or its subject say what it is about, its subject whether it fires."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum

from tocsin_detection.intake.email_message import KEY, SERVICE, SEVERITY, STATUS, TooNested, message_id, parsed, text_of, texts_of
from tocsin_detection.intake.intake import HttpAnswer, Rejection, Report, Request
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
from tocsin_detection.signal import MOST_DESCRIPTION, Signal, first_of, hashed, one_line, severity_word, shortened

# The request's header by which `mail/threads.py` says which thing a message's thread is about.
THREAD = "x-tocsin-thread"
MOST_KEY = 512
MOST_ADDRESS = 320

FIRING = (
    *("firing", "problem", "alarm", "alerting", "alert", "re-triggered", "triggered", "re-warn", "warning", "warn", "critical"),
    *("error", "failed", "failure", "down", "no data"),
)
TAKEN = ("acknowledgement", "acknowledged", "ack")
OVER = ("resolved", "recovery", "recovered", "cleared", "closed", "fixed", "ended", "normal", "ok", "up")
SEVERITIES = ("critical", "error", "warning")
WORD = "|".join((*FIRING, *TAKEN, *OVER))
# "[FIRING:2] x", "[RESOLVED] x" · "OK: x", "DOWN alert: x", "Monitor is UP: x", "Resolved in 5m: x" · "** PROBLEM Host Alert: x **"
STATE = re.compile(
    rf"\[\s*(?P<bracketed>{WORD})(?:\s*:\s*\d+)?(?:,[^\[\]]{{0,60}})?\s*\]:?\s*"
    rf"|(?:monitor is\s+)?(?P<named>{WORD})(?:\s+alert|\s+in\s[^:]{{1,40}})?\s*:\s*"
    rf"|\*\*\s*(?P<starred>{WORD})\b:?\s*",
    re.IGNORECASE,
)
REPLY = re.compile(r"(?:re|fwd?|aw|wg|antw|sv|vs)\s*(?:\[\d+\])?\s*:\s*", re.IGNORECASE)
# What ends the subject of a monitor whose problem and recovery differ in it only: "web1 is DOWN", "web1 is UP".
TAIL = re.compile(r"\s+is\s+(?:critical|warning|unknown|ok|down|up|unreachable)$", re.IGNORECASE)


class State(StrEnum):
    """What a message says about the thing."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject, taken apart: `about` is it without what says the state, or that it is a reply."""

    about: str
    state: State
    severity: str


def read(request: Request) -> Report:
    """The signal of one message. HEAD asks only whether the address exists."""
    if request.method == "HEAD":
        return Report(refusal=HttpAnswer(204))
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: send a POST with the message")
    try:
        message = parsed(request.body)
    except TooNested as error:
        return _rejected(str(error))
    headers = texts_of(message)
    if headers.get("auto-submitted", "").lower().startswith("auto-replied"):
        return Report()
    status = headers.get(STATUS, "").strip().lower()
    if status and status not in list(State):
        return _rejected(f'X-Tocsin-Status: {shortened(status, 64)!r} is none of "firing", "acknowledged" and "resolved"')
    signal = _signal(request, headers, text_of(message))
    return Report((signal,)) if signal.title else _rejected("subject: it is missing, and so is text: say in the subject what is wrong")


def subject_of(text: str) -> Subject:
    """What a subject says. That something is over outweighs other words: "[Alert] OK: disk"."""
    rest = one_line(text)
    words: list[str] = []
    while found := REPLY.match(rest) or STATE.match(rest):
        words += [word.lower() for word in found.groupdict().values() if word]
        rest = rest[found.end() :]
    about = rest.strip(" *") or one_line(text)
    return Subject(about, _state(words), next((word for word in words if word in SEVERITIES), ""))


def _state(words: list[str]) -> State:
    if any(word in OVER for word in words):
        return State.RESOLVED
    return State.ACKNOWLEDGED if any(word in TAKEN for word in words) else State.FIRING


def _signal(request: Request, headers: Mapping[str, str], text: str) -> Signal:
    subject = subject_of(headers.get("subject", ""))
    title = subject.about or one_line(next(iter(text.splitlines()), ""))
    state = State(headers[STATUS].strip().lower()) if headers.get(STATUS, "").strip() else subject.state
    sender = one_line(parseaddr(headers.get("from", ""))[1].lower(), MOST_ADDRESS)
    key = shortened(headers.get(KEY, "").strip(), MOST_KEY)
    return Signal(
        integration=request.integration.name,
        fingerprint=key or request.headers.get(THREAD, "") or hashed(TAIL.sub("", title).casefold(), labels={}),
        title=title,
        description=shortened(text, MOST_DESCRIPTION),
        labels={"from": sender} if sender else {},
        severity=severity_word(headers.get(SEVERITY), subject.severity),
        service=one_line(first_of(headers.get(SERVICE), request.integration.service)),
        starts_at=request.received_at,
        ends_at=request.received_at if state is State.RESOLVED else None,
        resolved=state is State.RESOLVED,
        acknowledged=state is State.ACKNOWLEDGED,
        by=sender,
        delivery=message_id(headers),
    )


def _rejected(why: str) -> Report:
    return Report(rejections=(Rejection(0, why),))
