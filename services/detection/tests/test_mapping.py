"""A sender's own JSON, read by expressions."""

import json
import re
from pathlib import Path

import pytest
import yaml
from detection_words import NOON
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.intake import webhook
from tocsin_detection.intake.intake import Outcome, Report, Request
from tocsin_detection.intake.mapping import problems_of
from tocsin_detection.integration import Integration, Mapping, Options

ZABBIX = json.loads((Path(__file__).parent / "samples/webhook/zabbix.json").read_text())
ZABBIX_MAPPING = Mapping(
    key='body.host + "/" + string(body.eventid)',
    title='body.trigger.name + " on " + body.host',
    severity="body.trigger.severity",
    state='body.value == "PROBLEM"',
    service='body.tags.filter(t, t.tag == "service")[0].value',
    url="body.trigger.url",
    labels='{"host": body.host, "via": headers["user-agent"]}',
)


def read(mapping: Mapping, content: object, **headers: str) -> Report:
    door = Integration("door", "webhook", "", "", NOON, options=Options(mapping=mapping))
    return webhook.read(Request(door, NOON, "POST", "/", json.dumps(content).encode(), {"user-agent": "zabbix", **headers}))


def test_a_foreign_object_becomes_a_signal() -> None:
    [signal] = read(ZABBIX_MAPPING, ZABBIX).signals
    assert (signal.fingerprint, signal.title, signal.severity) == ("db-1/4711", "Load is high on db-1", "disaster")
    assert (signal.service, signal.source_url, signal.resolved) == ("checkout", "https://zabbix.example/4711", False)
    assert signal.labels == {"host": "db-1", "via": "zabbix"}


def test_the_mapping_in_the_readme_reads_the_sample() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?kind: Integration\n.*?mapping:.*?)```", readme, re.DOTALL)
    mapping = Mapping(**yaml.safe_load(example)["spec"]["mapping"])
    assert list(problems_of(mapping)) == []
    [signal] = read(mapping, ZABBIX).signals
    assert (signal.title, signal.fingerprint, signal.service) == ("Load is high on db-1", "4711", "checkout")


def test_its_end_is_about_the_same_thing() -> None:
    [ended] = read(ZABBIX_MAPPING, {**ZABBIX, "value": "OK"}).signals
    assert ended.resolved and ended.fingerprint == "db-1/4711"


def test_several_objects_are_found_in_one_body() -> None:
    mapping = Mapping(items="body.checks.filter(c, c.bad)", title="body.name", key="body.name")
    report = read(mapping, {"checks": [{"name": "a", "bad": True}, {"name": "b", "bad": False}, {"name": "c", "bad": True}]})
    assert [signal.title for signal in report.signals] == ["a", "c"]


def test_what_is_not_mapped_keeps_its_usual_name() -> None:
    [signal] = read(Mapping(title="body.what"), {"what": "disk full", "key": "k", "severity": "high", "labels": {"a": 1}}).signals
    assert (signal.title, signal.fingerprint, signal.severity, signal.labels) == ("disk full", "k", "high", {"a": "1"})


def test_a_mapped_key_counts_and_no_other() -> None:
    [signal] = read(Mapping(key="string(body.id)"), {"id": 7, "dedup_key": "other", "title": "x"}).signals
    assert signal.fingerprint == "7"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [('"acknowledged"', (True, False)), ('"resolved"', (False, True)), ("false", (False, True)), ("true", (False, False))],
)
def test_the_state_is_a_word_or_whether_it_fires(state: str, outcome: tuple[bool, bool]) -> None:
    [signal] = read(Mapping(state=state), {"title": "x", "key": "k"}).signals
    assert (signal.acknowledged, signal.resolved) == outcome


def test_what_is_ignored_is_neither_kept_nor_refused() -> None:
    report = read(Mapping(state='"ignored"'), [{"title": "x"}, {"title": "y"}])
    assert report == Report()
    assert webhook.answer(report, Outcome(())).status == 202


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (Mapping(title="body.absent"), ("mapping.title", "absent", "(in body.absent)", "orValue")),
        (Mapping(title="body"), ("mapping.title", "map", "not a text")),
        (Mapping(labels="[1]"), ("mapping.labels", "list", "not a map")),
        (Mapping(labels='{"a": [1]}'), ("mapping.labels", "not a text")),
        (Mapping(labels='{"a-b": "1"}'), ("labels", "a-b")),
        (Mapping(state='"burning"'), ("status", "burning", "firing")),
        (Mapping(state="7"), ("status", "'7'")),
        (Mapping(url='"ftp://x"'), ("url",)),
        (Mapping(title="string(body.big.map(x, body.big.map(y, y)).size())"), ("mapping.title", "budget")),
    ],
)
def test_what_cannot_be_read_names_field_and_expression(mapping: Mapping, words: tuple[str, ...]) -> None:
    report = read(mapping, {"title": "x", "big": list(range(200))})
    [rejection] = report.rejections
    assert all(word in rejection.reason for word in words), rejection.reason


def test_one_object_that_cannot_be_read_loses_no_other() -> None:
    report = read(Mapping(title="body.name"), [{"name": "a"}, {}, {"name": "c"}])
    assert [signal.title for signal in report.signals] == ["a", "c"]
    assert [rejection.index for rejection in report.rejections] == [1]


def test_items_that_are_no_list_refuse_the_report() -> None:
    refusal = read(Mapping(items="body.title"), {"title": "x"}).refusal
    assert refusal is not None and refusal.status == 400 and b"mapping.items" in refusal.body


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("body.title +", "CEL"),
        ("nope.x", "nope"),
        ("a" * 30 + "(", "CEL"),
        ("(" * 600, "CEL"),
        ("body.a" + ".map(x, x)" * 4, "loops"),
        ("1+" * 21 + "1", "additions"),
    ],
)
def test_an_expression_that_cannot_be_used_is_told_by_its_field(expression: str, word: str) -> None:
    [(field, detail)] = problems_of(Mapping(title=expression))
    assert field == "title" and word in detail


def test_an_expression_that_doubles_its_text_again_and_again_is_refused() -> None:
    assert list(problems_of(Mapping(title="[body.t]" + ".map(x, x + x)" * 26 + "[0]")))


def test_long_texts_are_cut_before_a_loop_could_repeat_them() -> None:
    [signal] = read(Mapping(description="body.long"), {"title": "x", "long": "y" * 500_000}).signals
    assert len(signal.description) == 16_384


def test_a_body_that_loops_could_not_go_through_is_refused_and_others_are_not() -> None:
    """What a loop costs grows with the square of its items."""
    mapping = Mapping(title="body.t", labels='{"n": string(body.l.map(x, x + body.s).size())}')
    wide, fits = {"t": "a", "s": "y" * 900_000, "l": ["a"] * 201}, {"t": "b", "s": "y" * 900_000, "l": ["a"] * 200}
    report = read(mapping, [wide, fits])
    assert [signal.title for signal in report.signals] == ["b"]
    [rejection] = report.rejections
    assert rejection.index == 0 and "mapping.labels" in rejection.reason and "201 items" in rejection.reason


def test_a_loop_that_finds_the_objects_goes_through_as_many_as_a_report_may_have() -> None:
    mapping = Mapping(items="body.all.filter(c, c.bad)", title="body.name")
    assert len(read(mapping, {"all": [{"name": "x", "bad": True}] * 1_000}).signals) == 1_000
    refusal = read(mapping, {"all": [{"name": "x", "bad": True}] * 1_001}).refusal
    assert refusal is not None and b"1001 items" in refusal.body


@pytest.mark.parametrize("depth", [70, 900, 100_000])
def test_a_body_that_is_too_deep_is_refused(depth: int) -> None:
    body = b'{"title": "x", "a": ' + b"[" * depth + b"]" * depth + b"}"
    door = Integration("door", "webhook", "", "", NOON, options=Options(mapping=Mapping(title="body.title")))
    report = webhook.read(Request(door, NOON, "POST", "/", body, {}))
    assert report.refusal is not None or "deep" in report.rejections[0].reason


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "key", "a", "labels"]) | st.text(max_size=4), inner)
    ),
    max_leaves=10,
)


@given(content=values)
def test_no_body_breaks_a_mapping(content: object) -> None:
    mapping = Mapping(items="[body, body.a]", key="body.key", title="string(body.title)", state="body.a", labels="body.labels")
    for given_mapping in (mapping, ZABBIX_MAPPING, Mapping(title='"fixed"')):
        report = read(given_mapping, content)
        assert all(signal.title for signal in report.signals)
        for signal in report.signals:
            signal.title.encode()
            assert "\0" not in signal.title + signal.fingerprint
