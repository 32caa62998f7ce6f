"""What is kept in memory answers as if it were asked anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_oncall.plain import Known, schedule_of
from tocsin_oncall.render import Plan, together
from tocsin_response.oncall.rota import Kept

BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cid")


@st.composite
def layers(draw: st.DrawFn) -> dict[str, Any]:
    rotation = {
        "unit": draw(st.sampled_from(["HOURLY", "DAILY", "WEEKLY"])),
        "length": draw(st.integers(1, 9)),
        "starts_on": "2026-03-02",
        "handoff_time": draw(st.sampled_from(["00:00", "02:30", "09:00"])),
        "responders": draw(st.lists(st.sampled_from(PEOPLE), max_size=4)),
    }
    windows = draw(st.sampled_from([[], [{"start": "08:00", "end": "17:00"}], [{"days": ["SAT"], "start": "10:00", "end": "09:00"}]]))
    return {"rotation": rotation, "windows": windows}


@settings(max_examples=100, deadline=None)
@given(st.lists(layers(), max_size=3), st.lists(st.integers(0, 30 * 24 * 60), min_size=1, max_size=12))
def test_a_kept_answer_is_the_answer(given_layers: list[dict[str, Any]], minutes: list[int]) -> None:
    named = [{"name": f"l{number}", **layer} for number, layer in enumerate(given_layers)]
    plan = Plan(schedule_of({"name": "s", "time_zone": "Europe/Paris", "layers": named}))
    kept = Kept(plan, {})
    for minute in minutes:
        at = BEGIN + timedelta(minutes=minute)
        fresh = {(duty.responder, duty.since, duty.until) for duty in plan.duties_at(at)}
        assert {(duty.responder, duty.since, duty.until) for duty in kept.duties_at(at)} == fresh
        assert kept.next_change(at) == (plan.next_change(at) or kept.next_change(at))
        assert kept.next_change(at) > at


def test_a_slot_of_a_policy_keeps_an_answer_for_each_severity_until_whom_it_asks_changes() -> None:
    rotation = {"unit": "DAILY", "starts_on": "2026-03-02", "handoff_time": "00:00"}
    back = {"name": "back", "time_zone": "UTC", "rotation": {**rotation, "responders": ["ann", "bob"]}}
    front = {"name": "front", "time_zone": "UTC", "rotation": {**rotation, "participants": [{"escalation_policy": "p"}]}}
    worst = {"targets": [{"responder": "cid"}], "delay": "60s", "condition": {"severities": ["SEVERITY_SEV1"]}}
    known = Known(policies={"p": {"steps": [worst, {"targets": [{"schedule": "back"}], "delay": "60s"}]}})
    kept = Kept(together(known, [schedule_of(front, known), schedule_of(back, known)])["front"], {})
    for hours, expected in ((0, "ann"), (12, "ann"), (24, "bob"), (0, "ann"), (36, "bob")):
        at = BEGIN + timedelta(hours=hours)
        assert [duty.responder for duty in kept.duties_at(at)] == ["cid"]
        assert [duty.responder for duty in kept.duties_at(at, 3)] == [expected]
    assert kept.duties_at(BEGIN, 3) is kept.duties_at(BEGIN + timedelta(hours=1), 3), "the same answer, not another look"
