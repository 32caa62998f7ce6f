"""Alertmanager's webhook, version 4, and Grafana's, which has the same body and more. The body tells which of the two it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tocsin_detection.intake import grafana
from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.details import named, text_of
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Outcome, Rejection, Report, Request, json_answer
from tocsin_detection.signal import (
    MOST_DESCRIPTION,
    MOST_TITLE,
    MOST_WORD,
    Signal,
    first_of,
    fitting,
    hashed,
    one_line,
    problem_of_labels,
    severity_word,
    shortened,
    web_address,
)

MOST_FINGERPRINT = 512
OTHERWISE = (
    'send what Alertmanager or Grafana send by themselves; for a payload of your own make an integration of kind "webhook" with a mapping'
)
TRUNCATED = "the sender left out others of this group: raise its max_alerts"


def read(request: Request) -> Report:
    """The alerts of one notification. One that is not valid does not keep the others from being stored."""
    if request.method not in ("POST", "PUT"):
        return _refuse(405, f"method {request.method} is not served here: send a POST")
    try:
        body = decode_json(request.body)
    except Undecodable as error:
        return _refuse(400, str(error))
    if not isinstance(body, dict):
        return _refuse(400, f"the body is not a JSON object: {OTHERWISE}")
    alerts = body.get("alerts")
    if not isinstance(alerts, list):
        return _refuse(400, f"alerts: it is missing or no array: {OTHERWISE}")
    return _read_each(alerts, body, request)


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """200, or 400 with what is wrong with some alerts, although the rest is stored."""
    said: dict[str, object] = {"accepted": len(report.signals)}
    if not report.rejections:
        return json_answer(200, said)
    return json_answer(400, {**said, "errors": [f"alerts[{rejection.index}]: {rejection.reason}" for rejection in report.rejections]})


def _refuse(status: int, why: str) -> Report:
    return Report(refusal=json_answer(status, {"accepted": 0, "errors": [why]}))


def _read_each(alerts: list[Any], body: Mapping[str, Any], request: Request) -> Report:
    signals: list[Signal] = []
    rejections: list[Rejection] = []
    for index, alert in enumerate(alerts):
        try:
            signals.append(_signal(alert, body, request))
        except BadPart as error:
            rejections.append(Rejection(index, str(error)))
    return Report(tuple(signals), tuple(rejections))


def _signal(alert: object, body: Mapping[str, Any], request: Request) -> Signal:
    if not isinstance(alert, dict):
        raise BadPart("it is not a JSON object")
    given = _texts(alert.get("labels"), "labels")
    labels = _labels(given)
    annotations = _annotations(alert, body)
    starts_at = _instant(alert, "startsAt") or request.received_at
    resolved = _resolved(alert, body)
    return Signal(
        integration=request.integration.name,
        fingerprint=_fingerprint(alert, given),
        title=_title(labels, annotations),
        description=shortened(first_of(annotations.get("description"), annotations.get("message")), MOST_DESCRIPTION),
        labels={**_group(body), **labels},
        annotations=fitting(annotations),
        source_url=web_address(text_of(alert.get("generatorURL"))) or web_address(text_of(body.get("externalURL"))),
        severity=severity_word(labels.get("severity"), annotations.get("severity")),
        service=one_line(first_of(labels.get("service"), annotations.get("service"), request.integration.service)),
        starts_at=starts_at,
        # It fires until its sender says otherwise, whatever end it carries: repeats come hours apart.
        ends_at=min(_instant(alert, "endsAt") or request.received_at, request.received_at) if resolved else None,
        resolved=resolved,
    )


def _resolved(alert: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """The alert's own status counts, and that of the group where it has none: a group is resolved only when all of it is."""
    status = first_of(text_of(alert.get("status")), text_of(body.get("status"))).lower() or "firing"
    if status not in ("firing", "resolved"):
        raise BadPart(f'status: {shortened(status, 64)!r} is neither "firing" nor "resolved"')
    return status == "resolved"


def _fingerprint(alert: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The sender's, else one over the labels."""
    given = text_of(alert.get("fingerprint")).strip()
    return given if 0 < len(given) <= MOST_FINGERPRINT else hashed(labels=labels)


def _labels(given: Mapping[str, str]) -> dict[str, str]:
    """The labels under legal names: newer senders allow any text as a name, and would not send a refused alert again."""
    labels = named((name, text) for name, text in given.items() if text != "")
    if not labels:
        raise BadPart("labels: at least one label with a value is needed")
    if problem := problem_of_labels(labels):
        raise BadPart(f"labels: {problem}")
    return labels


def _annotations(alert: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    given = _texts(alert.get("annotations"), "annotations")
    added = grafana.explained(alert) if grafana.is_grafanas(body) else {}
    if isinstance(left_out := body.get("truncatedAlerts"), int) and left_out > 0:
        # Without the number: it moves with every notification of a flood, and each would change every alert.
        added["truncated_alerts"] = TRUNCATED
    return named([*given.items(), *added.items()])


def _group(body: Mapping[str, Any]) -> dict[str, str]:
    """The sender's group as a label, so that alerts can be gathered by it."""
    key = one_line(text_of(body.get("groupKey")), MOST_TITLE)
    return {"group_key": key} if key else {}


def _title(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    said = first_of(annotations.get("summary"), annotations.get("title"), labels.get("alertname"), annotations.get("description"))
    return one_line(said or ", ".join(f"{name}={text}" for name, text in sorted(labels.items())))


def _texts(given: object, field: str) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadPart(f"{field}: it is not a JSON object")
    for name, text in given.items():
        if not isinstance(text, str):
            raise BadPart(f"{field}: the value of {shortened(name, MOST_WORD)!r} is not a text: put it in quotes")
    return given


def _instant(alert: Mapping[str, Any], field: str) -> datetime | None:
    try:
        return decode_instant(alert.get(field))
    except ValueError as error:
        raise BadPart(f"{field}: {error}") from error
