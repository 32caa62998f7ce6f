"""Alertmanager's webhook: what it sends, as recorded, and what other versions and hands make of it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from detection_service import Door, door
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st
from tocsin.detection.v1.alert_pb2 import Alert

from tocsin_detection.intake import alertmanager_webhook
from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.signal import LABEL_NAME
from tocsin_testkit.world import World

SAMPLES = Path(__file__).parent / "samples" / "alertmanager-webhook"
FIRING, RESOLVED = "0.25_firing_truncated.json", "0.25_resolved.json"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def read(content: object, **more: Any) -> Report:
    return alertmanager_webhook.read(request("alertmanager-webhook", content, path="/", **more))


def group(*alerts: object, **more: object) -> dict[str, Any]:
    return {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": list(alerts), **more}


def alert(**more: object) -> dict[str, Any]:
    return {"status": "firing", "labels": {"alertname": "HighLoad"}, "endsAt": "0001-01-01T00:00:00Z", **more}


def test_a_recorded_notification_is_understood() -> None:
    first, second = read(sample(FIRING), at=NOON + timedelta(days=1)).signals
    assert (first.title, first.description, first.severity) == ("load of db-1 is high", "load 17", "page")
    assert (first.fingerprint, second.fingerprint) == ("93ed75824736ef3e", "b5a40d25901e8d29")
    assert (first.ends_at, first.resolved, f"{first.starts_at:%H:%M:%S.%f}") == (None, False, "01:26:15.909769")
    assert first.source_url == "http://prometheus.example:9090/graph?g0.expr=node_load1"
    assert second.source_url == "http://alertmanager.example:9093"
    assert first.labels["instance"] == "db-1:9100"
    assert first.labels["group_key"] == second.labels["group_key"] == '{}/{alertname=~".+"}:{alertname="HighLoad"}'
    assert first.annotations["truncated_alerts"].endswith("raise its max_alerts")


def test_a_recorded_end_is_about_the_same_alerts() -> None:
    firing, ended = (read(sample(name), at=NOON + timedelta(days=1)).signals for name in (FIRING, RESOLVED))
    assert [one.fingerprint for one in firing] == [one.fingerprint for one in ended]
    assert all(one.resolved and f"{one.ends_at:%H:%M:%S}" == "01:26:19" for one in ended)


def test_the_status_of_an_alert_counts_before_that_of_its_group() -> None:
    silent = {"labels": {"alertname": "x"}}
    ended, firing, as_group = read(group(alert(status="resolved"), alert(), silent, status="firing")).signals
    assert [ended.resolved, firing.resolved, as_group.resolved] == [True, False, False]
    [as_group] = read(group(silent, status="resolved")).signals
    assert as_group.resolved and as_group.ends_at == NOON


def test_a_firing_alert_ends_only_when_its_sender_says_so() -> None:
    past, future = (NOON + hours * timedelta(hours=1) for hours in (-1, 1))
    signals = read(group(*(alert(endsAt=end.isoformat()) for end in (past, future)))).signals
    assert [(one.resolved, one.ends_at) for one in signals] == [(False, None)] * 2


def test_an_end_in_the_future_of_a_resolved_alert_is_now() -> None:
    [one] = read(group(alert(status="resolved", endsAt=(NOON + timedelta(minutes=3)).isoformat()))).signals
    assert one.ends_at == NOON


def test_without_a_fingerprint_the_labels_are_the_identity() -> None:
    same = alert(labels={"alertname": "HighLoad"}, annotations={"summary": "other words"})
    first, second, other = read(group(alert(), same, alert(labels={"alertname": "HighLoad", "a": "b"}))).signals
    assert first.fingerprint == second.fingerprint != other.fingerprint
    dotted, scored = read(group(alert(labels={"a.b": "x"}), alert(labels={"a_b": "x"}))).signals
    assert dotted.labels["a_b"] == scored.labels["a_b"] == "x" and dotted.fingerprint != scored.fingerprint


def test_newer_fields_are_ignored_and_newer_names_made_legal() -> None:
    content = group(
        alert(labels={"service.name": "x", "größe": "y", "7": "z"}, new=1), routeLabels={"a": "b"}, notification_reason="new group"
    )
    [one] = read(content).signals
    assert dict(one.labels) == {"group_key": "{}:{}", "service_name": "x", "gr__e": "y", "_7": "z"}


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("x", "JSON object"),
        (alert(labels=None), "labels: "),
        (alert(labels={"a": ""}), "labels: "),
        (alert(labels={"a": 7}), "labels: "),
        (alert(labels={"a": "x" * 70_000}), "labels: "),
        (alert(annotations=["x"]), "annotations: "),
        (alert(status="open"), "status: "),
        (alert(startsAt="yesterday"), "startsAt: "),
        (alert(endsAt=7, status="resolved"), "endsAt: "),
    ],
)
def test_a_refusal_names_the_alert_and_the_field(part: object, field: str) -> None:
    report = read(group(alert(), part))
    told = alertmanager_webhook.answer(report, Outcome(("a-1",)))
    said = json.loads(told.body)
    assert (told.status, said["accepted"]) == (400, 1)
    assert said["errors"][0].startswith("alerts[1]: ") and field in said["errors"][0]


@pytest.mark.parametrize("content", [[], {"title": "disk full"}, {"alerts": {}}, {"state": "alerting", "ruleName": "old"}])
def test_another_payload_is_shown_the_way_out(content: object) -> None:
    refusal = read(content).refusal
    assert refusal is not None and refusal.status == 400
    [error] = json.loads(refusal.body)["errors"]
    assert '"webhook" with a mapping' in error


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=10
)
texts = st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=4)
ALERT_FIELDS = ("status", "startsAt", "endsAt", "generatorURL", "fingerprint", "values", "valueString", "dashboardURL", "silenceURL")
BODY_FIELDS = ("version", "groupKey", "status", "truncatedAlerts", "orgId", "externalURL", "receiver", "title", "state")
spoiled_alert = anything | st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(ALERT_FIELDS, anything), "labels": anything | texts, "annotations": anything | texts}
)
spoiled_body = st.fixed_dictionaries({}, optional=dict.fromkeys(BODY_FIELDS, anything))


@given(body=spoiled_body, spoilt=spoiled_alert)
def test_nothing_breaks_it_and_no_neighbour_is_lost(body: dict[str, Any], spoilt: object) -> None:
    report = read({**body, "alerts": [alert(fingerprint="a"), spoilt, alert(status="resolved", fingerprint="b")]})
    assert len(report.signals) + len(report.rejections) == 3
    assert {rejection.index for rejection in report.rejections} <= {1}
    assert (report.signals[0].fingerprint, report.signals[-1].fingerprint) == ("a", "b")
    for one in report.signals:
        for text in (one.title, one.fingerprint, one.source_url, *one.labels.values(), *one.annotations.values()):
            assert "\0" not in text
            text.encode()
        assert one.title and one.fingerprint
        assert all(LABEL_NAME.fullmatch(name) for name in (*one.labels, *one.annotations))
    assert alertmanager_webhook.answer(report, Outcome((None,) * len(report.signals))).status in (200, 400)


@given(body=st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    refusal = read(body).refusal
    assert refusal is not None and refusal.status == 400


@pytest.fixture(name="hook")
async def _hook(world: World) -> AsyncIterator[Door]:
    async with door(world, "alertmanager-webhook") as opened:
        yield opened


async def test_a_notification_opens_and_its_end_resolves(hook: Door) -> None:
    for _ in range(2):
        assert (await hook.send(sample(FIRING))).status == 200
    opened = await hook.alerts()
    assert [one.state for one in opened] == [Alert.STATE_OPEN] * 2
    assert {one.occurrences for one in opened} == {2}
    assert (await hook.send(sample(RESOLVED))).status == 200
    ended = await hook.alerts()
    assert {one.id: one.state for one in ended} == {one.id: Alert.STATE_RESOLVED for one in opened}
