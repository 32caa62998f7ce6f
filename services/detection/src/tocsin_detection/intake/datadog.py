"""Datadog's webhooks: its default template, and ours, as JSON or as a form. A monitor's transition says whether it fires."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from tocsin_detection.intake.decoding import Undecodable, decode_json
from tocsin_detection.intake.details import legal_name, text_of
from tocsin_detection.intake.intake import BadPart, Rejection, Report, Request
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
from tocsin_detection.signal import (
    MOST_DESCRIPTION,
    Signal,
    first_of,
    fitting,
    hashed,
    one_line,
    severity_word,
    shortened,
    storable,
    web_address,
)

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 100
MOST_KEY = 512
MOST_TAGS = 50
MOST_TAG = 200
MOST_LABELS = 20
MOST_DIGITS = 13
TEMPLATE = "paste the template as it is in the README"
RECOVERED = "recovered"
SUCCESS = "success"
# What a title of the default template begins with: "[P1] [Triggered on {host:db-1}] Load is high".
PRIORITY = re.compile(r"\[(P[1-5])\] ?")
TRANSITION = re.compile(r"\[((?:Re-)?(?:Triggered|Warn|No Data)|Recovered)(?: on \{([^}]{0,500})\})?\] ?", re.IGNORECASE)
# A variable that Datadog does not know stays as it is written.
VARIABLE = re.compile(r"\$[A-Z_]+")
EXPLAINING = ("metric", "scope", "status", "event_type", "alert_id", "hostname")


@dataclass(frozen=True, slots=True)
class _Headline:
    """What a title says: its own text, and what stands in brackets before it."""

    text: str
    priority: str
    transition: str
    scope: str


def read(request: Request) -> Report:
    """The one event of a POST."""
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: send a POST")
    try:
        fields = _fields(request)
    except BadPart as error:
        return refusal(400, str(error))
    try:
        return Report((_signal(fields, request),))
    except BadPart as error:
        return Report(rejections=(Rejection(0, str(error)),))


def _fields(request: Request) -> dict[str, str]:
    """The template's fields that say something. Raises BadPart."""
    given = _form(request.body) if request.headers.get("content-type", "").lower().startswith(FORM) else _object(request.body)
    org = given.pop("org", None)
    texts = {**given, "org_id": org.get("id") if isinstance(org, dict) else ""}
    said = {name: text_of(value).strip() for name, value in texts.items()}
    return {name: text for name, text in said.items() if text and VARIABLE.fullmatch(text) is None}


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = decode_json(body)
    except Undecodable as error:
        raise BadPart(f"body: {error}; {TEMPLATE}") from error
    if not isinstance(content, dict):
        raise BadPart(f"body: it is not a JSON object; {TEMPLATE}")
    return content


def _form(body: bytes) -> dict[str, Any]:
    try:
        return {name: storable(text) for name, text in parse_qsl(body.decode(), max_num_fields=MOST_FIELDS)}
    except ValueError as error:
        raise BadPart(f"body: it is no form of at most {MOST_FIELDS} fields in UTF-8; {TEMPLATE}") from error


def _signal(fields: Mapping[str, str], request: Request) -> Signal:
    """Raises BadPart."""
    headline = _headline(fields.get("title", ""))
    if not headline.text:
        raise BadPart(f"title: it is missing; {TEMPLATE}")
    transition = fields.get("transition", headline.transition).lower()
    resolved = transition == RECOVERED or (not transition and fields.get("type", "").lower() == SUCCESS)
    tags = _tags(fields.get("tags", ""))
    named_tags = _named_tags([*tags, *_tags(headline.scope or fields.get("scope", ""))])
    at = _instant(fields.get("date", ""), request.received_at)
    return Signal(
        integration=request.integration.name,
        fingerprint=_key(fields, headline),
        title=one_line(headline.text),
        description=shortened(fields.get("text", fields.get("body", "")), MOST_DESCRIPTION),
        labels=named_tags,
        annotations=fitting({name: fields[name] for name in EXPLAINING if name in fields}),
        source_url=web_address(fields.get("link", "")),
        severity=_severity(fields, headline, transition),
        service=one_line(first_of(fields.get("service"), named_tags.get("service"), request.integration.service)),
        starts_at=request.received_at if resolved else at,
        ends_at=request.received_at if resolved else None,
        resolved=resolved,
        tags=tuple(tags),
        delivery=hashed(fields["id"], transition, headline.text, labels={}) if "id" in fields else "",
    )


def _headline(title: str) -> _Headline:
    priority = PRIORITY.match(title)
    rest = title[priority.end() :] if priority else title
    transition = TRANSITION.match(rest)
    if transition is None:
        return _Headline(rest, priority.group(1) if priority else "", "", "")
    return _Headline(
        rest[transition.end() :] or rest, priority.group(1) if priority else "", transition.group(1), transition.group(2) or ""
    )


def _key(fields: Mapping[str, str], headline: _Headline) -> str:
    """The alert's cycle, else what Datadog groups by, else what the default template says."""
    given = first_of(fields.get("cycle_key"), fields.get("aggregation_key"))
    return given if given and len(given) <= MOST_KEY else hashed(given, fields.get("org_id", ""), headline.text, headline.scope, labels={})


def _severity(fields: Mapping[str, str], headline: _Headline, transition: str) -> str:
    """The monitor's priority, else what the transition or the event's type says."""
    kind = fields.get("type", "").lower()
    said = "warning" if "warn" in transition else kind if kind != SUCCESS else ""
    return severity_word(fields.get("severity"), fields.get("priority"), headline.priority, said)


def _tags(given: str) -> list[str]:
    return [tag for text in given.split(",")[:MOST_TAGS] if (tag := one_line(text, MOST_TAG))]


def _named_tags(tags: Iterable[str]) -> dict[str, str]:
    """Tags like env:prod as labels; the first of a name counts."""
    labels: dict[str, str] = {}
    for tag in tags:
        name, colon, text = tag.partition(":")
        if colon and name and text and len(labels) < MOST_LABELS:
            labels.setdefault(legal_name(name), text)
    return labels


def _instant(milliseconds: str, now: datetime) -> datetime:
    """When it was by Datadog's clock; now where it does not say so, or says that it is yet to come."""
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= MOST_DIGITS):
        return now
    return min(datetime.fromtimestamp(int(milliseconds) / 1_000, UTC), now)
