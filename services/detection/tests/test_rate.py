"""How much an integration may send."""

from dataclasses import replace
from datetime import timedelta

import pytest
from detection_words import NOON, signal
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.integration import Integration, Options, RateLimit
from tocsin_detection.rate import Bucket, Rates, take

LIMIT = RateLimit(per_second=10, burst=100)
DOOR = Integration("door", "webhook", "", "", NOON)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_a_burst_is_let_in_and_then_so_many_a_second() -> None:
    rates = Rates(LIMIT)
    flood = [signal(str(number)) for number in range(100)]
    assert rates.admit(DOOR, flood, NOON).refusal is None
    refused = rates.admit(DOOR, flood[:20], NOON + seconds(1))
    assert refused.signals == () and refused.refusal is not None
    assert dict(refused.refusal.data) == {"integration": "door", "retry_after": "1.0", "limit": "100", "remaining": "10"}
    assert rates.admit(DOOR, flood[:20], NOON + seconds(2)).refusal is None


def test_urgent_signals_have_a_budget_of_their_own() -> None:
    rates = Rates(LIMIT)
    assert rates.admit(DOOR, [signal()] * 100, NOON).refusal is None
    pressing = [signal("fire", severity="critical"), signal("outage", severity="p1")]
    mixed = rates.admit(DOOR, [signal(severity="warning"), *pressing], NOON)
    assert mixed.signals == pressing and mixed.refusal is not None
    assert rates.admit(DOOR, [signal(severity="critical")] * 98, NOON).refusal is None
    assert rates.admit(DOOR, [signal(severity="critical")], NOON).refusal is not None


def test_integrations_do_not_share_and_may_have_limits_of_their_own() -> None:
    rates = Rates(LIMIT)
    assert rates.admit(DOOR, [signal()] * 100, NOON).refusal is None
    small = replace(DOOR, name="small", options=Options(rate_limit=RateLimit(1, 2)))
    assert rates.admit(small, [signal()] * 2, NOON).refusal is None
    assert rates.admit(small, [signal()], NOON).refusal is not None


def test_a_report_larger_than_the_bucket_comes_in_once_it_is_full_and_is_paid_back() -> None:
    rates = Rates(LIMIT)
    assert rates.admit(DOOR, [signal()] * 300, NOON).refusal is None
    refused = rates.admit(DOOR, [signal()], NOON)
    assert refused.refusal is not None and refused.refusal.data["retry_after"] == "20.1"


def test_a_report_without_signals_is_always_let_in() -> None:
    rates = Rates(RateLimit(1, 1))
    assert [rates.admit(DOOR, (), NOON).refusal for _ in range(3)] == [None] * 3


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 5)), max_size=60))
def test_never_more_than_the_burst_and_the_refill_since_come_in(sends: list[tuple[int, float]]) -> None:
    bucket, now, let_in = Bucket(LIMIT.burst, NOON), NOON, 0
    for count, pause in sends:
        now += seconds(pause)
        taking = take(bucket, LIMIT, count, now)
        bucket = taking.bucket
        if not taking.wait:
            let_in += count
        else:
            assert take(bucket, LIMIT, count, now + seconds(taking.wait + 0.001)).wait == 0
        assert let_in <= LIMIT.burst + LIMIT.per_second * (now - NOON).total_seconds() + 0.001


@pytest.mark.parametrize("back", [1, 3600])
def test_a_clock_that_is_set_back_empties_no_bucket(back: int) -> None:
    assert take(Bucket(5, NOON), LIMIT, 5, NOON - seconds(back)).wait == 0
