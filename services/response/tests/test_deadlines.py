"""Until when laws want to be told: from the regimes that ship with Tocsin, across holidays and changes of clocks; and laws of the maths."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.response.v1.obligation_pb2 import Regime as RegimeMessage

from tocsin_response.obligation import clocks
from tocsin_response.obligation.clocks import days_of
from tocsin_response.obligation.deadlines import deadline, end_of, reminders
from tocsin_response.obligation.drafts import WORDS, filled
from tocsin_response.obligation.regime import Cap, Circumstances, Duty, Span, Unit
from tocsin_response.obligation.shipped import in_force, shipped
from tocsin_response.obligation.wire import problems_of_regime, regime_of

NEW_YORK, PARIS = ZoneInfo("America/New_York"), ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def due(regime: str, duty: str, start: datetime, **events: datetime) -> datetime | None:
    found = regime_of(shipped()[regime])
    named = {event.replace("_", "-"): moment for event, moment in events.items()}
    return deadline(found.duty(duty), start, named, days_of(found.zone, found.holidays)).at


CASES = [
    # Hours go by, whatever clocks show: this night is an hour shorter in Paris.
    ("gdpr", "authority", at("2026-03-28T12:00", "Europe/Paris"), at("2026-03-31T13:00", "Europe/Paris")),
    ("nis2", "early-warning", at("2026-11-28T10:00"), at("2026-11-29T10:00")),
    ("nis2", "final", at("2026-01-31T10:00"), at("2026-02-28T23:59:59")),
    ("dora", "final", at("2027-12-31T10:00"), at("2028-01-31T23:59:59")),
    # Thanksgiving and the weekend are no business days.
    ("sec-8k", "disclosure", at("2026-11-24T10:00", "America/New_York"), at("2026-12-01T17:30", "America/New_York")),
    # Determined on a Saturday: Monday is the first of the four.
    ("sec-8k", "disclosure", at("2026-11-07T10:00", "America/New_York"), at("2026-11-13T17:30", "America/New_York")),
    ("hipaa", "individuals", at("2026-01-01T10:00", "America/New_York"), at("2026-03-02T23:59:59", "America/New_York")),
    ("hipaa", "hhs-annual", at("2026-05-05T10:00", "America/New_York"), at("2027-03-01T23:59:59", "America/New_York")),
    ("cert-in", "report", at("2026-11-28T10:00"), at("2026-11-28T16:00")),
    ("singapore-pdpa", "commission", at("2026-11-28T20:00"), at("2026-12-02T23:59:59", "Asia/Singapore")),
    ("gdpr", "subjects", at("2026-11-28T20:00"), None),
]


@pytest.mark.parametrize(("regime", "duty", "start", "expected"), CASES, ids=[f"{case[0]}/{case[1]}/{case[2]:%m-%d}" for case in CASES])
def test_deadlines_of_the_law(regime: str, duty: str, start: datetime, expected: datetime | None) -> None:
    assert due(regime, duty, start) == expected


def test_dora_has_a_second_limit_that_lapses() -> None:
    """Four hours after the classification, at most 24 after awareness; classified only after that, four hours all the same."""
    aware = at("2026-11-28T10:00")
    for classified_after, expected_after in ((1, 5), (22, 24), (24, 24), (30, 34)):
        start = aware + classified_after * HOUR
        assert due("dora", "initial", start, awareness=aware) == aware + expected_after * HOUR
    assert due("dora", "initial", aware) == aware + 4 * HOUR, "nobody said since when they are aware"


def test_a_limit_that_does_not_lapse_never_lies_before_the_start() -> None:
    duty = Duty("x", "X", event="e", within=Span(4, Unit.HOURS), cap=Cap("awareness", Span(24, Unit.HOURS)))
    start = at("2026-11-28T10:00")
    told = deadline(duty, start, {"awareness": start - 48 * HOUR}, days_of("UTC", ""))
    assert told.at == start and "24 hours after awareness" in told.explanation


def test_what_ships_is_sound_and_says_where_it_is_written() -> None:
    assert len(shipped()) >= 12
    for regime in shipped().values():
        assert problems_of_regime(regime) == []
        assert regime.citation and all(duty.citation for duty in regime.duties)
    assert shipped()["circia"].disabled and shipped()["circia"].verify


def test_ones_own_regime_switches_replaces_and_adds() -> None:
    own = RegimeMessage(name="customer", duties=[{"name": "tell", "title": "Tell them", "event": "awareness"}])  # type: ignore[list-item]
    known = in_force([RegimeMessage(name="circia"), RegimeMessage(name="gdpr", disabled=True), own])
    assert not known["circia"].disabled and known["circia"].duties
    assert known["gdpr"].disabled and known["gdpr"].duties
    assert known["customer"] == own and shipped()["circia"].disabled


def test_one_event_starts_several_clocks_and_says_what_it_does_not_start() -> None:
    regimes = [regime_of(each) for each in shipped().values()]
    known = Circumstances(frozenset({"personal-data", "eu", "uk", "essential-entity"}), 600)
    found = clocks.by_event(regimes, "awareness", {"awareness": at("2026-11-28T10:00")}, known)
    started = {f"{clock.regime.name}/{clock.duty.name}" for clock in found.clocks}
    assert started == {"gdpr/authority", "uk-gdpr/authority", "nis2/early-warning", "nis2/notification"}
    assert "gdpr/subjects: nobody said that the incident is high-risk" in found.passed_over
    hipaa = clocks.by_event(regimes, "discovery", {"discovery": at("2026-11-28T10:00")}, Circumstances(frozenset({"health-data"}), 500))
    assert {clock.duty.name for clock in hipaa.clocks} == {"individuals", "hhs"}
    assert "hipaa/media: 500 people are affected, fewer than 501" in hipaa.passed_over


def test_problems_of_a_regime_name_the_field() -> None:
    given = RegimeMessage(name="x", time_zone="Mars/Base", holidays="XX", effective_from="2026-02-31")
    given.duties.add(name="a", title="A", event="e", after="b", template="{{ incident.titel }}")
    assert [field for field, _ in problems_of_regime(given)] == [
        "time_zone",
        "effective_from",
        "holidays",
        "duties[0].event",
        "duties[0].after",
        "duties[0].template",
    ]


def test_a_draft_evaluates_nothing() -> None:
    words = {"incident.title": "{{people}} {0.__class__} %s"}
    assert filled("{{incident.title}} / {{ people }}", words) == "{{people}} {0.__class__} %s / [people: not known]"
    assert "[to be filled in]" in filled("", dict.fromkeys(WORDS, "x"))


instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
spans = st.builds(Span, st.integers(0, 400), st.sampled_from(Unit))
calendars = st.sampled_from([("UTC", ""), ("America/New_York", "US"), ("Europe/Berlin", "DE-BY"), ("Asia/Tokyo", "JP")])


@given(spans, instants, instants, calendars)
def test_no_deadline_lies_before_its_start_and_later_starts_end_later(
    span: Span, first: datetime, second: datetime, calendar: tuple[str, str]
) -> None:
    days = days_of(*calendar)
    early, late = sorted((first, second))
    assert end_of(span, early, days) >= early
    assert end_of(span, early, days) <= end_of(span, late, days)


@given(instants, st.timedeltas(timedelta(0), timedelta(days=400)), st.timedeltas(timedelta(days=-1), timedelta(days=500)))
def test_reminders_come_in_order_and_at_most_one_at_once(start: datetime, length: timedelta, passed: timedelta) -> None:
    now, until = start + passed, start + length
    found = reminders(start, until, now)
    assert [percent for percent, _ in found] == sorted(percent for percent, _ in found)
    assert [moment for _, moment in found] == sorted(moment for _, moment in found)
    assert found[-1][0] == 100 and all(now <= moment for _, moment in found)
    assert sum(moment == now for _, moment in found) <= 1 or length < timedelta(milliseconds=1)
