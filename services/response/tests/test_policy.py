"""The decisions of an escalation, without any server."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin_response.escalation import snapshot
from tocsin_response.escalation.policy import (
    PLATFORM,
    PLATFORM_POLICY,
    Candidate,
    Escalation,
    Exhausted,
    GapFound,
    Kind,
    Policy,
    Reason,
    Started,
    State,
    Step,
    Stopped,
    Summoned,
    Target,
    start,
    stop,
    time_out,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRIMARY, OPS, BOB = Target(Kind.SCHEDULE, "primary"), Target(Kind.TEAM, "ops"), Target(Kind.RESPONDER, "bob")
TWO_STEPS = Policy("p", (Step((PRIMARY,), 5 * MINUTE), Step((OPS, BOB), 10 * MINUTE)), 1, (BOB,))
ROSTER = {
    PRIMARY: (Candidate("ann", "schedule primary; Ann is on call"),),
    OPS: (Candidate("bob", "team ops; Bob is a member"), Candidate("cid", "team ops; Cid is a member")),
    BOB: (Candidate("bob", "Bob is named by the step"),),
    PLATFORM: (Candidate("dan", "the platform's fallback; it names Dan"),),
}


def escalation(policy: Policy = TWO_STEPS, *, about_gap: bool = False) -> Escalation:
    return Escalation("e", "i", policy, State.RUNNING, 0, 0, NOW, NOW, "", 1, 1, about_gap)


def test_a_start_asks_the_first_step() -> None:
    decision = start(escalation(), "p", ROSTER, NOW)
    started, summoned = decision.facts
    assert isinstance(started, Started)
    assert summoned == Summoned("ann", Reason.STEP_STARTED, "Step 1 of p: schedule primary; Ann is on call", None)
    assert decision.state.due_at == NOW + 5 * MINUTE


def test_a_timeout_asks_the_next_step_and_nobody_twice() -> None:
    begun = start(escalation(), "p", ROSTER, NOW).state
    decision = time_out(begun, ROSTER, NOW + 5 * MINUTE)
    assert [(fact.responder, fact.reason, fact.late_by) for fact in decision.facts if isinstance(fact, Summoned)] == [
        ("bob", Reason.STEP_TIMEOUT, None),
        ("cid", Reason.STEP_TIMEOUT, None),
    ]
    assert (decision.state.step, decision.state.due_at, decision.state.version) == (1, NOW + 15 * MINUTE, 2)


def test_before_its_time_nothing_happens() -> None:
    begun = start(escalation(), "p", ROSTER, NOW).state
    assert time_out(begun, ROSTER, NOW + 5 * MINUTE - timedelta(seconds=1)).facts == ()


def test_after_a_long_pause_one_step_is_taken_and_says_how_late() -> None:
    begun = start(escalation(), "p", ROSTER, NOW).state
    late = NOW + timedelta(hours=3)
    decision = time_out(begun, ROSTER, late)
    assert {fact.late_by for fact in decision.facts if isinstance(fact, Summoned)} == {late - NOW - 5 * MINUTE}
    assert (decision.state.step, decision.state.due_at) == (1, late + 10 * MINUTE)
    assert time_out(decision.state, ROSTER, late).facts == ()


def test_nobody_on_call_asks_the_fallback_of_the_policy_then_of_the_platform() -> None:
    nobody = {**ROSTER, PRIMARY: ()}
    _, gap, summoned = start(escalation(), "p", nobody, NOW).facts
    assert isinstance(gap, GapFound) and isinstance(summoned, Summoned)
    assert (gap.gap, gap.asked_instead, gap.alerting) == ("schedule primary", ("bob",), True)
    assert (summoned.responder, summoned.reason) == ("bob", Reason.NOBODY_ON_CALL)
    _, gap, summoned = start(escalation(), "p", {**nobody, BOB: ()}, NOW).facts
    assert isinstance(gap, GapFound) and isinstance(summoned, Summoned)
    assert (gap.asked_instead, summoned.responder) == (("dan",), "dan")


def test_without_anybody_the_gap_is_told_and_the_timers_go_on() -> None:
    decision = start(escalation(), "p", {}, NOW)
    _, gap = decision.facts
    assert isinstance(gap, GapFound)
    assert (gap.asked_instead, decision.state.state, decision.state.due_at) == ((), State.RUNNING, NOW + 5 * MINUTE)


def test_an_incident_about_a_gap_raises_no_alert_about_another() -> None:
    _, gap = start(escalation(about_gap=True), "p", {}, NOW).facts
    assert isinstance(gap, GapFound)
    assert not gap.alerting


def test_no_policy_takes_the_default_way_and_an_unknown_one_is_a_mistake() -> None:
    _, default, asked = start(escalation(PLATFORM_POLICY), "", ROSTER, NOW).facts
    _, mistake, _ = start(escalation(PLATFORM_POLICY), "gone", ROSTER, NOW).facts
    assert isinstance(default, GapFound) and isinstance(mistake, GapFound) and isinstance(asked, Summoned)
    assert (default.gap, default.alerting, asked.responder) == ("no escalation policy", False, "dan")
    assert (mistake.gap, mistake.alerting) == ("escalation policy gone", True)


def test_stopping_twice_changes_nothing() -> None:
    stopped = stop(escalation(), "acknowledged by ann")
    assert [type(fact) for fact in stopped.facts] == [Stopped]
    assert stopped.state.due_at is None
    assert stop(stopped.state, "resolved").facts == ()
    assert time_out(stopped.state, ROSTER, NOW + 5 * MINUTE).facts == ()


TARGETS = st.sampled_from([PRIMARY, OPS, BOB])
STEPS = st.builds(
    Step, st.lists(TARGETS, min_size=1, max_size=3).map(tuple), st.integers(1, 7200).map(lambda seconds: timedelta(seconds=seconds))
)
POLICIES = st.builds(
    Policy, st.just("p"), st.lists(STEPS, min_size=1, max_size=5).map(tuple), st.integers(0, 4), st.lists(TARGETS, max_size=2).map(tuple)
)


@given(POLICIES)
def test_a_policy_survives_its_snapshot(policy: Policy) -> None:
    assert snapshot.from_plain(snapshot.to_plain(policy)) == policy


@given(POLICIES, st.data())
def test_unanswered_every_step_is_taken_in_order_in_every_round_and_then_it_ends(policy: Policy, data: st.DataObject) -> None:
    decision = start(escalation(policy), "p", ROSTER, NOW)
    places = [(decision.state.round, decision.state.step)]
    versions = [decision.state.version]
    while decision.state.state is State.RUNNING:
        assert decision.state.due_at is not None
        late = timedelta(seconds=data.draw(st.integers(0, 10_000)))
        decision = time_out(decision.state, ROSTER, decision.state.due_at + late)
        versions.append(decision.state.version)
        if decision.state.state is State.RUNNING:
            places.append((decision.state.round, decision.state.step))
    assert places == [(round_, step) for round_ in range(policy.repeat + 1) for step in range(len(policy.steps))]
    assert versions == list(range(1, len(versions) + 1))
    assert [type(fact) for fact in decision.facts] == [Exhausted]
