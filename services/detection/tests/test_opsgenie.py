"""Opsgenie's Alert API: what its fields become, and what is wrong with them."""

from datetime import timedelta

import pytest
from detection_words import NOON, CountedIds, request
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.alert import Alert, Verdict, observe
from tocsin_detection.intake import opsgenie
from tocsin_detection.intake.intake import Outcome, Report
from tocsin_detection.intake.opsgenie_api.actions import ACTIONS, NotDone
from tocsin_detection.intake.opsgenie_api.shapes import alert_in_full
from tocsin_detection.intake.opsgenie_fields import Fields


def read(content: object, alias: str = "") -> Report:
    return opsgenie.read(request("opsgenie", content, path="/v2/alerts", service="checkout"), alias)


def errors(**fields: object) -> set[str]:
    report = read({"message": "disk full", **fields})
    return {rejection.reason.split(": ")[0] for rejection in report.rejections}


def alert(**fields: object) -> Alert:
    [signal] = read({"message": "disk full", "alias": "disk", "tags": ["db"], "actions": ["restart"], **fields}).signals
    opened = observe(None, signal, NOON, CountedIds()).alert
    assert opened is not None
    return opened


def act(found: Alert, name: str, content: dict[str, object] | None = None, method: str = "POST") -> Alert:
    action = ACTIONS[method, name]
    fields = Fields(content or {})
    change = action.read(fields)
    assert fields.errors == {}
    after = action.decide(change, found, "ada", "", NOON + timedelta(seconds=5)).alert
    assert after is not None
    return after


def test_every_field_is_kept_and_the_common_ones_speak_our_words() -> None:
    [signal] = read(
        {
            "message": "disk full",
            "alias": "db-1/disk",
            "description": "95 %",
            "responders": [{"type": "team", "name": "sre"}, {"type": "user", "username": "ada"}],
            "visibleTo": [{"type": "team", "id": "42"}],
            "actions": ["restart"],
            "tags": ["db", "db", " disk "],
            "details": {"host": "db-1", "percent": 95, "paged": True, "nothing": None},
            "entity": "db-1",
            "source": "nagios",
            "user": "ada",
            "note": "look at it",
            "priority": "p1",
        }
    ).signals
    assert (signal.fingerprint, signal.title, signal.description, signal.severity) == ("db-1/disk", "disk full", "95 %", "critical")
    assert (signal.tags, signal.by, signal.note) == (("db", "disk"), "ada", "look at it")
    assert signal.annotations == {"host": "db-1", "percent": "95", "paged": "true"}
    assert signal.labels == {"entity": "db-1", "source": "nagios", "team": "sre"}
    assert signal.service == "checkout"
    assert signal.sender_fields["responders"] == [{"type": "team", "name": "sre"}, {"type": "user", "username": "ada"}]


def test_a_message_is_enough_and_its_priority_is_p3() -> None:
    [signal] = read({"message": "disk full"}, alias="made-up").signals
    assert (signal.fingerprint, signal.severity, signal.sender_fields) == ("made-up", "warning", {"priority": "P3"})


@pytest.mark.parametrize(
    ("field", "longest", "too_long"),
    [
        ("message", "x" * 130, "x" * 131),
        ("alias", "x" * 512, "x" * 513),
        ("description", "x" * 15_000, "x" * 15_001),
        ("entity", "x" * 512, "x" * 513),
        ("source", "x" * 100, "x" * 101),
        ("user", "x" * 100, "x" * 101),
        ("note", "x" * 25_000, "x" * 25_001),
        ("tags", [f"{n}".rjust(50) for n in range(20)], [str(n) for n in range(21)]),
        ("tags", ["x" * 50], ["x" * 51]),
        ("actions", [str(n) for n in range(10)], [str(n) for n in range(11)]),
        ("actions", ["x" * 50], ["x" * 51]),
        ("details", {"k": "x" * 7_999}, {"k": "x" * 8_000}),
        ("responders", [{"type": "user", "id": str(n)} for n in range(50)], [{"type": "user", "id": str(n)} for n in range(51)]),
        ("visibleTo", [{"type": "team", "id": str(n)} for n in range(50)], [{"type": "team", "id": str(n)} for n in range(51)]),
        ("priority", "P5", "P6"),
    ],
)
def test_each_field_has_its_limit(field: str, longest: object, too_long: object) -> None:
    assert errors(**{field: longest}) == set()
    assert errors(**{field: too_long}) == {field}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("message", {}),
        ("message", " "),
        ("tags", [["a"]]),
        ("tags", 5),
        ("details", []),
        ("details", {"a": {}}),
        ("responders", {}),
        ("responders", [{"type": "robot", "id": "1"}]),
        ("responders", [{"type": "team"}]),
        ("visibleTo", [{"type": "schedule", "id": "1"}]),
    ],
)
def test_a_field_of_another_kind_is_refused_by_name(field: str, wrong: object) -> None:
    assert errors(**{field: wrong}) == {field}


def test_all_that_is_wrong_is_told_at_once_by_field() -> None:
    report = read({"priority": "P9", "tags": 5})
    answer = opsgenie.answer(report, Outcome(()))
    assert answer.status == 422
    assert set(opsgenie.object_of(answer.body)["errors"]) == {"message", "priority", "tags"}


def test_creating_it_again_only_counts() -> None:
    changed = act(act(alert(), "message", {"message": "other words"}, "PUT"), "assign", {"owner": {"username": "bob"}})
    [again] = read({"message": "disk full", "alias": "disk", "tags": ["web"], "priority": "P1"}).signals
    decision = observe(changed, opsgenie.repeating(again, changed), NOON, CountedIds())
    assert decision.verdict is Verdict.REPEATED and decision.alert is not None
    assert (decision.alert.title, decision.alert.occurrences, decision.alert.tags) == ("other words", 2, ("db",))


def test_what_is_done_to_it_shows() -> None:
    found = alert()
    found = act(found, "tags", {"tags": ["disk", "db"]})
    found = act(found, "tags", {"tags": "db"}, "DELETE")
    found = act(found, "details", {"details": {"a": "1", "b": "2"}})
    found = act(found, "details", {"keys": "a"}, "DELETE")
    found = act(found, "responders", {"responder": {"type": "user", "username": "bob"}})
    found = act(found, "teams", {"team": {"name": "net"}})
    found = act(found, "escalate", {"escalation": {"name": "second"}})
    found = act(found, "priority", {"priority": "P1"}, "PUT")
    found = act(found, "description", {"description": "new"}, "PUT")
    found = act(found, "acknowledge")
    found = act(found, "snooze", {"endTime": (NOON + timedelta(hours=1)).isoformat()})
    shown = alert_in_full(found)
    assert (shown["tags"], shown["details"], shown["priority"], shown["description"]) == (["disk"], {"b": "2"}, "P1", "new")
    assert (shown["acknowledged"], shown["owner"], shown["snoozed"]) == (True, "ada", True)
    assert [(party["type"], party["id"]) for party in shown["responders"]] == [  # type: ignore[attr-defined]
        ("user", "bob"),
        ("team", "net"),
        ("escalation", "second"),
    ]
    ended = act(found, "close")
    shown = alert_in_full(ended)
    assert (shown["status"], shown["report"]) == (
        "closed",
        {"ackTime": 5_000, "acknowledgedBy": "ada", "closeTime": 5_000, "closedBy": "ada"},
    )
    assert ended.occurrences == 1


def test_what_cannot_be_done_now_is_said() -> None:
    found = alert()
    taken, ended = act(found, "acknowledge"), act(found, "close")
    past = {"endTime": NOON.isoformat()}
    many = {"tags": [str(n) for n in range(20)]}
    for subject, name, content in [
        (taken, "acknowledge", {}),
        (found, "unacknowledge", {}),
        (ended, "close", {}),
        (ended, "assign", {"owner": {"id": "1"}}),
        (found, "snooze", past),
        (found, "tags", many),
    ]:
        with pytest.raises(NotDone):
            act(subject, name, content)  # type: ignore[arg-type]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8
)
names = st.sampled_from(
    ["message", "endTime", "tags", "keys", "details", "responder", "team", "owner", "escalation", "priority", "note", "type"]
)


@given(st.sampled_from(sorted(ACTIONS)), st.dictionaries(names, values, max_size=6))
def test_no_body_breaks_an_action(key: tuple[str, str], content: dict[str, object]) -> None:
    fields = Fields(content)
    action = ACTIONS[key]
    change = action.read(fields)
    if not fields.errors:
        try:
            action.decide(change, alert(), "ada", "", NOON)
        except NotDone as error:
            assert str(error)
