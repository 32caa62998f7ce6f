"""PagerDuty's Events API: v2 (`/v2/enqueue`), v1 (`create_event.json`), and what a change event says (`/v2/change/enqueue`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any

from tocsin_detection.changes.change import Change, Link
from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.details import flattened, named, text_of
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Outcome, Rejection, Report, Request, json_answer
from tocsin_detection.signal import MOST_DESCRIPTION, Signal, first_of, fitting, one_line, severity_word, shortened, web_address

EVENTS = "/v2/enqueue"
EVENTS_V1 = "/generic/2010-04-15/create_event.json"
CHANGES = "/v2/change/enqueue"
KEY_LENGTH = 32
MOST_BYTES = 512 * 1024
MOST_DEDUP_KEY = 255
MOST_SUMMARY = 1_024
# What Alertmanager says where nothing else is set.
USUAL_SEVERITY = "error"
MOST_LABELS = 20
MOST_LABEL = 512
MOST_LINKS = 50


@dataclass(frozen=True, slots=True)
class _Version:
    """What a version of the API calls the same things. v2 has the description of the problem in an object of its own."""

    key: str
    action: str
    dedup_key: str
    summary: str
    details: str
    envelope: str = ""

    def inside(self, field: str) -> str:
        """The field's name in full, for errors."""
        return f"{self.envelope}.{field}" if self.envelope else field


V1 = _Version("service_key", "event_type", "incident_key", "description", "details")
V2 = _Version("routing_key", "event_action", "dedup_key", "summary", "custom_details", envelope="payload")
VERSIONS = {EVENTS: V2, EVENTS_V1: V1}


def read(request: Request) -> Report:
    """The one event of a POST."""
    version = VERSIONS.get(request.path.rstrip("/"))
    if version is None:
        return Report(refusal=_invalid(404, f"path {request.path} is not served: send events to {EVENTS}, changes to {CHANGES}"))
    content = body_of(request)
    if isinstance(content, HttpAnswer):
        return Report(refusal=content)
    problems = _problems(content, version)
    if problems:
        return Report(rejections=tuple(Rejection(0, problem) for problem in problems))
    return Report((_signal(content, request, version),))


def answer(report: Report, outcome: Outcome) -> HttpAnswer:
    """202 and the event's key (v1: 200), or 400 with everything that is wrong."""
    if report.rejections:
        return _invalid(400, *(rejection.reason for rejection in report.rejections))
    [signal] = report.signals
    said = {"status": "success", "message": "Event processed"}
    if "incident_key" in signal.sender_fields:
        return json_answer(200, {**said, "incident_key": signal.fingerprint})
    return json_answer(202, {**said, "dedup_key": signal.fingerprint})


def read_change(request: Request) -> Change | HttpAnswer:
    """The change that a POST tells, or the refusal."""
    content = body_of(request)
    if isinstance(content, HttpAnswer):
        return content
    problems = [*_key_problems(content, V2), *_summary_problems(_payload(content, V2), V2), *_time_problems(_payload(content, V2))]
    return _invalid(400, *problems) if problems else _change(content, request)


def answer_change() -> HttpAnswer:
    """What the sender of a change expects once it is kept."""
    return json_answer(202, {"status": "success", "message": "Change event processed"})


def body_of(request: Request) -> dict[str, Any] | HttpAnswer:
    """The object that a POST holds, or the refusal."""
    if request.method != "POST":
        return _invalid(405, f"method {request.method} is not served: send a POST")
    if len(request.body) > MOST_BYTES:
        return _invalid(413, f"the body has {len(request.body)} bytes; at most {MOST_BYTES} are taken: shorten custom_details")
    try:
        content = decode_json(request.body)
    except Undecodable as error:
        return _invalid(400, f"JSON parse error: {error}")
    return content if isinstance(content, dict) else _invalid(400, "the body is not a JSON object")


def _invalid(status: int, *errors: str) -> HttpAnswer:
    return json_answer(status, {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)})


def _problems(content: Mapping[str, Any], version: _Version) -> list[str]:
    action = _text(content, version.action)
    problems = [*_key_problems(content, version), *_dedup_problems(content, version, action)]
    if action not in ("trigger", "acknowledge", "resolve"):
        problems.append(f"'{version.action}' is missing or unknown: send trigger, acknowledge or resolve")
    payload = _payload(content, version)
    if action == "trigger":
        problems += _summary_problems(payload, version)
        if version is V2 and not _text(payload, "source"):
            problems.append("'payload.source' is missing or blank: name the system that is affected")
    return [*problems, *_time_problems(payload)]


def _key_problems(content: Mapping[str, Any], version: _Version) -> list[str]:
    if len(_text(content, version.key)) == KEY_LENGTH:
        return []
    return [f"Length of '{version.key}' is incorrect (should be {KEY_LENGTH} characters): send the integration's key"]


def _dedup_problems(content: Mapping[str, Any], version: _Version, action: str) -> list[str]:
    key = _given_key(content, version)
    if len(key) > MOST_DEDUP_KEY:
        return [f"'{version.dedup_key}' is longer than {MOST_DEDUP_KEY} characters: send a shorter one, for example a hash of it"]
    if not key and action in ("acknowledge", "resolve"):
        return [f"'{version.dedup_key}' is missing or blank: send that of the trigger"]
    return []


def _summary_problems(payload: Mapping[str, Any], version: _Version) -> list[str]:
    summary = _text(payload, version.summary)
    if not summary:
        return [f"'{version.inside(version.summary)}' is missing or blank: say in one line what happened"]
    if version is V2 and len(summary) > MOST_SUMMARY:
        return [f"'{version.inside(version.summary)}' is longer than {MOST_SUMMARY} characters: shorten it"]
    return []


def _time_problems(payload: Mapping[str, Any]) -> list[str]:
    try:
        _instant(payload.get("timestamp"))
    except BadPart as error:
        return [f"'payload.timestamp': {error}"]
    return []


def _signal(content: Mapping[str, Any], request: Request, version: _Version) -> Signal:
    payload = _payload(content, version)
    action, given_key = _text(content, version.action), _given_key(content, version)
    details = _details(payload, version)
    resolved, now = action == "resolve", request.received_at
    return Signal(
        integration=request.integration.name,
        fingerprint=given_key or _made_key(request),
        title=one_line(_text(payload, version.summary)) or given_key,
        description=shortened(_text(details, "description"), MOST_DESCRIPTION),
        labels=_labels(payload) if version is V2 else {},
        # What the trigger explained stays: a later event of the same key often comes without details.
        annotations=fitting(_annotations(content, details)) if action == "trigger" else {},
        source_url=_address(content, payload),
        severity=severity_word(_text(payload, "severity")) or USUAL_SEVERITY,
        service=one_line(first_of(_text(details, "service"), request.integration.service)),
        starts_at=now if resolved else _instant(payload.get("timestamp")) or now,
        ends_at=now if resolved else None,
        resolved=resolved,
        acknowledged=action == "acknowledge",
        by=one_line(_text(content, "client")) if action == "acknowledge" else "",
        sender_fields={"incident_key": given_key} if version is V1 else {},
    )


def _change(content: Mapping[str, Any], request: Request) -> Change:
    payload = _payload(content, V2)
    at = _instant(payload.get("timestamp"))
    details = _details(payload, V2)
    return Change(
        integration=request.integration.name,
        # A client that had no answer sends the same again; without a time of its own nothing tells that from another change.
        fingerprint=_digest(request.body) if at else _made_key(request),
        service=one_line(first_of(_text(details, "service"), request.integration.service)),
        summary=one_line(_text(payload, "summary")),
        source=one_line(_text(payload, "source")),
        happened_at=at or request.received_at,
        received_at=request.received_at,
        details=fitting(flattened(details)),
        links=tuple(islice(_links(content), MOST_LINKS)),
    )


def _given_key(content: Mapping[str, Any], version: _Version) -> str:
    key = text_of(content.get(version.dedup_key))
    return key if key.strip() else ""


def _made_key(request: Request) -> str:
    """A key for a sender that gives none: each of its requests is about something new."""
    return _digest(request.body + request.received_at.isoformat().encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _payload(content: Mapping[str, Any], version: _Version) -> Mapping[str, Any]:
    payload = content.get(version.envelope) if version.envelope else content
    return payload if isinstance(payload, dict) else {}


def _details(payload: Mapping[str, Any], version: _Version) -> Mapping[str, Any]:
    """The details; what is no object becomes one, and a text alone describes."""
    details = payload.get(version.details)
    if isinstance(details, dict):
        return details
    return {"description" if isinstance(details, str) else version.details: details}


def _labels(payload: Mapping[str, Any]) -> dict[str, str]:
    said = flattened({name: payload.get(name) for name in ("source", "component", "group", "class")})
    lines = ((name, one_line(text, MOST_LABEL)) for name, text in islice(said.items(), MOST_LABELS))
    return {name: line for name, line in lines if line}


def _annotations(content: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, str]:
    """The details, and after them what else explains: who sent it, links, images."""
    around = {name: content[name] for name in ("client", "client_url", "links", "images", "contexts") if content.get(name)}
    return named([*flattened(details).items(), *flattened(around).items()])


def _address(content: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """Where to look: the first link, else where the client is, else the source if that is an address."""
    linked = next((link.url for link in _links(content)), "")
    return linked or web_address(_text(content, "client_url")) or web_address(_text(payload, "source"))


def _links(content: Mapping[str, Any]) -> list[Link]:
    """The links that a browser may open, of v2 and of v1."""
    given = [item for name in ("links", "contexts") for item in _list(content.get(name)) if isinstance(item, dict)]
    links = [Link(web_address(_text(item, "href")), one_line(_text(item, "text"))) for item in given if item.get("type") != "image"]
    return [link for link in links if link.url]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(content: Mapping[str, Any], field: str) -> str:
    return text_of(content.get(field)).strip()


def _instant(value: object) -> datetime | None:
    """An instant; without a zone it is one of UTC, and a Z behind the zone is ignored: well-known clients send both. Raises BadPart."""
    if not isinstance(value, str) or not value.strip():
        return None
    given = value.strip()
    for candidate in (given, given + "Z", given.removesuffix("Z")):
        try:
            return decode_instant(candidate)
        except ValueError:
            continue
    raise BadPart(f"{shortened(given, 64)!r} is no instant like 2026-11-23T07:00:00Z")
