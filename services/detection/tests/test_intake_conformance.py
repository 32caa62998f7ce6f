"""What every kind of intake must do. A new kind is done when it passes."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st
from tocsin.detection.v1.integration_pb2 import Integration

from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.intake.registry import INTAKES
from tocsin_detection.signal import LABEL_NAME


@dataclass(frozen=True)
class Sample:
    """How a kind says the same few things."""

    firing: Callable[[str, str], object]
    resolved: Callable[[str, str], object]
    broken: object
    batch: Callable[[list[object]], object]


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
        batch=lambda items: items,
    ),
    "webhook": Sample(
        firing=lambda key, title: {"key": key, "title": title, "severity": "Critical", "service": "checkout"},
        resolved=lambda key, title: {"key": key, "title": title, "severity": "Critical", "service": "checkout", "status": "resolved"},
        broken={"severity": "critical"},
        batch=lambda items: items,
    ),
}

kinds = pytest.mark.parametrize("kind", sorted(INTAKES))


def read(kind: str, content: object, **more: str) -> Report:
    return INTAKES[kind].read(request(kind, content, **more))  # type: ignore[arg-type]


def test_every_kind_of_the_contract_has_an_intake_and_a_sample() -> None:
    from buf.validate import validate_pb2

    rules = Integration.DESCRIPTOR.fields_by_name["kind"].GetOptions().Extensions[validate_pb2.field]
    assert set(getattr(rules.string, "in")) == set(INTAKES) == set(SAMPLES)


@kinds
def test_what_fires_becomes_a_signal_in_our_words(kind: str) -> None:
    report = read(kind, SAMPLES[kind].batch([SAMPLES[kind].firing("disk", "the disk is\nfull")]))
    [signal] = report.signals
    assert (signal.title, signal.severity, signal.service) == ("the disk is full", "critical", "checkout")
    assert (signal.integration, signal.resolved, signal.starts_at) == ("door", False, NOON)
    assert INTAKES[kind].answer(report, Outcome(("a-1",))).status in (200, 202)


@kinds
def test_a_resolve_is_about_the_same_thing(kind: str) -> None:
    sample = SAMPLES[kind]
    firing, resolved, other = read(
        kind, sample.batch([sample.firing("disk", "full"), sample.resolved("disk", "full"), sample.firing("cpu", "hot")])
    ).signals
    assert firing.fingerprint == resolved.fingerprint != other.fingerprint
    assert resolved.resolved and resolved.ends_at is not None and resolved.ends_at <= NOON


@kinds
def test_a_bad_part_is_refused_and_the_good_ones_are_kept(kind: str) -> None:
    sample = SAMPLES[kind]
    report = read(kind, sample.batch([sample.firing("disk", "full"), sample.broken, sample.firing("cpu", "hot")]))
    assert len(report.signals) == 2
    assert [rejection.index for rejection in report.rejections] == [1]
    answer = INTAKES[kind].answer(report, Outcome(("a-1", "a-2")))
    assert answer.status == 400 and report.rejections[0].reason in json.dumps(json.loads(answer.body), ensure_ascii=False).replace(
        '\\"', '"'
    )


@kinds
@pytest.mark.parametrize("body", [b"", b"{", b'{"a":', b"\xff\xfe", b"[" * 100_000, b'[{"labels": NaN}]', b"9" * 10_000])
def test_a_body_that_is_not_json_is_refused_in_words(kind: str, body: bytes) -> None:
    report = read(kind, body)
    assert report.refusal is not None and report.refusal.status == 400
    assert "JSON" in report.refusal.body.decode() or "nested" in report.refusal.body.decode()


@kinds
def test_another_method_is_refused(kind: str) -> None:
    report = read(kind, SAMPLES[kind].batch([]), method="GET")
    assert report.refusal is not None and report.refusal.status == 405


@kinds
def test_hostile_text_is_made_harmless_and_long_text_short(kind: str) -> None:
    report = read(kind, SAMPLES[kind].batch([SAMPLES[kind].firing("k", "nul \0 half \ud800 " + "x" * 5_000)]))
    [signal] = report.signals
    assert "\0" not in signal.title and len(signal.title) <= 1_024
    signal.title.encode()


@kinds
def test_the_default_service_is_used_only_where_none_is_named(kind: str) -> None:
    unnamed = {"alertmanager": [{"labels": {"alertname": "x"}}], "webhook": {"title": "x"}}
    if kind not in unnamed:
        pytest.fail(f"say what a report of {kind} without a service looks like")
    assert read(kind, unnamed[kind], service="fallback").signals[0].service == "fallback"
    assert read(kind, SAMPLES[kind].batch([SAMPLES[kind].firing("a", "b")]), service="fallback").signals[0].service == "checkout"


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
    INTAKES[kind].answer(report, Outcome(tuple("a" for _ in report.signals)))
