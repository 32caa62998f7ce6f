"""Who asks somebody waits until what may call it off is heard, but not for ever."""

import asyncio

from tocsin_chassis.events.hearing import MOST_SECONDS, RETURN_SECONDS, Hearing
from tocsin_chassis.events.line import Line


class Bench:
    def __init__(self) -> None:
        self.now, self.line = 100.0, Line()
        self.hearing = Hearing(self.line, lambda: self.now)


def test_at_the_start_all_consumers_are_waited_for() -> None:
    bench = Bench()
    for name in ("triage", "response"):
        bench.hearing.behind(name)
    bench.now += 60.0
    bench.hearing.begin()
    assert not bench.hearing.is_clear, "how long it took to be composed does not count"
    bench.hearing.caught_up("triage")
    assert not bench.hearing.is_clear
    bench.hearing.caught_up("response")
    assert bench.hearing.is_clear


def test_one_that_never_catches_up_is_not_waited_for_longer_than_the_bound_however_often_it_begins_anew() -> None:
    bench = Bench()
    for name in ("triage", "response"):
        bench.hearing.behind(name)
    bench.hearing.caught_up("response")
    for _ in range(int(MOST_SECONDS)):
        assert not bench.hearing.is_clear
        bench.now += 1.0
        bench.hearing.behind("triage")
    assert bench.hearing.is_clear


def test_a_lost_line_is_waited_for_and_once_it_is_back_what_others_say_then() -> None:
    bench = Bench()
    bench.hearing.behind("triage")
    bench.hearing.caught_up("triage")
    bench.line.lost()
    assert not bench.hearing.is_clear
    bench.now += MOST_SECONDS
    assert bench.hearing.is_clear, "a page too many is better than none"
    bench.line.returned()
    bench.hearing.caught_up("triage")
    assert not bench.hearing.is_clear, "the relays of others have not published yet what they had to hold back"
    bench.now += RETURN_SECONDS
    assert bench.hearing.is_clear


async def test_who_waits_goes_on_as_soon_as_the_last_one_has_caught_up() -> None:
    hearing = Hearing(Line())
    hearing.behind("triage")
    heard: list[str] = []

    async def catch_up() -> None:
        heard.append("everything")
        hearing.caught_up("triage")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(hearing.wait())
        tasks.create_task(catch_up())
        await waiting
        assert heard
