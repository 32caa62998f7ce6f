from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as some

from tocsin_client import times
from tocsin_client.errors import UsageError

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("NOW", NOW),
        ("+2h", NOW + timedelta(hours=2)),
        ("in 2h", NOW + timedelta(hours=2)),
        ("in 1d 12h", NOW + timedelta(days=1, hours=12)),
        ("-30m", NOW - timedelta(minutes=30)),
        ("30d ago", NOW - timedelta(days=30)),
        ("2026-11-23T09:00:00Z", NOW),
        ("2026-11-23T10:00+01:00", NOW),
        ("2026-11-23 10:00", NOW),
        ("2026-11-23", datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
    ],
)
def test_a_time_as_people_write_it(text: str, expected: datetime) -> None:
    assert times.instant(text, NOW, "--at", PARIS) == expected


@pytest.mark.parametrize("text", ["", "soon", "2h", "in", "+", "25:00", "2026-13-01", "+9999999999d", "in now"])
def test_what_is_no_time_names_the_argument(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--at: .*is not a time; give"):
        times.instant(text, NOW, "--at", PARIS)


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 parsecs"])
def test_what_is_no_duration_names_the_argument(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--for: "):
        times.duration(text, "--for")


@given(some.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=some.just(UTC)))
def test_a_stamp_is_read_as_it_was_written(moment: datetime) -> None:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    assert times.read(stamp) == moment


@given(some.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1000)))
def test_a_length_is_said_in_at_most_two_units_and_is_off_by_less_than_the_smaller(time: timedelta) -> None:
    said = times.lasting(time)
    units = said.split()
    assert 1 <= len(units) <= 2
    assert max(timedelta(), time) - times.span(said) < timedelta(hours=1) if time.days else timedelta(minutes=1)
