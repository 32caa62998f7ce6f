"""Maintenance windows keep the time on the wall, and no recurrence can hang anything."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.noise.matcher import read
from tocsin_detection.noise.window import Calendar, Window, WindowInvalid, check, occurrences, on_the_wall, zone_of

PARIS = ZoneInfo("Europe/Paris")
NIGHT = Window(
    name="night", description="backups", services=("shop",), matchers=(), zone="Europe/Paris", starts_at=datetime(2026, 1, 1, 22),
    length=timedelta(hours=8), recurrence="FREQ=DAILY", created_by="", created_at=datetime(2026, 1, 1, tzinfo=UTC), kept_in_files=True,
)  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [(datetime(2026, 3, 28), 7), (datetime(2026, 3, 27), 8), (datetime(2026, 10, 24), 9)])
def test_it_ends_by_the_clock_on_the_wall_also_when_clocks_change(day: datetime, hours: int) -> None:
    [night] = occurrences(NIGHT, day.replace(hour=23, tzinfo=PARIS), 1)
    assert night.starts_at.astimezone(PARIS).hour == 22
    assert night.ends_at.astimezone(PARIS).hour == 6
    assert night.ends_at - night.starts_at == timedelta(hours=hours)


def test_a_window_in_the_hour_that_the_clocks_leap_over_is_open_all_the_same() -> None:
    leapt = replace(NIGHT, starts_at=datetime(2026, 3, 29, 2), length=timedelta(hours=1), recurrence="")
    [hour] = occurrences(leapt, datetime(2026, 3, 28, tzinfo=UTC))
    assert hour.ends_at - hour.starts_at == timedelta(hours=1)


def test_it_recurs_as_the_rule_says() -> None:
    sundays = replace(NIGHT, recurrence="RRULE:FREQ=MONTHLY;BYDAY=1SU;UNTIL=20260401")
    starts = [each.starts_at.astimezone(PARIS).date().isoformat() for each in occurrences(sundays, NIGHT.created_at)]
    assert starts == ["2026-01-04", "2026-02-01", "2026-03-01"]
    once = replace(NIGHT, recurrence="")
    assert len(occurrences(once, NIGHT.created_at)) == 1
    assert occurrences(once, datetime(2026, 2, 1, tzinfo=UTC)) == []


def test_somebody_closes_it_until_the_next_time() -> None:
    at = datetime(2026, 5, 1, 23, tzinfo=PARIS)
    closed = replace(NIGHT, closed_at=at.astimezone(UTC))
    assert Calendar(NIGHT).open_at(at) is not None
    assert Calendar(closed).open_at(at) is None
    assert Calendar(closed).open_at(at + timedelta(days=1)) is not None


@pytest.mark.parametrize(
    "recurrence",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=SECONDLY",
        "FREQ=DAILY;COUNT=3",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=YEARLY;BYMONTH=99",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY\nEXRULE:FREQ=DAILY",
        "every sunday",
    ],
)
def test_a_rule_that_never_comes_or_cannot_be_read_is_refused_at_once(recurrence: str) -> None:
    began = time.process_time()
    with pytest.raises(WindowInvalid) as refused:
        check(replace(NIGHT, recurrence=recurrence), "window")
    assert refused.value.data["field"] == "window.recurrence"
    assert time.process_time() - began < 1


def test_what_is_wrong_is_named() -> None:
    for field, wrong in (("window.matchers", replace(NIGHT, services=())), ("window.length", replace(NIGHT, length=timedelta(days=40)))):
        with pytest.raises(WindowInvalid) as refused:
            check(wrong, "window")
        assert refused.value.data["field"] == field
    check(replace(NIGHT, services=(), matchers=read("a=b")), "window")
    for text in ("2026-12-01", "2026-13-01T00:00", "2026-12-01T22:00+01:00", "1999-12-31T23:59"):
        with pytest.raises(WindowInvalid):
            on_the_wall(text, "window.starts_at")
    with pytest.raises(WindowInvalid):
        zone_of("Europe/Atlantis", "window.zone")
    assert zone_of("", "window.zone") == "UTC"


RULES = st.sampled_from(
    [
        "",
        "FREQ=DAILY",
        "FREQ=DAILY;BYDAY=MO,FR",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=YEARLY",
        "FREQ=MONTHLY;BYDAY=-1FR",
    ]
)
MINUTES = st.integers(1, 31 * 24 * 60).map(lambda number: timedelta(minutes=number))


@given(
    RULES,
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    MINUTES,
    st.integers(0, 3_000),
    st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe"]),
)
def test_its_times_follow_one_another_and_the_calendar_knows_them(
    rule: str, start: datetime, length: timedelta, days: int, zone: str
) -> None:
    window = replace(NIGHT, recurrence=rule, starts_at=start, length=length, zone=zone)
    after = start.replace(tzinfo=UTC) + timedelta(days=days)
    times = occurrences(window, after, 5)
    assert all(each.starts_at < each.ends_at and each.ends_at > after for each in times)
    assert all(one.starts_at < other.starts_at for one, other in pairwise(times))
    calendar = Calendar(window)
    for each in times:
        assert calendar.open_at(each.starts_at) is not None
        assert calendar.open_at(each.ends_at - timedelta(seconds=1)) is not None
