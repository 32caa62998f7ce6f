"""The rules of Alertmanager's API v2 that its senders rely on."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import orjson
import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.intake import alertmanager
from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.signal import Signal

MINUTE = timedelta(minutes=1)


def read(*alerts: object, **more: str) -> Report:
    return alertmanager.read(request("alertmanager", list(alerts), **more))  # type: ignore[arg-type]


def only(alert: dict[str, object]) -> Signal:
    report = read({"labels": {"alertname": "X"}, **alert})
    assert report.rejections == ()
    return report.signals[0]


def test_a_missing_start_is_now_or_the_end_if_that_is_earlier() -> None:
    assert only({"endsAt": (NOON + MINUTE).isoformat()}).starts_at == NOON
    assert only({"endsAt": (NOON - MINUTE).isoformat()}).starts_at == NOON - MINUTE


@pytest.mark.parametrize("end", [{}, {"endsAt": "0001-01-01T00:00:00Z"}, {"endsAt": ""}, {"endsAt": None}])
def test_a_missing_end_is_the_resolve_timeout_and_marked_as_such(end: dict[str, object]) -> None:
    signal = only(end)
    assert (signal.ends_at, signal.ends_by_timeout, signal.resolved) == (NOON + 5 * MINUTE, True, False)


def test_an_end_in_the_past_resolves_and_one_in_the_future_does_not() -> None:
    assert only({"endsAt": NOON.isoformat()}).resolved
    firing = only({"endsAt": (NOON + MINUTE).isoformat()})
    assert (firing.resolved, firing.ends_by_timeout) == (False, False)


def test_go_times_with_nanoseconds_and_offsets_are_read() -> None:
    signal = only({"startsAt": "2026-11-23T12:30:00.123456789+01:00"})
    assert signal.starts_at == NOON - 30 * MINUTE + timedelta(microseconds=123456)


def test_a_label_without_value_is_no_label_and_identity_is_the_label_set() -> None:
    report = read(
        {"labels": {"alertname": "X", "host": ""}, "annotations": {"summary": "one"}},
        {"labels": {"alertname": "X"}, "annotations": {"summary": "two"}},
        {"labels": {"host": "a", "alertname": "X"}},
        {"labels": {"alertname": "X", "host": "a"}},
    )
    first, second, third, fourth = (signal.fingerprint for signal in report.signals)
    assert first == second != third == fourth
    assert report.signals[0].labels == {"alertname": "X"}


@pytest.mark.parametrize(
    ("alert", "word"),
    [
        ({"labels": {"host": ""}}, "labels"),
        ({}, "labels"),
        ({"labels": {"bad-name": "x"}}, "bad-name"),
        ({"labels": {"name\n": "x"}}, "name"),
        ({"labels": {"a": 5}}, "quotes"),
        ({"labels": {"a": "x" * 70_000}}, "annotations"),
        ({"labels": {"a": "b"}, "annotations": {"1st": "x"}}, "1st"),
        ({"labels": {"a": "b"}, "startsAt": NOON.isoformat(), "endsAt": (NOON - MINUTE).isoformat()}, "endsAt"),
        ({"labels": {"a": "b"}, "startsAt": "yesterday"}, "startsAt"),
        ({"labels": {"a": "b"}, "startsAt": "2026-11-23T07:00:00"}, "startsAt"),
        ("text", "object"),
    ],
)
def test_an_invalid_alert_is_refused_by_name_and_the_others_are_kept(alert: object, word: str) -> None:
    report = read({"labels": {"alertname": "X"}}, alert)
    assert len(report.signals) == 1
    answer = alertmanager.answer(report, Outcome(("a-1",)))
    told = json.loads(answer.body)
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert isinstance(told, str) and told.startswith("alert 1: ") and word in told


def test_an_alert_that_is_nested_too_deeply_is_refused_and_not_an_error_of_ours() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    report = alertmanager.read(request("alertmanager", b'[{"labels": {"a": "b"}, "annotations": ' + deep + b"}]"))
    assert report.refusal is not None and report.refusal.status == 400 and b"deep" in report.refusal.body


@pytest.mark.parametrize("start", [5, [], {}, True])
def test_a_start_that_is_no_text_is_refused(start: object) -> None:
    assert [rejection.reason for rejection in read({"labels": {"a": "b"}, "startsAt": start}).rejections] == ["startsAt: it is not a text"]


def test_success_is_200_without_a_body() -> None:
    for report in (read({"labels": {"alertname": "X"}}), read()):
        answer = alertmanager.answer(report, Outcome(()))
        assert (answer.status, answer.body, answer.content_type) == (200, b"", "")


def test_other_doors_and_methods_are_refused_as_alertmanager_does() -> None:
    for path, method, status in (("/api/v2/silences", "POST", 404), ("/api/v2/alerts", "GET", 405), ("/", "POST", 404)):
        refusal = read(path=path, method=method).refusal
        assert refusal is not None and refusal.status == json.loads(refusal.body)["code"] == status
    assert read({"labels": {"a": "b"}}, path="/prometheus/api/v2/alerts/").signals


def test_the_title_is_the_best_line_there_is() -> None:
    assert only({"annotations": {"summary": "high load", "description": "more"}}).title == "high load"
    assert only({}).title == "X"
    assert read({"labels": {"host": "a", "zone": "b"}}).signals[0].title == "host=a, zone=b"


def test_links_that_a_browser_must_not_follow_are_dropped() -> None:
    assert only({"generatorURL": "http://prom/graph"}).source_url == "http://prom/graph"
    assert only({"generatorURL": "javascript:alert(1)"}).source_url == ""


def test_an_alert_that_explains_too_much_is_cut_and_not_lost() -> None:
    signal = only({"annotations": {f"a{number}": "x" * 10_000 for number in range(90)}})
    assert sum(len(text) for text in signal.annotations.values()) < 131_072


TEXTS = st.text(max_size=6)
WHOLE = st.integers(-9, 9)
STATEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(st.sampled_from(["alertname", "host", "service", "1st", "käse"]), TEXTS | WHOLE, max_size=3),
        "annotations": st.none() | st.dictionaries(st.sampled_from(["summary", "title"]), TEXTS | st.none(), max_size=2),
        "startsAt": st.sampled_from([NOON.isoformat(), "", "2026-11-23", 5, None]),
        "endsAt": st.sampled_from([(NOON + MINUTE).isoformat(), (NOON - MINUTE).isoformat(), "never", [], None]),
        "generatorURL": TEXTS | st.just("http://prom/graph") | st.just({}),
        "of its own": WHOLE | TEXTS,
    },
)


@given(st.lists(STATEMENTS | WHOLE | TEXTS, max_size=4), st.sampled_from([json.dumps, orjson.dumps, partial(json.dumps, indent=1)]))
def test_an_alert_means_the_same_whatever_stands_beside_it(alerts: list[object], written: Callable[[object], str | bytes]) -> None:
    """What stands beside it decides whether all are read at once, or each by itself."""
    text = written(alerts)
    together = alertmanager.read(request("alertmanager", text if isinstance(text, bytes) else text.encode()))
    reports = [read(alert, "\0") for alert in alerts]
    assert [signal for report in reports for signal in report.signals] == list(together.signals)
    wrong = [index for index, report in enumerate(reports) if not report.signals]
    assert [rejection.index for rejection in together.rejections] == wrong
    assert [rejection.reason for rejection in together.rejections] == [reports[index].rejections[0].reason for index in wrong]
