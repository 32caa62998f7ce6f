"""The laws of schedules, in many zones and over changes of their clocks, held against an oracle that looks at every minute."""

import itertools
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin_oncall.render import Plan
from tocsin_oncall.rhythm import Boundary, Occurrences, Rhythm, Turns, Unit, months_after
from tocsin_oncall.ring import Participant, Position, Ring, carried
from tocsin_oncall.schedule import Combine, Kind, Layer, Override, Rotation, Schedule, Temporary
from tocsin_oncall.windows import WEEK, Window

MINUTE = timedelta(minutes=1)
# Each with a day on which its clocks do something odd.
ODD_DAYS = {
    "UTC": date(2026, 1, 10),
    "Europe/Paris": date(2026, 3, 29),
    "America/New_York": date(2026, 11, 1),
    "America/St_Johns": date(2026, 3, 8),
    "Australia/Lord_Howe": date(2026, 10, 4),
    "Asia/Kathmandu": date(2026, 5, 1),
    "Pacific/Apia": date(2011, 12, 30),
    "Africa/Casablanca": date(2026, 2, 15),
    "Antarctica/Troll": date(2026, 10, 25),
}
PEOPLE = ("ann", "bob", "cid", "dan")


@cache
def shown(zone: str, around: date) -> tuple[datetime, list[datetime]]:
    """What clocks show at every minute of the weeks around a day, and how far they had come at most until then."""
    begin = datetime.combine(around, time(), UTC) - timedelta(days=16)
    clock = [(begin + number * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for number in range(32 * 24 * 60)]
    return begin, list(itertools.accumulate(clock, max))


def first_minute(zone: str, around: date, wall: datetime) -> datetime:
    """The oracle of the time rule: the first minute at which clocks have come so far."""
    begin, farthest = shown(zone, around)
    return begin + bisect_left(farthest, wall) * MINUTE


def participants(names: tuple[str, ...]) -> tuple[Participant, ...]:
    return tuple(Participant(name, (name,)) for name in names)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, date, datetime]:
    """A zone, its odd day, and a minute within ten days of it."""
    zone = draw(st.sampled_from(sorted(ODD_DAYS)))
    around = ODD_DAYS[zone]
    at = datetime.combine(around, time(), UTC) + draw(st.integers(-10 * 1440, 10 * 1440)) * MINUTE
    return zone, around, at


@st.composite
def windows_of_week(draw: st.DrawFn) -> tuple[Window, ...]:
    found = []
    for _ in range(draw(st.integers(0, 4))):
        start = timedelta(minutes=15 * draw(st.integers(0, 671)))
        found.append(Window(start, start + timedelta(minutes=15 * draw(st.integers(1, 300)))))
    return tuple(found)


@st.composite
def rhythms(draw: st.DrawFn, zone: str, around: date) -> Turns:
    unit = draw(st.sampled_from([Unit.HOURLY, Unit.DAILY, Unit.WEEKLY, Unit.CUSTOM]))
    lengths = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    if unit is Unit.CUSTOM:
        lengths = tuple(5400 * length for length in lengths)
    day = around - timedelta(days=draw(st.integers(0, 9)))
    return Turns(
        unit, lengths, datetime.combine(day, time(draw(st.integers(0, 23)), draw(st.sampled_from([0, 15, 30, 59])))), ZoneInfo(zone)
    )


def turn_by_oracle(rhythm: Turns, around: date, at: datetime) -> int:
    """Looks at every boundary, one after the other."""
    turn, wall = -1, rhythm.anchor
    zone = str(rhythm.zone)
    for length in itertools.cycle(rhythm.lengths):
        if first_minute(zone, around, wall) > at:
            return turn
        turn, wall = turn + 1, wall + timedelta(seconds=length * rhythm.unit.value)
    raise AssertionError


def open_by_oracle(windows: tuple[Window, ...], zone: str, around: date, at: datetime) -> bool:
    if not windows:
        return True
    monday = datetime.combine(around - timedelta(days=around.weekday()), time())
    for week, window in itertools.product(range(-3, 3), windows):
        start, end = (first_minute(zone, around, monday + week * WEEK + edge) for edge in (window.start, window.end))
        if start <= at < end:
            return True
    return False


@settings(max_examples=300, deadline=None)
@given(places(), st.data())
def test_a_layer_says_what_the_oracle_says(place: tuple[str, date, datetime], data: st.DataObject) -> None:
    zone, around, at = place
    rhythm = data.draw(rhythms(zone, around))
    names = tuple(data.draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4)))
    windows = data.draw(windows_of_week())
    layer = Layer("x", ZoneInfo(zone), Rotation(rhythm, Ring(participants(names), rhythm)), windows=windows)
    turn = turn_by_oracle(rhythm, around, at)
    expected = (names[turn % len(names)],) if turn >= 0 and open_by_oracle(windows, zone, around, at) else ()
    people = tuple(name for name in (duty.responder for duty in Plan(Schedule("s", ZoneInfo(zone), (layer,))).duties_at(at)) if name)
    assert people == expected


@settings(max_examples=100, deadline=None)
@given(places(), st.data())
def test_a_rotation_by_windows_passes_over_nobody(place: tuple[str, date, datetime], data: st.DataObject) -> None:
    zone, around, at = place
    windows = data.draw(windows_of_week().filter(bool))
    anchor = datetime.combine(around - timedelta(days=5), time(9))
    count = data.draw(st.integers(1, 3))
    rhythm = Occurrences(windows, count, anchor, ZoneInfo(zone))
    monday = datetime.combine(around - timedelta(days=around.weekday()), time()) - 2 * WEEK
    starts = sorted(monday + week * WEEK + window.start for week in range(5) for window in windows)
    starts = [start for start in starts if start >= anchor]
    begun = sum(first_minute(zone, around, start) <= at for start in starts)
    assert max(rhythm.turn_at(at), -1) == (begun - 1) // count


@st.composite
def schedules(draw: st.DrawFn, zone: str, around: date) -> Schedule:
    layers = []
    for number in range(draw(st.integers(0, 3))):
        rhythm = draw(rhythms(zone, around))
        places = [Participant(name, (name,) if name else ()) for name in draw(st.lists(st.sampled_from(["", *PEOPLE]), max_size=4))]
        ring = Ring(tuple(places), rhythm)
        layers.append(Layer(f"l{number}", ZoneInfo(zone), Rotation(rhythm, ring), draw(st.integers(0, 2)), draw(windows_of_week())))
    return Schedule("s", ZoneInfo(zone), tuple(layers), draw(st.sampled_from(Combine)))


@st.composite
def overrides(draw: st.DrawFn, near: datetime, layers: int) -> tuple[Override, ...]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        starts = near + timedelta(hours=draw(st.integers(-60, 60)))
        ends = starts + timedelta(hours=draw(st.integers(1, 100)))
        created = near + timedelta(minutes=draw(st.integers(0, 3)))
        layer = draw(st.sampled_from(["", *(f"l{number}" for number in range(layers))]))
        who, gone = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(PEOPLE))
        made.append(Override(str(number), "s", who, starts, ends, "eve", created, "", draw(st.sampled_from(Kind)), gone, layer))
    return tuple(made)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, datetime]:
    zone, around, at = draw(places())
    schedule = draw(schedules(zone, around))
    temporaries = ()
    if draw(st.booleans()):
        starts = at + timedelta(hours=draw(st.integers(-30, 30)))
        temporaries = (Temporary("t", "s", starts, starts + timedelta(hours=draw(st.integers(1, 40))), (), "eve", at, ""),)
    return Plan(schedule, draw(overrides(at, len(schedule.layers))), temporaries), at


def people_by_hand(plan: Plan, at: datetime) -> set[str]:
    """Layers, combination, overrides, temporaries, each in a line."""
    if any(each.starts_at <= at < each.ends_at for each in plan.temporaries):
        return set()
    active = [each for each in plan.overrides if each.starts_at <= at < each.ends_at]
    found = []
    for layer in plan.schedule.layers:
        people = tuple(name for piece in layer.pieces(at, at + MINUTE) if piece.start <= at < piece.end for name in piece.people)
        for each in active:
            people = each.applied(people) if each.layer == layer.name else people
        found.append((layer.level, people))
    held = [(level, people) for level, people in found if people]
    match plan.schedule.combine:
        case Combine.TOP_WINS:
            held = held[:1]
        case Combine.LEVEL:
            held = [(level, people) for level, people in held if level == max(level for level, _ in held)]
    combined = tuple(dict.fromkeys(name for _, people in held for name in people))
    for each in active:
        combined = each.applied(combined) if not each.layer else combined
    return set(combined)


@settings(max_examples=300, deadline=None)
@given(plans(), st.integers(1, 300), st.data())
def test_shifts_cover_the_range_and_say_what_each_instant_says(drawn: tuple[Plan, datetime], hours: int, data: st.DataObject) -> None:
    plan, since = drawn
    until = since + timedelta(hours=hours)
    shifts = plan.shifts(since, until)
    assert (shifts[0].start, shifts[-1].end) == (since, until)
    for left, right in itertools.pairwise(shifts):
        assert left.end == right.start
        assert set(left.responders) != set(right.responders)
    assert all(shift.start < shift.end and shift.reason for shift in shifts)
    at = since + MINUTE * data.draw(st.integers(0, hours * 60 - 1))
    [holds] = [shift for shift in shifts if shift.start <= at < shift.end]
    assert set(holds.responders) == people_by_hand(plan, at)
    assert {duty.responder for duty in plan.duties_at(at) if duty.responder} == set(holds.responders)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_duty_holds_from_its_beginning_until_its_end_and_no_longer(drawn: tuple[Plan, datetime]) -> None:
    plan, at = drawn
    for duty in plan.duties_at(at):
        if not duty.responder:
            assert duty.until is None or people_by_hand(plan, duty.until)
            continue
        if duty.since is not None:
            assert duty.since <= at
            assert duty.responder in people_by_hand(plan, duty.since)
            assert duty.responder not in people_by_hand(plan, duty.since - timedelta(microseconds=1))
        if duty.until is not None:
            assert duty.until > at
            assert duty.responder in people_by_hand(plan, duty.until - timedelta(microseconds=1))
            assert duty.responder not in people_by_hand(plan, duty.until)


@settings(max_examples=150, deadline=None)
@given(plans())
def test_who_comes_next_is_somebody_else_and_comes_at_the_next_change(drawn: tuple[Plan, datetime]) -> None:
    plan, at = drawn
    now = people_by_hand(plan, at)
    for duties in (plan.after(at), plan.before(at)):
        assert not {duty.responder for duty in duties} & now
    for duty in plan.after(at):
        assert duty.since is not None
        between = plan.shifts(at, duty.since) if duty.since > at else []
        assert all(set(shift.responders) <= now for shift in between)


@settings(max_examples=200, deadline=None)
@given(places(), st.data())
def test_editing_members_never_changes_who_is_on_call_now(place: tuple[str, date, datetime], data: st.DataObject) -> None:
    zone, around, at = place
    rhythm: Rhythm = data.draw(rhythms(zone, around))
    names = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True)
    old = Ring(participants(tuple(data.draw(names))), rhythm)
    for _ in range(data.draw(st.integers(1, 4))):
        new = Ring(participants(tuple(data.draw(names))), rhythm)
        moved = Ring(new.participants, rhythm, carried(old, new, at))
        turn = rhythm.turn_at(at)
        before, after = old.at(turn), moved.at(turn)
        assert before is not None and after is not None
        if turn >= 0 and before in new.participants:
            assert after == before
        old = moved


@settings(max_examples=100, deadline=None)
@given(places(), st.data())
def test_planned_joins_and_leaves_cut_no_turn_and_keep_the_order(place: tuple[str, date, datetime], data: st.DataObject) -> None:
    zone, around, at = place
    rhythm = data.draw(rhythms(zone, around))
    dates = st.none() | st.integers(-10, 10).map(lambda days: at + timedelta(days=days))
    people = tuple(Participant(name, (name,), data.draw(dates), data.draw(dates)) for name in PEOPLE)
    position = data.draw(st.none() | st.builds(Position, st.integers(0, 3), st.integers(0, 3)))
    ring = Ring(people, rhythm, position)
    first = position.turn if position else 0
    for turn in range(first, first + 40):
        who = ring.at(turn)
        if who is not None:
            assert who.joins is None or rhythm.instant(turn) >= who.joins
            assert who.leaves is None or rhythm.instant(turn + 1) <= who.leaves
        follower = ring.index_at(turn + 1)
        if who is not None and follower is not None:
            # Between one and the next in order stands nobody who takes part.
            index = people.index(who)
            steps = (follower - index - 1) % len(people)
            for skipped in ((index + step + 1) % len(people) for step in range(steps)):
                each = people[skipped]
                joined = each.joins is None or rhythm.instant(turn + 1) >= each.joins
                left = each.leaves is not None and rhythm.instant(turn + 2) > each.leaves
                assert not joined or left


@given(st.integers(0, 400), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
@example(1, date(2024, 1, 31))
def test_months_keep_their_day_or_take_the_last(months: int, day: date) -> None:
    moved = months_after(datetime.combine(day, time(9)), months)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved + timedelta(days=1)).month != moved.month


def test_elapsed_turns_keep_their_length_and_wall_turns_their_time() -> None:
    zone, anchor = ZoneInfo("America/New_York"), datetime(2026, 3, 2, 9)
    wall = Turns(Unit.WEEKLY, (1,), anchor, zone)
    elapsed = Turns(Unit.WEEKLY, (1,), anchor, zone, Boundary.ELAPSED)
    at = datetime(2026, 3, 9, 13, 30, tzinfo=UTC)
    assert (wall.turn_at(at), elapsed.turn_at(at)) == (1, 0)
    assert (wall.instant(1), elapsed.instant(1)) == (datetime(2026, 3, 9, 13, tzinfo=UTC), datetime(2026, 3, 9, 14, tzinfo=UTC))
