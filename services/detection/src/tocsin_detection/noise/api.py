"""NoiseService: requests become commands, answers become messages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from tocsin.detection.v1 import noise_pb2
from tocsin.detection.v1 import noise_service_pb2 as pb
from tocsin.detection.v1.noise_service_pb2_grpc import NoiseServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_detection.alerts import AlertNotFound
from tocsin_detection.noise.explain import Verdict, grouping, summary
from tocsin_detection.noise.explanations import Explanations
from tocsin_detection.noise.matcher import read_all
from tocsin_detection.noise.matching import Matching
from tocsin_detection.noise.silence import Silence
from tocsin_detection.noise.silences import GOING_ON, Listed, Silences
from tocsin_detection.noise.simulations import Simulations
from tocsin_detection.noise.windows import NEXT_TIMES, Planned, Windows
from tocsin_detection.noise.wire import KINDS, STATES, instant, planned_message, silence_message, wanted_silence
from tocsin_detection.signal import storable
from tocsin_detection.signals import contending
from tocsin_detection.wire import alert_message, log_message, timestamp
from tocsin_detection.withheld.withheld import Withheld
from tocsin_kernel.clock import Clock

Answer = TypeVar("Answer", bound=Message)
USUAL = 100
USUAL_HOURS = 24


class NoiseApi(NoiseServiceServicer):
    """The RPCs of noise."""

    def __init__(
        self,
        database: Database,
        silences: Silences,
        windows: Windows,
        matching: Matching,
        explanations: Explanations,
        simulations: Simulations,
        clock: Clock,
        withheld: Withheld,
    ) -> None:
        self._database = database
        self._withheld = withheld
        self._silences = silences
        self._windows = windows
        self._matching = matching
        self._explanations = explanations
        self._simulations = simulations
        self._clock = clock

    async def CreateSilence(self, request: pb.CreateSilenceRequest, context: Context) -> pb.CreateSilenceResponse:
        wanted, by = wanted_silence(request.silence), caller().name

        async def create(tx: Tx) -> pb.CreateSilenceResponse:
            return pb.CreateSilenceResponse(silence=self._message(await self._silences.create(tx, wanted, by)))

        return await self._once("CreateSilence", request.request_id, pb.CreateSilenceResponse, create)

    async def EditSilence(self, request: pb.EditSilenceRequest, context: Context) -> pb.EditSilenceResponse:
        wanted, by = wanted_silence(request.silence), caller().name

        async def edit(tx: Tx) -> pb.EditSilenceResponse:
            return pb.EditSilenceResponse(silence=self._message(await self._silences.edit(tx, request.silence_id, wanted, by)))

        return await self._once("EditSilence", request.request_id, pb.EditSilenceResponse, edit)

    async def ExpireSilence(self, request: pb.ExpireSilenceRequest, context: Context) -> pb.ExpireSilenceResponse:
        by = caller().name

        async def expire(tx: Tx) -> pb.ExpireSilenceResponse:
            return pb.ExpireSilenceResponse(silence=self._message(await self._silences.expire(tx, request.silence_id, by)))

        return await self._once("ExpireSilence", request.request_id, pb.ExpireSilenceResponse, expire)

    async def SilenceAlert(self, request: pb.SilenceAlertRequest, context: Context) -> pb.SilenceAlertResponse:
        ends_at, comment, by = instant(request.ends_at, "ends_at"), storable(request.comment), caller().name

        async def silence(tx: Tx) -> pb.SilenceAlertResponse:
            made = await self._silences.silence_alert(tx, request.alert_id, ends_at, comment, by)
            if made is None:
                raise AlertNotFound(alert=request.alert_id)
            return pb.SilenceAlertResponse(silence=self._message(made))

        return await self._once("SilenceAlert", request.request_id, pb.SilenceAlertResponse, silence)

    async def GetSilence(self, request: pb.GetSilenceRequest, context: Context) -> pb.GetSilenceResponse:
        return pb.GetSilenceResponse(silence=self._listed(await self._silences.get(request.silence_id)))

    async def ListSilences(self, request: pb.ListSilencesRequest, context: Context) -> pb.ListSilencesResponse:
        states = [state for state, number in STATES.items() if number in request.states] or GOING_ON
        found = await self._silences.list(states, paging.page_size(request.page_size, USUAL))
        return pb.ListSilencesResponse(silences=map(self._listed, found))

    async def CountMatches(self, request: pb.CountMatchesRequest, context: Context) -> pb.CountMatchesResponse:
        found = await self._matching.count(read_all(request.matchers))
        newest = await self._withheld.marked([alert_message(alert) for alert in found.newest])
        return pb.CountMatchesResponse(matches=found.matches, newest=newest)

    async def AddMaintenanceWindow(self, request: pb.AddMaintenanceWindowRequest, context: Context) -> pb.AddMaintenanceWindowResponse:
        by = caller().name

        async def add(tx: Tx) -> pb.AddMaintenanceWindowResponse:
            return pb.AddMaintenanceWindowResponse(planned=_planned(await self._windows.add(tx, request.window, by)))

        return await self._once("AddMaintenanceWindow", request.request_id, pb.AddMaintenanceWindowResponse, add)

    async def EndMaintenanceWindow(self, request: pb.EndMaintenanceWindowRequest, context: Context) -> pb.EndMaintenanceWindowResponse:
        ended = await contending(self._database, lambda tx: self._windows.end(tx, request.name))
        return pb.EndMaintenanceWindowResponse(planned=_planned(ended))

    async def RemoveMaintenanceWindow(
        self, request: pb.RemoveMaintenanceWindowRequest, context: Context
    ) -> pb.RemoveMaintenanceWindowResponse:
        await contending(self._database, lambda tx: self._windows.remove(tx, request.name))
        return pb.RemoveMaintenanceWindowResponse()

    async def ListMaintenanceWindows(
        self, request: pb.ListMaintenanceWindowsRequest, context: Context
    ) -> pb.ListMaintenanceWindowsResponse:
        return pb.ListMaintenanceWindowsResponse(planned=map(_planned, await self._windows.list(request.occurrences or NEXT_TIMES)))

    async def CountAlertsByHour(self, request: pb.CountAlertsByHourRequest, context: Context) -> pb.CountAlertsByHourResponse:
        hours = await self._matching.by_hour(request.hours or USUAL_HOURS, self._clock.now())
        return pb.CountAlertsByHourResponse(
            hours=[pb.CountAlertsByHourResponse.Hour(told=hour.told, held=hour.held, **{"from": timestamp(hour.began)}) for hour in hours]
        )

    async def ExplainAlert(self, request: pb.ExplainAlertRequest, context: Context) -> pb.ExplainAlertResponse:
        explained = await self._explanations.explain(request.alert_id)
        return pb.ExplainAlertResponse(
            alert=alert_message(explained.alert),
            summary=summary(explained.alert, self._clock.now()),
            grouping=grouping(explained.alert),
            log=map(log_message, explained.log),
            verdicts=map(_verdict, explained.verdicts),
        )

    async def Simulate(self, request: pb.SimulateRequest, context: Context) -> AsyncIterator[pb.SimulateResponse]:
        async for step in self._simulations.run(request):
            yield step

    async def _once(self, method: str, request_id: str, reply: type[Answer], work: Callable[[Tx], Awaitable[Answer]]) -> Answer:
        return await contending(self._database, lambda tx: once(tx, method, request_id, reply, lambda: work(tx)))

    def _message(self, silence: Silence) -> noise_pb2.Silence:
        return silence_message(silence, self._clock.now())

    def _listed(self, listed: Listed) -> noise_pb2.Silence:
        return silence_message(listed.silence, self._clock.now(), listed.held)


def _planned(planned: Planned) -> noise_pb2.PlannedMaintenance:
    return planned_message(planned.window, planned.occurrences)


def _verdict(verdict: Verdict) -> noise_pb2.Verdict:
    return noise_pb2.Verdict(
        kind=KINDS[verdict.kind],
        rule=verdict.rule,
        by=verdict.by,
        holds=verdict.holds,
        reason=verdict.reason,
        failed_matcher=verdict.failed,
        starts_at=timestamp(verdict.starts_at),
        ends_at=timestamp(verdict.ends_at),
    )
