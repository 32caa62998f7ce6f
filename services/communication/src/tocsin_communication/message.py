"""What pages say."""

import re
from dataclasses import dataclass

from tocsin_communication.incident import Incident
from tocsin_communication.page import Kind

_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class Text:
    """A subject line and a plain-text body."""

    subject: str
    body: str


def one_line(text: str, longest: int = LONGEST_SUBJECT) -> str:
    """Sender's text as one line of limited length, without control characters."""
    line = _UNSEEN.sub(" ", text).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def summons(incident: Incident, explanation: str) -> Text:
    """Asks to respond to an incident."""
    subject = f"[{incident.severity}] #{incident.number} {one_line(incident.title)}"
    lines = [*_facts(incident), "", f"Why you: {explanation}" if explanation else ""]
    return Text(subject, "\n".join(lines).rstrip())


def follow_up(kind: Kind, incident: Incident) -> Text:
    """Tells somebody who was asked that somebody else took the incident, or that it is over."""
    if kind is Kind.TAKEN:
        said = f"Taken by {incident.acknowledged_by}"
        ending = "You were paged for this incident. Nothing more is asked of you."
    else:
        said = "Resolved"
        ending = f"Why: {incident.resolve_reason}" if incident.resolve_reason else "You were paged for this incident."
    return Text(f"{said}: #{incident.number} {one_line(incident.title)}", "\n".join([f"{said}.", "", *_facts(incident), "", ending]))


def direct(sender: str, message: str, incident: Incident | None) -> Text:
    """Somebody asks somebody directly."""
    about = [] if incident is None else ["", *_facts(incident)]
    return Text(f"{one_line(sender, 63)} asks: {one_line(message, 80)}", "\n".join([message, "", f"From {sender}", *about]))


def _facts(incident: Incident) -> list[str]:
    lines = [f"#{incident.number} {one_line(incident.title, 500)}", f"Severity: {incident.severity}", f"Service: {incident.service}"]
    return [*lines, "", incident.summary] if incident.summary else lines
