"""Laws of an incident's life: any sequence of commands, legal and illegal, leaves it in a legal state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kernel.errors import Conflict
from tocsin_triage.incident import (
    Acknowledged,
    AttachedAlert,
    Incident,
    IsResolved,
    NotAcknowledgeable,
    NotReopenable,
    Resolved,
    Severity,
    SeverityChanged,
    State,
    Unacknowledged,
    opened,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
ALERT = AttachedAlert("a1", "disk is full", True, START, "together by alertname=DiskFull", "", 1)
NEW = Incident("i1", 1, "disk is full", "", State.OPEN, Severity.SEV3, "shop", "key", "policy", "team", START)

people = st.sampled_from(["alice", "bob"])
commands = st.one_of(
    st.tuples(st.just("attach")),
    st.tuples(st.just("acknowledge"), people),
    st.tuples(st.just("unacknowledge"), people),
    st.tuples(st.just("resolve"), people),
    st.tuples(st.just("alert_ended")),
    st.tuples(st.just("reopen"), people, st.booleans()),
    st.tuples(st.just("put_aside"), people),
    st.tuples(st.just("taken_up")),
    st.tuples(st.just("change_severity"), st.sampled_from(Severity), people),
    st.tuples(st.just("worsen"), st.sampled_from(Severity)),
)


def obey(incident: Incident, command: tuple, at: datetime):
    match command:
        case ("attach",):
            return incident.attach(ALERT) if incident.state is not State.RESOLVED else None
        case ("acknowledge", who):
            return incident.acknowledge(who, at)
        case ("unacknowledge", who):
            return incident.unacknowledge(who, "nothing followed in 30 min", at)
        case ("resolve", who):
            return incident.resolve(who, "done", at)
        case ("alert_ended",):
            return incident.alert_ended("silence", at) if incident.open_alert_count else None
        case ("reopen", who, keeps):
            return incident.reopen(who, "it is back", at, keeps_group=keeps)
        case ("put_aside", who):
            return incident.put_aside(who, at) if incident.open_alert_count else None
        case ("taken_up",):
            return incident.taken_up("it is time", at)
        case ("change_severity", severity, who):
            return incident.change_severity(severity, who, "seen worse", at)
        case ("worsen", severity):
            return incident.worsen(severity, "the sender says so", at)


def assert_legal(incident: Incident) -> None:
    assert (incident.state is State.RESOLVED) == (incident.resolved_at is not None)
    assert incident.acknowledged_at is not None or not incident.acknowledged_by
    assert incident.state is not State.ACKNOWLEDGED or incident.acknowledged_by
    assert incident.state is not State.OPEN or not incident.acknowledged_by
    assert 0 <= incident.open_alert_count <= incident.alert_count
    assert bool(incident.resolve_reason) == (incident.state is State.RESOLVED)
    assert incident.aside_by in ("", incident.acknowledged_by)


@given(st.booleans(), st.lists(commands, max_size=30))
def test_any_sequence_of_commands_stays_legal(by_alert: bool, sequence: list[tuple]) -> None:
    incident = opened(NEW, ALERT if by_alert else None).state
    for minute, command in enumerate(sequence):
        try:
            decision = obey(incident, command, START + timedelta(minutes=minute))
        except Conflict:
            continue
        if decision is None:
            continue
        versions = [incident.version, *(fact.incident.version for fact in decision.facts)]
        assert versions == list(range(incident.version, incident.version + len(decision.facts) + 1)), "each fact has its own, next version"
        assert decision.state.version == versions[-1]
        if incident.state is State.RESOLVED and command[0] != "reopen":
            assert decision.state.state is State.RESOLVED
        if decision.facts:
            assert decision.facts[-1].incident == decision.state
        incident = decision.state
        assert_legal(incident)


@given(st.lists(commands, max_size=20), people)
def test_a_resolved_incident_is_never_acknowledged(sequence: list[tuple], who: str) -> None:
    incident = opened(NEW, ALERT).state
    for command in sequence:
        try:
            decision = obey(incident, command, START)
        except Conflict:
            continue
        incident = decision.state if decision else incident
    over = incident.resolve(who, "done", START).state
    with pytest.raises(NotAcknowledgeable):
        over.acknowledge(who, START)


def test_an_acknowledgement_is_kept_and_taken_over() -> None:
    taken = NEW.acknowledge("alice", START).state
    again = taken.acknowledge("alice", START + timedelta(minutes=1))
    assert (again.state, again.facts) == (taken, ())
    over = taken.acknowledge("bob", START + timedelta(minutes=2))
    assert (over.state.acknowledged_by, over.state.acknowledged_at) == ("bob", START)
    assert isinstance(over.facts[0], Acknowledged)


def test_an_acknowledgement_that_nothing_followed_does_not_count_any_more() -> None:
    taken = NEW.acknowledge("alice", START).state
    later = START + timedelta(hours=1)
    assert taken.unacknowledge("bob", "nothing followed", later).facts == (), "somebody else has it by now"
    waiting = taken.unacknowledge("alice", "nothing followed", later)
    assert waiting.facts == (Unacknowledged(waiting.state, "alice", "nothing followed", later),)
    assert (waiting.state.state, waiting.state.acknowledged_by, waiting.state.opened_at) == (State.OPEN, "", START)
    again = waiting.state.acknowledge("alice", later)
    assert (again.state.state, again.state.acknowledged_at) == (State.ACKNOWLEDGED, START), "the first time counts"


def test_the_last_open_alert_ends_the_incident_and_not_before() -> None:
    two = opened(NEW, ALERT).state.attach(ALERT).state
    one = two.alert_ended("silence", START)
    assert (one.state.state, one.facts, one.state.version) == (State.OPEN, (), two.version)
    none = one.state.alert_ended("silence", START)
    assert none.state.state is State.RESOLVED
    assert none.state.resolved_by == ""
    assert "silence" in none.state.resolve_reason
    assert isinstance(none.facts[0], Resolved)


def test_a_reopened_incident_is_as_new_and_tells_who() -> None:
    over = NEW.acknowledge("alice", START).state.resolve("alice", "fixed", START).state
    later = START + timedelta(hours=1)
    again = over.reopen("bob", "it is back", later, keeps_group=False)
    assert again.state.opened_at == later
    assert (again.state.state, again.state.acknowledged_by, again.state.group_key) == (State.OPEN, "", None)
    assert (again.facts[0].reopened_by, again.facts[0].reason) == ("bob", "it is back")
    with pytest.raises(NotReopenable):
        again.state.reopen("bob", "", later, keeps_group=True)


def test_alerts_only_make_it_worse_and_never_against_a_person() -> None:
    assert NEW.worsen(Severity.SEV4, "no", START).facts == ()
    worse = NEW.worsen(Severity.SEV1, "the sender says so", START)
    assert worse.state.severity is Severity.SEV1
    assert isinstance(worse.facts[0], SeverityChanged)
    assert (worse.facts[0].before, worse.facts[0].changed_by, worse.facts[0].at) == (Severity.SEV3, "", START)
    judged = worse.state.change_severity(Severity.SEV4, "alice", "a false alarm", START).state
    assert judged.worsen(Severity.SEV1, "again", START).state == judged


def test_who_puts_the_only_alert_aside_has_the_incident_until_that_ends() -> None:
    there = opened(NEW, ALERT).state
    aside = there.put_aside("alice", START)
    assert (aside.state.state, aside.state.acknowledged_by, aside.state.aside_by) == (State.ACKNOWLEDGED, "alice", "alice")
    again = aside.state.taken_up("it is time", START)
    assert (again.state.state, again.state.aside_by, again.facts[0].reason) == (State.OPEN, "", "it is time")
    assert again.state.taken_up("twice", START).facts == ()


def test_what_is_put_aside_stays_so_for_whoever_takes_it_and_not_when_more_comes() -> None:
    aside = opened(NEW, ALERT).state.put_aside("alice", START).state
    for who in ("alice", "bob"):
        taken = aside.acknowledge(who, START).state
        assert taken.taken_up("it is time", START).state == taken
    more = aside.attach(replace(ALERT, alert_id="another"))
    assert (more.state.state, len(more.facts)) == (State.OPEN, 2)
    two = opened(NEW, ALERT).state.attach(replace(ALERT, alert_id="another")).state
    assert two.put_aside("alice", START).state == two


def test_the_same_severity_tells_nobody_and_a_resolved_one_stays() -> None:
    assert NEW.change_severity(Severity.SEV3, "alice", "", START).facts == ()
    with pytest.raises(IsResolved):
        replace(NEW, state=State.RESOLVED).change_severity(Severity.SEV1, "alice", "", START)


def test_an_alert_that_somebody_took_takes_the_incident_only_if_it_is_the_only_open_one():
    one = opened(NEW, ALERT).state
    taken = one.alert_taken("alice", START).state
    assert (taken.state, taken.acknowledged_by) == (State.ACKNOWLEDGED, "alice")
    assert taken.alert_taken("bob", START).state.acknowledged_by == "alice"
    assert one.attach(ALERT).state.alert_taken("alice", START).state.state is State.OPEN
