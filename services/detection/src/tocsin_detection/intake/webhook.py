"""The generic webhook: one JSON object for each signal, or an array of them, for senders without a format of their own.

A sender that has a format, but none that is known here, is read by its integration's mapping.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tocsin_detection.intake.decoding import Undecodable, decode_json
from tocsin_detection.intake.details import text_of
from tocsin_detection.intake.intake import BadPart, Rejection, Report, Request
from tocsin_detection.intake.mapping import MappedBody
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
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
STATUSES = ("firing", "acknowledged", "resolved", "ignored")
EXAMPLE = '{"title": "disk full on db-1", "key": "db-1/disk", "severity": "critical", "service": "checkout"}'


def read(request: Request) -> Report:
    """The signals of one POST. One that cannot be used does not keep the others from being stored."""
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: send a POST")
    try:
        content = decode_json(request.body)
    except Undecodable as error:
        return refusal(400, f"body: {error}; send an object like {EXAMPLE}")
    try:
        items, rewritten = _items(content, request)
    except BadPart as error:
        return refusal(400, str(error))
    if not items:
        return refusal(400, f"body: the array is empty; send at least one object like {EXAMPLE}")
    if len(items) > MOST_SIGNALS:
        return refusal(400, f"body: there are {len(items)} signals; send at most {MOST_SIGNALS} at once")
    return _read_each(items, rewritten, request)


def _items(content: Any, request: Request) -> tuple[list[Any], Callable[[Any], Any]]:
    """What is read, and how each comes to have the usual names. Raises BadPart."""
    mapping = request.integration.options.mapping
    if mapping is None:
        return content if isinstance(content, list) else [content], lambda item: item
    mapped = MappedBody(mapping, content, request.headers)
    return mapped.items(), mapped.rewritten


def _read_each(items: list[Any], rewritten: Callable[[Any], Any], request: Request) -> Report:
    signals: list[Signal] = []
    rejections: list[Rejection] = []
    for index, item in enumerate(items):
        try:
            content = rewritten(item)
            if not is_ignored(content):
                signals.append(signal_of(content, request, delivery=_delivery(request, index)))
        except BadPart as error:
            rejections.append(Rejection(index, str(error)))
    return Report(tuple(signals), tuple(rejections))


def _delivery(request: Request, index: int) -> str:
    """The sender's id of this delivery, where it has one: each signal in it has its own."""
    given = request.headers.get("webhook-id", "").strip()
    return hashed(given, str(index), labels={}) if given else ""


def is_ignored(content: object) -> bool:
    """Whether an object with the usual names says that it is about nothing."""
    return isinstance(content, dict) and text_of(content.get("status")).strip().lower() == "ignored"


def signal_of(content: object, request: Request, *, delivery: str = "", key: str = "", title: str = "") -> Signal:
    """The signal in an object with the usual names; `key` and `title` are what counts where it names none. Raises BadPart."""
    if not isinstance(content, dict):
        raise BadPart(f"body: it is not a JSON object; send one like {EXAMPLE}")
    labels = _labels(content.get("labels"))
    key = first_of(*(_text(content, name) for name in KEYS), key)
    title = one_line(first_of(*(_text(content, name) for name in TITLES), title))
    status = _status(content)
    resolved = status == "resolved"
    if not title and not (status != "firing" and key):
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
        acknowledged=status == "acknowledged",
        delivery=delivery,
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


def _status(content: Mapping[str, Any]) -> str:
    status = _text(content, "status").strip().lower() or "firing"
    if status not in STATUSES:
        raise BadPart(f'status: {shortened(status, 64)!r} is none of {", ".join(STATUSES)}; leave it out for "firing"')
    return status


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
