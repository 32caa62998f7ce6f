"""Sentry's integration platform: issue alerts and metric alerts fire, a resolved issue or metric ends what they opened."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.details import named, text_of
from tocsin_detection.intake.intake import BadPart, Rejection, Report, Request
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
from tocsin_detection.signal import MOST_DESCRIPTION, Signal, first_of, fitting, one_line, severity_word, shortened, web_address

RESOURCE = "sentry-hook-resource"
MOST_KEY = 255
MOST_TAGS = 50
MOST_LABEL = 512
# Whoever puts an issue away says that nobody has to wake up for it.
ISSUE_ENDS = ("resolved", "archived", "ignored")
METRIC_ENDS = "resolved"

Content = Mapping[str, Any]


def read(request: Request) -> Report:
    """The one thing that a POST tells; nothing where it is about something else than alerts."""
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: send a POST")
    try:
        body = decode_json(request.body)
    except Undecodable as error:
        return refusal(400, f"body: {error}")
    if not isinstance(body, dict):
        return refusal(400, "body: it is not a JSON object as Sentry's integration platform sends it")
    resource = request.headers.get(RESOURCE, "").strip().lower()
    if not resource:
        return refusal(400, f"{RESOURCE}: the header is missing: let an internal integration of Sentry send to this address")
    read_one = READERS.get(resource)
    if read_one is None:
        return Report()
    try:
        signal = read_one(body, request)
    except BadPart as error:
        return Report(rejections=(Rejection(0, str(error)),))
    return Report((signal,) if signal else ())


def _event_alert(body: Content, request: Request) -> Signal:
    """A rule about an issue fired. Raises BadPart."""
    data = _object(body, "data")
    event = _object(data, "event", "data.event")
    rule = first_of(text_of(data.get("triggered_rule")), text_of(_inside(data, "issue_alert").get("title")))
    tags = _tags(event.get("tags"))
    title = _line(event, "title") or rule
    return Signal(
        integration=request.integration.name,
        fingerprint=_issue_key(event.get("issue_id"), "data.event.issue_id"),
        title=title or "an issue in Sentry",
        description=shortened(first_of(_line(event, "message"), _line(event, "culprit")), MOST_DESCRIPTION),
        labels=_labels(rule=rule, project=text_of(event.get("project")), environment=tags.get("environment", "")),
        annotations=fitting(named({**tags, "culprit": _line(event, "culprit"), "platform": _line(event, "platform")}.items())),
        source_url=_address(event, "web_url", "url"),
        severity=severity_word(_line(event, "level"), tags.get("level")),
        service=one_line(first_of(tags.get("service"), request.integration.service)),
        starts_at=_instant(event, "datetime", request.received_at),
    )


def _issue(body: Content, request: Request) -> Signal | None:
    """An issue came to an end; its other changes are no news, because rules tell what is worth waking somebody. Raises BadPart."""
    if text_of(body.get("action")) not in ISSUE_ENDS:
        return None
    issue = _object(_object(body, "data"), "issue", "data.issue")
    return Signal(
        integration=request.integration.name,
        fingerprint=_issue_key(issue.get("id"), "data.issue.id"),
        title=_line(issue, "title") or "an issue in Sentry",
        source_url=_address(issue, "web_url", "permalink"),
        severity=severity_word(_line(issue, "level")),
        service=one_line(request.integration.service),
        starts_at=request.received_at,
        ends_at=request.received_at,
        resolved=True,
        by=one_line(text_of(_inside(body, "actor").get("name"))),
    )


def _metric_alert(body: Content, request: Request) -> Signal:
    """A metric crossed a threshold, or came back. Raises BadPart."""
    data = _object(body, "data")
    metric = _object(data, "metric_alert", "data.metric_alert")
    rule = _inside(metric, "alert_rule")
    action = text_of(body.get("action")).strip().lower()
    resolved = action == METRIC_ENDS
    key = f"metric-{text_of(rule.get('id'))}-{_id(metric.get('id'), 'data.metric_alert.id')}"
    return Signal(
        integration=request.integration.name,
        fingerprint=key[:MOST_KEY],
        title=first_of(_line(data, "description_title"), _line(metric, "title"), _line(rule, "name")) or "a metric alert in Sentry",
        description=shortened(text_of(data.get("description_text")).strip(), MOST_DESCRIPTION),
        labels=_labels(rule=text_of(rule.get("name")), project=_joined(metric.get("projects"))),
        annotations=fitting(named((name, _line(rule, name)) for name in ("query", "aggregate", "dataset") if _line(rule, name))),
        source_url=_address(data, "web_url"),
        severity=severity_word("" if resolved else action),
        service=one_line(request.integration.service),
        starts_at=_instant(metric, "date_started", request.received_at),
        ends_at=_instant(metric, "date_closed", request.received_at) if resolved else None,
        resolved=resolved,
    )


READERS: Mapping[str, Callable[[Content, Request], Signal | None]] = {
    "event_alert": _event_alert,
    "issue": _issue,
    "metric_alert": _metric_alert,
}


def _issue_key(given: object, field: str) -> str:
    return f"issue-{_id(given, field)}"[:MOST_KEY]


def _id(given: object, field: str) -> str:
    text = text_of(given).strip()
    if not text:
        raise BadPart(f"{field}: it is missing; it says which issue it is")
    return text


def _object(content: Content, name: str, field: str = "") -> Content:
    found = content.get(name)
    if not isinstance(found, dict):
        raise BadPart(f"{field or name}: it is missing or no JSON object")
    return found


def _inside(content: Content, name: str) -> Content:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _line(content: Content, name: str) -> str:
    return one_line(text_of(content.get(name)))


def _tags(given: object) -> dict[str, str]:
    """The event's tags, which are pairs."""
    pairs: Iterable[Any] = given if isinstance(given, list) else []
    usable = (pair for pair in pairs if isinstance(pair, list) and len(pair) == 2)
    return {text_of(name): one_line(text_of(text)) for name, text in islice(usable, MOST_TAGS)}


def _labels(**texts: str) -> dict[str, str]:
    return {name: line for name, text in texts.items() if (line := one_line(text, MOST_LABEL))}


def _joined(given: object) -> str:
    return ", ".join(text_of(item) for item in given[:MOST_TAGS]) if isinstance(given, list) else ""


def _address(content: Content, *names: str) -> str:
    return next((address for name in names if (address := web_address(text_of(content.get(name))))), "")


def _instant(content: Content, name: str, now: datetime) -> datetime:
    """When it was by Sentry's clock; now where it does not say so in a way that can be read, since that is only a detail."""
    given = content.get(name)
    try:
        return min(decode_instant(given) or now, now)
    except ValueError:
        return now
