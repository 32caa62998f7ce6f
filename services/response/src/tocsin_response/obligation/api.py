"""ObligationService: requests become commands, answers become messages."""

from collections.abc import Iterable

from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import obligation_pb2 as obligation_pb
from tocsin.response.v1 import obligation_service_pb2 as pb
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_response.obligation.obligation import Obligation, Submission
from tocsin_response.obligation.obligations import Obligations, Occurrence
from tocsin_response.obligation.store import Happened
from tocsin_response.obligation.wire import circumstances_of, circumstances_to_proto, obligation_to_proto
from tocsin_response.oncall.wire import instant, text, timestamp


class ObligationApi(ObligationServiceServicer):
    """The RPCs about obligations."""

    def __init__(self, database: Database, clock: Clock, obligations: Obligations) -> None:
        self._database = database
        self._clock = clock
        self._obligations = obligations

    async def RecordStartEvent(self, request: pb.RecordStartEventRequest, context: Context) -> pb.RecordStartEventResponse:
        what = _occurrence(request, request.event)
        async with self._database.transaction() as tx:

            async def make() -> pb.RecordStartEventResponse:
                return pb.RecordStartEventResponse(obligations=self._messages(await self._obligations.record(tx, what)))

            return await once(tx, "RecordStartEvent", text("request_id", request.request_id), pb.RecordStartEventResponse, make)

    async def ClassifyIncident(self, request: pb.ClassifyIncidentRequest, context: Context) -> pb.ClassifyIncidentResponse:
        what = _occurrence(request, request.classification)
        async with self._database.transaction() as tx:

            async def make() -> pb.ClassifyIncidentResponse:
                return pb.ClassifyIncidentResponse(obligations=self._messages(await self._obligations.classify(tx, what)))

            return await once(tx, "ClassifyIncident", text("request_id", request.request_id), pb.ClassifyIncidentResponse, make)

    async def SubmitObligation(self, request: pb.SubmitObligationRequest, context: Context) -> pb.SubmitObligationResponse:
        submission = Submission(
            instant("at", request.at) if request.HasField("at") else self._clock.now(),
            text("recipient", request.recipient),
            text("reference", request.reference),
            request.sha256,
            text("late_reason", request.late_reason),
            request.evidence_id,
        )
        async with self._database.transaction() as tx:

            async def make() -> pb.SubmitObligationResponse:
                done, started = await self._obligations.submit(tx, request.obligation_id, caller().name, submission)
                [message] = self._messages([done])
                return pb.SubmitObligationResponse(obligation=message, started=self._messages(started))

            return await once(tx, "SubmitObligation", text("request_id", request.request_id), pb.SubmitObligationResponse, make)

    async def WaiveObligation(self, request: pb.WaiveObligationRequest, context: Context) -> pb.WaiveObligationResponse:
        reason, who = text("reason", request.reason), caller()
        async with self._database.transaction() as tx:

            async def make() -> pb.WaiveObligationResponse:
                manages = who.role >= Role.ROLE_MANAGER
                waived = await self._obligations.waive(tx, request.obligation_id, who.name, reason, manages=manages)
                [message] = self._messages([waived])
                return pb.WaiveObligationResponse(obligation=message)

            return await once(tx, "WaiveObligation", text("request_id", request.request_id), pb.WaiveObligationResponse, make)

    async def PauseObligation(self, request: pb.PauseObligationRequest, context: Context) -> pb.PauseObligationResponse:
        reason, who = text("reason", request.reason), caller()
        async with self._database.transaction() as tx:

            async def make() -> pb.PauseObligationResponse:
                manages = who.role >= Role.ROLE_MANAGER
                paused = await self._obligations.pause(tx, request.obligation_id, who.name, reason, manages=manages)
                return pb.PauseObligationResponse(obligation=self._messages([paused])[0])

            return await once(tx, "PauseObligation", text("request_id", request.request_id), pb.PauseObligationResponse, make)

    async def ResumeObligation(self, request: pb.ResumeObligationRequest, context: Context) -> pb.ResumeObligationResponse:
        reason, who = text("reason", request.reason), caller()
        async with self._database.transaction() as tx:

            async def make() -> pb.ResumeObligationResponse:
                manages = who.role >= Role.ROLE_MANAGER
                resumed = await self._obligations.resume(tx, request.obligation_id, who.name, reason, manages=manages)
                return pb.ResumeObligationResponse(obligation=self._messages([resumed])[0])

            return await once(tx, "ResumeObligation", text("request_id", request.request_id), pb.ResumeObligationResponse, make)

    async def ListObligations(self, request: pb.ListObligationsRequest, context: Context) -> pb.ListObligationsResponse:
        listed = await self._obligations.listed(request.incident_id, request.running_only, request.page_size, request.page_token)
        return pb.ListObligationsResponse(
            obligations=self._messages(listed.obligations),
            next_page_token=listed.token,
            events=[_event(each) for each in listed.events],
            circumstances=circumstances_to_proto(listed.known),
        )

    async def PreviewObligations(self, request: pb.PreviewObligationsRequest, context: Context) -> pb.PreviewObligationsResponse:
        given = {each.event: instant("events.at", each.at) if each.HasField("at") else None for each in request.events}
        known = circumstances_of(request.circumstances)
        started, passed_over = await self._obligations.preview(request.incident_id, given, known)
        return pb.PreviewObligationsResponse(obligations=self._messages(started), passed_over=passed_over)

    async def DraftObligation(self, request: pb.DraftObligationRequest, context: Context) -> pb.DraftObligationResponse:
        return pb.DraftObligationResponse(text=await self._obligations.draft(request.obligation_id))

    async def ListRegimes(self, request: pb.ListRegimesRequest, context: Context) -> pb.ListRegimesResponse:
        return pb.ListRegimesResponse(regimes=await self._obligations.regimes())

    def _messages(self, obligations: Iterable[Obligation]) -> list[obligation_pb.Obligation]:
        now = self._clock.now()
        return [obligation_to_proto(each, now) for each in obligations]


def _occurrence(request: pb.RecordStartEventRequest | pb.ClassifyIncidentRequest, event: str) -> Occurrence:
    name_incident(request.incident_id)
    at = instant("at", request.at) if request.HasField("at") else None
    known = circumstances_of(request.circumstances)
    return Occurrence(request.incident_id, event, at, known, caller().name, text("reason", request.reason))


def _event(happened: Happened) -> obligation_pb.StartEvent:
    return obligation_pb.StartEvent(
        event=happened.event,
        at=timestamp(happened.at),
        recorded_by=happened.recorded_by,
        recorded_at=timestamp(happened.recorded_at),
        reason=happened.reason,
    )
