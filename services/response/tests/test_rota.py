"""What is kept in memory answers as if it were asked anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_oncall.plain import schedule_of
from tocsin_oncall.render import Plan
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
