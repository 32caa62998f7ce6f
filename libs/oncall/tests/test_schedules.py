"""Schedules as people write them: each kind of layer, what goes over layers, and what is said about mistakes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tocsin_oncall.carry import with_positions
from tocsin_oncall.duties import Away, Clash, conflicts, fairness, spans
from tocsin_oncall.ical import Entry, Events, calendar_of, feed
from tocsin_oncall.plain import Known, read, schedule_of
from tocsin_oncall.render import Plan, Shift
from tocsin_oncall.wall import instant_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(*layers: dict[str, Any], zone: str = "Europe/Paris", **more: Any) -> Plan:
    return Plan(
        schedule_of({"name": "s", "time_zone": zone, "layers": [{"name": f"l{n}", **each} for n, each in enumerate(layers)], **more})
    )


def told(plan: Plan, since: str, until: str) -> list[tuple[str, str]]:
    """The people of each shift and when it begins, gaps as "-"."""
    return [(" ".join(shift.responders) or "-", f"{shift.start:%m-%dT%H:%M}") for shift in plan.shifts(at(since), at(until))]


def turns(unit: str, *people: str, day: str = "2026-03-02", time: str = "09:00", **more: Any) -> dict[str, Any]:
    return {"rotation": {"unit": unit, "starts_on": day, "handoff_time": time, "responders": list(people), **more}}


def people(*names: str) -> list[dict[str, str]]:
    return [{"responder": name} for name in names]


def test_a_pattern_of_four_and_three_days() -> None:
    found = told(plan(turns("DAILY", "ann", "bob", lengths=[4, 3])), "2026-03-02T08:00", "2026-03-17T08:00")
    assert found == [("ann", "03-02T08:00"), ("bob", "03-06T08:00"), ("ann", "03-09T08:00"), ("bob", "03-13T08:00"), ("ann", "03-16T08:00")]


def test_months_take_the_last_day_where_they_are_too_short() -> None:
    layer = turns("MONTHLY", "ann", "bob", "cid", day="2026-01-31")
    found = told(plan(layer, zone="UTC"), "2026-01-31T09:00", "2026-05-01T00:00")
    assert found == [("ann", "01-31T09:00"), ("bob", "02-28T09:00"), ("cid", "03-31T09:00"), ("ann", "04-30T09:00")]


def test_hours_by_the_clock_or_by_what_has_passed() -> None:
    """On the day on which clocks go forward at 02:00."""
    wall = told(plan(turns("HOURLY", "ann", "bob", "cid", day="2026-03-29", time="00:00")), "2026-03-28T23:00", "2026-03-29T03:00")
    assert wall == [("ann", "03-28T23:00"), ("bob", "03-29T00:00"), ("ann", "03-29T01:00"), ("bob", "03-29T02:00")]
    layer = turns("HOURLY", "ann", "bob", "cid", day="2026-03-29", time="00:00", boundary="ELAPSED")
    elapsed = told(plan(layer), "2026-03-28T23:00", "2026-03-29T03:00")
    assert elapsed == [("ann", "03-28T23:00"), ("bob", "03-29T00:00"), ("cid", "03-29T01:00"), ("ann", "03-29T02:00")]


def test_turns_of_any_number_of_seconds() -> None:
    found = told(plan(turns("CUSTOM", "ann", "bob", length=5400), zone="UTC"), "2026-03-02T09:00", "2026-03-02T13:00")
    assert found == [("ann", "03-02T09:00"), ("bob", "03-02T10:30"), ("ann", "03-02T12:00")]


def test_a_window_that_crosses_a_handoff_is_split_between_two() -> None:
    layer = {**turns("WEEKLY", "ann", "bob"), "windows": [{"days": ["DAY_SUN"], "start": "22:00", "end_day": "DAY_MON", "end": "12:00"}]}
    found = told(plan(layer, zone="UTC"), "2026-03-08T00:00", "2026-03-09T13:00")
    assert found == [("-", "03-08T00:00"), ("ann", "03-08T22:00"), ("bob", "03-09T09:00"), ("-", "03-09T12:00")]


def test_weekdays_in_turn_pass_over_nobody() -> None:
    weekdays = [{"days": ["MON", "TUE", "WED", "THU", "FRI"], "start": "09:00", "end": "17:00"}]
    by_day = plan({**turns("DAILY", "ann", "bob", "cid"), "windows": weekdays}, zone="UTC")
    by_window = plan({**turns("DAILY", "ann", "bob", "cid", advance="WINDOW"), "windows": weekdays}, zone="UTC")
    names = [[name for name, _ in told(each, "2026-03-02T00:00", "2026-03-14T00:00") if name != "-"] for each in (by_day, by_window)]
    assert names[0] == ["ann", "bob", "cid", "ann", "bob", "bob", "cid", "ann", "bob", "cid"]
    assert names[1] == ["ann", "bob", "cid", "ann", "bob", "cid", "ann", "bob", "cid", "ann"]


def test_weekday_windows_by_the_clock_over_a_change_of_clocks() -> None:
    layer = {**turns("WEEKLY", "ann"), "windows": [{"start": "01:30", "end": "02:30"}]}
    found = plan(layer).shifts(at("2026-03-28T12:00"), at("2026-03-29T12:00"))
    [open_] = [shift for shift in found if shift.responders]
    # 02:30 does not exist: the window ends with the gap.
    assert (open_.start, open_.end) == (at("2026-03-29T00:30"), at("2026-03-29T01:00"))


def test_a_rule_moves_by_occurrence_or_by_period() -> None:
    rule = {"rule": "FREQ=WEEKLY;BYDAY=MO,TU", "start": "2026-03-02T09:00", "lasts": "28800s", "participants": people("ann", "bob")}
    by_occurrence = told(plan({"recurrence": rule}, zone="UTC"), "2026-03-02T00:00", "2026-03-16T00:00")
    assert [name for name, _ in by_occurrence if name != "-"] == ["ann", "bob", "ann", "bob"]
    by_period = told(plan({"recurrence": {**rule, "advance": "ADVANCE_PERIOD"}}, zone="UTC"), "2026-03-02T00:00", "2026-03-16T00:00")
    assert [name for name, _ in by_period if name != "-"] == ["ann", "ann", "bob", "bob"]
    by_two = told(plan({"recurrence": {**rule, "every": 2}}, zone="UTC"), "2026-03-02T00:00", "2026-03-16T00:00")
    assert [name for name, _ in by_two if name != "-"] == ["ann", "ann", "bob", "bob"]


def test_a_rule_by_days_of_months_with_exceptions() -> None:
    rule = "RRULE:FREQ=MONTHLY;BYMONTHDAY=1,-1\nEXDATE:20260331T000000\nRDATE:20260315T000000"
    layer = {"recurrence": {"rule": rule, "start": "2026-03-01T00:00", "lasts": "86400s", "participants": people("ann", "bob", "cid")}}
    found = told(plan(layer, zone="UTC"), "2026-03-01T00:00", "2026-04-03T00:00")
    assert found == [
        ("ann", "03-01T00:00"),
        ("-", "03-02T00:00"),
        ("bob", "03-15T00:00"),
        ("-", "03-16T00:00"),
        ("cid", "04-01T00:00"),
        ("-", "04-02T00:00"),
    ]


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
BEGIN:VEVENT
UID:1
DTSTART;TZID=Europe/Paris:20260323T090000
DTEND;TZID=Europe/Paris:20260323T170000
RRULE:FREQ=DAILY;UNTIL=20260331T070000Z
EXDATE;TZID=Europe/Paris:20260325T090000
SUMMARY:[L2] ANN
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;TZID=Europe/Paris:20260324T090000
DTSTART;TZID=Europe/Paris:20260324T120000
DTEND;TZID=Europe/Paris:20260324T130000
SUMMARY:cover for the day
ATTENDEE:mailto:bob@example.com
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260401
SUMMARY:Cid Jones
END:VEVENT
BEGIN:VEVENT
UID:3
STATUS:CANCELLED
DTSTART:20260402T000000Z
DTEND:20260403T000000Z
SUMMARY:ann
END:VEVENT
END:VCALENDAR
"""


def test_events_of_a_calendar_keep_their_wall_clock_time_and_name_people() -> None:
    known = Known(people={"ann": "ann", "bob": "bob", "cid jones": "cid"})
    schedule, problems = read({"name": "s", "time_zone": "Europe/Paris", "layers": [{"name": "x", "ical": CALENDAR}]}, known)
    assert problems == []
    found = told(Plan(schedule), "2026-03-20T00:00", "2026-04-10T00:00")
    assert [each for each in found if each[0] != "-"] == [
        ("ann", "03-23T08:00"),
        ("bob", "03-24T11:00"),
        ("ann", "03-26T08:00"),
        ("ann", "03-27T08:00"),
        ("ann", "03-28T08:00"),
        ("ann", "03-29T07:00"),
        ("ann", "03-30T07:00"),
        ("ann", "03-31T07:00"),
        ("cid", "03-31T22:00"),
    ]


def test_what_is_written_as_a_calendar_is_read_back() -> None:
    start = at("2026-03-29T00:00")
    entries = [Entry(f"{n}@x", start + n * DAY, start + n * DAY + HOUR, "ann", "because") for n in range(3)]
    found = list(Events(feed("On call", entries, start).decode(), ZoneInfo("UTC")).between(start, start + 9 * DAY))
    assert [(each.start, each.end, each.people) for each in found] == [(each.start, each.end, ("ann",)) for each in entries]


def test_layers_add_up_or_hide_each_other() -> None:
    hours = [{"start": "09:00", "end": "17:00"}]
    layers = (
        {**turns("WEEKLY", "ann"), "windows": hours, "level": 2},
        {**turns("WEEKLY", "bob"), "level": 1},
        {**turns("WEEKLY", "cid"), "level": 1},
    )
    found = {
        combine: told(plan(*layers, zone="UTC", combine=combine), "2026-03-09T00:00", "2026-03-10T00:00")
        for combine in ("UNION", "TOP_WINS", "COMBINE_LEVEL")
    }
    assert found["UNION"] == [("bob cid", "03-09T00:00"), ("ann bob cid", "03-09T09:00"), ("bob cid", "03-09T17:00")]
    assert found["TOP_WINS"] == [("bob", "03-09T00:00"), ("ann", "03-09T09:00"), ("bob", "03-09T17:00")]
    assert found["COMBINE_LEVEL"] == [("bob cid", "03-09T00:00"), ("ann", "03-09T09:00"), ("bob cid", "03-09T17:00")]


def test_a_layer_is_in_force_for_a_time() -> None:
    layer = {**turns("WEEKLY", "ann"), "effective_from": "2026-03-10T12:00", "effective_until": "2026-03-12"}
    made = plan(layer, zone="UTC")
    assert told(made, "2026-03-10T00:00", "2026-03-13T00:00") == [("-", "03-10T00:00"), ("ann", "03-10T12:00"), ("-", "03-12T00:00")]
    assert made.duties_at(at("2026-03-09T00:00"))[0].reason == "l0 is in force from 2026-03-10 12:00 (UTC)"
    assert made.duties_at(at("2026-03-09T00:00"))[0].until == at("2026-03-10T12:00")


def test_overrides_and_temporary_schedules_of_the_file() -> None:
    overrides = [
        {"kind": "KIND_REPLACE", "responder": "cid", "instead_of_responder": "ann", "from": "2026-03-10", "until": "2026-03-11"},
        {"responder": "dan", "from": "2026-03-12", "until": "2026-03-14", "reason": "feast"},
    ]
    temporaries = [
        {"from": "2026-03-13", "until": "2026-03-15", "shifts": [{"responders": ["eve"], "from": "2026-03-13", "until": "2026-03-14"}]}
    ]
    made = plan(turns("WEEKLY", "ann"), zone="UTC", overrides=overrides, temporaries=temporaries)
    found = told(made, "2026-03-09T09:00", "2026-03-16T00:00")
    expected = [("ann", "09T09:00"), ("cid", "10T00:00"), ("ann", "11T00:00"), ("dan", "12T00:00"), ("eve", "13T00:00"), ("-", "14T00:00")]
    assert found == [*((name, f"03-{when}") for name, when in expected), ("ann", "03-15T00:00")]
    assert made.explain(at("2026-03-12T12:00")) == (
        "layer l0: shift 1 of the weekly rotation: ann",
        "override in the schedule's file: feast: dan is on call instead of everybody",
        "so on call: dan",
    )


def test_joins_and_leaves_are_planned_ahead() -> None:
    ring = [{"responder": "ann"}, {"responder": "bob", "leaves": "2026-03-20"}, {"responder": "cid", "joins": "2026-03-20"}]
    rotation = {"unit": "WEEKLY", "starts_on": "2026-03-02", "handoff_time": "09:00", "participants": ring}
    found = told(plan({"rotation": rotation}, zone="UTC"), "2026-03-02T09:00", "2026-04-13T09:00")
    assert [name for name, _ in found] == ["ann", "bob", "ann", "cid", "ann", "cid"]


def test_an_edit_keeps_the_position_only_while_the_rhythm_stays() -> None:
    old = {"name": "s", "time_zone": "UTC", "layers": [{"name": "a", **turns("WEEKLY", "ann", "bob", "cid")}]}
    now = at("2026-03-10T12:00")
    edited = {"name": "s", "time_zone": "UTC", "layers": [{"name": "a", **turns("WEEKLY", "bob", "dan")}]}
    kept = with_positions(old, edited, now)
    assert kept["layers"][0]["rotation"]["position"] == {"turn_start": "2026-03-09T09:00:00", "participant": 0}
    assert with_positions(kept, edited, now + 30 * DAY) == kept, "the same again changes nothing"
    faster = {"name": "s", "time_zone": "UTC", "layers": [{"name": "a", **turns("DAILY", "dan", "bob")}]}
    assert with_positions(old, faster, now) == faster


MONDAY_TO_WEDNESDAY = {"days": ["MON", "TUE"], "end_day": "WED", "start": "09:00", "end": "10:00"}
TOO_OFTEN = {"rule": "FREQ=SECONDLY", "start": "2026-03-01", "lasts": "1s"}
OFF_BEAT = {"turn_start": "2026-03-05T10:00", "participant": 0}
NOBODYS = {"turn_start": "2026-03-05T09:00", "participant": 3}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"time_zone": "Mars"}, "time_zone", "'Mars' is not a time zone of the IANA database"),
        ({"effective_from": "2026-10-25T02:30"}, "layers[0].effective_from", "twice in Europe/Paris: write 2026-10-25T02:30:00+02:00 or"),
        (
            {"effective_until": "2026-03-29T02:30"},
            "layers[0].effective_until",
            "does not exist in Europe/Paris: clocks go on to 2026-03-29T03",
        ),
        ({"effective_from": "2026-03-02", "effective_until": "2026-03-01"}, "layers[0].effective_until", "must be later"),
        ({"windows": [MONDAY_TO_WEDNESDAY]}, "layers[0].windows[0].end_day", "give one day"),
        (turns("MONTHLY", "ann", boundary="ELAPSED"), "layers[0].rotation.boundary", "months have no fixed length"),
        (turns("DAILY", "ann", advance="WINDOW"), "layers[0].rotation.advance", "counts the windows of the layer, which has none"),
        (turns("DAILY", "ann", day="2026-02-30"), "layers[0].rotation.starts_on", "'2026-02-30' is not a day of the calendar"),
        (turns("DAILY", "ann", length=2, lengths=[2]), "layers[0].rotation.lengths", "give either length or lengths"),
        (turns("DAILY", "ann", participants=people("bob")), "layers[0].rotation.participants", "give either responders"),
        (
            turns("DAILY", "ann", position=OFF_BEAT),
            "layers[0].rotation.position.turn_start",
            "begin at 2026-03-05T09:00 and 2026-03-06T09:00",
        ),
        (turns("DAILY", "ann", position=NOBODYS), "layers[0].rotation.position.participant", "there is no participant 3"),
        ({"rotation": None, "recurrence": TOO_OFTEN}, "layers[0].recurrence.rule", "more often than hourly"),
        ({"rotation": None, "recurrence": {**TOO_OFTEN, "rule": "SOMETIMES"}}, "layers[0].recurrence.rule", "is not a rule such as"),
        ({"rotation": None, "ical": "hello"}, "layers[0].ical", "is not an iCalendar text"),
    ],
)
def test_mistakes_name_the_field_and_what_to_mend(change: dict[str, Any], field: str, words: str) -> None:
    layer = {
        key: value for key, value in {"name": "a", **turns("DAILY", "ann"), **change}.items() if value is not None and key != "time_zone"
    }
    _, problems = read({"name": "s", "time_zone": change.get("time_zone", "Europe/Paris"), "layers": [layer]})
    assert [path for path, _ in problems] == [field]
    assert words in problems[0][1]


def test_conflicts_and_loads() -> None:
    def shift(start: int, end: int, *names: str) -> Shift:
        begin = at("2026-03-06T00:00")
        return Shift(begin + start * HOUR, begin + end * HOUR, names, "")

    held = spans(
        {"a": [shift(0, 10, "ann"), shift(10, 12, "ann", "bob"), shift(12, 20, "bob")], "b": [shift(11, 13, "ann"), shift(30, 40, "bob")]}
    )
    events = tuple(Events(CALENDAR, ZoneInfo("UTC")).between(at("2026-03-01T00:00"), at("2026-03-02T00:00")))
    assert events == ()
    found = conflicts(held, [Away("ann", ())], {"a": 11 * HOUR, "b": 11 * HOUR})
    assert [(each.kind, each.responder, (each.end - each.start) / HOUR) for each in found] == [
        (Clash.DOUBLE_DUTY, "ann", 1),
        (Clash.REST, "bob", 10),
    ]
    loads = fairness(held, {})
    assert [(load.responder, load.hours, load.duties) for load in loads] == [("bob", 20, 2), ("ann", 13, 1)]
    # Friday 2026-03-06 06:00 UTC to Saturday: nights end at 06:00, the weekend begins at midnight.
    assert (loads[1].night_hours, loads[1].nights, loads[0].weekend_hours, loads[0].weekends) == (6, 1, 10, 1)
    assert (loads[0].shortest_rest_hours, loads[1].shortest_rest_hours) == (10, None)


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


def test_a_daily_turn_of_a_day_that_a_zone_skips_has_no_time() -> None:
    found = told(plan(turns("DAILY", "ann", "bob", "cid", day="2011-12-28"), zone="Pacific/Apia"), "2011-12-28T19:00", "2012-01-02T00:00")
    # The 30th never was: bob's turn of the 29th ends when clocks go on to the 31st, cid's of the 30th lasts until its 09:00.
    assert found[:4] == [("ann", "12-28T19:00"), ("bob", "12-29T19:00"), ("cid", "12-30T10:00"), ("ann", "12-30T19:00")]


def test_rules_that_never_match_are_refused() -> None:
    never = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"
    layer = {"recurrence": {"rule": never, "start": "2026-03-01T00:00", "lasts": "3600s", "participants": people("ann")}}
    _, problems = read({"name": "s", "time_zone": "UTC", "layers": [{"name": "a", **layer}]})
    assert problems == [("layers[0].recurrence.rule", "names days that never come")]
    with pytest.raises(ValueError, match="days that never come"):
        calendar_of(CALENDAR.replace("FREQ=DAILY;UNTIL=20260331T070000Z", never))
