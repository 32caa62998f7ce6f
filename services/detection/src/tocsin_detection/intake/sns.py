"""Amazon SNS: alarms of CloudWatch, and whatever else is published to a topic as JSON or text. Who sent it is verified by `sns_api.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.details import named, text_of
from tocsin_detection.intake.intake import BadPart, Rejection, Report, Request
from tocsin_detection.intake.plain import answer as answer
from tocsin_detection.intake.plain import refusal
from tocsin_detection.intake.webhook import is_ignored, signal_of
from tocsin_detection.integration import InsufficientData
from tocsin_detection.signal import MOST_DESCRIPTION, Signal, first_of, fitting, hashed, one_line, shortened

NOTIFICATION = "Notification"
# The states of an alarm, and whether it fires in them; what the third means is for the integration to say.
FIRING = {"ALARM": True, "OK": False}
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
IF_INSUFFICIENT = {InsufficientData.FIRES: True, InsufficientData.RESOLVES: False}
MOST_KEY = 512
MOST_LABEL = 512
MOST_DIMENSIONS = 30
NAMING = ("AWSAccountId", "Region", "AlarmName")
EXPLAINING = ("ComparisonOperator", "Threshold", "Period", "EvaluationPeriods", "Statistic", "TreatMissingData")
SERVICE_DIMENSIONS = ("ServiceName", "Service", "service")

Content = Mapping[str, Any]


def read(request: Request) -> Report:
    """The one message of a POST, whatever its Content-Type says."""
    if request.method != "POST":
        return refusal(405, f"method: {request.method} is not served here: SNS sends a POST")
    try:
        message = message_of(request)
    except BadPart as error:
        return refusal(400, str(error))
    if message.get("Type") != NOTIFICATION:
        return Report(rejections=(Rejection(0, f"Type: {shortened(text_of(message.get('Type')), 64)!r} holds nothing to report"),))
    try:
        signal = _signal(message, request)
    except BadPart as error:
        return Report(rejections=(Rejection(0, str(error)),))
    return Report((replace(signal, delivery=text_of(message.get("MessageId"))[:MOST_KEY]),) if signal else ())


def message_of(request: Request) -> Content:
    """The object that SNS sends. Raises BadPart."""
    try:
        message = decode_json(request.body)
    except Undecodable as error:
        raise BadPart(f"body: {error}; subscribe this address without raw message delivery") from error
    if not isinstance(message, dict):
        raise BadPart("body: it is not a JSON object of SNS; subscribe this address without raw message delivery")
    return message


def _signal(message: Content, request: Request) -> Signal | None:
    """What the message says; None if it is about nothing. Raises BadPart."""
    text = text_of(message.get("Message"))
    published = _object(text)
    if "AlarmName" in published:
        return _alarm(published, request)
    if published:
        return None if is_ignored(published) else signal_of(published, request, title=text_of(message.get("Subject")))
    title = one_line(first_of(text_of(message.get("Subject")), *text.splitlines()))
    if not title:
        raise BadPart("Message: it is blank, and there is no Subject")
    return signal_of({"description": text}, request, title=title, key=hashed(text_of(message.get("TopicArn")), title, labels={}))


def _object(text: str) -> Content:
    """The JSON object in a text; empty if it holds none."""
    try:
        content = decode_json(text.encode())
    except Undecodable:
        return {}
    return content if isinstance(content, dict) else {}


def _alarm(alarm: Content, request: Request) -> Signal | None:
    """An alarm's new state; None if that changes nothing here. Raises BadPart."""
    fires = _fires(alarm, request)
    if fires is None:
        return None
    given = alarm.get("Trigger")
    trigger: Content = given if isinstance(given, dict) else {}
    dimensions = _dimensions(trigger)
    at = _changed_at(alarm, request.received_at)
    return Signal(
        integration=request.integration.name,
        fingerprint=_key(alarm),
        title=_line(alarm, "AlarmName") or "an alarm of CloudWatch",
        description=shortened(first_of(text_of(alarm.get("NewStateReason")), text_of(alarm.get("AlarmDescription"))), MOST_DESCRIPTION),
        labels=_labels(alarm, trigger, dimensions),
        annotations=fitting(_annotations(alarm, trigger)),
        service=one_line(first_of(*(dimensions.get(name) for name in SERVICE_DIMENSIONS), request.integration.service)),
        starts_at=at,
        ends_at=None if fires else at,
        resolved=not fires,
    )


def _fires(alarm: Content, request: Request) -> bool | None:
    """Whether the alarm fires in its new state; None if that says nothing. Raises BadPart."""
    state = text_of(alarm.get("NewStateValue"))
    if state == INSUFFICIENT_DATA:
        return IF_INSUFFICIENT.get(request.integration.options.insufficient_data)
    if state not in FIRING:
        raise BadPart(f"NewStateValue: {shortened(state, 64)!r} is none of ALARM, OK and INSUFFICIENT_DATA")
    return FIRING[state]


def _key(alarm: Content) -> str:
    """The alarm's ARN; messages without one, of old, name it by account, region and name."""
    given = text_of(alarm.get("AlarmArn")).strip()
    return given if given and len(given) <= MOST_KEY else hashed(given, *(_line(alarm, name) for name in NAMING), labels={})


def _labels(alarm: Content, trigger: Content, dimensions: Mapping[str, str]) -> dict[str, str]:
    """What identifies the alarm: it names the same in every state."""
    said = [
        ("alarm", _line(alarm, "AlarmName")),
        ("account", _line(alarm, "AWSAccountId")),
        ("region", _line(alarm, "Region")),
        ("namespace", _line(trigger, "Namespace")),
        ("metric", _line(trigger, "MetricName")),
        *dimensions.items(),
    ]
    return named((name, one_line(text, MOST_LABEL)) for name, text in said if text)


def _annotations(alarm: Content, trigger: Content) -> dict[str, str]:
    """What explains it; a composite alarm has a rule over other alarms and no trigger."""
    said = [("alarm_description", alarm.get("AlarmDescription")), ("alarm_rule", alarm.get("AlarmRule"))]
    said += [(name, trigger.get(name)) for name in EXPLAINING]
    return named((name, text) for name, value in said if (text := text_of(value).strip()))


def _dimensions(trigger: Content) -> dict[str, str]:
    given = trigger.get("Dimensions")
    usable = [item for item in given[:MOST_DIMENSIONS] if isinstance(item, dict)] if isinstance(given, list) else []
    return {name: _line(item, "value") for item in usable if (name := _line(item, "name"))}


def _changed_at(alarm: Content, now: datetime) -> datetime:
    """When the state changed; now where that is not said in a way that can be read."""
    try:
        return min(decode_instant(alarm.get("StateChangeTime")) or now, now)
    except ValueError:
        return now


def _line(content: Content, name: str) -> str:
    return one_line(text_of(content.get(name)))
