"""ContainmentService: requests become commands, answers become messages."""

from datetime import datetime, timedelta

from tocsin.response.v1 import containment_service_pb2 as pb
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.paging import encode, fitted
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.errors import Invalid
from tocsin_response.automation.automations import Automations
from tocsin_response.automation.wire import proposal_to_proto
from tocsin_response.blocklist.blocklists import BlockLists, EntryWish
from tocsin_response.blocklist.wire import entry_to_proto, list_to_proto
from tocsin_response.containment.measure import TargetKind
from tocsin_response.containment.measures import Measures, Taken
from tocsin_response.containment.wire import measure_to_proto
from tocsin_response.guard.guards import Guards
from tocsin_response.guard.rails import Act
from tocsin_response.oncall.requests import id_of
from tocsin_response.oncall.wire import instant, text, timestamp
from tocsin_response.recovery.watch import USUAL
from tocsin_response.recovery.watching import RecoveryWatching
from tocsin_response.recovery.wire import indicator_of, watch_to_proto


class ContainmentApi(ContainmentServiceServicer):
    """The RPCs about containment."""

    def __init__(
        self,
        database: Database,
        measures: Measures,
        guards: Guards,
        automations: Automations,
        watching: RecoveryWatching,
        blocklists: BlockLists,
    ) -> None:
        self._database = database
        self._measures = measures
        self._guards = guards
        self._automations = automations
        self._watching = watching
        self._blocklists = blocklists

    async def RecordMeasure(self, request: pb.RecordMeasureRequest, context: Context) -> pb.RecordMeasureResponse:
        name_incident(request.incident_id)
        taken = _taken(request, caller().name)
        async with self._database.transaction() as tx:

            async def make() -> pb.RecordMeasureResponse:
                return pb.RecordMeasureResponse(measure=measure_to_proto(await self._measures.record(tx, taken)))

            return await once(tx, "RecordMeasure", text("request_id", request.request_id), pb.RecordMeasureResponse, make)

    async def LiftMeasure(self, request: pb.LiftMeasureRequest, context: Context) -> pb.LiftMeasureResponse:
        by, reason = caller().name, text("reason", request.reason)
        async with self._database.transaction() as tx:

            async def make() -> pb.LiftMeasureResponse:
                return pb.LiftMeasureResponse(measure=measure_to_proto(await self._measures.lift(tx, request.measure_id, by, reason)))

            return await once(tx, "LiftMeasure", text("request_id", request.request_id), pb.LiftMeasureResponse, make)

    async def ConfirmLifted(self, request: pb.ConfirmLiftedRequest, context: Context) -> pb.ConfirmLiftedResponse:
        measure = await self._measures.confirm_lifted(request.measure_id, caller().name, text("reason", request.reason))
        return pb.ConfirmLiftedResponse(measure=measure_to_proto(measure))

    async def KeepMeasure(self, request: pb.KeepMeasureRequest, context: Context) -> pb.KeepMeasureResponse:
        measure = await self._measures.keep(request.measure_id, caller().name, text("reason", request.reason))
        return pb.KeepMeasureResponse(measure=measure_to_proto(measure))

    async def ProlongMeasure(self, request: pb.ProlongMeasureRequest, context: Context) -> pb.ProlongMeasureResponse:
        until = instant("until", request.until) if request.HasField("until") else None
        measure = await self._measures.prolong(request.measure_id, until, caller().name)
        return pb.ProlongMeasureResponse(measure=measure_to_proto(measure))

    async def ReportMeasure(self, request: pb.ReportMeasureRequest, context: Context) -> pb.ReportMeasureResponse:
        measure = await self._measures.report(request.measure_id, holds=request.holds, finding=text("finding", request.finding))
        return pb.ReportMeasureResponse(measure=measure_to_proto(measure))

    async def VerifyMeasure(self, request: pb.VerifyMeasureRequest, context: Context) -> pb.VerifyMeasureResponse:
        return pb.VerifyMeasureResponse(measure=measure_to_proto(await self._measures.verify(request.measure_id)))

    async def GetMeasure(self, request: pb.GetMeasureRequest, context: Context) -> pb.GetMeasureResponse:
        return pb.GetMeasureResponse(measure=measure_to_proto(await self._measures.get(request.measure_id)))

    async def ListMeasures(self, request: pb.ListMeasuresRequest, context: Context) -> pb.ListMeasuresResponse:
        incident_id = _incident_id(request.incident_id)
        found, token = await self._measures.listed(incident_id, request.in_force_only, request.page_size, request.page_token)
        return pb.ListMeasuresResponse(measures=[measure_to_proto(each) for each in found], next_page_token=token)

    async def TryGuardRails(self, request: pb.TryGuardRailsRequest, context: Context) -> pb.TryGuardRailsResponse:
        act = Act(text("action", request.action), TargetKind(request.target_kind), text("target", request.target), request.severity)
        why = await self._guards.look(act)
        return pb.TryGuardRailsResponse(allowed=not why, reason=why)

    async def ListProposals(self, request: pb.ListProposalsRequest, context: Context) -> pb.ListProposalsResponse:
        incident_id = _incident_id(request.incident_id)
        found, token = await self._automations.listed(incident_id, request.open_only, request.page_size, request.page_token)
        proposals, token = fitted([proposal_to_proto(each) for each in found], token, lambda last: encode(found[last].id))
        return pb.ListProposalsResponse(proposals=proposals, next_page_token=token)

    async def AnswerProposal(self, request: pb.AnswerProposalRequest, context: Context) -> pb.AnswerProposalResponse:
        reason = text("reason", request.reason)
        answered = await self._automations.answer(request.proposal_id, accept=request.accept, by=caller().name, reason=reason)
        return pb.AnswerProposalResponse(proposal=proposal_to_proto(answered))

    async def SetRecoveryWatch(self, request: pb.SetRecoveryWatchRequest, context: Context) -> pb.SetRecoveryWatchResponse:
        name_incident(request.incident_id)
        length: timedelta = request.length.ToTimedelta() if request.HasField("length") else USUAL
        indicators = [indicator_of(each) for each in request.indicators]
        watch = await self._watching.set(request.incident_id, length, indicators, caller().name)
        return pb.SetRecoveryWatchResponse(watch=watch_to_proto(watch))

    async def EndRecoveryWatch(self, request: pb.EndRecoveryWatchRequest, context: Context) -> pb.EndRecoveryWatchResponse:
        await self._watching.end(request.incident_id)
        return pb.EndRecoveryWatchResponse()

    async def ListRecoveryWatches(self, request: pb.ListRecoveryWatchesRequest, context: Context) -> pb.ListRecoveryWatchesResponse:
        found = await self._watching.listed(_incident_id(request.incident_id))
        return pb.ListRecoveryWatchesResponse(watches=[watch_to_proto(each) for each in found])

    async def AddBlockEntry(self, request: pb.AddBlockEntryRequest, context: Context) -> pb.AddBlockEntryResponse:
        wish = EntryWish(
            list=request.list,
            kind=TargetKind(request.kind),
            value=text("value", request.value),
            comment=text("comment", request.comment),
            incident_id=_incident_id(request.incident_id),
            until=_maybe("until", request),
            by=caller().name,
        )
        entry, was_there = await self._blocklists.add(wish)
        return pb.AddBlockEntryResponse(entry=entry_to_proto(entry), was_there=was_there)

    async def RemoveBlockEntry(self, request: pb.RemoveBlockEntryRequest, context: Context) -> pb.RemoveBlockEntryResponse:
        was_there = await self._blocklists.remove(text("list", request.list), text("value", request.value))
        return pb.RemoveBlockEntryResponse(was_there=was_there)

    async def ListBlockEntries(self, request: pb.ListBlockEntriesRequest, context: Context) -> pb.ListBlockEntriesResponse:
        name, value = text("list", request.list), text("value", request.value)
        found, token = await self._blocklists.entries(name, value, request.page_size, request.page_token)
        return pb.ListBlockEntriesResponse(entries=[entry_to_proto(each) for each in found], next_page_token=token)

    async def ListBlockLists(self, request: pb.ListBlockListsRequest, context: Context) -> pb.ListBlockListsResponse:
        return pb.ListBlockListsResponse(lists=[list_to_proto(each) for each in await self._blocklists.lists()])

    async def CreateBlockListLink(self, request: pb.CreateBlockListLinkRequest, context: Context) -> pb.CreateBlockListLinkResponse:
        return pb.CreateBlockListLinkResponse(path=await self._blocklists.create_link(request.list, request.replace, caller().name))

    async def ReadBlockList(self, request: pb.ReadBlockListRequest, context: Context) -> pb.ReadBlockListResponse:
        name, reader = text("list", request.list), text("reader", request.reader)
        document = await self._blocklists.read(request.token, name, reader)
        return pb.ReadBlockListResponse(text=document.text, etag=str(document.version), changed_at=timestamp(document.changed_at))


def _taken(request: pb.RecordMeasureRequest, by: str) -> Taken:
    return Taken(
        incident_id=request.incident_id,
        action=text("action", request.action),
        connector="",
        target_kind=TargetKind(request.target_kind),
        target=text("target", request.target),
        reason=text("reason", request.reason),
        by=by,
        until=_maybe("until", request),
        at=_maybe("applied_at", request),
    )


def _maybe(field: str, request: pb.RecordMeasureRequest | pb.AddBlockEntryRequest) -> datetime | None:
    return instant(field, getattr(request, field)) if request.HasField(field) else None  # type: ignore[arg-type]  # a field of either


def _incident_id(given: str) -> str:
    """The id, or nothing. Raises Invalid."""
    try:
        return id_of(given) if given else ""
    except Invalid:
        raise Invalid(field="incident_id", detail="must be an incident's id") from None
