"""Escalation policies that have a slot of a schedule: whom they stand for, why, and that the answer always comes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_oncall import chains
from tocsin_oncall.plain import Known, read
from tocsin_oncall.policy import Aim
from tocsin_oncall.render import Duty, Plan
from tocsin_oncall.schedule import Kind, Override, Schedule
from tocsin_oncall.standing import around, graph
from tocsin_oncall.strata import strata

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
ASKED = Aim("schedule", "")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TEAMS = {"ops": ("cid", "dan")}
OFFICE = {"windows": [{"days": ["MON", "TUE", "WED", "THU", "FRI"], "start": "09:00", "end": "17:00"}]}


def schedule(name: str, *participants: Any, unit: str = "DAILY", **more: Any) -> dict[str, Any]:
    """Everybody takes turns from Monday on; a name that begins with @ is a policy's."""
    who = [{"escalation_policy": each[1:]} if each.startswith("@") else {"responder": each} for each in participants]
    rotation = {"unit": unit, "starts_on": "2026-11-23", "handoff_time": "00:00", "participants": who}
    return {"name": name, "time_zone": "UTC", "rotation": rotation, **more}


def step(*targets: dict[str, Any], delay: str = "300s", **more: Any) -> dict[str, Any]:
    return {"targets": list(targets), "delay": delay, **more}


def policy(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"steps": list(steps), **more}


def plans(schedules: list[dict[str, Any]], policies: dict[str, dict[str, Any]], **more: Any) -> dict[str, Plan]:
    known = Known(TEAMS, policies, managers={"ops": ("dan",)}, **more)
    understood: list[Schedule] = []
    for each in schedules:
        made, problems = read(each, known)
        assert not problems
        understood.append(made)
    found: dict[str, Plan] = {}
    there = around(known, found, understood)
    found.update({each.name: Plan(each, around=there) for each in understood})
    return found


def on_call(plan: Plan, at: datetime) -> list[str]:
    return [duty.responder for duty in plan.duties_at(at)]


def one(plan: Plan, at: datetime) -> Duty:
    [found] = plan.duties_at(at)
    return found


NIGHT = policy(step({"schedule": "backup"}, {"team": "ops", "part": "MANAGERS"}), step({"responder": "eve"}))


def test_a_policy_stands_for_whom_its_first_step_asks_at_that_instant() -> None:
    """Who is on call for the schedule that it names changes at noon; the schedule whose slot it has changes with it."""
    backup = schedule("backup", "ann", "bob", unit="HOURLY")
    backup["rotation"]["length"] = 12
    primary = plans([schedule("primary", "@night"), backup], {"night": NIGHT})["primary"]
    assert [on_call(primary, MONDAY + hours * HOUR) for hours in (1, 13, 25)] == [["ann", "dan"], ["bob", "dan"], ["ann", "dan"]]
    shifts = primary.shifts(MONDAY, MONDAY + DAY)
    assert [(shift.start - MONDAY, shift.responders) for shift in shifts] == [(0 * HOUR, ("ann", "dan")), (12 * HOUR, ("bob", "dan"))]
    assert primary.next_change(MONDAY + HOUR) == primary.next_handoff(MONDAY + HOUR) == MONDAY + 12 * HOUR
    [ann, dan] = primary.duties_at(MONDAY + HOUR)
    assert ann.reason == (
        "shift 1 of the daily rotation; step 1 of escalation policy night asks schedule backup: shift 1 of the rotation every 12 hours"
    )
    assert dan.reason.endswith("step 1 of escalation policy night asks the managers of team ops") and ann.until == MONDAY + 12 * HOUR
    said = primary.explain(MONDAY + HOUR)[0]
    assert "its later steps are not asked by way of a schedule" in said and said.endswith(": ann, dan")


def test_what_goes_over_the_schedule_counts_on_both_sides() -> None:
    cover = Override("1", "backup", "zoe", MONDAY, MONDAY + HOUR, "zoe", MONDAY, "", Kind.COVER_ALL)
    found = plans([schedule("primary", "@night"), schedule("backup", "ann")], {"night": policy(step({"schedule": "backup"}))})
    found["backup"] = Plan(found["backup"].schedule, (cover,), around=found["backup"].around)
    # The schedules around are read when they are asked, so what is put there counts.
    there = around(found["primary"].around.known, found, [plan.schedule for plan in found.values()])
    primary = Plan(found["primary"].schedule, around=there)
    assert (on_call(primary, MONDAY), on_call(primary, MONDAY + HOUR)) == (["zoe"], ["ann"])


def test_whose_turn_it_is_and_which_layer_are_followed() -> None:
    backup = {"name": "backup", "time_zone": "UTC", "layers": [
        {"name": "first", "rotation": schedule("", "ann", "bob", "cid")["rotation"]},
        {"name": "second", "rotation": schedule("", "dan")["rotation"]},
    ]}  # fmt: skip
    asks = [{"schedule": "backup", "turn": turn, "layer": "first"} for turn in ("CURRENT", "NEXT", "PREVIOUS")]
    for target, expected in zip(asks, ("bob", "cid", "ann"), strict=True):
        primary = plans([schedule("primary", "@p"), backup], {"p": policy(step(target))})["primary"]
        assert on_call(primary, MONDAY + DAY + HOUR) == [expected]
        [shift] = primary.shifts(MONDAY + DAY, MONDAY + 2 * DAY)
        assert shift.responders == (expected,)


def test_of_those_who_take_turns_each_says_so_and_who_is_asked_anyway_does_not() -> None:
    turns = step({"team": "ops"}, {"responder": "eve"}, delay="0s", selection="ROUND_ROBIN", name="ring")
    primary = plans([schedule("primary", "@p")], {"p": policy(turns, step({"responder": "dan"}, {"contact": "room"}))})["primary"]
    duties = {duty.responder: duty.turn for duty in primary.duties_at(MONDAY)}
    assert duties == {"cid": "p/ring", "dan": "", "eve": "p/ring", "contact room": ""}
    assert [duty.contact for duty in primary.duties_at(MONDAY) if duty.contact] == ["room"]


def test_who_comes_for_somebody_who_takes_turns_takes_theirs() -> None:
    turns = policy(step({"team": "ops"}, selection="ROUND_ROBIN"))
    primary = plans([schedule("primary", "@p")], {"p": turns})["primary"]
    swap = Override("1", "primary", "zoe", MONDAY, MONDAY + HOUR, "zoe", MONDAY, "a swap", Kind.REPLACE, "cid")
    swapped = Plan(primary.schedule, (swap,), around=primary.around)
    assert {duty.responder: duty.turn for duty in swapped.duties_at(MONDAY)} == {"zoe": "p/1", "dan": "p/1"}
    assert "override by zoe: a swap" in next(duty.reason for duty in swapped.duties_at(MONDAY) if duty.responder == "zoe")
    assert {duty.responder for duty in swapped.duties_at(MONDAY + HOUR)} == {"cid", "dan"}


def test_hours_and_severities_choose_the_step_and_the_rule() -> None:
    """Hours without a zone are those of the schedule. A schedule by itself is taken to be asked for the worst severity."""
    by_day = policy(
        step({"responder": "ann"}, condition=OFFICE),
        step({"responder": "bob"}, condition={"severities": ["SEV1"]}),
        step({"responder": "cid"}),
    )
    primary = plans([schedule("primary", "@p", time_zone="America/New_York")], {"p": by_day})["primary"]
    nine = MONDAY + 14 * HOUR
    assert [on_call(primary, at) for at in (nine - HOUR, nine, nine + 8 * HOUR)] == [["bob"], ["ann"], ["bob"]]
    assert on_call(primary.at_severity(3), nine - HOUR) == ["cid"]
    assert "step 1 is only asked within its hours in America/New_York" in primary.explain(nine - HOUR)[0]
    ruled = policy(
        step({"responder": "ann"}),
        urgency_rules=[{"condition": {"severities": ["SEVERITY_SEV1"]}, "urgency": "HIGH", "escalation_policy": "p"}],
    )
    asked = plans([schedule("primary", "@q", time_zone="America/New_York")], {"p": by_day, "q": ruled})["primary"]
    assert (on_call(asked, nine - HOUR), on_call(asked.at_severity(2), nine - HOUR)) == (["bob"], ["ann"])


def test_where_nobody_is_asked_there_is_a_gap_with_its_reason_and_a_fallback_says_what_it_stands_in_for() -> None:
    empty = {"name": "backup", "time_zone": "UTC"}
    nobody = plans([schedule("primary", "@p"), empty], {"p": policy(step({"schedule": "backup"}))})["primary"]
    [gap] = nobody.gaps(MONDAY, MONDAY + DAY)
    assert gap.reason == (
        "shift 1 of the daily rotation is for escalation policy p, which asks nobody: "
        "nobody is on call for schedule backup (no rotation, and no override at this time)"
    )
    assert gap.reason.split(" is for ")[1] in nobody.explain(MONDAY)[0]
    kept = plans([schedule("primary", "@p"), empty], {"p": policy(step({"schedule": "backup"}), fallback=[{"responder": "eve"}])})[
        "primary"
    ]
    duty = one(kept, MONDAY)
    assert duty.responder == "eve" and duty.gap.startswith("nobody is on call for schedule backup (")
    assert not kept.gaps(MONDAY, MONDAY + DAY)


def test_a_step_that_waits_has_nobody_until_its_hours() -> None:
    waits = policy(step({"responder": "ann"}, condition=OFFICE, otherwise="WAIT"), step({"responder": "bob"}))
    primary = plans([schedule("primary", "@p")], {"p": waits})["primary"]
    [night, evening] = primary.gaps(MONDAY, MONDAY + DAY)
    assert (night.end - MONDAY, evening.start - MONDAY) == (9 * HOUR, 17 * HOUR) and "step 1 waits" in night.reason


def test_what_leads_back_to_itself_is_not_followed_and_says_so() -> None:
    found = plans(
        [schedule("a", "@p"), schedule("b", "@q")],
        {"p": policy(step({"schedule": "b"}, {"responder": "ann"})), "q": policy(step({"schedule": "a"}))},
    )
    assert (on_call(found["a"], MONDAY), on_call(found["b"], MONDAY)) == (["ann"], [""])
    why = one(found["b"], MONDAY).reason
    circle = "escalation policy q → schedule a → escalation policy p → schedule b → escalation policy q"
    assert why.endswith(f"schedule a is not followed, because it leads back to itself: {circle}")


def test_a_layer_that_another_layer_asks_is_no_circle() -> None:
    layers = [
        {"name": "day", "rotation": schedule("", "ann", "bob")["rotation"]},
        {"name": "night", "rotation": schedule("", "@p")["rotation"]},
    ]
    again = policy(step({"schedule": "s", "layer": "day", "turn": "NEXT"}))
    found = plans([{"name": "s", "time_zone": "UTC", "combine": "UNION", "layers": layers}], {"p": again})["s"]
    assert not found.around.cuts and on_call(found, MONDAY) == ["ann", "bob"]
    assert [stratum.shifts[0].responders for stratum in strata(found, MONDAY, MONDAY + DAY)] == [("ann",), ("bob",)]


@pytest.mark.parametrize(("length", "followed"), [(chains.LONGEST // 3, True), (chains.LONGEST, False)])
def test_a_chain_is_followed_only_so_far(length: int, followed: bool) -> None:
    schedules = [schedule(f"s{number}", f"@p{number}") for number in range(length)] + [schedule(f"s{length}", "ann")]
    policies = {f"p{number}": policy(step({"schedule": f"s{number + 1}"})) for number in range(length)}
    first = plans(schedules, policies)["s0"]
    assert on_call(first, MONDAY) == (["ann"] if followed else [""])
    assert followed or "is longer than" in one(first, MONDAY).reason


NAMES = ("a", "b", "c", "d")
SCHEDULED = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from(NAMES),
        "turn": st.sampled_from(("CURRENT", "NEXT", "PREVIOUS")),
        "layer": st.sampled_from(("", "rotation")),
    }
)
NAMED = st.sampled_from([{"responder": "ann"}, {"responder": "bob"}, {"team": "ops"}, {"team": "gone"}, {"contact": "room"}])
TARGETS = st.one_of(SCHEDULED, NAMED)
STEPS = st.fixed_dictionaries(
    {"targets": st.lists(TARGETS, min_size=1, max_size=3), "delay": st.sampled_from(("0s", "60s"))},
    optional={"selection": st.just("ROUND_ROBIN"), "condition": st.just(OFFICE), "otherwise": st.just("WAIT")},
)
POLICIES = st.builds(
    lambda steps, fallback, other: policy(*steps, fallback=fallback, urgency_rules=[{"escalation_policy": other}] if other else []),
    st.lists(STEPS, min_size=1, max_size=3), st.lists(TARGETS, max_size=1), st.sampled_from(("", *NAMES)),
)  # fmt: skip
SLOTS = st.lists(st.sampled_from(("ann", "cid", *(f"@{name}" for name in NAMES))), max_size=3)


@settings(max_examples=30, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, SLOTS)), st.fixed_dictionaries(dict.fromkeys(NAMES, POLICIES)), st.integers(1, 5))
def test_the_answer_always_comes(slots: dict[str, list[str]], policies: dict[str, Any], severity: int) -> None:
    """However schedules and policies name each other: whoever is on call has a reason, where nobody is a reason is given, and what
    a range says is what each instant says."""
    found = plans([schedule(name, *who) for name, who in slots.items()], policies)
    for plan in (each.at_severity(severity) for each in found.values()):
        shifts = plan.shifts(MONDAY, MONDAY + DAY)
        assert (shifts[0].start, shifts[-1].end) == (MONDAY, MONDAY + DAY)
        for shift in shifts:
            assert shift.reason
            for at in (shift.start, shift.start + (shift.end - shift.start) / 2, shift.end - timedelta(microseconds=1)):
                served = plan.asked(ASKED, at, severity)
                assert {stand.name for stand in served.stands} == set(shift.responders)
                assert all(stand.why for stand in served.stands) and (served.stands or served.why)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4)))
def test_what_is_left_after_the_cuts_has_no_circle_and_no_other_link_is_cut_for_one(links: dict[str, list[str]]) -> None:
    drawn = {chains.policy(name): [chains.policy(each) for each in nexts] for name, nexts in links.items()}
    cut = chains.cuts(drawn)
    left = {node: [each for each in nexts if (node, each) not in cut] for node, nexts in drawn.items()}
    for node, nexts in drawn.items():
        for each in nexts:
            assert ((node, each) in cut) == (chains.way(drawn, each, node) is not None)
            assert (node, each) in cut or chains.way(left, each, node) is None


def test_a_schedule_without_policies_leads_nowhere() -> None:
    made, _ = read(schedule("s", "ann"), Known())
    assert graph(Known(), [made]) == {}
