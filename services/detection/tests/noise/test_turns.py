"""Whoever floods without being held back is told in turn, so that nobody else waits behind it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from noise_words import MINUTE, NOON, an_alert

from tocsin_detection.noise.storm import MOST_SERVICES_PASSING
from tocsin_detection.noise.turns import APART, AT_ONCE, PER_SECOND, Lane, Turns, waits_for_its_turn

SECOND = timedelta(seconds=1)


def test_what_does_not_flood_is_told_at_once() -> None:
    alerts = [an_alert(str(number), service="shop") for number in range(AT_ONCE)]
    assert Turns().waiting(alerts, NOON) == {}


def test_a_flood_is_told_in_its_order_and_the_first_of_another_service_at_once() -> None:
    turns = Turns()
    flood = [an_alert(str(number), service="shop") for number in range(AT_ONCE + 3 * PER_SECOND)]
    holds = turns.waiting(flood, NOON)
    ends = [holds[alert.id].until for alert in flood[AT_ONCE:]]
    assert all(waits_for_its_turn(hold) for hold in holds.values())
    assert ends == [NOON + (place + 1) * APART for place in range(3 * PER_SECOND)]
    first, second = an_alert("cart", service="cart"), an_alert("cart again", service="cart")
    assert set(turns.waiting([first, second], NOON + SECOND)) == {second.id}
    assert turns.waiting([an_alert("door", integration="other", service="shop")], NOON) == {}


def test_what_is_urgent_does_not_wait_behind_the_rest() -> None:
    turns = Turns()
    turns.waiting([an_alert(str(number), service="shop", severity="warning") for number in range(10 * AT_ONCE)], NOON)
    urgent = [an_alert(f"u{number}", service="shop", severity="critical") for number in range(AT_ONCE)]
    assert turns.waiting(urgent, NOON) == {}
    assert turns.waiting([an_alert("lesser", service="shop", severity="warning")], NOON) != {}


def test_a_new_service_with_every_alert_gets_no_flood_through() -> None:
    lane = Lane(NOON)
    turns = [lane.turn(f"service-{number}", NOON) for number in range(AT_ONCE + 1_000)]
    assert sum(turn == NOON for turn in turns) <= AT_ONCE + MOST_SERVICES_PASSING
    assert lane.turn("later", NOON + 2 * MINUTE) == NOON + 2 * MINUTE


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 40), st.sampled_from(["a", "b"])), max_size=60))
def test_so_many_are_told_in_any_time_and_no_more(reports: list[tuple[int, int, str]]) -> None:
    """Reports as (milliseconds after the last one, alerts, service)."""
    lane, now, told = Lane(NOON), NOON, []
    for after, alerts, service in reports:
        now += after * timedelta(milliseconds=1)
        turns = [lane.turn(service, now) for _ in range(alerts)]
        assert all(turn >= now for turn in turns)
        told += turns
    told.sort()
    for start in told[:: max(1, len(told) // 20)]:
        within = sum(start <= turn < start + SECOND for turn in told)
        assert within <= AT_ONCE + PER_SECOND + 1 + len({service for _, _, service in reports})
