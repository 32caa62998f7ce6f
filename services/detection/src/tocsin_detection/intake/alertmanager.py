"""Alertmanager's API v2, `POST …/api/v2/alerts`: what Prometheus, and whoever talks like it, sends."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any

import msgspec

from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json, is_plain
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Outcome, Rejection, Report, Request, json_answer
from tocsin_detection.signal import (
    MOST_DESCRIPTION,
    MOST_URL,
    Signal,
    first_of,
    fitting,
    hashed,
    one_line,
    outline_of,
    problem_of_labels,
    severity_word,
    shortened,
    web_address,
)

ALERTS = "/api/v2/alerts"
RESOLVE_TIMEOUT = timedelta(minutes=5)
ABSENT = msgspec.Raw()
# An address in JSON may be six times as long as it is.
MOST_ADDRESS = MOST_URL * 6
UNREADABLE = msgspec.Raw(b"[]")


class Statement(msgspec.Struct, gc=False, rename={"starts_at": "startsAt", "ends_at": "endsAt", "url": "generatorURL"}):
    """One alert of a POST. What it says stays as it came, unread, until it is known to be news."""

    labels: msgspec.Raw = ABSENT
    annotations: msgspec.Raw = ABSENT
    url: msgspec.Raw = ABSENT
    starts_at: Any = None
    ends_at: Any = None


_statements = msgspec.json.Decoder(list[Statement])
_shape = Struct("<4I?").pack
_text_of = msgspec.json.Decoder(str)
_texts_of = msgspec.json.Decoder(dict[str, str] | None)


def read(request: Request) -> Report:
    """The alerts of one POST. An alert that is not valid does not keep the others from being stored."""
    alerts = statements(request)
    return alerts if isinstance(alerts, Report) else read_statements(list(enumerate(alerts)), request)


def statements(request: Request) -> list[Any] | Report:
    """The alerts of one POST, unread."""
    path = request.path.rstrip("/")
    if not path.endswith(ALERTS):
        return Report(refusal=json_answer(404, {"code": 404, "message": f"path {request.path} was not found"}))
    if request.method != "POST":
        return Report(refusal=json_answer(405, {"code": 405, "message": f"method {request.method} is not allowed, but [POST] are"}))
    try:
        return _statements.decode(request.body) if is_plain(request.body) else _one_by_one(request.body)
    except (msgspec.DecodeError, RecursionError):
        return _one_by_one(request.body)


def _one_by_one(body: bytes) -> list[Any] | Report:
    """The alerts of a body in which something is not as it should be: each that is, and the others as they are."""
    try:
        alerts = decode_json(body)
    except Undecodable as error:
        return Report(refusal=json_answer(400, str(error)))
    if not isinstance(alerts, list):
        return Report(refusal=json_answer(400, "the body is not a JSON array of alerts"))
    return [_closed(alert) for alert in alerts]


def _closed(alert: object) -> object:
    """What was read as a statement again; what is no object as it is."""
    if not isinstance(alert, dict):
        return alert
    labels, annotations, url = (_raw(alert[name]) if name in alert else ABSENT for name in ("labels", "annotations", "generatorURL"))
    return Statement(labels, annotations, url, alert.get("startsAt"), alert.get("endsAt"))


def _raw(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(json.dumps(value).encode())
    except RecursionError:
        return UNREADABLE


def said(statement: Any, now: datetime) -> tuple[bytes, datetime] | None:
    """A digest of a firing alert but for its end, and that end."""
    if not isinstance(statement, Statement):
        return None
    try:
        ends_at = _instant_of(statement.ends_at) or now + RESOLVE_TIMEOUT
        start = b"" if statement.starts_at is None else statement.starts_at.encode()
    except (ValueError, TypeError, AttributeError):
        return None
    # Whether an end is the sender's own makes a difference, its value none.
    labels, annotations, url = statement.labels, statement.annotations, statement.url
    shape = _shape(len(labels), len(annotations), len(url), len(start), statement.ends_at is None)
    return hashlib.blake2b(b"".join((shape, labels, annotations, url, start)), digest_size=16).digest(), ends_at


@lru_cache(maxsize=1_024)
def _instant_of(given: Any) -> datetime | None:
    """All alerts of a request mostly have the same end. Raises ValueError; TypeError where it is neither text, number nor nothing."""
    return decode_instant(given)


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """200 without a body, or 400 and a JSON string if anything was not valid, although the rest is stored."""
    if not report.rejections:
        return HttpAnswer(200)
    return json_answer(400, "; ".join(f"alert {rejection.index}: {rejection.reason}" for rejection in report.rejections))


def read_statements(statements: Sequence[tuple[int, Any]], request: Request) -> Report:
    """The alerts among these, each with its position in the request."""
    signals: list[Signal] = []
    rejections: list[Rejection] = []
    for index, statement in statements:
        try:
            signals.append(_signal(statement, request))
        except BadPart as error:
            rejections.append(Rejection(index, str(error)))
    return Report(tuple(signals), tuple(rejections))


def _signal(statement: object, request: Request) -> Signal:
    if not isinstance(statement, Statement):
        raise BadPart("it is not a JSON object")
    labels = _labels(statement.labels)
    annotations = _annotations(statement.annotations)
    starts_at, ends_at, by_timeout = _times(statement, request.received_at)
    return Signal(
        integration=request.integration.name,
        fingerprint=hashed(labels=labels),
        title=_title(labels, annotations),
        description=shortened(first_of(annotations.get("description"), annotations.get("message")), MOST_DESCRIPTION),
        labels=labels,
        annotations=annotations,
        source_url=_address(bytes(statement.url)) if len(statement.url) <= MOST_ADDRESS else "",
        severity=severity_word(labels.get("severity"), annotations.get("severity")),
        service=one_line(first_of(labels.get("service"), annotations.get("service"), request.integration.service)),
        starts_at=starts_at,
        ends_at=ends_at,
        ends_by_timeout=by_timeout,
        resolved=ends_at <= request.received_at,
    )


def _title(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    said = first_of(annotations.get("summary"), annotations.get("title"), labels.get("alertname"), annotations.get("description"))
    return one_line(said or ", ".join(f"{name}={text}" for name, text in sorted(labels.items())))


def _labels(given: msgspec.Raw) -> dict[str, str]:
    labels = _texts(given, "labels")
    if "" in labels.values():
        labels = {name: text for name, text in labels.items() if text}
    if not labels:
        raise BadPart("labels: at least one label with a value is needed")
    if problem := problem_of_labels(labels):
        raise BadPart(f"labels: {problem}")
    return labels


def _annotations(given: msgspec.Raw) -> Mapping[str, str]:
    annotations = _texts(given, "annotations")
    bad = outline_of(annotations).bad
    if bad is not None:
        raise BadPart(f"annotations: name {bad!r} is not valid: use letters, digits and underscores, and no digit first")
    return fitting(annotations)


def _texts(given: msgspec.Raw, field: str) -> dict[str, str]:
    if not given:
        return {}
    try:
        return _texts_of.decode(given) or {}
    except msgspec.DecodeError:
        return _checked(given, field)


def _checked(given: msgspec.Raw, field: str) -> dict[str, str]:
    """Texts by name, or what is wrong with them. Of a name that comes twice the last one counts."""
    try:
        read = decode_json(bytes(given))
    except Undecodable as error:
        raise BadPart(f"{field}: {error}") from error
    if not isinstance(read, dict):
        raise BadPart(f"{field}: it is not a JSON object")
    for name, text in read.items():
        if not isinstance(text, str):
            raise BadPart(f"{field}: the value of {shortened(name, 128)!r} is not a text: put it in quotes")
    return read


@lru_cache(maxsize=1_024)
def _address(given: bytes) -> str:
    """A flood names the same few addresses."""
    try:
        return web_address(_text_of.decode(given)) if given else ""
    except msgspec.DecodeError:
        return ""


def _times(statement: Statement, now: datetime) -> tuple[datetime, datetime, bool]:
    """Start, end, and whether the end is only the resolve timeout."""
    given_start, given_end = _instant(statement.starts_at, "startsAt"), _instant(statement.ends_at, "endsAt")
    ends_at = given_end or now + RESOLVE_TIMEOUT
    starts_at = given_start or min(now, ends_at)
    if ends_at < starts_at:
        raise BadPart("endsAt: it lies before startsAt")
    return starts_at, ends_at, given_end is None


def _instant(given: Any, field: str) -> datetime | None:
    try:
        return _instant_of(given)
    except TypeError as error:
        raise BadPart(f"{field}: it is not a text") from error
    except ValueError as error:
        raise BadPart(f"{field}: {error}") from error
