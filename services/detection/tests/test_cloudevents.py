"""CloudEvents 1.0 in its three modes over HTTP."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.intake import cloudevents
from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.integration import Mapping as FieldMapping
from tocsin_detection.integration import Options

SAMPLES = Path(__file__).parent / "samples" / "cloudevents"
STRUCTURED = (SAMPLES / "structured.json").read_bytes()
BATCH = (SAMPLES / "batch.json").read_bytes()
EVENT = {"specversion": "1.0", "id": "1", "source": "/m", "type": "t"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/m", "ce-type": "t", "content-type": "application/json"}


def read(content: object, content_type: str = "application/cloudevents+json", method: str = "POST", **options: object) -> Report:
    given = Options(**options)  # type: ignore[arg-type]
    return cloudevents.read(request("cloudevents", content, method=method, headers={"content-type": content_type}, options=given))


def binary(body: object = b"{}", **headers: str) -> Report:
    named = {f"ce-{name}" if name != "content_type" else "content-type": text for name, text in headers.items()}
    return cloudevents.read(request("cloudevents", body, headers={**BINARY, **named}))


def refused(report: Report) -> tuple[int, str]:
    assert report.refusal is not None and report.signals == ()
    return report.refusal.status, str(json.loads(report.refusal.body)["error"])


def test_a_structured_event_becomes_a_signal() -> None:
    for content_type in ("application/cloudevents+json", "application/cloudevents+json; charset=UTF-8", "Application/CloudEvents+JSON"):
        [signal] = read(STRUCTURED, content_type).signals
        assert (signal.title, signal.severity, signal.service) == ("disk full on db-1", "critical", "checkout")
        assert signal.labels == {"source": "/monitors/eu-1", "type": "com.example.disk.full", "subject": "db-1", "host": "db-1"}
        assert (signal.starts_at, signal.source_url) == (NOON - timedelta(minutes=2), "https://mon.example/db-1")


def test_the_same_event_in_binary_mode_is_the_same_signal() -> None:
    event = json.loads(STRUCTURED)
    headers = {f"ce-{name}": text for name, text in event.items() if name not in ("data", "datacontenttype")}
    given = {**headers, "content-type": "application/json"}
    [signal] = cloudevents.read(request("cloudevents", event["data"], headers=given)).signals
    [structured] = read(STRUCTURED).signals
    assert signal == structured


def test_source_and_id_are_the_delivery_and_source_type_subject_the_thing() -> None:
    [first] = read(EVENT).signals
    [again] = read(EVENT).signals
    [later] = read({**EVENT, "id": "2"}).signals
    [other] = read({**EVENT, "id": "2", "subject": "x"}).signals
    assert first.delivery == again.delivery != later.delivery
    assert first.fingerprint == later.fingerprint != other.fingerprint
    [foreign] = read({**EVENT, "source": "/m1"}).signals
    assert foreign.delivery != first.delivery
    assert (first.title, other.title) == ("t", "t: x")


def test_a_batch_is_not_taken_for_a_structured_event() -> None:
    """The batch's type begins with that of a single event."""
    batch = "application/cloudevents-batch+json"
    report = read(BATCH, batch, accepts_batches=True)
    assert [signal.title for signal in report.signals] == ["disk full on db-1", "com.example.disk.full: db-2"]
    assert report.signals[1].description == "disk full"
    [rejection] = report.rejections
    assert rejection.index == 2 and rejection.reason.startswith("specversion: '0.3'")
    answer = cloudevents.answer(report, Outcome(("a", "b")))
    assert answer.status == 400 and json.loads(answer.body)["accepted"] == 2
    assert read(STRUCTURED, batch, accepts_batches=True).refusal is not None
    assert read([], batch, accepts_batches=True) == Report()


def test_batches_are_taken_only_where_the_integration_says_so() -> None:
    status, error = refused(read(BATCH, "application/cloudevents-batch+json"))
    assert status == 415 and "accepts_batches" in error


@pytest.mark.parametrize("content_type", ["application/cloudevents+xml", "application/cloudevents+avro", "text/plain", ""])
def test_other_formats_are_refused_as_such(content_type: str) -> None:
    assert refused(read(STRUCTURED, content_type))[0] == 415


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": 7}, "source"),
        ({"type": None}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"my-extension": "x"}, "my-extension"),
        ({"Upper": "x"}, "Upper"),
        ({"nested": {}}, "nested"),
        ({"data": {}, "data_base64": "e30="}, "data_base64"),
        ({"data_base64": "%%"}, "data_base64"),
        ({"data_base64": 7}, "data_base64"),
        ({"data_base64": "ew=="}, "data"),
        ({"data": {"status": "burning"}}, "status"),
        ({"data": {"labels": {"a-b": "x"}}}, "labels"),
    ],
)
def test_an_event_that_is_not_valid_is_refused_by_its_field(change: Mapping[str, object], field: str) -> None:
    report = read({**EVENT, **change})
    [rejection] = report.rejections
    assert rejection.reason.startswith(f"{field}: ")
    assert cloudevents.answer(report, Outcome(())).status == 400


def test_values_of_headers_are_unquoted_and_decoded_once() -> None:
    [signal] = binary(type="Euro%20%E2%82%AC%20%F0%9F%98%80", subject='"a \\"quoted\\" text"').signals
    assert signal.labels["type"] == "Euro € 😀"
    assert signal.labels["subject"] == 'a "quoted" text'
    [once] = binary(subject="%2541").signals
    assert once.labels["subject"] == "%41"


@pytest.mark.parametrize("text", ["%C0%A0", "%FF", "%ED%A0%80"])
def test_a_header_that_is_not_utf_8_is_refused(text: str) -> None:
    [rejection] = binary(subject=text).rejections
    assert rejection.reason.startswith("ce-subject: ")


def test_a_binary_event_may_not_name_its_content_type_twice() -> None:
    [rejection] = binary(datacontenttype="text/plain").rejections
    assert rejection.reason.startswith("ce-datacontenttype: ")


def test_a_binary_event_carries_any_data() -> None:
    [text] = binary(b"disk full", content_type="text/plain").signals
    assert (text.title, text.description) == ("t", "disk full")
    [empty] = binary(b"", content_type="").signals
    assert empty.title == "t"
    [noise] = binary(b"\xff\x00\xfe", content_type="application/octet-stream").signals
    assert "\0" not in noise.description
    assert binary(b"{", content_type="application/json").rejections[0].reason.startswith("data: ")


def test_an_end_is_about_the_same_thing() -> None:
    [firing] = read({**EVENT, "data": {"title": "a"}}).signals
    [ended] = read({**EVENT, "id": "2", "time": "2026-11-23T11:59:00Z", "data": {"state": "resolved"}}).signals
    assert ended.resolved and ended.fingerprint == firing.fingerprint
    assert ended.ends_at == NOON - timedelta(minutes=1)


def test_a_mapping_reads_the_event_and_its_data() -> None:
    mapping = FieldMapping(
        title='body.data.rule + " in " + body.source', key="body.subject", state='body.type.endsWith(".fired")', service="body.team"
    )
    event = {**EVENT, "type": "rule.fired", "subject": "r1", "team": "checkout", "data": {"rule": "load", "severity": "high"}}
    [signal] = read(event, mapping=mapping).signals
    assert (signal.title, signal.fingerprint, signal.service, signal.severity) == ("load in /m", "r1", "checkout", "high")
    [ended] = read({**event, "type": "rule.over"}, mapping=mapping).signals
    assert ended.resolved and ended.fingerprint == "r1"
    assert read({**event, "data": {}}, mapping=mapping).rejections[0].reason.startswith("mapping.title: ")


def test_the_handshake_of_webhooks_is_answered() -> None:
    asked = request("cloudevents", b"", method="OPTIONS", headers={"webhook-request-origin": "eventgrid.example"})
    refusal = cloudevents.read(asked).refusal
    assert refusal is not None and refusal.status == 200
    assert refusal.headers["WebHook-Allowed-Origin"] == "eventgrid.example"
    assert refused(read(STRUCTURED, method="OPTIONS"))[0] == 405


texts = st.text(max_size=12)


@given(
    headers=st.dictionaries(st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-x", "ce-a-b"]), texts),
    body=st.binary(max_size=20),
    content_type=st.sampled_from(["", "application/json", "text/plain", "application/cloudevents", "application/cloudevents-batch"]),
)
def test_no_binary_event_breaks_it(headers: dict[str, str], body: bytes, content_type: str) -> None:
    given = {"ce-specversion": "1.0", "content-type": content_type, **headers}
    report = cloudevents.read(request("cloudevents", body, headers=given, options=Options(accepts_batches=True)))
    for signal in report.signals:
        assert "\0" not in signal.title + signal.description + "".join(signal.labels.values())
        signal.title.encode()
        assert signal.title and signal.fingerprint


attributes = st.dictionaries(
    st.sampled_from([*EVENT, "time", "data", "data_base64", "datacontenttype", "subject"]),
    st.none() | st.integers() | texts | st.dictionaries(st.sampled_from(["title", "status", "labels"]), texts | st.none()),
)


@given(change=attributes)
def test_no_structured_event_breaks_it(change: dict[str, object]) -> None:
    report = read({**EVENT, **change})
    assert len(report.signals) + len(report.rejections) <= 1
    for signal in report.signals:
        assert signal.title and signal.delivery
