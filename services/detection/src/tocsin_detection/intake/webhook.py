"""The generic webhook: one JSON object for each signal, or an array of them, for senders without a format of their own."""

from collections.abc import Mapping
from typing import Any

from tocsin_detection.intake.decoding import Undecodable, decode_json
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Outcome, Rejection, Report, Request, json_answer
from tocsin_detection.signal import (
    MOST_DESCRIPTION,
    Signal,
    first_of,
    hashed,
    one_line,
    problem_of_labels,
    severity_word,
    shortened,
    web_address,
)

MOST_KEY = 512
MOST_SIGNALS = 1_000
TITLES = ("title", "message", "summary")
KEYS = ("key", "dedup_key")
EXAMPLE = '{"title": "disk full on db-1", "key": "db-1/disk", "severity": "critical", "service": "checkout"}'


def read(request: Request) -> Report:
    """The signals of one POST. One that cannot be used does not keep the others from being stored."""
    if request.method != "POST":
        return _refuse(405, "method", f"{request.method} is not served here: send a POST")
    try:
        content = decode_json(request.body)
    except Undecodable as error:
        return _refuse(400, "body", f"{error}; send an object like {EXAMPLE}")
    given = content if isinstance(content, list) else [content]
    if not given:
        return _refuse(400, "body", f"the array is empty; send at least one object like {EXAMPLE}")
    if len(given) > MOST_SIGNALS:
        return _refuse(400, "body", f"there are {len(given)} signals; send at most {MOST_SIGNALS} at once")
    return _read_each(given, request)


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """202 with the alerts' ids, or 400 with the same and what was refused."""
    stored: dict[str, object] = {
        "accepted": len(report.signals),
        "alerts": list(dict.fromkeys(alert_id for alert_id in outcome.alert_ids if alert_id is not None)),
    }
    if not report.rejections:
        return json_answer(202, stored)
    refused = [{"index": rejection.index, "error": rejection.reason} for rejection in report.rejections]
    return json_answer(400, {"error": report.rejections[0].reason, **stored, "rejections": refused})


def _refuse(status: int, field: str, detail: str) -> Report:
    return Report(refusal=json_answer(status, {"error": f"{field}: {detail}", "accepted": 0, "alerts": []}))


def _read_each(given: list[Any], request: Request) -> Report:
    signals: list[Signal] = []
    rejections: list[Rejection] = []
    for index, content in enumerate(given):
        try:
            signals.append(_signal(content, request))
        except BadPart as error:
            rejections.append(Rejection(index, str(error)))
    return Report(tuple(signals), tuple(rejections))


def _signal(content: object, request: Request) -> Signal:
    if not isinstance(content, dict):
        raise BadPart(f"body: it is not a JSON object; send one like {EXAMPLE}")
    labels = _labels(content.get("labels"))
    key = first_of(*(_text(content, name) for name in KEYS))
    title = one_line(first_of(*(_text(content, name) for name in TITLES)))
    resolved = _resolved(content)
    if not title and not (resolved and key):
        raise BadPart('title: it is missing; say in one line what is wrong, as "title", "message" or "summary"')
    if len(key) > MOST_KEY:
        raise BadPart(f"key: it is longer than {MOST_KEY} characters; send a shorter one, for example a hash of it")
    return Signal(
        integration=request.integration.name,
        fingerprint=key or hashed(title, labels=labels),
        title=title or key,
        description=shortened(_text(content, "description").strip(), MOST_DESCRIPTION),
        labels=labels,
        source_url=_url(content),
        severity=severity_word(_text(content, "severity"), labels.get("severity")),
        service=one_line(first_of(_text(content, "service"), labels.get("service"), request.integration.service)),
        starts_at=request.received_at,
        ends_at=request.received_at if resolved else None,
        resolved=resolved,
    )


def _text(content: Mapping[str, Any], field: str) -> str:
    """A text, or a number as text: senders fill templates."""
    given = content.get(field)
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return str(given)
    raise BadPart(f"{field}: it is not a text; put it in quotes")


def _resolved(content: Mapping[str, Any]) -> bool:
    status = _text(content, "status").strip().lower() or "firing"
    if status not in ("firing", "resolved"):
        raise BadPart(f'status: {shortened(status, 64)!r} is neither "firing" nor "resolved"; leave it out for "firing"')
    return status == "resolved"


def _url(content: Mapping[str, Any]) -> str:
    given = _text(content, "url").strip()
    address = web_address(given)
    if given and not address:
        raise BadPart("url: it is not an http or https address of at most 2048 characters")
    return address


def _labels(given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadPart('labels: they are not a JSON object; send them like {"host": "db-1"}')
    labels = {name: text for name in given if (text := _label(name, given[name])) != ""}
    if problem := problem_of_labels(labels):
        raise BadPart(f"labels: {problem}")
    return labels


def _label(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadPart(f"labels: the value of {shortened(name, 128)!r} is neither text nor number")
