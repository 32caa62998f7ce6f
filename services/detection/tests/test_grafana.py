"""Grafana's webhook, told from Alertmanager's by its body, whichever door it comes through."""

from datetime import timedelta
from pathlib import Path

import pytest
from detection_words import NOON, request

from tocsin_detection.intake.intake import Report
from tocsin_detection.intake.registry import INTAKES

SAMPLE = (Path(__file__).parent / "samples" / "grafana" / "firing.json").read_bytes()
ALERTMANAGERS = (Path(__file__).parent / "samples" / "alertmanager-webhook" / "0.25_resolved.json").read_bytes()

doors = pytest.mark.parametrize("kind", ["grafana", "alertmanager-webhook"])


def read(kind: str, content: object, method: str = "POST") -> Report:
    return INTAKES[kind].read(request(kind, content, path="/", method=method))


@doors
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_everything_that_grafana_says_is_kept(kind: str, method: str) -> None:
    report = read(kind, SAMPLE, method)
    firing, ended = report.signals
    assert (firing.title, firing.severity, firing.fingerprint) == ("memory of checkout is high", "warning", "c6eadffa33fcdf37")
    assert firing.starts_at == NOON - timedelta(minutes=8, seconds=56, microseconds=842924)
    assert (firing.ends_at, firing.resolved) == (None, False)
    assert firing.labels["service_name"] == "checkout" and firing.labels["group_key"] == '{}:{grafana_folder="Shop"}'
    assert firing.source_url == "https://grafana.example/alerting/grafana/afz29v7z/view?orgId=1"
    assert dict(firing.annotations) == {
        "summary": "memory of checkout is high",
        "runbook_url": "https://wiki.example/memory",
        "dashboard_url": "https://grafana.example/d/shop?orgId=1",
        "panel_url": "https://grafana.example/d/shop?orgId=1&viewPanel=4",
        "silence_url": "https://grafana.example/alerting/silence/new?alertmanager=grafana",
        "image_url": "https://grafana.example/render/4.png",
        "values": "B=44.23943737541908, C=1",
    }
    assert (ended.title, ended.resolved, ended.ends_at) == ("High load", True, NOON - timedelta(minutes=5))


@doors
def test_alertmanagers_body_is_read_at_both_doors(kind: str) -> None:
    assert [signal.resolved for signal in read(kind, ALERTMANAGERS).signals] == [True, True]


def test_what_only_grafana_says_is_not_read_from_alertmanagers_body() -> None:
    alert = {"labels": {"alertname": "x"}, "panelURL": "https://grafana.example"}
    plain, grafanas = ({"version": version, "alerts": [alert]} for version in ("4", "1"))
    assert not read("grafana", plain).signals[0].annotations
    assert read("grafana", grafanas).signals[0].annotations == {"panel_url": "https://grafana.example"}


def test_values_of_older_versions_are_kept_as_they_came() -> None:
    alert = {"labels": {"alertname": "x"}, "values": None, "valueString": "[ metric='' value=14 ]"}
    [signal] = read("grafana", {"orgId": 1, "alerts": [alert]}).signals
    assert signal.annotations == {"values": "[ metric='' value=14 ]"}
