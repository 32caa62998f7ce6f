"""Measures: whatever is done to one, it is never forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kernel.decision import Decision
from tocsin_response.containment.measure import (
    MOST_LOOKS,
    Lifted,
    Lost,
    Measure,
    MeasureNotInForce,
    NothingToLookAt,
    State,
    TargetKind,
    Verification,
)
from tocsin_response.recovery.watch import Indicator, Recurred, Sign, Watch, spelled, why_it_is_back

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def measure(**more):
    kept = {
        "id": "m",
        "incident_id": "i",
        "action": "isolate-host",
        "connector": "defender",
        "target_kind": TargetKind.HOST,
        "target": "db-1",
        "reason": "it spreads",
        "applied_by": "ann",
        "applied_at": NOW,
        "reversible": True,
    }
    return Measure(**{**kept, **more})


COMMANDS = {
    "expire": lambda m, now: m.expire(now),
    "lift": lambda m, now: m.lift("bob", "enough"),
    "lifted": lambda m, now: m.lifted("bob", "seen", now),
    "failed": lambda m, now: m.not_lifted("offline"),
    "keep": lambda m, now: m.keep("bob", "for good", now),
    "prolong": lambda m, now: m.prolong(now + HOUR, "bob", now),
    "holds": lambda m, now: m.report(holds=True, finding="", now=now),
    "lost": lambda m, now: m.report(holds=False, finding="gone", now=now),
    "look": lambda m, now: Decision(m.looked_at()),
    "found": lambda m, now: m.holds("it stands", now),
    "missing": lambda m, now: m.missing("it does not stand", now),
    "not looked at": lambda m, now: m.not_looked_at("offline", now),
}


@given(st.lists(st.sampled_from(sorted(COMMANDS)), max_size=12))
def test_a_measure_ends_only_by_being_lifted_and_once(commands):
    """Legal or not, in any order: a lifted one stays so, is told once, and every change counts."""
    current, told, now = measure(until=NOW + HOUR, assignment_id="a", verification=Verification.EFFECTIVE), 0, NOW
    for word in commands:
        now += timedelta(minutes=30)
        before = current
        try:
            decision = COMMANDS[word](current, now)
        except (MeasureNotInForce, NothingToLookAt):
            continue
        current = decision.state
        told += sum(isinstance(fact, Lifted) for fact in decision.facts)
        assert (current.version > before.version) == (current != before)
        if before.state is State.LIFTED:
            assert current == before
    assert told == (current.state is State.LIFTED)
    assert current.is_undecided == (current.state is not State.LIFTED and not current.kept)


def test_a_measure_without_a_connector_waits_for_a_person():
    lifting = measure(connector="", reversible=False).lift("bob", "enough").state
    assert lifting.state is State.LIFTING
    assert "by hand" in lifting.trouble


def test_what_is_in_force_is_looked_at_ever_more_rarely_and_not_for_ever():
    seen = measure(assignment_id="a", verification=Verification.EFFECTIVE).watched(NOW)
    waits = []
    while seen.next_look_at is not None:
        waits.append((seen.next_look_at - NOW) // HOUR)
        seen = seen.looked_at().holds("it stands", NOW).state
    assert waits == [1, 4, 12, *[24] * (MOST_LOOKS - 3)]
    assert seen.looked_at().holds("it stands", NOW).state.state is State.IN_FORCE, "by hand it may be looked at for ever"


def test_one_look_that_misses_it_is_a_doubt_and_two_are_a_loss():
    doubted = measure(assignment_id="a", verification=Verification.EFFECTIVE).missing("open", NOW)
    assert (doubted.state.state, doubted.facts, doubted.state.next_look_at) == (State.IN_FORCE, (), NOW + timedelta(minutes=5))
    assert doubted.state.holds("it stands", NOW).state.missed == 0
    assert doubted.state.not_looked_at("offline", NOW).state.missed == 1
    lost = doubted.state.missing("open", NOW)
    assert (lost.state.state, lost.state.trouble, [type(fact) for fact in lost.facts]) == (State.LOST, "open", [Lost])


def test_nobody_looks_at_what_has_nothing_to_see_or_was_done_to_a_twin():
    with pytest.raises(NothingToLookAt):
        measure().looked_at()
    assert measure(assignment_id="a", verification=Verification.EFFECTIVE, simulated=True).watched(NOW).next_look_at is None
    assert measure(assignment_id="a", verification=Verification.AWAITED).watched(NOW).next_look_at is None


def test_what_is_lost_is_found_again():
    lost = measure().report(holds=False, finding="reachable", now=NOW).state
    assert (lost.state, lost.trouble) == (State.LOST, "reachable")
    assert lost.report(holds=True, finding="", now=NOW).state.state is State.IN_FORCE
    with pytest.raises(MeasureNotInForce):
        lost.keep("bob", "no", NOW)


def watch(*indicators):
    return Watch("i", 7, "shop", "Slow", NOW + timedelta(days=14), "", NOW, spelled(indicators))


def test_an_alert_means_a_return_only_at_the_same_service():
    title = Indicator(TargetKind.OTHER, "HighErrorRate")
    assert why_it_is_back(watch(title), title, Sign("j", 8, "shop", "HighErrorRate"))
    assert not why_it_is_back(watch(title), title, Sign("j", 8, "search", "HighErrorRate"))


def test_a_return_counts_once_and_only_while_it_is_looked_out_for():
    sign = Sign("j", 8, "shop", "x", ("beacon to EVIL.example, again",))
    assert "evil.example" in sign.words()
    back = watch().recur(sign, "seen", NOW)
    assert isinstance(back.facts[0], Recurred)
    assert back.state.recur(sign, "seen", NOW).facts == ()
    assert watch().recur(sign, "seen", NOW + timedelta(days=15)).facts == ()
    assert watch().recur(Sign("i", 7, "shop", "x"), "seen", NOW).facts == ()
