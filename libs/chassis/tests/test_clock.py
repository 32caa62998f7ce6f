"""A worker whose own clock is wrong, or jumps, follows the database's."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin_chassis.compose import foundation
from tocsin_chassis.postgres.database import postgres
from tocsin_chassis.settings import ServiceSettings
from tocsin_kernel import clock as clocks
from tocsin_kernel.clock import FollowingClock
from tocsin_testkit.world import eventually

TWO_HOURS = timedelta(hours=2)
A_MOMENT = timedelta(seconds=30)


class Wall:
    """The worker's own clock, off by so much; stands in the place of `datetime` where the kernel reads it."""

    def __init__(self) -> None:
        self.off = timedelta()

    def now(self, zone):
        return datetime.now(zone) + self.off


@pytest.fixture
def wall(monkeypatch):
    found = Wall()
    monkeypatch.setattr(clocks, "datetime", found)
    return found


@pytest.mark.parametrize("off", [TWO_HOURS, -TWO_HOURS])
async def test_the_databases_clock_decides_whatever_the_workers_own_says(world, wall, off):
    """A timer that is due in an hour is not due for a worker two hours ahead; one that was due an hour ago is, for one two hours behind."""
    wall.off = off
    clock = FollowingClock()
    url = world.servers.postgres_url(world.database, "tocsin_response")
    async with postgres(url, "response", clock=clock) as database:
        await database.ping()
        async with database.transaction() as tx:
            real = await tx.value(object, "SELECT clock_timestamp()")
        assert abs(clock.now() - real) < A_MOMENT
        due_later, due_before = real + off / 2, real - off / 2
        assert (due_later <= clock.now()) is (off < timedelta()) and (due_before <= clock.now()) is (off > timedelta())


@pytest.mark.parametrize("jump", [TWO_HOURS, -TWO_HOURS])
def test_a_jump_of_the_workers_own_clock_moves_no_timer(wall, jump):
    clock = FollowingClock()
    clock.follow(datetime(2026, 3, 29, 0, 59, tzinfo=UTC))
    before = clock.now()
    wall.off = jump
    assert timedelta() <= clock.now() - before < A_MOMENT


async def test_no_timer_is_judged_before_the_databases_time_is_known(world, wall):
    """A worker starts two hours ahead: the first tick that runs sees the database's time already."""
    wall.off = TWO_HOURS
    seen = []
    async with foundation("response", world.settings("response", ServiceSettings)) as base:
        app = base.app.ticks("looks", 60.0, lambda: _look(base.clock, seen))
        async with app.running():
            await eventually(lambda: _any(seen))
    assert abs(seen[0] - datetime.now(UTC)) < A_MOMENT


async def _look(clock, seen):
    seen.append(clock.now())


async def _any(seen):
    return bool(seen)
