"""The laws of rotations and schedules, in many zones and over changes of the clocks."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_response.oncall.rotation import Rotation, Unit, instant_of
from tocsin_response.oncall.schedule import Override, Schedule, duty_at, shifts

ZONES = [
    "UTC", "Europe/Paris", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
    "Africa/Casablanca", "America/Sao_Paulo", "Asia/Beirut", "Antarctica/Troll",
]  # fmt: skip
NEAR = st.datetimes(datetime(2010, 6, 1), datetime(2027, 6, 1), timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))
HANDOFFS = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    return Rotation(
        unit=draw(st.sampled_from(Unit)),
        length=draw(st.integers(0, 9)),
        starts_on=draw(st.dates(date(2010, 1, 1), date(2026, 12, 31))),
        handoff=draw(HANDOFFS),
        responders=tuple(draw(st.lists(st.sampled_from(["ann", "bob", "cid"]), max_size=5))),
        zone=draw(st.sampled_from(ZONES)),
    )


@st.composite
def overrides(draw: st.DrawFn, near: datetime) -> list[Override]:
    made = []
    for number in range(draw(st.integers(0, 5))):
        starts = near + timedelta(hours=draw(st.integers(-500, 500)))
        ends = starts + timedelta(hours=draw(st.integers(1, 300)))
        created = near + timedelta(minutes=draw(st.integers(0, 3)))
        made.append(Override(str(number), "s", draw(st.sampled_from(["ann", "dan"])), starts, ends, "eve", created, ""))
    return made


@given(rotations(), NEAR, st.integers(1, 4000), st.data())
def test_shifts_cover_the_range_without_gap_or_overlap(rotation: Rotation, since: datetime, hours: int, data: st.DataObject) -> None:
    schedule = Schedule("s", rotation)
    known = data.draw(overrides(since))
    until = since + timedelta(hours=hours)
    duties = shifts(schedule, known, since, until)
    assert (duties[0].since, duties[-1].until) == (since, until)
    for left, right in itertools.pairwise(duties):
        assert left.until == right.since
        assert left.responder != right.responder
    at = since + timedelta(seconds=data.draw(st.integers(0, hours * 3600 - 1)))
    [holds] = [duty for duty in duties if duty.since <= at < duty.until]  # type: ignore[operator]
    assert duty_at(schedule, known, at).responder == holds.responder


@given(rotations(), NEAR, st.data())
def test_a_duty_holds_from_its_beginning_until_its_end(rotation: Rotation, at: datetime, data: st.DataObject) -> None:
    schedule = Schedule("s", rotation)
    known = data.draw(overrides(at))
    duty = duty_at(schedule, known, at)
    if duty.since is not None:
        assert duty.since <= at
        assert duty_at(schedule, known, duty.since) == duty
    if duty.until is not None:
        assert duty.until > at
        assert duty_at(schedule, known, duty.until - timedelta(microseconds=1)) == duty
        after = duty_at(schedule, known, duty.until)
        assert (after.responder, after.reason) != (duty.responder, duty.reason) or after.since == duty.until


@given(rotations(), st.integers(0, 400))
def test_handoffs_keep_their_wall_clock_time(rotation: Rotation, index: int) -> None:
    zone = ZoneInfo(rotation.zone)
    instant = rotation.handoff_instant(index)
    assert rotation.handoff_instant(index + 1) >= instant
    wall = instant.astimezone(zone)
    if wall.time().replace(tzinfo=None) == rotation.handoff:
        assert wall.fold == 0
    else:
        # That time does not exist on that day: one second before, clocks showed an earlier time, now a later one.
        planned = datetime.combine(
            rotation.starts_on + timedelta(days=index * rotation.unit.value * (rotation.length or 1)), rotation.handoff
        )
        before = (instant - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < planned < wall.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        (datetime(2026, 3, 29, 2, 30), "Europe/Paris", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30), "Europe/Paris", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2011, 12, 30, 9, 0), "Pacific/Apia", datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
        (datetime(2026, 10, 4, 2, 15), "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        (datetime(2026, 7, 1, 9, 0), "Europe/Paris", datetime(2026, 7, 1, 7, 0, tzinfo=UTC)),
    ],
)
def test_missing_and_repeated_times(wall: datetime, zone: str, instant: datetime) -> None:
    assert instant_of(wall, ZoneInfo(zone)) == instant


WEEKLY = Rotation(Unit.WEEKLY, 1, date(2026, 11, 23), time(9), ("ann", "bob"), "Europe/Paris")


def test_a_duty_says_why() -> None:
    duty = duty_at(Schedule("primary", WEEKLY), [], datetime(2026, 12, 9, 12, tzinfo=UTC))
    assert duty.responder == "ann"
    assert duty.since == datetime(2026, 12, 7, 8, tzinfo=UTC)
    assert duty.until == datetime(2026, 12, 14, 8, tzinfo=UTC)
    assert duty.reason == "shift 3 of the weekly rotation"


def test_nobody_is_on_call_before_the_first_handoff() -> None:
    duty = duty_at(Schedule("primary", WEEKLY), [], datetime(2026, 11, 23, 7, 59, tzinfo=UTC))
    assert (duty.responder, duty.since, duty.until) == ("", None, datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert "starts on 2026-11-23" in duty.reason


def test_the_newest_override_wins_and_the_duty_around_it_is_cut() -> None:
    day = datetime(2026, 11, 25, tzinfo=UTC)
    older = Override("1", "primary", "bob", day + timedelta(hours=9), day + timedelta(hours=17), "ann", day, "dentist")
    newer = Override("2", "primary", "cid", day + timedelta(hours=12), day + timedelta(hours=13), "bob", day + timedelta(hours=1), "")
    schedule = Schedule("primary", WEEKLY)
    noon = duty_at(schedule, [older, newer], day + timedelta(hours=12))
    assert (noon.responder, noon.since, noon.until, noon.reason) == ("cid", newer.starts_at, newer.ends_at, "override by bob")
    assert duty_at(schedule, [newer, older], day + timedelta(hours=10)).until == newer.starts_at
    assert duty_at(schedule, [newer, older], day + timedelta(hours=8)).until == older.starts_at
    assert duty_at(schedule, [newer, older], day + timedelta(hours=20)).since == older.ends_at
