"""OncallService: requests become questions and wishes, answers become messages."""

from datetime import datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1 import oncall_pb2 as oncall_pb
from tocsin.response.v1 import oncall_service_pb2 as pb
from tocsin.response.v1.oncall_service_pb2_grpc import OncallServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_kernel.clock import Clock
from tocsin_oncall.duties import Conflict, Load
from tocsin_oncall.render import Shift
from tocsin_oncall.schedule import FixedShift
from tocsin_oncall.strata import strata
from tocsin_response.configuration.wire import calendar_problems
from tocsin_response.oncall import store
from tocsin_response.oncall.feeds import Feeds
from tocsin_response.oncall.oncall import Oncall
from tocsin_response.oncall.outlook import Outlook, Range
from tocsin_response.oncall.requests import Requests, SwapWish, TemporaryWish
from tocsin_response.oncall.watch import DutyWatch
from tocsin_response.oncall.watch_store import Record
from tocsin_response.oncall.wire import duty_to_proto, instant, swap_to_proto, temporary_to_proto, text, timestamp

FRESH_FOR = Duration(seconds=900)


class OncallApi(OncallServiceServicer):
    """The RPCs about on-call duty."""

    def __init__(
        self, database: Database, clock: Clock, oncall: Oncall, outlook: Outlook, requests: Requests, feeds: Feeds, watch: DutyWatch
    ) -> None:
        self._database = database
        self._clock = clock
        self._oncall = oncall
        self._outlook = outlook
        self._requests = requests
        self._feeds = feeds
        self._watch = watch

    async def ExplainOncall(self, request: pb.ExplainOncallRequest, context: Context) -> pb.ExplainOncallResponse:
        found = await self._oncall.explain(text("schedule", request.schedule), _maybe(request, "at"))
        return pb.ExplainOncallResponse(
            duties=[duty_to_proto(duty) for duty in found.duties],
            lines=found.lines,
            next=[duty_to_proto(duty) for duty in found.next],
            previous=[duty_to_proto(duty) for duty in found.previous],
        )

    async def RenderSchedule(self, request: pb.RenderScheduleRequest, context: Context) -> pb.RenderScheduleResponse:
        since, until = _range(request)
        if request.WhichOneof("source") == "schedule":
            name = text("schedule.name", request.schedule.name)
            plain = json_format.MessageToDict(request.schedule, preserving_proto_field_name=True)
            plan = await self._outlook.preview(plain, since, until)
        else:
            name = text("name", request.name)
            plan = await self._outlook.plan(name, since, until)
        below = strata(plan, since, until) if request.strata else ()
        return pb.RenderScheduleResponse(
            shifts=[_shift(name, shift) for shift in plan.shifts(since, until)],
            strata=[pb.ScheduleStratum(name=each.name, shifts=[_shift(name, shift) for shift in each.shifts]) for each in below],
        )

    async def ListGaps(self, request: pb.ListGapsRequest, context: Context) -> pb.ListGapsResponse:
        gaps = await self._outlook.gaps(text("schedule", request.schedule), _open_range(request))
        return pb.ListGapsResponse(gaps=[_shift(name, gap) for name, gap in gaps])

    async def ListConflicts(self, request: pb.ListConflictsRequest, context: Context) -> pb.ListConflictsResponse:
        conflicts = await self._outlook.conflicts(text("schedule", request.schedule), _open_range(request))
        return pb.ListConflictsResponse(conflicts=[_conflict(each) for each in conflicts])

    async def GetFairness(self, request: pb.GetFairnessRequest, context: Context) -> pb.GetFairnessResponse:
        since, until = _range(request)
        loads = await self._outlook.fairness([text("schedules", each) for each in request.schedules], since, until)
        return pb.GetFairnessResponse(loads=[_load(load) for load in loads])

    async def ListPastDuties(self, request: pb.ListPastDutiesRequest, context: Context) -> pb.ListPastDutiesResponse:
        found, token = await self._watch.past(
            text("schedule", request.schedule),
            text("responder", request.responder),
            _maybe(request, "from"),
            _maybe(request, "until"),
            request.page_size,
            request.page_token,
        )
        return pb.ListPastDutiesResponse(duties=[_past(record) for record in found], next_page_token=token)

    async def CreateSwap(self, request: pb.CreateSwapRequest, context: Context) -> pb.CreateSwapResponse:
        wish = _swap_wish(request, caller().name)
        async with self._database.transaction() as tx:

            async def make() -> pb.CreateSwapResponse:
                return pb.CreateSwapResponse(swap=swap_to_proto(await self._requests.ask_swap(tx, wish), self._clock.now()))

            return await once(tx, "CreateSwap", text("request_id", request.request_id), pb.CreateSwapResponse, make)

    async def TakeSwap(self, request: pb.TakeSwapRequest, context: Context) -> pb.TakeSwapResponse:
        swap = await self._requests.take_swap(request.swap_id, text("responder", request.responder))
        return pb.TakeSwapResponse(swap=swap_to_proto(swap, self._clock.now()))

    async def CancelSwap(self, request: pb.CancelSwapRequest, context: Context) -> pb.CancelSwapResponse:
        swap = await self._requests.cancel_swap(request.swap_id)
        return pb.CancelSwapResponse(swap=swap_to_proto(swap, self._clock.now()))

    async def ListSwaps(self, request: pb.ListSwapsRequest, context: Context) -> pb.ListSwapsResponse:
        schedule = text("schedule", request.schedule)
        swaps, token = await self._requests.swaps(schedule, request.open_only, request.page_size, request.page_token)
        now = self._clock.now()
        return pb.ListSwapsResponse(swaps=[swap_to_proto(swap, now) for swap in swaps], next_page_token=token)

    async def CreateTemporary(self, request: pb.CreateTemporaryRequest, context: Context) -> pb.CreateTemporaryResponse:
        wish = _temporary_wish(request, caller().name)
        async with self._database.transaction() as tx:

            async def make() -> pb.CreateTemporaryResponse:
                return pb.CreateTemporaryResponse(temporary=temporary_to_proto(await self._requests.replace_for_a_while(tx, wish)))

            return await once(tx, "CreateTemporary", text("request_id", request.request_id), pb.CreateTemporaryResponse, make)

    async def DeleteTemporary(self, request: pb.DeleteTemporaryRequest, context: Context) -> pb.DeleteTemporaryResponse:
        await self._requests.remove_temporary(request.temporary_id)
        return pb.DeleteTemporaryResponse()

    async def ListTemporaries(self, request: pb.ListTemporariesRequest, context: Context) -> pb.ListTemporariesResponse:
        found = await self._requests.temporaries(text("schedule", request.schedule))
        return pb.ListTemporariesResponse(temporaries=[temporary_to_proto(each) for each in found])

    async def PutCalendar(self, request: pb.PutCalendarRequest, context: Context) -> pb.PutCalendarResponse:
        given = request.calendar
        problems = calendar_problems(given)
        if problems:
            raise ManyInvalid([(f"calendar.{field}", detail) for field, detail in problems])
        kind = oncall_pb.Calendar.Kind.Name(given.kind).removeprefix("KIND_")
        display_name, zone = text("calendar.display_name", given.display_name), given.time_zone
        content = text("calendar.text", given.text)
        calendar = store.Calendar(given.name, display_name, kind, given.responder, zone, content, False, text("calendar.url", given.url))
        await self._requests.put_calendar(calendar)
        return pb.PutCalendarResponse()

    async def DeleteCalendar(self, request: pb.DeleteCalendarRequest, context: Context) -> pb.DeleteCalendarResponse:
        await self._requests.delete_calendar(text("name", request.name))
        return pb.DeleteCalendarResponse()

    async def ListCalendars(self, request: pb.ListCalendarsRequest, context: Context) -> pb.ListCalendarsResponse:
        return pb.ListCalendarsResponse(calendars=[_calendar(each) for each in await self._requests.calendars()])

    async def CreateCalendarFeed(self, request: pb.CreateCalendarFeedRequest, context: Context) -> pb.CreateCalendarFeedResponse:
        schedule, responder = text("schedule", request.schedule), text("responder", request.responder)
        made, path = await self._feeds.create(schedule, responder, caller().name)
        return pb.CreateCalendarFeedResponse(feed=_feed(made), path=path)

    async def DeleteCalendarFeed(self, request: pb.DeleteCalendarFeedRequest, context: Context) -> pb.DeleteCalendarFeedResponse:
        await self._feeds.delete(request.feed_id)
        return pb.DeleteCalendarFeedResponse()

    async def ListCalendarFeeds(self, request: pb.ListCalendarFeedsRequest, context: Context) -> pb.ListCalendarFeedsResponse:
        return pb.ListCalendarFeedsResponse(feeds=[_feed(each) for each in await self._feeds.listed()])

    async def GetCalendarFeed(self, request: pb.GetCalendarFeedRequest, context: Context) -> pb.GetCalendarFeedResponse:
        return pb.GetCalendarFeedResponse(calendar=await self._feeds.read(request.token), fresh_for=FRESH_FOR)


def _maybe(request: Any, field: str) -> datetime | None:
    """The instant, if it is given. `from` is a word of Python, so fields are reached by their names."""
    return instant(field, getattr(request, field)) if request.HasField(field) else None


def _range(request: Any) -> tuple[datetime, datetime]:
    return instant("from", getattr(request, "from")), instant("until", request.until)


def _open_range(request: Any) -> Range:
    return Range(_maybe(request, "from"), _maybe(request, "until"))


def _pair(request: Any, starts: str, ends: str) -> tuple[datetime, datetime]:
    return instant(starts, getattr(request, starts)), instant(ends, getattr(request, ends))


def _swap_wish(request: pb.CreateSwapRequest, created_by: str) -> SwapWish:
    return SwapWish(
        schedule=text("schedule", request.schedule),
        responder=text("responder", request.responder),
        asked=text("asked", request.asked),
        range=_pair(request, "starts_at", "ends_at"),
        in_return=_pair(request, "return_starts_at", "return_ends_at") if request.HasField("return_starts_at") else None,
        created_by=created_by,
        reason=text("reason", request.reason),
    )


def _temporary_wish(request: pb.CreateTemporaryRequest, created_by: str) -> TemporaryWish:
    shifts = tuple(FixedShift(*_pair(each, "starts_at", "ends_at"), tuple(each.responders)) for each in request.shifts)
    return TemporaryWish(
        schedule=text("schedule", request.schedule),
        range=_pair(request, "starts_at", "ends_at"),
        shifts=shifts,
        created_by=created_by,
        reason=text("reason", request.reason),
    )


def _shift(schedule: str, shift: Shift) -> pb.Shift:
    return pb.Shift(
        schedule=schedule, starts_at=_stamp(shift.start), ends_at=_stamp(shift.end), responders=shift.responders, reason=shift.reason
    )


def _conflict(conflict: Conflict) -> pb.Conflict:
    return pb.Conflict(
        kind=pb.Conflict.Kind.Value(f"KIND_{conflict.kind.name}"),
        responder=conflict.responder,
        schedules=conflict.schedules,
        starts_at=_stamp(conflict.start),
        ends_at=_stamp(conflict.end),
        detail=conflict.detail,
    )


def _load(load: Load) -> pb.Load:
    return pb.Load(
        responder=load.responder,
        hours=load.hours,
        night_hours=load.night_hours,
        nights=load.nights,
        weekend_hours=load.weekend_hours,
        weekends=load.weekends,
        duties=load.duties,
        longest_hours=load.longest_hours,
        shortest_rest_hours=load.shortest_rest_hours,
    )


def _past(record: Record) -> pb.PastDuty:
    return pb.PastDuty(
        schedule=record.schedule,
        responder=record.responder,
        since=timestamp(record.since),
        until=timestamp(record.until),
        reason=record.reason,
    )


def _calendar(calendar: store.Calendar) -> oncall_pb.Calendar:
    return oncall_pb.Calendar(
        name=calendar.name,
        display_name=calendar.display_name,
        kind=oncall_pb.Calendar.Kind.Value(f"KIND_{calendar.kind}"),
        responder=calendar.responder,
        time_zone=calendar.time_zone,
        url=calendar.url,
    )


def _feed(feed: store.Feed) -> pb.CalendarFeed:
    return pb.CalendarFeed(
        id=feed.id, schedule=feed.schedule, responder=feed.responder, created_by=feed.created_by, created_at=timestamp(feed.created_at)
    )


def _stamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made
