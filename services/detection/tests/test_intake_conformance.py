"""What every kind of intake must do. A new kind is done when it passes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st
from tocsin.detection.v1.integration_pb2 import Integration

from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.intake.registry import INTAKES
from tocsin_detection.integration import Options
from tocsin_detection.signal import LABEL_NAME, Signal


@dataclass(frozen=True)
class Sample:
    """How a kind says the same few things: `unnamed` names no service, `batch` is None where a request says one thing only, `resolved`
    where it says that something is over by a call about the alert. `refused` is the status of a bad part."""

    firing: Callable[[str, str], object]
    resolved: Callable[[str, str], object] | None
    broken: object
    unnamed: object
    batch: Callable[[list[object]], object] | None
    path: str = "/"
    longest_title: int = 5_000
    refused: int = 400
    headers: Callable[[object], dict[str, str]] = lambda content: {}
    options: Options = field(default_factory=Options)


def grouped(key: str, title: str, **more: object) -> object:
    """An alert as Alertmanager and Grafana write it in their webhooks."""
    labels = {"alertname": key, "severity": "Critical", "service": "checkout"}
    return {"status": "firing", "labels": labels, "annotations": {"summary": title}, "endsAt": "0001-01-01T00:00:00Z", **more}


def ended(key: str, title: str) -> object:
    return grouped(key, title, status="resolved", endsAt=NOON.isoformat())


def mail(key: str, title: str, subject: str = "") -> bytes:
    """A message that says all that a monitor can say by headers."""
    lines = (f"Subject: {subject}{title}", f"X-Tocsin-Key: {key}", "X-Tocsin-Severity: Critical", "X-Tocsin-Service: checkout", "", "text")
    return "\n".join(lines).replace("is\nfull", "is\n full").encode("utf-8", "surrogatepass")


def event(key: str, title: str, **data: object) -> object:
    """A CloudEvent about one thing."""
    said = {"title": title, "severity": "Critical", "service": "checkout", **data}
    return {"specversion": "1.0", "id": f"{key}-{len(data)}", "source": "/monitor", "type": "disk", "subject": key, "data": said}


def published(key: str, title: str, **more: object) -> object:
    """A message of Amazon SNS in which somebody published an object with the usual names."""
    said = {"key": key, "title": title, "severity": "Critical", "service": "checkout", **more}
    return {"Type": "Notification", "MessageId": key, "TopicArn": "arn:aws:sns:eu-central-1:123456789012:t", "Message": json.dumps(said)}


def issue_alert(key: str, title: str) -> object:
    """What Sentry sends when a rule about an issue fires."""
    return {
        "action": "triggered",
        "data": {"event": {"issue_id": key, "title": title, "level": "Critical", "tags": [["service", "checkout"]]}},
    }


def resource_of(content: object) -> dict[str, str]:
    """The header by which Sentry says what its body is about."""
    ends = isinstance(content, dict) and isinstance(content.get("data"), dict) and "issue" in content["data"]
    return {"sentry-hook-resource": "issue" if ends else "event_alert"}


def monitor(key: str, title: str, transition: str = "Triggered", tags: str = "service:checkout,env:prod") -> object:
    """Datadog's template as the README has it."""
    return {"cycle_key": key, "title": title, "transition": transition, "priority": "Critical", "tags": tags}


SAMPLES = {
    "alertmanager": Sample(
        firing=lambda key, title: {
            "labels": {"alertname": key, "severity": "Critical", "service": "checkout"},
            "annotations": {"summary": title},
        },
        resolved=lambda key, title: {
            "labels": {"alertname": key, "severity": "Critical", "service": "checkout"},
            "annotations": {"summary": title},
            "endsAt": NOON.isoformat(),
        },
        broken={"labels": {}},
        unnamed={"labels": {"alertname": "x"}},
        batch=lambda items: items,
        path="/api/v2/alerts",
    ),
    "alertmanager-webhook": Sample(
        firing=grouped,
        resolved=ended,
        broken={"status": "firing", "labels": {}},
        unnamed={"status": "firing", "labels": {"alertname": "x"}},
        batch=lambda items: {"version": "4", "groupKey": "{}", "status": "firing", "alerts": items},
    ),
    "grafana": Sample(
        firing=grouped,
        resolved=ended,
        broken={"status": "firing", "labels": {}},
        unnamed={"status": "firing", "labels": {"alertname": "x"}},
        batch=lambda items: {"version": "1", "orgId": 1, "status": "firing", "state": "alerting", "alerts": items},
    ),
    "pagerduty": Sample(
        firing=lambda key, title: {
            "routing_key": "0" * 32,
            "event_action": "trigger",
            "dedup_key": key,
            "payload": {"summary": title, "source": "db-1", "severity": "Critical", "custom_details": {"service": "checkout"}},
        },
        resolved=lambda key, title: {"routing_key": "0" * 32, "event_action": "resolve", "dedup_key": key},
        broken={"routing_key": "0" * 32, "event_action": "trigger", "payload": {"summary": "x", "severity": "critical"}},
        unnamed={"routing_key": "0" * 32, "event_action": "trigger", "payload": {"summary": "x", "source": "y"}},
        batch=None,
        path="/v2/enqueue",
        longest_title=1_024,
    ),
    "opsgenie": Sample(
        firing=lambda key, title: {"alias": key, "message": title, "priority": "P1", "details": {"service": "checkout"}},
        resolved=None,
        broken={"priority": "P1"},
        unnamed={"message": "x"},
        batch=None,
        path="/v2/alerts",
        longest_title=130,
        refused=422,
    ),
    "email": Sample(
        firing=mail,
        resolved=lambda key, title: mail(key, title, subject="[RESOLVED] "),
        broken=b"X-Tocsin-Status: on fire\nSubject: x\n\n",
        unnamed=b"Subject: x\n\ntext",
        batch=None,
    ),
    "cloudevents": Sample(
        firing=event,
        resolved=lambda key, title: event(key, title, status="resolved"),
        broken={"specversion": "1.0", "id": "1", "source": "/monitor"},
        unnamed=event("x", "x", service=None),
        batch=lambda items: items,
        headers=lambda content: {"content-type": "application/cloudevents-batch+json"},
        options=Options(accepts_batches=True),
    ),
    "datadog": Sample(
        firing=monitor,
        resolved=lambda key, title: monitor(key, title, "Recovered"),
        broken={"cycle_key": "x"},
        unnamed=monitor("x", "x", tags="env:prod"),
        batch=None,
    ),
    "sentry": Sample(
        firing=issue_alert,
        resolved=lambda key, title: {"action": "resolved", "data": {"issue": {"id": key, "title": title}}},
        broken={"action": "triggered", "data": {"event": {"title": "x"}}},
        unnamed={"action": "triggered", "data": {"event": {"issue_id": "x", "title": "x"}}},
        batch=None,
        headers=resource_of,
    ),
    "sns": Sample(
        firing=published,
        resolved=lambda key, title: published(key, title, status="resolved"),
        broken=published("", ""),
        unnamed=published("x", "x", service=""),
        batch=None,
    ),
    "webhook": Sample(
        firing=lambda key, title: {"key": key, "title": title, "severity": "Critical", "service": "checkout"},
        resolved=lambda key, title: {"key": key, "title": title, "severity": "Critical", "service": "checkout", "status": "resolved"},
        broken={"severity": "critical"},
        unnamed={"title": "x"},
        batch=lambda items: items,
    ),
}

# A ping says nothing but that it came: see test_heartbeats.py.
PINGS = {"heartbeat"}
# Any bytes are a message.
NOT_JSON = {"email"}
kinds = pytest.mark.parametrize("kind", sorted(INTAKES.keys() - PINGS))


def read(kind: str, content: object, **more: str) -> Report:
    sample = SAMPLES[kind]
    given = {"path": sample.path, "headers": sample.headers(content), "options": sample.options, **more}
    return INTAKES[kind].read(request(kind, content, **given))  # type: ignore[arg-type]


def reports(kind: str, items: list[object], **more: str) -> list[Report]:
    """The items, read together where the format can say several things at once."""
    batch = SAMPLES[kind].batch
    return [read(kind, content, **more) for content in ([batch(items)] if batch else items)]


def signals(kind: str, items: list[object], **more: str) -> list[Signal]:
    return [signal for report in reports(kind, items, **more) for signal in report.signals]


def test_every_kind_of_the_contract_has_an_intake_and_a_sample() -> None:
    from buf.validate import validate_pb2

    rules = Integration.DESCRIPTOR.fields_by_name["kind"].GetOptions().Extensions[validate_pb2.field]
    assert set(getattr(rules.string, "in")) == set(INTAKES) == set(SAMPLES) | PINGS


@kinds
def test_what_fires_becomes_a_signal_in_our_words(kind: str) -> None:
    [report] = reports(kind, [SAMPLES[kind].firing("disk", "the disk is\nfull")])
    [signal] = report.signals
    assert (signal.title, signal.severity, signal.service) == ("the disk is full", "critical", "checkout")
    assert (signal.integration, signal.resolved, signal.starts_at) == ("door", False, NOON)
    assert INTAKES[kind].answer(report, Outcome(("a-1",))).status in (200, 202)


@kinds
def test_a_resolve_is_about_the_same_thing(kind: str) -> None:
    sample = SAMPLES[kind]
    if sample.resolved is None:
        pytest.skip("its ends are calls about the alert: see the tests of its API")
    items = [sample.firing("disk", "full"), sample.resolved("disk", "full"), sample.firing("cpu", "hot")]
    firing, resolved, other = signals(kind, items)
    assert firing.fingerprint == resolved.fingerprint != other.fingerprint
    assert resolved.resolved and resolved.ends_at is not None and resolved.ends_at <= NOON


@kinds
def test_a_bad_part_is_refused_and_the_good_ones_are_kept(kind: str) -> None:
    sample = SAMPLES[kind]
    read_ones = reports(kind, [sample.firing("disk", "full"), sample.broken, sample.firing("cpu", "hot")])
    assert sum(len(report.signals) for report in read_ones) == 2
    [report] = [report for report in read_ones if report.rejections]
    assert {rejection.index for rejection in report.rejections} == {1 if sample.batch else 0}
    answer = INTAKES[kind].answer(report, Outcome(("a-1",) * len(report.signals)))
    assert answer.status == sample.refused
    assert report.rejections[0].reason in json.dumps(json.loads(answer.body), ensure_ascii=False).replace('\\"', '"')


@pytest.mark.parametrize("kind", sorted(INTAKES.keys() - PINGS - NOT_JSON))
@pytest.mark.parametrize("body", [b"", b"{", b'{"a":', b"\xff\xfe", b"[" * 100_000, b'[{"labels": NaN}]', b"9" * 10_000])
def test_a_body_that_is_not_json_is_refused_in_words(kind: str, body: bytes) -> None:
    report = read(kind, body)
    assert report.refusal is not None and report.refusal.status == 400
    assert "JSON" in report.refusal.body.decode() or "nested" in report.refusal.body.decode()


@kinds
def test_another_method_is_refused(kind: str) -> None:
    for report in reports(kind, [SAMPLES[kind].firing("disk", "full")], method="GET"):
        assert report.refusal is not None and report.refusal.status == 405


@kinds
def test_hostile_text_is_made_harmless_and_long_text_short(kind: str) -> None:
    sample = SAMPLES[kind]
    title = "nul \0 half \ud800 "
    [signal] = signals(kind, [sample.firing("k", title + "x" * (sample.longest_title - len(title)))])
    assert "\0" not in signal.title and len(signal.title) <= 1_024
    signal.title.encode()


@kinds
def test_the_default_service_is_used_only_where_none_is_named(kind: str) -> None:
    sample = SAMPLES[kind]
    unnamed, named = signals(kind, [sample.unnamed, sample.firing("a", "b")], service="fallback")
    assert (unnamed.service, named.service) == ("fallback", "checkout")


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([NOON.isoformat(), "0001-01-01T00:00:00Z"])
)
field_names = st.sampled_from(
    ["labels", "annotations", "startsAt", "endsAt", "generatorURL", "alertname", "title", "key", "status", "url", "severity"]
) | st.text(max_size=5)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(field_names, inner, max_size=5), max_leaves=12)


@kinds
@given(value=values)
def test_no_json_breaks_it_and_what_it_reads_can_be_kept(kind: str, value: object) -> None:
    report = read(kind, json.dumps(value).encode())
    for signal in report.signals:
        texts = (signal.title, signal.description, signal.severity, signal.service, signal.source_url, signal.fingerprint)
        for text in (*texts, *signal.labels.values(), *signal.annotations.values()):
            assert "\0" not in text
            text.encode()
        assert signal.title and signal.fingerprint and signal.starts_at.tzinfo is not None
        assert all(LABEL_NAME.fullmatch(name) for name in signal.labels)
        assert signal.source_url == "" or signal.source_url.lower().startswith(("http://", "https://"))
    if report.refusal is None:
        INTAKES[kind].answer(report, Outcome(tuple("a" for _ in report.signals)))
