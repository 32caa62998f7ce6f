"""What an escalation does next, without any server."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tocsin_kernel.decision import Decision
from tocsin_oncall.hours import Condition, Hours
from tocsin_oncall.windows import Window
from tocsin_response.escalation import snapshot
from tocsin_response.escalation.decisions import (
    acknowledge,
    add,
    cursor_key,
    escalate,
    reassign,
    start,
    steps_ahead,
    stop,
    time_out,
)
from tocsin_response.escalation.definition import (
    FOR_EVER,
    PLATFORM,
    PLATFORM_DELAY,
    PLATFORM_POLICY,
    AcknowledgeTimeout,
    Kind,
    Policy,
    Step,
    Target,
    Turn,
    Urgency,
    UrgencyRule,
)
from tocsin_response.escalation.escalation import (
    Candidate,
    Counted,
    Escalation,
    Exhausted,
    GapFound,
    Place,
    Reason,
    Redirected,
    Roster,
    Situation,
    Started,
    State,
    Stopped,
    Summoned,
    TurnTaken,
)
from tocsin_response.escalation.round_robin import Cursor

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PRIMARY, OPS, BOB = Target(Kind.SCHEDULE, "primary"), Target(Kind.TEAM, "ops"), Target(Kind.RESPONDER, "bob")
ROOM = Target(Kind.CONTACT, "ops-room")
TWO_STEPS = Policy("p", (Step((PRIMARY,), 5 * MINUTE), Step((OPS, BOB), 10 * MINUTE)), 1, (BOB,))
ROSTER: Roster = {
    PRIMARY: (Candidate("ann", "schedule primary; Ann is on call"),),
    OPS: (Candidate("bob", "team ops; Bob is a member"), Candidate("cid", "team ops; Cid is a member")),
    BOB: (Candidate("bob", "Bob is named by the step"),),
    ROOM: (Candidate("", "the step names it", "ops-room"),),
    PLATFORM: (Candidate("dan", "the platform's fallback; it names Dan"),),
}
OFFICE = Hours("office", "UTC", tuple(Window(day * DAY + 9 * HOUR, day * DAY + 17 * HOUR) for day in range(5)))
BY_DAY = Condition(hours=OFFICE)
BY_NIGHT = Condition(hours=OFFICE, outside=True)


def escalation(policy: Policy = TWO_STEPS, *, about_gap: bool = False) -> Escalation:
    return Escalation("e", "i", policy, State.RUNNING, 0, 0, NOW, NOW, "", 1, 1, about_gap)


def at(now: datetime = NOW, roster: Roster = ROSTER, *, severity: int = 3, cursors: dict[str, Cursor] | None = None) -> Situation:
    return Situation(now, severity, roster, cursors or {})


def begun(policy: Policy = TWO_STEPS, situation: Situation | None = None) -> Decision[Escalation]:
    return start(escalation(policy), policy.name, situation or at())


def asked(decision: Decision[Escalation]) -> list[str]:
    return [fact.responder or fact.contact for fact in decision.facts if isinstance(fact, Summoned)]


def the_summons(decision: Decision[Escalation]) -> Summoned:
    [summons] = [fact for fact in decision.facts if isinstance(fact, Summoned)]
    return summons


def place(decision: Decision[Escalation]) -> tuple[int, datetime | None]:
    return decision.state.step, decision.state.due_at


def test_a_start_asks_the_first_step() -> None:
    decision = begun()
    started, summoned = decision.facts
    assert isinstance(started, Started)
    assert summoned == Summoned("ann", Reason.STEP_STARTED, "Step 1 of p: schedule primary; Ann is on call", None, step=0)
    assert decision.state.due_at == NOW + 5 * MINUTE


def test_a_timeout_asks_the_next_step_and_nobody_twice() -> None:
    decision = time_out(begun().state, at(NOW + 5 * MINUTE))
    assert [(fact.responder, fact.reason, fact.late_by) for fact in decision.facts if isinstance(fact, Summoned)] == [
        ("bob", Reason.STEP_TIMEOUT, None),
        ("cid", Reason.STEP_TIMEOUT, None),
    ]
    assert (*place(decision), decision.state.version) == (1, NOW + 15 * MINUTE, 2)


def test_before_its_time_nothing_happens() -> None:
    assert time_out(begun().state, at(NOW + 5 * MINUTE - timedelta(seconds=1))).facts == ()


def test_after_a_long_pause_one_step_is_taken_and_says_how_late() -> None:
    late = NOW + timedelta(hours=3)
    decision = time_out(begun().state, at(late))
    assert {fact.late_by for fact in decision.facts if isinstance(fact, Summoned)} == {late - NOW - 5 * MINUTE}
    assert place(decision) == (1, late + 10 * MINUTE)
    assert time_out(decision.state, at(late)).facts == ()


def test_nobody_on_call_asks_the_fallback_of_the_policy_then_of_the_platform() -> None:
    nobody = {**ROSTER, PRIMARY: ()}
    _, gap, summoned = begun(situation=at(roster=nobody)).facts
    assert isinstance(gap, GapFound) and isinstance(summoned, Summoned)
    assert (gap.gap, gap.asked_instead, gap.alerting) == ("schedule primary", ("bob",), True)
    assert (summoned.responder, summoned.reason) == ("bob", Reason.NOBODY_ON_CALL)
    assert asked(begun(situation=at(roster={**nobody, BOB: ()}))) == ["dan"]


def test_without_anybody_the_gap_is_told_and_the_timers_go_on() -> None:
    decision = begun(situation=at(roster={}))
    _, gap = decision.facts
    assert isinstance(gap, GapFound)
    assert (gap.asked_instead, decision.state.state, decision.state.due_at) == ((), State.RUNNING, NOW + 5 * MINUTE)


def test_an_incident_about_a_gap_raises_no_alert_about_another() -> None:
    _, gap = start(escalation(about_gap=True), "p", at(roster={})).facts
    assert isinstance(gap, GapFound) and not gap.alerting


def test_no_policy_takes_the_default_way_and_an_unknown_one_is_a_mistake() -> None:
    _, default, summoned = start(escalation(PLATFORM_POLICY), "", at()).facts
    _, mistake, _ = start(escalation(PLATFORM_POLICY), "gone", at()).facts
    assert isinstance(default, GapFound) and isinstance(mistake, GapFound) and isinstance(summoned, Summoned)
    assert (default.gap, default.alerting, summoned.responder) == ("no escalation policy", False, "dan")
    assert (mistake.gap, mistake.alerting) == ("escalation policy gone", True)


def test_stopping_twice_changes_nothing() -> None:
    stopped = stop(escalation(), "acknowledged by ann")
    assert [type(fact) for fact in stopped.facts] == [Stopped]
    assert stopped.state.due_at is None
    assert stop(stopped.state, "resolved").facts == ()
    assert time_out(stopped.state, at(NOW + 5 * MINUTE)).facts == ()


def test_a_step_without_delay_takes_the_next_one_along_and_asks_nobody_twice() -> None:
    both = Policy("p", (Step((BOB,), timedelta()), Step((OPS, ROOM), 5 * MINUTE), Step((PRIMARY,), MINUTE)), 0)
    decision = begun(both)
    assert asked(decision) == ["bob", "cid", "ops-room"]
    assert place(decision) == (1, NOW + 5 * MINUTE)


def test_a_last_step_without_delay_waits_all_the_same() -> None:
    assert begun(Policy("p", (Step((BOB,), timedelta()),), FOR_EVER)).state.due_at == NOW + PLATFORM_DELAY


@pytest.mark.parametrize("repeat", [0, 1, FOR_EVER])
def test_whoever_was_asked_has_time_to_answer_though_no_further_step_applies(repeat: int) -> None:
    policy = Policy("p", (Step((BOB,), timedelta()), Step((OPS,), MINUTE, condition=BY_NIGHT)), repeat)
    decision = begun(policy)
    assert (asked(decision), *place(decision)) == (["bob"], 1, NOW + PLATFORM_DELAY)
    later = Policy("p", (Step((PRIMARY,), MINUTE), *policy.steps), repeat)
    climbs = time_out(begun(later).state, at(NOW + MINUTE))
    assert (asked(climbs), *place(climbs)) == (["bob"], 2, NOW + MINUTE + PLATFORM_DELAY)


def test_for_ever_is_for_ever() -> None:
    decision = begun(Policy("p", (Step((BOB,), MINUTE),), FOR_EVER))
    for number in range(300):
        decision = time_out(decision.state, at(NOW + (number + 1) * MINUTE))
        assert asked(decision) == ["bob"]


def test_a_step_that_does_not_apply_is_passed_over_and_the_next_one_says_so() -> None:
    policy = Policy("p", (Step((BOB,), MINUTE, condition=Condition(frozenset({1}))), Step((PRIMARY,), MINUTE)), 0)
    decision = begun(policy)
    assert the_summons(decision).explanation == ("Step 2 of p: schedule primary; Ann is on call (step 1 is only asked for SEV1)")
    assert asked(begun(policy, at(severity=1))) == ["bob"]


def test_a_step_can_wait_for_its_hours() -> None:
    policy = Policy("p", (Step((PRIMARY,), MINUTE, condition=BY_DAY, waits=True),), 0)
    evening = NOW + 9 * HOUR
    waiting = begun(policy, at(evening))
    assert asked(waiting) == [] and waiting.state.waiting
    assert waiting.state.due_at == NOW + DAY
    decision = time_out(waiting.state, at(NOW + DAY))
    assert (the_summons(decision).reason, decision.state.waiting, decision.state.due_at) == (Reason.STEP_STARTED, False, NOW + DAY + MINUTE)


def test_if_no_step_applies_the_fallback_is_asked_and_the_gap_is_told() -> None:
    policy = Policy(
        "p", (Step((PRIMARY,), MINUTE, condition=BY_NIGHT), Step((OPS,), MINUTE, condition=Condition(frozenset({1})))), 0, (BOB,)
    )
    decision = begun(policy)
    _, gap, summons = decision.facts
    assert isinstance(gap, GapFound) and isinstance(summons, Summoned)
    assert gap.alerting and gap.gap == "no step of p applies"
    assert gap.title == ("No step of p applies: step 1 is only asked outside the hours of office; step 2 is only asked for SEV1")
    assert (summons.responder, summons.reason) == ("bob", Reason.NO_STEP_APPLIES)
    assert decision.state.due_at == NOW + PLATFORM_DELAY
    assert isinstance(time_out(decision.state, at(NOW + PLATFORM_DELAY)).facts[-1], Exhausted)


def test_urgency_follows_severity_and_hours() -> None:
    rules = (UrgencyRule(Condition(frozenset({1, 2})), Urgency.HIGH), UrgencyRule(BY_NIGHT, Urgency.LOW))
    policy = replace(TWO_STEPS, rules=rules)
    assert the_summons(begun(policy, at(NOW + 10 * HOUR))).urgency is Urgency.LOW
    assert the_summons(begun(policy, at(NOW + 10 * HOUR, severity=1))).urgency is Urgency.HIGH
    assert the_summons(begun(policy)).urgency is Urgency.HIGH
    assert the_summons(begun(replace(policy, every_channel=True), at(NOW + 10 * HOUR))).urgency is Urgency.HIGH


def test_a_round_robin_asks_one_each_time() -> None:
    policy = Policy("p", (Step((OPS,), MINUTE, "juniors", round_robin=True),), 1)
    first = begun(policy)
    assert asked(first) == ["bob"]
    [turn] = [fact for fact in first.facts if isinstance(fact, TurnTaken)]
    assert (turn.key, turn.cursor) == ("p/juniors", Cursor("bob", ("bob", "cid")))
    second = begun(policy, at(cursors={turn.key: turn.cursor}))
    assert asked(second) == ["cid"]
    assert the_summons(second).explanation == "Step 1 (juniors) of p: team ops; Cid is a member, whose turn it is"


def test_several_acknowledgements_are_counted_by_person() -> None:
    both = replace(TWO_STEPS, acknowledgements=2)
    running = begun(both)
    assert the_summons(running).stands
    once = acknowledge(running.state, "ann", "acknowledged by ann")
    assert once.facts == (Counted("ann"),)
    again = acknowledge(once.state, "ann", "acknowledged by ann")
    assert again.facts == () and again.state == once.state
    climbs = time_out(once.state, at(NOW + 5 * MINUTE))
    assert asked(climbs) == ["bob", "cid"]
    assert [type(fact) for fact in acknowledge(climbs.state, "bob", "acknowledged by bob").facts] == [Stopped]


def test_a_step_until_closed_asks_though_somebody_has_acknowledged_and_the_others_do_not() -> None:
    policy = Policy("p", (Step((PRIMARY,), MINUTE), Step((OPS,), MINUTE), Step((ROOM,), MINUTE, until_closed=True)), 0)
    taken = acknowledge(begun(policy).state, "ann", "acknowledged by ann")
    assert (taken.facts, taken.state.state) == ((Counted("ann"),), State.RUNNING)
    quiet = time_out(taken.state, at(NOW + MINUTE))
    assert (asked(quiet), *place(quiet)) == ([], 1, NOW + 2 * MINUTE)
    loud = time_out(quiet.state, at(NOW + 2 * MINUTE))
    assert the_summons(loud).contact == "ops-room" and the_summons(loud).stands
    ended = time_out(loud.state, at(NOW + 3 * MINUTE))
    assert ended.facts == (Stopped(),) and ended.state.stop_reason == "acknowledged by ann"


@pytest.mark.parametrize("taken_by", ["", "ann"])
def test_escalating_by_hand_takes_the_next_step_now(taken_by: str) -> None:
    running = begun().state
    before = stop(running, "acknowledged by ann").state if taken_by else running
    decision = escalate(before, None, taken_by, ("eve", "no answer by phone"), at(NOW + MINUTE))
    redirected, *_ = decision.facts
    assert redirected == Redirected("eve", "escalated to step 2 of p", "no answer by phone")
    assert asked(decision) == ["bob", "cid"]
    assert (decision.state.state, decision.state.due_at) == (State.RUNNING, NOW + 11 * MINUTE)
    summons = next(fact for fact in decision.facts if isinstance(fact, Summoned))
    assert summons.explanation.startswith("eve escalated (no answer by phone). Step 2 of p: ")
    assert summons.stands is bool(taken_by)
    # Who has it already does not end it again; anybody else does.
    assert acknowledge(decision.state, "ann", "by ann").state.state is (State.RUNNING if taken_by else State.STOPPED)
    assert acknowledge(decision.state, "bob", "by bob").state.state is State.STOPPED


def test_escalating_what_is_exhausted_begins_once_more() -> None:
    ended = time_out(begun(replace(TWO_STEPS, steps=TWO_STEPS.steps[:1], repeat=0)).state, at(NOW + 5 * MINUTE))
    assert ended.state.state is State.EXHAUSTED
    again = escalate(ended.state, None, "", ("eve", ""), at(NOW + HOUR))
    assert (asked(again), again.state.round) == (["ann"], 1)
    assert isinstance(time_out(again.state, at(NOW + 2 * HOUR)).facts[-1], Exhausted)


def test_a_step_that_is_asked_by_hand_does_not_need_its_condition() -> None:
    policy = Policy("p", (Step((PRIMARY,), MINUTE), Step((OPS,), MINUTE, condition=BY_NIGHT)), 0)
    assert asked(escalate(begun(policy).state, 1, "", ("eve", ""), at())) == ["bob", "cid"]


def test_reassigning_asks_somebody_else_first_and_then_the_policy() -> None:
    decision = reassign(begun().state, BOB, "", ("eve", ""), at(NOW + MINUTE))
    assert asked(decision) == ["bob"]
    then = time_out(decision.state, at(NOW + MINUTE + PLATFORM_DELAY))
    assert asked(then) == ["ann"]
    other = reassign(decision.state, Policy("q", (Step((OPS,), MINUTE),), 0), "", ("eve", ""), at(NOW + 2 * MINUTE))
    assert (asked(other), other.state.policy.name) == (["bob", "cid"], "q")


def test_adding_somebody_leaves_the_escalation_as_it_was() -> None:
    before = stop(begun().state, "acknowledged by ann").state
    decision = add(before, OPS, ("ann", "you know the database"), at(NOW + HOUR))
    assert decision.facts[0] == Redirected("ann", "asked bob and cid too", "you know the database")
    assert {(fact.reason, fact.step, fact.stands) for fact in decision.facts if isinstance(fact, Summoned)} == {(Reason.ADDED, -1, True)}
    assert decision.state == replace(before, version=before.version + 1)
    assert add(before, Target(Kind.TEAM, "empty"), ("ann", ""), at()).facts == ()


def test_how_long_an_acknowledgement_is_good_depends_on_the_severity() -> None:
    policy = replace(TWO_STEPS, timeouts=(AcknowledgeTimeout(frozenset({1}), MINUTE), AcknowledgeTimeout(frozenset(), HOUR)))
    assert (policy.timeout(1), policy.timeout(4), TWO_STEPS.timeout(1)) == (MINUTE, HOUR, None)


def test_targets_can_be_read() -> None:
    schedule = Target(Kind.SCHEDULE, "primary", Turn.NEXT, "night")
    assert str(schedule) == "the next one of layer night of schedule primary"
    assert str(Target(Kind.TEAM, "ops", managers=True)) == "the managers of team ops"


NAMES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True)


@given(NAMES, st.integers(1, 40))
def test_a_round_robin_is_fair(names: list[str], times: int) -> None:
    cursor, turns = Cursor(), list[str]()
    for _ in range(times):
        chosen = cursor.following(names)
        turns.append(chosen)
        cursor = cursor.taken(chosen, names)
    counts = [turns.count(name) for name in names]
    assert max(counts) - min(counts) <= 1


@given(NAMES, NAMES, st.data())
def test_edits_of_the_list_do_not_disturb_the_turn(before: list[str], after: list[str], data: st.DataObject) -> None:
    last = data.draw(st.sampled_from(before))
    chosen = Cursor().taken(last, before).following(after)
    place = before.index(last)
    survivors = [name for name in (*before[place + 1 :], *before[:place]) if name in after]
    if last in after:
        assert chosen == after[(after.index(last) + 1) % len(after)]
    else:
        assert chosen == (survivors[0] if survivors else after[0])


TARGETS = st.sampled_from([PRIMARY, OPS, BOB, ROOM])
UNUSUAL_TARGETS = st.builds(Target, st.sampled_from(Kind), st.text(max_size=3), st.sampled_from(Turn), st.text(max_size=3), st.booleans())
CONDITIONS = st.builds(
    Condition,
    st.frozensets(st.integers(1, 5), max_size=3),
    st.sampled_from([None, OFFICE, Hours("never", "UTC", ())]),
    st.booleans(),
)
DELAYS = st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))
STEPS = st.builds(
    Step,
    st.lists(TARGETS, min_size=1, max_size=3).map(tuple),
    DELAYS,
    st.sampled_from(["", "one"]),
    st.booleans(),
    CONDITIONS,
    st.booleans(),
    st.booleans(),
)
RULES = st.builds(UrgencyRule, CONDITIONS, st.sampled_from(Urgency), st.sampled_from(["", "other"]))
TIMEOUTS = st.builds(AcknowledgeTimeout, st.frozensets(st.integers(1, 5), max_size=2), st.just(HOUR))
POLICIES = st.builds(
    Policy,
    st.just("p"),
    st.lists(STEPS, min_size=1, max_size=5).map(tuple),
    st.integers(-1, 3),
    st.lists(TARGETS, max_size=2).map(tuple),
    st.integers(1, 3),
    st.lists(RULES, max_size=2).map(tuple),
    st.lists(TIMEOUTS, max_size=2).map(tuple),
    st.sampled_from(Urgency),
    st.booleans(),
)
PLAIN_STEPS = st.builds(Step, st.lists(TARGETS, min_size=1, max_size=3).map(tuple), DELAYS.map(lambda delay: delay + MINUTE))
PLAIN_POLICIES = st.builds(Policy, st.just("p"), st.lists(PLAIN_STEPS, min_size=1, max_size=5).map(tuple), st.integers(0, 4))


@given(PLAIN_POLICIES, st.data())
def test_unanswered_every_step_is_taken_in_order_in_every_round_and_then_it_ends(policy: Policy, data: st.DataObject) -> None:
    decision = begun(policy)
    places = [Place(decision.state.step, decision.state.round)]
    versions = [decision.state.version]
    while decision.state.state is State.RUNNING:
        assert decision.state.due_at is not None
        late = timedelta(seconds=data.draw(st.integers(0, 10_000)))
        decision = time_out(decision.state, at(decision.state.due_at + late))
        versions.append(decision.state.version)
        if decision.state.state is State.RUNNING:
            places.append(Place(decision.state.step, decision.state.round))
    assert places == [Place(step, round_) for round_ in range(policy.repeat + 1) for step in range(len(policy.steps))]
    assert versions == list(range(1, len(versions) + 1))
    assert [type(fact) for fact in decision.facts] == [Exhausted]


@given(POLICIES, st.integers(1, 5), st.integers(0, 100))
def test_whatever_a_policy_says_somebody_is_asked_or_waited_for(policy: Policy, severity: int, half_hours: int) -> None:
    now = NOW + half_hours * 30 * MINUTE
    decision = begun(policy, at(now, severity=severity))
    assert asked(decision) or decision.state.waiting
    assert decision.state.state is State.RUNNING and decision.state.due_at is not None and decision.state.due_at > now


@given(POLICIES)
def test_the_steps_that_a_decision_may_take_are_known_before_it(policy: Policy) -> None:
    """Only the candidates of these steps are loaded."""
    known = {target for step in steps_ahead(escalation(policy), first=Place(0, 0)) for target in step.targets}
    few = {target: ROSTER[target] for target in {*known, *policy.fallback, PLATFORM}}
    assert begun(policy, at(roster=few)) == begun(policy)
    keys = {cursor_key(escalation(policy), policy.steps.index(step)) for step in policy.steps}
    assert all(key.startswith("p/") for key in keys)


@given(POLICIES, st.lists(UNUSUAL_TARGETS, max_size=3).map(tuple))
def test_a_policy_survives_its_snapshot(policy: Policy, fallback: tuple[Target, ...]) -> None:
    kept = replace(policy, fallback=fallback)
    assert snapshot.from_plain(json.loads(json.dumps(snapshot.to_plain(kept)))) == kept


def test_a_snapshot_of_the_version_before_is_read() -> None:
    old = {
        "name": "p",
        "steps": [{"targets": [["schedule", "primary"]], "delay_seconds": 300.0}],
        "repeat": 1,
        "fallback": [["platform", ""]],
    }
    assert snapshot.from_plain(old) == Policy("p", (Step((PRIMARY,), 5 * MINUTE),), 1, (PLATFORM,))
    assert snapshot.to_plain(snapshot.from_plain(old)) == old


class Interleaving(RuleBasedStateMachine):
    """Acknowledgements, endings, timeouts, commands and time, in any order, against what people may rely on."""

    @initialize(policy=POLICIES, severity=st.integers(1, 5))
    def open(self, policy: Policy, severity: int) -> None:
        self.now, self.severity, self.closed, self.taken_by = NOW, severity, False, ""
        self.versions = [0]
        self.state = escalation(policy)
        self.keep(start(self.state, "p", at(self.now, severity=severity)), by_hand=False)

    def keep(self, decision: Decision[Escalation], *, by_hand: bool) -> None:
        changed = decision.state != self.state
        for fact in decision.facts:
            if isinstance(fact, Summoned):
                assert not self.closed, "nothing fires after the close"
                assert by_hand or fact.stands or not self.taken_by, "whoever is asked after an acknowledgement is asked because of a rule"
        self.state = decision.state
        if changed:
            self.versions.append(self.state.version)

    @rule(by=st.sampled_from(["ann", "bob", "cid"]))
    def acknowledge(self, by: str) -> None:
        if not self.closed:
            self.taken_by = by
            self.keep(acknowledge(self.state, by, f"acknowledged by {by}"), by_hand=False)

    @rule()
    def resolve(self) -> None:
        self.closed = True
        self.keep(stop(self.state, "resolved"), by_hand=False)

    @rule(seconds=st.integers(1, 20_000))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def tick(self) -> None:
        before = self.state.due_at
        decision = time_out(self.state, at(self.now, severity=self.severity))
        if decision.state != self.state:
            assert before is not None and before <= self.now, "nothing fires early"
        self.keep(decision, by_hand=False)
        assert time_out(self.state, at(self.now, severity=self.severity)).facts == (), "however late, one step is taken"

    @precondition(lambda self: not self.closed)
    @rule(data=st.data())
    def escalate(self, data: st.DataObject) -> None:
        number = data.draw(st.none() | st.integers(0, len(self.state.policy.steps) - 1))
        self.keep(escalate(self.state, number, self.taken_by, ("eve", ""), at(self.now, severity=self.severity)), by_hand=True)
        assert self.state.state is State.RUNNING

    @precondition(lambda self: not self.closed)
    @rule()
    def reassign(self) -> None:
        self.keep(reassign(self.state, BOB, self.taken_by, ("eve", ""), at(self.now, severity=self.severity)), by_hand=True)

    @invariant()
    def is_sound(self) -> None:
        if not hasattr(self, "state"):
            return
        assert (self.state.state is State.RUNNING) == (self.state.due_at is not None)
        assert len(set(self.state.acknowledged_by)) == len(self.state.acknowledged_by)
        assert self.versions == sorted(set(self.versions)), "every change has its own version"
        if self.closed:
            assert self.state.state is not State.RUNNING


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_slot_of_a_policy_asks_one_of_those_who_take_turns_and_tells_what_its_fallback_stands_in_for() -> None:
    """Of the ring one is asked, whoever is named besides is asked anyway, and the schedule behind that has nobody is told."""
    primary = Target(Kind.SCHEDULE, "primary")
    ring = tuple(Candidate(name, "of the ring", turn="night/ring") for name in ("ann", "bob", "cid"))
    lead = Candidate("dan", "the fallback", gap="nobody is on call for schedule backup (it is empty)")
    named = Target(Kind.RESPONDER, "ann")
    around = at(roster={primary: (*ring, lead), named: (Candidate("ann", "named"),)}, cursors={"night/ring": Cursor("bob", ("bob", "cid"))})
    decision = begun(Policy("p", (Step((primary, named), MINUTE),), 0), around)
    [turn] = [fact for fact in decision.facts if isinstance(fact, TurnTaken)]
    assert (turn.key, turn.cursor) == ("night/ring", Cursor("cid", ("bob", "cid")))
    assert set(asked(decision)) == {"ann", "cid", "dan"}
    [gap] = [fact for fact in decision.facts if isinstance(fact, GapFound)]
    assert (gap.gap, gap.title, gap.asked_instead) == ("schedule backup", "Nobody is on call for schedule backup", ("dan",))
    assert gap.alerting and "It is empty." in gap.description
