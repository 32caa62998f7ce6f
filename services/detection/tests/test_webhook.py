"""The generic webhook: what a sender must say, and what it hears when it does not."""

import json

import pytest
from detection_words import request

from tocsin_detection.intake import webhook
from tocsin_detection.intake.intake import Outcome, Report


def read(content: object) -> Report:
    return webhook.read(request("webhook", content, path="/"))


def test_an_object_and_an_array_are_read() -> None:
    assert [signal.title for signal in read({"message": "one"}).signals] == ["one"]
    assert [signal.title for signal in read([{"title": "one"}, {"summary": "two"}]).signals] == ["one", "two"]


def test_everything_said_is_kept() -> None:
    [signal] = read(
        {
            "title": "disk full",
            "dedup_key": "db-1/disk",
            "severity": "HIGH",
            "service": "checkout",
            "description": "97 %",
            "labels": {"host": "db-1", "shard": 7, "primary": True, "empty": ""},
            "url": "https://mon.example/7",
            "unknown": {"is": "ignored"},
        }
    ).signals
    assert (signal.fingerprint, signal.severity, signal.service, signal.description) == ("db-1/disk", "high", "checkout", "97 %")
    assert signal.labels == {"host": "db-1", "shard": "7", "primary": "true"}
    assert (signal.source_url, signal.ends_at) == ("https://mon.example/7", None)


def test_without_a_key_title_and_labels_are_the_identity() -> None:
    first, same, other = read([{"title": "a", "labels": {"x": 1}}, {"title": "a", "labels": {"x": "1"}}, {"title": "a"}]).signals
    assert first.fingerprint == same.fingerprint != other.fingerprint


def test_a_resolve_needs_only_the_key() -> None:
    [signal] = read({"key": "db-1/disk", "status": "resolved"}).signals
    assert signal.resolved and signal.fingerprint == "db-1/disk"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "title"),
        ({"title": "  "}, "title"),
        ({"title": ["x"]}, "title"),
        ({"title": "x", "status": "broken"}, "status"),
        ({"title": "x", "labels": ["a"]}, "labels"),
        ({"title": "x", "labels": {"a-b": "c"}}, "labels"),
        ({"title": "x", "labels": {"a": {}}}, "labels"),
        ({"title": "x", "url": "ftp://x"}, "url"),
        ({"title": "x", "key": "k" * 513}, "key"),
        (["x"], "body"),
        ("x", "body"),
    ],
)
def test_a_refusal_names_the_field(content: object, field: str) -> None:
    report = read(content)
    [rejection] = report.rejections
    assert rejection.reason.startswith(f"{field}: ")
    answer = webhook.answer(report, Outcome(()))
    told = json.loads(answer.body)
    assert answer.status == 400
    assert told["error"] == rejection.reason and told["accepted"] == 0


def test_nothing_and_too_much_are_refused() -> None:
    for content in ([], [{"title": "x"}] * 1_001):
        refusal = read(content).refusal
        assert refusal is not None and refusal.status == 400 and json.loads(refusal.body)["error"].startswith("body: ")


def test_the_answer_names_each_alert_once() -> None:
    report = read([{"title": "a"}, {"title": "a"}, {"title": "b", "status": "resolved"}])
    answer = webhook.answer(report, Outcome(("a-1", "a-1", None)))
    assert (answer.status, json.loads(answer.body)) == (202, {"accepted": 3, "alerts": ["a-1"]})
