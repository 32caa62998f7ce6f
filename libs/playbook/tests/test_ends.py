"""How long an effect holds: every duration of ISO 8601, and instants."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_playbook.document import loaded
from tocsin_playbook.ends import end_of, flaw, told
from tocsin_playbook.plan import plan
from tocsin_playbook.playbook import read

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SMALL = st.integers(0, 99)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("PT8H30M", "2026-01-31T20:30"),
        ("PT8H", "2026-01-31T20:00"),
        ("P1DT12H", "2026-02-02T00:00"),
        ("P2W", "2026-02-14T12:00"),
        ("P1M", "2026-02-28T12:00"),
        ("P1Y2M10DT2H30M", "2027-04-10T14:30"),
        ("PT0,5H", "2026-01-31T12:30"),
        ("PT90M", "2026-01-31T13:30"),
        ("2026-02-01T08:00:00+01:00", "2026-02-01T07:00"),
        ("20260201T080000Z", "2026-02-01T08:00"),
    ],
)
def test_what_is_written_is_understood(said, end):
    assert end_of(said, NOON).strftime("%Y-%m-%dT%H:%M") == end
    assert flaw(said) == ""


@given(st.tuples(SMALL, SMALL, SMALL, SMALL).filter(any))
def test_every_mixture_of_parts_is_as_long_as_its_parts(parts):
    days, hours, minutes, seconds = parts
    day = f"{days}D" if days else ""
    clock = "".join(f"{number}{unit}" for number, unit in zip(parts[1:], "HMS", strict=True) if number)
    said = f"P{day}{'T' if clock else ''}{clock}"
    assert end_of(said, NOON) - NOON == timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


@given(st.text(max_size=20) | st.from_regex(r"P[0-9YMWDTHS.,]*", fullmatch=True))
def test_whatever_is_written_is_understood_or_refused_with_words(said):
    wrong = flaw(said, NOON)
    assert (end_of(said, NOON) > NOON) if not wrong else len(wrong) > 20


def test_an_end_that_has_passed_is_refused_when_it_is_known():
    assert flaw("2020-01-01T00:00:00Z") == ""
    assert "has passed" in flaw("2020-01-01T00:00:00Z", NOON)
    assert (told("PT8H"), told("PT8H30M"), told("2026-12-24T18:00:00Z")) == ("for 8h", "for PT8H30M", "until 2026-12-24T18:00:00Z")


@pytest.mark.parametrize(
    ("until", "says"), [("8h", "for 8h"), ("PT8H30M", "for PT8H30M"), ("2026-12-24T18:00:00Z", "until 2026-12-24T18:00:00Z")]
)
def test_a_plan_says_how_long_it_holds(until, says):
    text = f'playbook: Cut\nsteps:\n  - cut: {{action: isolate-host, using: defender, with: {{host: web-1}}, until: "{until}"}}\n'
    found = loaded(text)
    assert not found.errors
    [does] = [does for line in plan(read(found.plain), {}).lines for does in line.does]
    assert does.endswith(says)
