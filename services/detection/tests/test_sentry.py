"""What Sentry's integration platform sends."""

from datetime import timedelta
from pathlib import Path

import pytest
from detection_words import NOON, request

from tocsin_detection.intake import sentry
from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.signal import Signal

SAMPLES = Path(__file__).parent / "samples" / "sentry"
MINUTE = timedelta(minutes=1)


def read(content: object, resource: str = "event_alert", **more: str) -> Report:
    return sentry.read(request("sentry", content, headers={"sentry-hook-resource": resource}, **more))  # type: ignore[arg-type]


def only(sample: str, resource: str, **more: str) -> Signal:
    [signal] = read((SAMPLES / f"{sample}.json").read_bytes(), resource, **more).signals
    return signal


def test_an_issue_alert_fires() -> None:
    signal = only("event_alert", "event_alert", service="fallback")
    assert (signal.title, signal.severity, signal.service) == ("ZeroDivisionError: division by zero", "error", "checkout")
    assert signal.labels == {"rule": "Very Important Alert Rule!", "project": "42", "environment": "prod"}
    assert signal.annotations["server_name"] == "web-1" and signal.annotations["culprit"] == "checkout.cart in total"
    assert signal.source_url.startswith("https://sentry.example/organizations/shop/issues/1170820242/")
    assert signal.starts_at == NOON - timedelta(seconds=29, milliseconds=597)


def test_a_resolved_issue_ends_what_its_rule_opened() -> None:
    fired, ended = only("event_alert", "event_alert"), only("issue_resolved", "issue")
    assert ended.resolved and ended.fingerprint == fired.fingerprint and ended.by == "ada@example.com"


@pytest.mark.parametrize("action", ["created", "assigned", "unresolved", "escalating", ""])
def test_other_changes_of_an_issue_are_no_news(action: str) -> None:
    report = read({"action": action, "data": {"issue": {"id": "1", "title": "x"}}}, "issue")
    assert report == Report() and sentry.answer(report, Outcome(())).status == 202


def test_a_metric_alert_fires_and_ends_about_the_same_thing() -> None:
    fired, ended = only("metric_alert_critical", "metric_alert"), only("metric_alert_resolved", "metric_alert")
    assert fired.fingerprint == ended.fingerprint == "metric-7-31"
    assert (fired.title, fired.severity, fired.starts_at) == ("Critical: Too many errors", "critical", NOON - 10 * MINUTE)
    assert ended.resolved and ended.ends_at == NOON - MINUTE
    assert fired.description.endswith("Filter: level:error") and fired.annotations["aggregate"] == "count()"


def test_an_issue_and_a_metric_with_the_same_number_are_two_things() -> None:
    [issue] = read({"data": {"event": {"issue_id": 7, "title": "x"}}}).signals
    [metric] = read({"action": "critical", "data": {"metric_alert": {"id": 7, "title": "x"}}}, "metric_alert").signals
    assert issue.fingerprint != metric.fingerprint


@pytest.mark.parametrize("resource", ["error", "comment", "installation", "seer"])
def test_what_is_no_alert_is_accepted_and_left_alone(resource: str) -> None:
    assert read({"action": "created", "data": {}}, resource) == Report()


@pytest.mark.parametrize(
    ("content", "resource", "field"),
    [
        ({}, "event_alert", "data"),
        ({"data": {}}, "event_alert", "data.event"),
        ({"data": {"event": {"title": "x"}}}, "event_alert", "data.event.issue_id"),
        ({"data": {"metric_alert": {}}}, "metric_alert", "data.metric_alert.id"),
        ({"action": "resolved", "data": {"issue": []}}, "issue", "data.issue"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_field(content: object, resource: str, field: str) -> None:
    report = read(content, resource)
    assert report.rejections[0].reason.startswith(f"{field}: ")
    assert sentry.answer(report, Outcome(())).status == 400


def test_without_its_header_nobody_knows_what_it_is_about() -> None:
    refusal = read({"data": {}}, "").refusal
    assert refusal is not None and refusal.status == 400 and b"sentry-hook-resource" in refusal.body


def test_a_time_that_cannot_be_read_loses_no_alert() -> None:
    for given in ("soon", None, 7, "2126-01-01T00:00:00Z"):
        [signal] = read({"data": {"event": {"issue_id": "1", "title": "x", "datetime": given}}}).signals
        assert signal.starts_at == NOON
