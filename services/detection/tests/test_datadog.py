"""Datadog's webhooks, by our template and by its own."""

import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from detection_words import NOON, request

from tocsin_detection.intake import datadog
from tocsin_detection.intake.intake import Outcome, Report

SAMPLES = Path(__file__).parent / "samples" / "datadog"
OURS = json.loads((SAMPLES / "template_of_the_readme.json").read_text())
THEIRS = json.loads((SAMPLES / "default_payload.json").read_text())
FORM = {"content-type": "application/x-www-form-urlencoded"}


def read(content: object, **headers: str) -> Report:
    return datadog.read(request("datadog", content, headers={name.replace("_", "-"): text for name, text in headers.items()}))


def test_our_template_becomes_a_signal() -> None:
    [signal] = read(OURS).signals
    assert (signal.title, signal.severity, signal.service) == ("Load is high on db-1", "p2", "checkout")
    assert signal.fingerprint == "8c1f0a7be2d94c"
    assert signal.labels == {"env": "prod", "host": "db-1", "service": "checkout"}
    assert signal.tags == ("env:prod", "host:db-1", "service:checkout", "monitor")
    assert signal.starts_at == NOON - timedelta(seconds=30)
    assert signal.description.endswith("Look at the queue first.") and signal.annotations["metric"] == "system.load.1"


def test_the_template_in_the_readme_is_the_one_that_is_read() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    [template] = re.findall(r"```json\n(\{\"cycle_key\".*?\})\n```", readme, re.DOTALL)
    assert json.loads(template).keys() == OURS.keys()


def test_as_a_form_it_is_the_same_signal() -> None:
    [form] = datadog.read(request("datadog", urlencode(OURS).encode(), headers=FORM)).signals
    assert form == read(OURS).signals[0]


@pytest.mark.parametrize("transition", ["Triggered", "Re-Triggered", "Warn", "Re-Warn", "No Data", "Re-No Data", "Renotify", ""])
def test_what_is_no_recovery_fires(transition: str) -> None:
    [signal] = read({**OURS, "transition": transition, "type": "warning"}).signals
    assert not signal.resolved and signal.fingerprint == OURS["cycle_key"]


def test_a_recovery_ends_the_same_cycle() -> None:
    [signal] = read({**OURS, "transition": "Recovered", "type": "success"}).signals
    assert signal.resolved and signal.fingerprint == OURS["cycle_key"] and signal.ends_at == NOON


def test_their_own_payload_is_read_by_its_title() -> None:
    [fired] = read(THEIRS).signals
    [ended] = read({**THEIRS, "id": "8", "title": "[P1] [Recovered on {host:db-1,service:checkout}] Load is high"}).signals
    [other] = read({**THEIRS, "title": "[P1] [Triggered on {host:db-2,service:checkout}] Load is high"}).signals
    assert (fired.title, fired.severity, fired.service) == ("Load is high", "p1", "checkout")
    assert fired.fingerprint == ended.fingerprint != other.fingerprint
    assert ended.resolved and not fired.resolved
    assert fired.starts_at == NOON - timedelta(seconds=30)


def test_what_is_left_of_a_variable_says_nothing() -> None:
    [signal] = read({**OURS, "cycle_key": "$ALERT_CYCLE_KEY", "link": "$LINK", "tags": "$TAGS"}).signals
    assert (signal.fingerprint, signal.source_url, signal.tags) == (OURS["aggregation_key"], "", ())


def test_an_event_that_comes_again_is_the_same_delivery() -> None:
    first, again, other = (read(content).signals[0] for content in (OURS, OURS, {**OURS, "id": "9"}))
    assert first.delivery == again.delivery != other.delivery
    assert read({**OURS, "id": ""}).signals[0].delivery == ""


def test_without_a_title_it_is_refused() -> None:
    report = read({**OURS, "title": ""})
    assert report.rejections[0].reason.startswith("title: ") and datadog.answer(report, Outcome(())).status == 400


@pytest.mark.parametrize("body", [b"a=1&" * 200, b"\xff\xfe=x", b"title=%00"])
def test_no_form_breaks_it(body: bytes) -> None:
    report = datadog.read(request("datadog", body, headers=FORM))
    assert report.refusal is not None or all("\0" not in signal.title for signal in report.signals)


@pytest.mark.parametrize("date", ["", "soon", "-1", "9" * 13, "9" * 40, "٣", 1.5, None, {}])
def test_no_date_breaks_it(date: object) -> None:
    [signal] = read({**OURS, "date": date}).signals
    assert signal.starts_at <= NOON
