"""On-call duty on real servers: schedules of layers, what goes over them, what is recorded and told."""

import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1 import oncall_pb2 as oncall
from tocsin.response.v1 import oncall_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as old
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Target
from tocsin.response.v1.events_pb2 import DutyChanged, HandoffDue
from tocsin.response.v1.oncall_pb2 import (
    Calendar,
    Layer,
    Override,
    Participant,
    Responder,
    ResponderGroup,
    Rotation,
    Schedule,
    Team,
    Window,
)
from tocsin.response.v1.oncall_service_pb2_grpc import OncallServiceStub
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.database import Tx
from tocsin_oncall.ical import Events
from tocsin_response.app import response
from tocsin_response.oncall.oncall import OnDuty, Turn, on_duty
from tocsin_response.oncall.rota import rota
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.outside.tls import tls_before
from tocsin_testkit.world import World

ALICE = Caller("alice", Role.ROLE_MANAGER)
EDGE = Caller("edge", service="edge")
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
PEOPLE = ("ann", "bob", "cid", "dan")
WEEKDAYS = [oncall.DAY_MON, oncall.DAY_TUE, oncall.DAY_WED, oncall.DAY_THU, oncall.DAY_FRI]
# A Monday, 08:00 in Paris.
MONDAY = datetime(2026, 12, 7, 7, tzinfo=UTC)


class Stubs:
    """Both services of response, called as alice."""

    def __init__(self, world: World, app: Any) -> None:
        self.old: Any = world.stub(ResponseServiceStub, app, ALICE)
        self.new: Any = world.stub(OncallServiceStub, app, ALICE)
        self.port: int = app.port

    async def apply(self, **parts: Any) -> list[Change]:
        parts.setdefault("responders", [Responder(name=name, display_name=name.title(), time_zone="Europe/Paris") for name in PEOPLE])
        answer = await self.old.ApplyConfiguration(old.ApplyConfigurationRequest(configuration=old.Configuration(**parts)))
        return list(answer.changes)

    async def now(self, schedule: str, at: datetime) -> list[str]:
        answer = await self.old.GetOncall(old.GetOncallRequest(schedule=schedule, at=stamp(at)))
        return [duty.responder for duty in answer.duties]

    async def shifts(self, schedule: str, since: datetime, until: datetime) -> list[tuple[tuple[str, ...], datetime]]:
        answer = await self.new.RenderSchedule(ranged(pb.RenderScheduleRequest(name=schedule), since, until))
        return [(tuple(shift.responders), read(shift.starts_at)) for shift in answer.shifts]

    async def override(self, schedule: str, responder: str, since: datetime, until: datetime, **more: Any) -> Override:
        request = old.CreateOverrideRequest(
            request_id=f"{schedule}{responder}{since}{more}", schedule=schedule, responder=responder, **more
        )
        request.starts_at.FromDatetime(since)
        request.ends_at.FromDatetime(until)
        made: Override = (await self.old.CreateOverride(request)).override
        return made


@pytest.fixture
async def stubs(world: World) -> AsyncIterator[Stubs]:
    """Response runs, on a Monday at 08:00 in Paris."""
    world.clock.forward(MONDAY - world.clock.now())
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Stubs(world, app)


def stamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made


def read(given: Timestamp) -> datetime:
    return given.ToDatetime(UTC)


def ranged(request: Any, since: datetime, until: datetime) -> Any:
    getattr(request, "from").FromDatetime(since)
    request.until.FromDatetime(until)
    return request


def rotation(*responders: str, unit: Any = Rotation.UNIT_WEEKLY, **more: Any) -> Rotation:
    return Rotation(unit=unit, starts_on="2026-01-05", handoff_time="09:00", responders=responders, **more)


def sun() -> Schedule:
    """Follow the sun, with an hour of overlap."""
    places = (("apac", "Asia/Singapore", ("ann",)), ("emea", "Europe/Paris", ("bob", "cid")), ("amer", "America/New_York", ("dan",)))
    layers = [
        Layer(name=name, time_zone=zone, windows=[Window(days=WEEKDAYS, start="08:00", end="17:00")], rotation=rotation(*people))
        for name, zone, people in places
    ]
    return Schedule(name="sun", time_zone="UTC", combine=Schedule.COMBINE_UNION, layers=layers)


async def test_a_follow_the_sun_schedule_round_trips_and_hands_over_with_overlap(stubs: Stubs) -> None:
    await stubs.apply(schedules=[sun()])
    exported = (await stubs.old.ExportConfiguration(old.ExportConfigurationRequest())).configuration
    assert exported.schedules[0] == sun()
    assert {change.action for change in await stubs.apply(schedules=[sun()])} == {Change.ACTION_UNCHANGED}
    # Both are on call between 08:00 in Paris and 17:00 in Singapore.
    assert await stubs.now("sun", MONDAY + HOUR) == ["ann", "bob"]
    assert await stubs.now("sun", MONDAY + 3 * HOUR) == ["bob"]
    assert await stubs.now("sun", MONDAY - 2 * DAY) == [""]


async def test_a_schedule_says_what_its_shifts_come_from(stubs: Stubs) -> None:
    """Bob takes over what is Ann's: her layer still says Ann, and beside it stands what went over it."""
    await stubs.apply(schedules=[sun()])
    await stubs.override("sun", "bob", MONDAY, MONDAY + DAY)
    answer = await stubs.new.RenderSchedule(ranged(pb.RenderScheduleRequest(name="sun", strata=True), MONDAY, MONDAY + DAY))
    found = {stratum.name: {name for shift in stratum.shifts for name in shift.responders} for stratum in answer.strata}
    assert list(found) == [*(layer.name for layer in sun().layers), "overrides"]
    assert found["overrides"] == {"bob"} and "ann" in set().union(*found.values())
    assert [list(shift.responders) for shift in answer.shifts] == [["bob"]]
    assert not (await stubs.new.RenderSchedule(ranged(pb.RenderScheduleRequest(name="sun"), MONDAY, MONDAY + DAY))).strata


async def test_editing_members_never_changes_who_is_on_call_now(world: World, stubs: Stubs) -> None:
    schedule = Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann", "bob", "cid"))
    await stubs.apply(schedules=[schedule])
    now = world.clock.now()
    [holder] = await stubs.now("week", now)
    for members in (("dan", "ann", "bob", "cid"), ("cid", "bob", "ann"), ("bob", "ann", "dan", "cid")):
        edited = Schedule(name="week", time_zone="Europe/Paris", rotation=rotation(*members))
        await stubs.apply(schedules=[edited])
        assert await stubs.now("week", now) == [holder]
        assert {change.action for change in await stubs.apply(schedules=[edited])} == {Change.ACTION_UNCHANGED}
        following = members[(members.index(holder) + 1) % len(members)]
        assert await stubs.now("week", now + WEEK) == [following]


async def test_a_preview_stores_nothing_and_stands_where_the_schedule_stands(stubs: Stubs) -> None:
    await stubs.apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann", "bob"))])
    given = Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("cid", "bob", "ann"))
    before = await stubs.shifts("week", MONDAY, MONDAY + 3 * WEEK)
    answer = await stubs.new.RenderSchedule(ranged(pb.RenderScheduleRequest(schedule=given), MONDAY, MONDAY + 3 * WEEK))
    previewed = [tuple(shift.responders) for shift in answer.shifts]
    assert previewed[0] == before[0][0]
    assert ("cid",) in previewed
    assert await stubs.shifts("week", MONDAY, MONDAY + 3 * WEEK) == before
    given.layers.add(name="x", effective_from="2026-10-25T02:30").rotation.CopyFrom(rotation("ann"))
    given.ClearField("rotation")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stubs.new.RenderSchedule(ranged(pb.RenderScheduleRequest(schedule=given), MONDAY, MONDAY + WEEK))
    said = refused.value.details() or ""
    assert "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00" in said
    assert "layers[0].effective_from" in said


async def test_overrides_add_remove_and_replace_for_the_schedule_or_a_layer(stubs: Stubs) -> None:
    await stubs.apply(schedules=[sun()])
    since, until = MONDAY, MONDAY + 10 * HOUR
    await stubs.override("sun", "dan", since, until, kind=Override.KIND_REPLACE, instead_of="ann")
    assert await stubs.now("sun", MONDAY + HOUR) == ["dan", "bob"]
    await stubs.override("sun", "cid", since, until, kind=Override.KIND_ADD)
    assert await stubs.now("sun", MONDAY + HOUR) == ["dan", "bob", "cid"]
    await stubs.override("sun", "", since, until, kind=Override.KIND_REMOVE, instead_of="bob")
    assert await stubs.now("sun", MONDAY + HOUR) == ["dan", "cid"]
    await stubs.override("sun", "ann", since, until, layer="emea")
    assert await stubs.now("sun", MONDAY + 3 * HOUR) == ["dan", "cid"]
    with pytest.raises(grpc.aio.AioRpcError, match="has no layer moon; it has apac, emea, amer"):
        await stubs.override("sun", "ann", since, until, layer="moon")
    with pytest.raises(grpc.aio.AioRpcError, match="REPLACE needs who goes"):
        await stubs.override("sun", "ann", since, until, kind=Override.KIND_REPLACE)
    explained = await stubs.new.ExplainOncall(pb.ExplainOncallRequest(schedule="sun", at=stamp(MONDAY + HOUR)))
    assert explained.lines[0].startswith("layer apac: shift 1 of the weekly rotation: ann")
    assert "override by alice: bob is not on call" in explained.lines
    assert explained.lines[-1] == "so on call: dan, cid"


async def test_a_temporary_schedule_goes_over_overrides_and_ends(stubs: Stubs) -> None:
    await stubs.apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann"))])
    await stubs.override("week", "bob", MONDAY, MONDAY + 2 * DAY)
    shift = oncall.TemporaryShift(responders=["cid", "dan"], starts_at=stamp(MONDAY + HOUR), ends_at=stamp(MONDAY + 5 * HOUR))
    request = pb.CreateTemporaryRequest(
        request_id="1", schedule="week", starts_at=stamp(MONDAY + HOUR), ends_at=stamp(MONDAY + DAY), shifts=[shift], reason="feast"
    )
    made = (await stubs.new.CreateTemporary(request)).temporary
    assert (await stubs.new.CreateTemporary(request)).temporary.id == made.id
    assert await stubs.shifts("week", MONDAY, MONDAY + 3 * DAY) == [
        (("bob",), MONDAY),
        (("cid", "dan"), MONDAY + HOUR),
        ((), MONDAY + 5 * HOUR),
        (("bob",), MONDAY + DAY),
        (("ann",), MONDAY + 2 * DAY),
    ]
    [gap] = (await stubs.new.ListGaps(pb.ListGapsRequest(schedule="week"))).gaps
    assert (read(gap.starts_at), gap.reason) == (MONDAY + 5 * HOUR, "temporary schedule by alice: feast names nobody at this time")
    assert [each.id for each in (await stubs.new.ListTemporaries(pb.ListTemporariesRequest())).temporaries] == [made.id]
    await stubs.new.DeleteTemporary(pb.DeleteTemporaryRequest(temporary_id=made.id))
    assert await stubs.now("week", MONDAY + 6 * HOUR) == ["bob"]


async def test_a_swap_changes_nothing_until_it_is_taken(stubs: Stubs) -> None:
    await stubs.apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann", "bob"))])
    [[holder], [other]] = [await stubs.now("week", MONDAY + 2 * HOUR + number * WEEK) for number in (0, 1)]
    start = MONDAY + 2 * HOUR
    request = pb.CreateSwapRequest(
        request_id="1",
        schedule="week",
        responder=holder,
        starts_at=stamp(start),
        ends_at=stamp(start + DAY),
        return_starts_at=stamp(start + WEEK),
        return_ends_at=stamp(start + WEEK + DAY),
    )
    swap = (await stubs.new.CreateSwap(request)).swap
    assert await stubs.now("week", start) == [holder]
    with pytest.raises(grpc.aio.AioRpcError, match="gives these duties away"):
        await stubs.new.TakeSwap(pb.TakeSwapRequest(swap_id=swap.id, responder=holder))
    for _ in range(2):
        taken = (await stubs.new.TakeSwap(pb.TakeSwapRequest(swap_id=swap.id, responder=other))).swap
        assert (taken.state, taken.taken_by) == (oncall.Swap.STATE_TAKEN, other)
    assert await stubs.now("week", start) == [other]
    assert await stubs.now("week", start + WEEK) == [holder]
    assert await stubs.now("week", start + WEEK + DAY) == [other]
    assert len((await stubs.old.ListOverrides(old.ListOverridesRequest(schedule="week"))).overrides) == 2
    with pytest.raises(grpc.aio.AioRpcError, match="is taken; only an open swap"):
        await stubs.new.CancelSwap(pb.CancelSwapRequest(swap_id=swap.id))
    request.request_id, request.asked = "2", other
    asked = (await stubs.new.CreateSwap(request)).swap
    with pytest.raises(grpc.aio.AioRpcError, match="asks"):
        await stubs.new.TakeSwap(pb.TakeSwapRequest(swap_id=asked.id, responder="dan"))
    page = await stubs.new.ListSwaps(pb.ListSwapsRequest(page_size=1))
    rest = await stubs.new.ListSwaps(pb.ListSwapsRequest(page_size=1, page_token=page.next_page_token))
    assert [each.id for each in (*page.swaps, *rest.swaps)] == [asked.id, swap.id]
    assert not rest.next_page_token
    [open_] = (await stubs.new.ListSwaps(pb.ListSwapsRequest(open_only=True))).swaps
    assert open_.id == asked.id
    with pytest.raises(grpc.aio.AioRpcError, match="page_token"):
        await stubs.new.ListSwaps(pb.ListSwapsRequest(page_token="WyJ4Il0"))


async def test_participants_may_be_groups_teams_and_nobody(stubs: Stubs) -> None:
    participants = [
        Participant(group=ResponderGroup(responders=["ann", "bob"])),
        Participant(nobody=True),
        Participant(team="ops"),
        Participant(escalation_policy="help"),
    ]
    mixed = Rotation(unit=Rotation.UNIT_DAILY, starts_on="2026-12-07", handoff_time="08:00", participants=participants)
    help_ = EscalationPolicy(
        name="help", steps=[EscalationStep(targets=[Target(responder="dan"), Target(team="ops")], delay=Duration(seconds=60))]
    )
    schedule = Schedule(name="mixed", time_zone="Europe/Paris", rotation=mixed)
    await stubs.apply(schedules=[schedule], teams=[Team(name="ops", members=["cid", "dan"])], escalation_policies=[help_])
    found = [set(await stubs.now("mixed", MONDAY + number * DAY)) for number in range(4)]
    assert found == [{"ann", "bob"}, {""}, {"cid", "dan"}, {"dan", "cid"}]
    await stubs.apply(teams=[Team(name="ops", members=["cid"])])
    assert await stubs.now("mixed", MONDAY + 2 * DAY) == ["cid"]


async def test_what_really_was_is_recorded_and_told_and_survives_edits(world: World, stubs: Stubs) -> None:
    schedule = Schedule(name="day", time_zone="Europe/Paris", rotation=rotation("ann", "bob", unit=Rotation.UNIT_DAILY))
    schedule.handoff_notice.FromTimedelta(2 * HOUR)
    await stubs.apply(schedules=[schedule])
    [first] = await world.facts(DutyChanged)
    assert (len(first.came), list(first.went)) == (1, [])
    # The handoff of 09:00 in Paris is less than two hours away.
    [due] = await world.facts(HandoffDue)
    assert read(due.at) == MONDAY + HOUR
    assert list(due.going) == list(first.came)
    world.clock.forward(2 * HOUR)
    second = (await world.facts(DutyChanged, 2))[1]
    assert (list(second.went), read(second.at)) == (list(first.came), MONDAY + HOUR)
    assert list(second.came) == list(due.coming)
    await stubs.override("day", "dan", MONDAY + 2 * HOUR, MONDAY + 4 * HOUR)
    third = (await world.facts(DutyChanged, 3))[2]
    assert list(third.came) == ["dan"]
    await stubs.apply(schedules=[Schedule(name="day", time_zone="Europe/Paris", rotation=rotation("cid"))])
    page = await stubs.new.ListPastDuties(pb.ListPastDutiesRequest(schedule="day", until=stamp(MONDAY + 2 * HOUR), page_size=1))
    rest = await stubs.new.ListPastDuties(
        pb.ListPastDutiesRequest(schedule="day", until=stamp(MONDAY + 2 * HOUR), page_token=page.next_page_token)
    )
    assert [duty.responder for duty in (*page.duties, *rest.duties)] == [*second.came, *first.came]
    [was] = (await stubs.new.ListPastDuties(ranged(pb.ListPastDutiesRequest(), MONDAY, MONDAY + timedelta(seconds=1)))).duties
    assert (was.responder, read(was.until)) == (first.came[0], MONDAY + HOUR)


async def test_handoffs_during_downtime_are_recorded_at_their_own_time(world: World) -> None:
    world.clock.forward(MONDAY - world.clock.now())
    settings = world.settings("response", ResponseSettings)
    async with world.running(response(settings, clock=world.clock)) as app:
        stubs = Stubs(world, app)
        schedule = Schedule(name="day", time_zone="Europe/Paris", rotation=rotation("ann", "bob", "cid", unit=Rotation.UNIT_DAILY))
        await stubs.apply(schedules=[schedule])
        await world.facts(DutyChanged)
    world.clock.forward(3 * DAY)
    async with world.running(response(settings, clock=world.clock)) as app:
        facts = await world.facts(DutyChanged, 4)
        assert [read(fact.at) for fact in facts[1:]] == [MONDAY + HOUR + number * DAY for number in range(3)]
        duties = (await Stubs(world, app).new.ListPastDuties(pb.ListPastDutiesRequest())).duties
        assert [duty.HasField("until") for duty in duties] == [False, True, True, True]


async def test_a_gap_to_come_is_warned_of_once(world: World, stubs: Stubs) -> None:
    schedule = sun()
    schedule.gap_warning.FromTimedelta(7 * DAY)
    await stubs.apply(schedules=[schedule])
    await world.facts(DutyChanged)

    def reports() -> list[tuple[str, str]]:
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            return connection.execute("SELECT title, description FROM gap_report ORDER BY title").fetchall()

    async def warned() -> bool:
        return bool(reports())

    await world.eventually(warned)
    first = reports()
    assert any("Nobody will be on call for sun until 2026-12-13" in title or "until 2026-12-14" in title for title, _ in first)
    world.clock.forward(HOUR)
    await stubs.override("sun", "ann", MONDAY + 2 * HOUR, MONDAY + 3 * HOUR)
    await world.facts(DutyChanged, 2)
    assert set(first) <= set(reports())
    assert len({title for title, _ in reports()}) == len(reports())


ABSENCE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261208
DTEND;VALUE=DATE:20261209
SUMMARY:Sea side
END:VEVENT
END:VCALENDAR
"""


async def test_conflicts_and_fairness(stubs: Stubs) -> None:
    week = Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann"))
    other = Schedule(
        name="other",
        time_zone="Europe/Paris",
        layers=[Layer(name="d", windows=[Window(start="09:00", end="23:00")], rotation=rotation("bob"))],
    )
    await stubs.apply(schedules=[week, other])
    calendar = Calendar(name="ann-away", kind=Calendar.KIND_ABSENCE, responder="ann", time_zone="Europe/Paris", text=ABSENCE)
    await stubs.new.PutCalendar(pb.PutCalendarRequest(calendar=calendar))
    await stubs.override("other", "ann", MONDAY + 3 * HOUR, MONDAY + 4 * HOUR)
    found = (await stubs.new.ListConflicts(ranged(pb.ListConflictsRequest(), MONDAY, MONDAY + 3 * DAY))).conflicts
    kinds = [(pb.Conflict.Kind.Name(each.kind), each.responder) for each in found]
    tired = ("KIND_REST", "bob")
    assert kinds == [("KIND_DOUBLE_DUTY", "ann"), tired, tired, ("KIND_ABSENCE", "ann"), tired]
    assert found[3].detail == "ann is on call for week, but ann is away: Sea side"
    loads = (await stubs.new.GetFairness(ranged(pb.GetFairnessRequest(), MONDAY, MONDAY + 7 * DAY))).loads
    assert [(load.responder, load.hours) for load in loads] == [("ann", 168), ("bob", 97)]
    assert (loads[0].nights, loads[0].night_hours, loads[0].weekends, loads[0].weekend_hours) == (7, 56, 1, 48)
    assert loads[1].night_hours == 7
    with pytest.raises(grpc.aio.AioRpcError, match="is not an iCalendar text"):
        await stubs.new.PutCalendar(pb.PutCalendarRequest(calendar=Calendar(name="x", kind=Calendar.KIND_HOLIDAY, text="no")))


async def test_a_calendar_may_be_the_source_of_a_layer(stubs: Stubs) -> None:
    text = ABSENCE.replace("Sea side", "[L1] Bob")
    calendar = Calendar(name="duties", kind=Calendar.KIND_DUTY, time_zone="Europe/Paris", text=text)
    schedule = Schedule(name="ical", time_zone="Europe/Paris", layers=[Layer(name="all", calendar="duties")])
    await stubs.apply(calendars=[calendar], schedules=[schedule])
    assert {change.action for change in await stubs.apply(calendars=[calendar], schedules=[schedule])} == {Change.ACTION_UNCHANGED}
    assert await stubs.now("ical", MONDAY + DAY) == ["bob"]
    assert await stubs.now("ical", MONDAY + 2 * DAY) == [""]
    with pytest.raises(grpc.aio.AioRpcError, match="held by the applied configuration"):
        await stubs.new.PutCalendar(pb.PutCalendarRequest(calendar=calendar))


async def test_a_calendar_is_read_from_its_address_and_stays_where_that_fails(world: World, tmp_path: Path) -> None:
    world.clock.forward(MONDAY - world.clock.now())
    served = {"text": ABSENCE.replace("Sea side", "bob"), "status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(served["status"])
            self.end_headers()
            self.wfile.write(served["text"].encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with tls_before(f"http://127.0.0.1:{server.server_port}", tmp_path) as front:
            settings = world.settings("response", ResponseSettings, calendar_hosts="localhost", outgoing_ca_file=tmp_path / "front.pem")
            async with world.running(response(settings, clock=world.clock)) as app:
                stubs = Stubs(world, app)
                calendar = Calendar(name="duties", kind=Calendar.KIND_DUTY, time_zone="Europe/Paris", url=f"{front.address}/x.ics")
                schedule = Schedule(name="ical", time_zone="Europe/Paris", layers=[Layer(name="all", calendar="duties")])
                await stubs.apply(calendars=[calendar], schedules=[schedule])
                assert {change.action for change in await stubs.apply(calendars=[calendar])} == {Change.ACTION_UNCHANGED}

                async def on_call(name: str) -> bool:
                    return await stubs.now("ical", MONDAY + DAY) == [name]

                await world.eventually(lambda: on_call("bob"), within=30)
                served["text"] = served["text"].replace("bob", "cid")
                world.clock.forward(HOUR)
                await world.eventually(lambda: on_call("cid"), within=30)
                served["text"], served["status"] = "gone", 500
                world.clock.forward(HOUR)

                def error() -> str:
                    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
                        found = connection.execute("SELECT fetch_error FROM calendar").fetchone()
                        return str(found[0]) if found else ""

                async def failed() -> bool:
                    return error() == "HTTP 500"

                await world.eventually(failed, within=30)
                assert await on_call("cid")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_secret_link_shows_duties_to_calendars(world: World, stubs: Stubs) -> None:
    await stubs.apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann", "bob"))])
    made = await stubs.new.CreateCalendarFeed(pb.CreateCalendarFeedRequest(responder="bob"))
    token = made.path.removeprefix("/calendar/").removesuffix(".ics")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stubs.new.GetCalendarFeed(pb.GetCalendarFeedRequest(token=token))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    asked: Any = world.stub(OncallServiceStub, stubs.port, EDGE)
    text = (await asked.GetCalendarFeed(pb.GetCalendarFeedRequest(token=token))).calendar.decode()
    assert "X-WR-CALNAME:On call: Bob" in text
    assert "SUMMARY:On call: week" in text
    assert "SUMMARY:Ann" not in text
    # The feed is a calendar that this side reads too: the same duties come out of it.
    [first, *_] = Events(text, ZoneInfo("UTC")).between(MONDAY, MONDAY + 30 * DAY)
    assert first.end - first.start == WEEK
    await stubs.new.DeleteCalendarFeed(pb.DeleteCalendarFeedRequest(feed_id=made.feed.id))
    with pytest.raises(grpc.aio.AioRpcError, match="there is no calendar behind this link"):
        await asked.GetCalendarFeed(pb.GetCalendarFeedRequest(token=token))
    assert not (await stubs.new.ListCalendarFeeds(pb.ListCalendarFeedsRequest())).feeds


async def test_a_schedule_of_the_version_before_is_read(world: World, stubs: Stubs) -> None:
    await stubs.apply()
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
        connection.execute(
            """INSERT INTO schedule (name, display_name, time_zone, unit, length, starts_on, handoff_time, responders)
               VALUES ('old', '', 'Europe/Paris', 'weekly', 1, '2026-01-05', '09:00', '{ann,bob}')"""
        )
    before = await stubs.now("old", MONDAY)
    assert before in (["ann"], ["bob"])
    schedule = Schedule(name="old", time_zone="Europe/Paris", rotation=rotation("ann", "bob", length=1))
    assert [change.action for change in await stubs.apply(schedules=[schedule]) if change.kind == "Schedule"] == [Change.ACTION_UNCHANGED]


async def asked(tx: Tx, schedule: str, at: datetime, turn: Turn = Turn.CURRENT) -> tuple[OnDuty, ...]:
    return on_duty(await rota(tx, at), (schedule, ""), at, turn, 1)


async def test_an_escalation_learns_who_is_next_and_who_was_before(world: World) -> None:
    world.clock.forward(MONDAY - world.clock.now())
    application = response(world.settings("response", ResponseSettings), clock=world.clock)
    async with world.running(application) as app:
        await Stubs(world, app).apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann", "bob", "cid"))])
        async with app.database.transaction() as tx:
            found = [await asked(tx, "week", world.clock.now(), turn) for turn in Turn]
            assert await asked(tx, "none", world.clock.now()) == ()
        names = [duty.responder for duties in found for duty in duties]
        order = ["ann", "bob", "cid"]
        current = order.index(names[0])
        assert names == [order[current], order[(current + 1) % 3], order[current - 1]]
        assert "is next on call from 2026-12-07 08:00 UTC" in found[1][0].why


async def test_a_change_that_was_rolled_back_is_not_remembered(world: World) -> None:
    world.clock.forward(MONDAY - world.clock.now())
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        stubs = Stubs(world, app)
        await stubs.apply(schedules=[Schedule(name="week", time_zone="Europe/Paris", rotation=rotation("ann"))])
        with pytest.raises(ZeroDivisionError):
            async with app.database.transaction() as tx:
                await tx.execute("UPDATE schedule SET definition = jsonb_set(definition, '{rotation,responders}', '[\"bob\"]')")
                assert (await asked(tx, "week", world.clock.now()))[0].responder == "bob"
                raise ZeroDivisionError
        await stubs.apply(teams=[Team(name="ops")])
        assert await stubs.now("week", world.clock.now()) == ["ann"]
