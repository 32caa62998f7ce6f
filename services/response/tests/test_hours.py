"""Hours of teams, and conditions over them, against a clock that is asked minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_oncall.hours import ALWAYS, Condition, Hours
from tocsin_oncall.windows import Window

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFFICE = Hours("office", "Europe/Paris", tuple(Window(day * DAY + 9 * HOUR, day * DAY + 17 * HOUR) for day in range(5)))
FRIDAY_NIGHT = Hours("night", "Europe/Paris", (Window(4 * DAY + 22 * HOUR, 5 * DAY + 6 * HOUR),))
MONDAY_MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)  # 09:00 in Paris


def test_a_window_is_half_open() -> None:
    assert OFFICE.open_at(MONDAY_MORNING)
    assert not OFFICE.open_at(MONDAY_MORNING - timedelta(seconds=1))
    assert not OFFICE.open_at(MONDAY_MORNING + 8 * HOUR)


def test_over_the_weekend_it_opens_on_monday_at_the_same_wall_clock_time_after_a_change_of_clocks() -> None:
    friday_evening = datetime(2026, 10, 23, 16, tzinfo=UTC)
    assert OFFICE.next_change(friday_evening, opens=True) == datetime(2026, 10, 26, 8, tzinfo=UTC)
    assert OFFICE.next_change(MONDAY_MORNING, opens=False) == MONDAY_MORNING + 8 * HOUR


def test_on_a_holiday_no_window_begins_and_one_that_has_begun_goes_on() -> None:
    closed = Hours("", "Europe/Paris", FRIDAY_NIGHT.windows, frozenset({date(2026, 11, 28)}))
    assert closed.open_at(datetime(2026, 11, 28, 2, tzinfo=UTC))
    shut = Hours("", "Europe/Paris", FRIDAY_NIGHT.windows, frozenset({date(2026, 11, 27)}))
    assert not shut.open_at(datetime(2026, 11, 28, 2, tzinfo=UTC))
    assert shut.next_change(MONDAY_MORNING, opens=True) == datetime(2026, 12, 4, 21, tzinfo=UTC)


def test_hours_without_a_window_never_open_and_are_not_waited_for() -> None:
    never = Condition(hours=Hours("gone", "UTC", ()))
    assert not never.holds(1, MONDAY_MORNING)
    assert never.holds_from(1, MONDAY_MORNING) is None
    assert Condition(hours=Hours("gone", "UTC", ()), outside=True).holds(1, MONDAY_MORNING)


def test_hours_that_never_end_are_not_waited_for_outside() -> None:
    whole = Hours("", "UTC", (Window(0 * DAY, 7 * DAY),))
    assert whole.open_at(MONDAY_MORNING)
    assert Condition(hours=whole, outside=True).holds_from(1, MONDAY_MORNING) is None


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (ALWAYS, "always"),
        (Condition(frozenset({2, 1})), "for SEV1 and SEV2"),
        (Condition(frozenset({3}), OFFICE, outside=True), "for SEV3 outside the hours of office"),
        (Condition(hours=Hours("", "UTC", OFFICE.windows)), "within its hours in UTC"),
    ],
)
def test_a_condition_can_be_read(condition: Condition, said: str) -> None:
    assert str(condition) == said


def test_a_severity_is_not_waited_for() -> None:
    severe = Condition(frozenset({1}), OFFICE)
    assert severe.holds_from(2, MONDAY_MORNING - HOUR) is None
    assert severe.holds_from(1, MONDAY_MORNING - HOUR) == MONDAY_MORNING


ZONES = st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/New_York", "Africa/Casablanca"])
WINDOWS = st.builds(
    lambda start, length: Window(timedelta(minutes=30 * start), timedelta(minutes=30 * (start + length))),
    st.integers(0, 7 * 48 - 1),
    st.integers(1, 3 * 48),
)
INSTANTS = st.integers(0, 2 * 365 * 48).map(lambda half_hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * half_hours))


def open_by_the_wall(hours: Hours, at: datetime) -> bool:
    """Another way to the same answer, where clocks do not change around: what the wall shows."""
    wall = at.astimezone(ZoneInfo(hours.zone)).replace(tzinfo=None)
    into = wall - datetime(wall.year, wall.month, wall.day) + wall.weekday() * DAY
    return any(each.start <= into < each.end or each.start <= into + 7 * DAY < each.end for each in hours.windows)


def steady(zone: str, at: datetime) -> bool:
    """Whether clocks of the zone do not change within eight days."""
    offsets = {(at + days * DAY).astimezone(ZoneInfo(zone)).utcoffset() for days in range(-8, 9)}
    return len(offsets) == 1


@given(ZONES, st.lists(WINDOWS, min_size=1, max_size=4).map(tuple), INSTANTS)
def test_hours_are_those_that_the_wall_clock_shows(zone: str, windows: tuple[Window, ...], at: datetime) -> None:
    hours = Hours("h", zone, windows)
    if steady(zone, at):
        assert hours.open_at(at) == open_by_the_wall(hours, at)


@given(ZONES, st.lists(WINDOWS, min_size=1, max_size=3).map(tuple), INSTANTS, st.booleans())
def test_whoever_waits_waits_no_longer_than_needed(zone: str, windows: tuple[Window, ...], at: datetime, outside: bool) -> None:
    condition = Condition(hours=Hours("h", zone, windows), outside=outside)
    begins = condition.holds_from(3, at)
    if begins is None:
        return
    assert condition.holds(3, begins)
    minutes = int((begins - at) / timedelta(minutes=30))
    assert not any(
        condition.holds(3, at + timedelta(minutes=30 * step))
        for step in range(min(minutes, 500))
        if at + timedelta(minutes=30 * step) < begins
    )
