"""Opsgenie's Alert API, `POST /v2/alerts`: what opens an alert. The rest of that API is in `opsgenie_api`."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tocsin_detection.alert import Alert
from tocsin_detection.intake.decoding import Undecodable, decode_json
from tocsin_detection.intake.intake import HttpAnswer, Outcome, Rejection, Report, Request, json_answer
from tocsin_detection.intake.opsgenie_fields import (
    MOST_ACTIONS,
    MOST_ALIAS,
    MOST_DESCRIPTION,
    MOST_ENTITY,
    MOST_MESSAGE,
    MOST_NAME,
    MOST_NOTE,
    MOST_TAGS,
    MOST_WORD,
    Fields,
)
from tocsin_detection.signal import Signal, hashed, one_line

ALERTS = "/v2/alerts"
ACCEPTED = "Request will be processed"
UNPROCESSABLE = "The request cannot be processed: "
# Its priorities in words that every sender's alerts share, so that one silence or route fits all.
SEVERITIES: Mapping[str, str] = {"P1": "critical", "P2": "error", "P3": "warning", "P4": "minor", "P5": "info"}
# Which of the details say what the alert is about.
SERVICE_DETAILS = ("service", "Service", "impacted_service")


def read(request: Request, alias: str = "") -> Report:
    """The alert of a POST. `alias` is what names it where its sender gives it none."""
    if request.path.rstrip("/") != ALERTS:
        return Report(refusal=json_answer(404, {"message": f"No handler found for path {request.path}: alerts are at {ALERTS}"}))
    if request.method != "POST":
        return Report(refusal=json_answer(405, {"message": f"Method {request.method} is not served at {ALERTS}: send a POST or a GET"}))
    try:
        content = object_of(request.body)
    except Undecodable as error:
        return Report(refusal=json_answer(400, {"message": str(error)}))
    fields = Fields(content)
    signal = _signal(fields, content, request, alias)
    if fields.errors:
        return Report(rejections=tuple(Rejection(0, f"{name}: {why}") for name, why in fields.errors.items()))
    return Report((signal,))


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """202, or 422 with what is wrong by field."""
    if not report.rejections:
        return json_answer(202, {"result": ACCEPTED})
    return json_answer(422, unprocessable(dict(rejection.reason.split(": ", 1) for rejection in report.rejections)))


def unprocessable(errors: Mapping[str, str]) -> dict[str, object]:
    """The body that says what is wrong, by field."""
    return {"message": UNPROCESSABLE + "; ".join(f"{name}: {why}" for name, why in errors.items()), "errors": dict(errors)}


def repeating(signal: Signal, alert: Alert) -> Signal:
    """The signal as one that only counts: creating an alert whose alias is open changes nothing of what it says, not even once
    its words, tags or owner were changed by other calls."""
    return replace(
        signal,
        title=alert.title,
        description=alert.description,
        labels=alert.labels,
        annotations=alert.annotations,
        source_url=alert.source_url,
        severity=alert.sender_severity,
        service=alert.sender_service,
        starts_at=alert.starts_at,
        tags=alert.tags,
        sender_fields=alert.sender_fields,
    )


def object_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body. Raises Undecodable."""
    content = decode_json(body)
    if not isinstance(content, dict):
        raise Undecodable("the body is not a JSON object")
    return content


def actor(fields: Fields, integration: str) -> str:
    """Who does it: the user, or else the source, or else the integration."""
    user, source = fields.text("user", MOST_NAME), fields.text("source", MOST_NAME)
    return user or source or integration


def _signal(fields: Fields, content: Mapping[str, Any], request: Request, alias: str) -> Signal:
    message = one_line(fields.text("message", MOST_MESSAGE, required=True))
    details = fields.details("details")
    priority = fields.priority("priority")
    kept = _kept(fields, priority)
    return Signal(
        integration=request.integration.name,
        fingerprint=fields.text("alias", MOST_ALIAS) or alias or hashed(repr(content), request.received_at.isoformat(), labels={}),
        title=message,
        description=fields.text("description", MOST_DESCRIPTION),
        labels=_labels(kept),
        annotations=details,
        severity=SEVERITIES[priority],
        service=next((details[name] for name in SERVICE_DETAILS if details.get(name)), request.integration.service),
        starts_at=request.received_at,
        tags=fields.texts("tags", MOST_TAGS, MOST_WORD),
        by=actor(fields, request.integration.name),
        note=fields.text("note", MOST_NOTE),
        sender_fields=kept,
    )


def _kept(fields: Fields, priority: str) -> dict[str, object]:
    """What only this API gives back."""
    given: dict[str, object] = {
        "priority": priority,
        "entity": fields.text("entity", MOST_ENTITY),
        "source": fields.text("source", MOST_NAME),
        "user": fields.text("user", MOST_NAME),
        "actions": list(fields.texts("actions", MOST_ACTIONS, MOST_WORD)),
        "responders": list(fields.parties("responders")),
        "visibleTo": list(fields.parties("visibleTo", ("team", "user"))),
    }
    return {name: value for name, value in given.items() if value}


def _labels(kept: Mapping[str, object]) -> dict[str, str]:
    """What routes and silences may ask for."""
    responders: Any = kept.get("responders", ())
    team = next((party.get("name", "") for party in responders if party["type"] == "team" and party.get("name")), "")
    given = {"entity": kept.get("entity"), "source": kept.get("source"), "team": team}
    return {name: str(value) for name, value in given.items() if value}
