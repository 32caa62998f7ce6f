"""CloudEvents 1.0 over HTTP: binary, structured and in batches. An event's data is read like the generic webhook's object."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.details import text_of
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Rejection, Report, Request
from tocsin_detection.intake.mapping import MappedBody
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
from tocsin_detection.intake.webhook import MOST_SIGNALS, is_ignored, signal_of
from tocsin_detection.signal import Signal, hashed, one_line, shortened, storable

BATCH = "application/cloudevents-batch"
STRUCTURED = "application/cloudevents"
VERSION = "1.0"
PREFIX = "ce-"
REQUIRED = ("id", "source", "type")
MOST_ATTRIBUTE = 2_048
MOST_LABEL = 512
LABELS = ("source", "type", "subject")
HANDSHAKE = "webhook-request-origin"

Event = dict[str, Any]


def read(request: Request) -> Report:
    """The events of one POST; one that is not valid does not keep the others of its batch from being stored."""
    if request.method == "OPTIONS" and HANDSHAKE in request.headers:
        return Report(refusal=_welcome(request.headers[HANDSHAKE]))
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: send a POST")
    content_type = request.headers.get("content-type", "").strip().lower()
    # The batch's type begins with the single event's.
    if content_type.startswith(BATCH):
        return _read_batch(request, content_type)
    if content_type.startswith(STRUCTURED):
        return _read_structured(request, content_type)
    if PREFIX + "specversion" in request.headers:
        return _read_events([request], lambda binary: _binary(binary, content_type), request)
    return refusal(415, f"content-type: send {STRUCTURED}+json, or the attributes of the event as headers, ce-specversion among them")


def _welcome(origin: str) -> HttpAnswer:
    """The consent that senders of webhooks ask for before they send."""
    return HttpAnswer(200, headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"})


def _read_batch(request: Request, content_type: str) -> Report:
    if not request.integration.options.accepts_batches:
        return refusal(415, "content-type: this integration takes no batches: set accepts_batches, or send single events")
    events = _json(request, content_type)
    if isinstance(events, Report):
        return events
    if not isinstance(events, list):
        return refusal(400, "body: a batch is a JSON array of events")
    if len(events) > MOST_SIGNALS:
        return refusal(400, f"body: there are {len(events)} events; send at most {MOST_SIGNALS} at once")
    return _read_events(events, _structured, request)


def _read_structured(request: Request, content_type: str) -> Report:
    event = _json(request, content_type)
    return event if isinstance(event, Report) else _read_events([event], _structured, request)


def _json(request: Request, content_type: str) -> Any:
    """What the body holds, or the refusal."""
    media_type = content_type.partition(";")[0].strip()
    if not media_type.endswith("+json") and media_type not in (STRUCTURED, BATCH):
        return refusal(415, f"content-type: {shortened(media_type, 64)!r} is not served: send events as JSON")
    try:
        return decode_json(request.body)
    except Undecodable as error:
        return refusal(400, f"body: {error}")


def _read_events(given: list[Any], read_one: Callable[[Any], Event], request: Request) -> Report:
    signals: list[Signal] = []
    rejections: list[Rejection] = []
    for index, each in enumerate(given):
        try:
            event = _checked(read_one(each))
            content = _content(event, request)
            if not is_ignored(content):
                signals.append(_signal(event, content, request))
        except BadPart as error:
            rejections.append(Rejection(index, str(error)))
    return Report(tuple(signals), tuple(rejections))


def _structured(given: object) -> Event:
    """An event in JSON, its data decoded. Raises BadPart."""
    if not isinstance(given, dict):
        raise BadPart("body: an event is a JSON object")
    event = dict(given)
    if "data_base64" in event:
        if event.get("data") is not None:
            raise BadPart("data_base64: the event has data too; send one of them")
        event["data"] = _data(_decoded(event.pop("data_base64")), _media_type(event.get("datacontenttype")))
    return event


def _binary(request: Request, content_type: str) -> Event:
    """An event whose attributes are headers. Raises BadPart."""
    event: Event = {name.removeprefix(PREFIX): _header(name, text) for name, text in request.headers.items() if name.startswith(PREFIX)}
    if "datacontenttype" in event:
        raise BadPart("ce-datacontenttype: there must be none; the data's type is the Content-Type")
    if content_type:
        event["datacontenttype"] = content_type
    event["data"] = _data(request.body, _media_type(content_type))
    return event


def _header(name: str, text: str) -> str:
    """An attribute as it was before it was made fit for a header. Raises BadPart."""
    value = text.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return storable(unquote_to_bytes(value).decode())
    except UnicodeDecodeError as error:
        raise BadPart(f"{name}: it is not percent-encoded UTF-8") from error


def _decoded(given: object) -> bytes:
    try:
        return base64.b64decode(given if isinstance(given, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPart("data_base64: it is not base64") from error


def _media_type(content_type: object) -> str:
    return content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else ""


def _data(body: bytes, media_type: str) -> Any:
    """The data as JSON where its type says so, otherwise as text. Raises BadPart."""
    if not body:
        return None
    if media_type in ("", "application/json", "text/json") or media_type.endswith("+json"):
        try:
            return decode_json(body)
        except Undecodable as error:
            raise BadPart(f"data: {error}") from error
    return storable(body.decode(errors="replace"))


def _checked(event: Event) -> Event:
    """The event, if its attributes are what the specification says. Raises BadPart."""
    if event.get("specversion") != VERSION:
        raise BadPart(f"specversion: {shortened(str(event.get('specversion')), 64)!r} is not known; only {VERSION} is")
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name].strip():
            raise BadPart(f"{name}: it is missing or blank")
    for name, value in event.items():
        if name in ("data", "data_base64"):
            continue
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise BadPart(f"{shortened(name, 64)}: names of attributes are lower-case letters and digits")
        if isinstance(value, dict | list) or len(str(value)) > MOST_ATTRIBUTE:
            raise BadPart(f"{shortened(name, 64)}: it is not a text of at most {MOST_ATTRIBUTE} characters")
    return event


def _content(event: Event, request: Request) -> dict[str, Any]:
    """The object with the usual names: the data, and over it what the mapping gives. Raises BadPart."""
    content = _usual(event.get("data"))
    labels = {name: one_line(text_of(event.get(name)), MOST_LABEL) for name in LABELS}
    given = content.get("labels")
    if given is None or isinstance(given, dict):
        content["labels"] = {**labels, **(given or {})}
    mapping = request.integration.options.mapping
    return {**content, **MappedBody(mapping, event, request.headers).mapped(event)} if mapping else content


def _usual(data: object) -> dict[str, Any]:
    if isinstance(data, dict):
        return {**data, "status": data.get("status") or data.get("state")}
    return {"description": data if isinstance(data, str) else None}


def _signal(event: Event, content: object, request: Request) -> Signal:
    """Raises BadPart."""
    source, kind, subject = event["source"], event["type"], text_of(event.get("subject"))
    signal = signal_of(
        content,
        request,
        # Another event about the same is the same thing again; that of another type may be another problem.
        key=hashed(source, kind, subject, labels={}),
        title=f"{kind}: {subject}" if subject else kind,
        delivery=hashed(source, event["id"], labels={}),
    )
    at = _instant(event, request.received_at)
    return replace(signal, starts_at=at, ends_at=at if signal.resolved else None)


def _instant(event: Mapping[str, Any], now: datetime) -> datetime:
    try:
        return decode_instant(event.get("time")) or now
    except ValueError as error:
        raise BadPart(f"time: {error}") from error
