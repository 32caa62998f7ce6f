"""When the platform counts as down, and who hears of it when: whatever happens in whatever order."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tocsin_watchdog.verdict import REMINDERS, Limits, Round, Say, Watch, after_probe, after_round, after_saying, to_say

LIMITS = Limits(misses=3, down_seconds=60.0)


def missed(watch, now):
    return after_round(watch, Round.NOT_BACK, "was lost", now, LIMITS)


def test_three_misses_in_a_row_are_an_outage_and_one_round_that_comes_through_ends_it():
    watch = missed(missed(Watch(), 0), 60)
    assert not watch.is_down and to_say(watch, 60) is Say.NOTHING
    watch = missed(watch, 120)
    assert watch.is_down and to_say(watch, 120) is Say.DOWN
    assert watch.failing_since == 0
    watch = after_saying(watch, Say.DOWN, 120)
    assert to_say(watch, 121) is Say.NOTHING
    watch = after_round(watch, Round.CAME_THROUGH, "", 180, LIMITS)
    assert to_say(watch, 180) is Say.UP_AGAIN
    assert after_saying(watch, Say.UP_AGAIN, 180) == Watch()


def test_a_miss_now_and_then_is_no_outage():
    watch = Watch()
    for number in range(50):
        watch = missed(watch, number * 60)
        watch = missed(watch, number * 60 + 20)
        watch = after_round(watch, Round.CAME_THROUGH, "", number * 60 + 40, LIMITS)
    assert watch == Watch()


def test_a_minute_without_any_answer_is_an_outage():
    watch = after_probe(Watch(), False, "refused", 0, LIMITS)
    assert not after_probe(watch, False, "refused", 59, LIMITS).is_down
    down = after_probe(watch, False, "refused", 60, LIMITS)
    assert down.is_down and "refused" in down.why
    assert after_probe(down, True, "", 70, LIMITS).is_down, "an answer is not yet a page"


def test_it_reminds_less_and_less_often_and_never_stops():
    watch = missed(missed(missed(Watch(), 0), 0), 0)
    told, now = [], 0.0
    while now < 4 * 3600:
        said = to_say(watch, now)
        if said is not Say.NOTHING:
            told.append(now)
            watch = after_saying(watch, said, now)
        now += 10
    waits = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert waits[: len(REMINDERS)] == list(REMINDERS)
    assert set(waits[len(REMINDERS) :]) <= {REMINDERS[-1]}


steps = st.lists(st.tuples(st.sampled_from(["through", "lost", "silent", "answers"]), st.integers(1, 120)), max_size=60)


@given(steps)
def test_whoever_is_told_of_an_outage_is_told_its_end_and_nobody_else_is(history):
    watch, now, open_news = Watch(), 0.0, 0
    for what, seconds in history:
        now += seconds
        match what:
            case "through":
                watch = after_round(watch, Round.CAME_THROUGH, "", now, LIMITS)
            case "lost":
                watch = missed(watch, now)
            case "silent":
                watch = after_probe(watch, False, "refused", now, LIMITS)
            case "answers":
                watch = after_probe(watch, True, "", now, LIMITS)
        said = to_say(watch, now)
        if said is Say.DOWN:
            assert open_news == 0
            open_news = 1
        if said is Say.UP_AGAIN:
            assert open_news == 1 and not watch.is_down
            open_news = 0
        watch = after_saying(watch, said, now)
        assert watch.is_down == bool(open_news)
