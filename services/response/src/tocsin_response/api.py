"""ResponseService: requests become commands, answers become messages."""

from tocsin.response.v1 import response_service_pb2 as pb
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import name_incident
from tocsin_response.configuration.configurations import Configurations
from tocsin_response.escalation.escalations import Escalations
from tocsin_response.escalation.wire import escalation_to_proto, summons_to_proto
from tocsin_response.oncall.oncall import Oncall
from tocsin_response.oncall.wire import duty_to_proto, instant, override_to_proto, override_wish, text


class ResponseApi(ResponseServiceServicer):
    """The RPCs of response."""

    def __init__(self, database: Database, oncall: Oncall, escalations: Escalations, configurations: Configurations) -> None:
        self._database = database
        self._oncall = oncall
        self._escalations = escalations
        self._configurations = configurations

    async def GetOncall(self, request: pb.GetOncallRequest, context: Context) -> pb.GetOncallResponse:
        at = instant("at", request.at) if request.HasField("at") else None
        duties = await self._oncall.now(text("schedule", request.schedule), at)
        return pb.GetOncallResponse(duties=[duty_to_proto(duty) for duty in duties])

    async def ListShifts(self, request: pb.ListShiftsRequest, context: Context) -> pb.ListShiftsResponse:
        # `from` is a word of Python, so the field is reached by its name.
        since, until = instant("from", getattr(request, "from")), instant("until", request.until)
        shifts = await self._oncall.shifts(text("schedule", request.schedule), since, until)
        return pb.ListShiftsResponse(shifts=[duty_to_proto(shift) for shift in shifts])

    async def CreateOverride(self, request: pb.CreateOverrideRequest, context: Context) -> pb.CreateOverrideResponse:
        wish = override_wish(request, caller().name)
        async with self._database.transaction() as tx:

            async def make() -> pb.CreateOverrideResponse:
                return pb.CreateOverrideResponse(override=override_to_proto(await self._oncall.override(tx, wish)))

            return await once(tx, "CreateOverride", text("request_id", request.request_id), pb.CreateOverrideResponse, make)

    async def DeleteOverride(self, request: pb.DeleteOverrideRequest, context: Context) -> pb.DeleteOverrideResponse:
        await self._oncall.remove_override(request.override_id)
        return pb.DeleteOverrideResponse()

    async def ListOverrides(self, request: pb.ListOverridesRequest, context: Context) -> pb.ListOverridesResponse:
        overrides = await self._oncall.overrides(text("schedule", request.schedule))
        return pb.ListOverridesResponse(overrides=[override_to_proto(override) for override in overrides])

    async def ListEscalations(self, request: pb.ListEscalationsRequest, context: Context) -> pb.ListEscalationsResponse:
        name_incident(request.incident_id)
        escalations, summonses, expires_at = await self._escalations.of_incident(request.incident_id)
        return pb.ListEscalationsResponse(
            # The newest is the one that was acknowledged.
            escalations=[escalation_to_proto(each, None if number else expires_at) for number, each in enumerate(escalations)],
            summonses=[summons_to_proto(summons) for summons in summonses],
        )

    async def ApplyConfiguration(self, request: pb.ApplyConfigurationRequest, context: Context) -> pb.ApplyConfigurationResponse:
        changes = await self._configurations.apply(request.configuration, caller().name, dry_run=request.dry_run, prune=request.prune)
        return pb.ApplyConfigurationResponse(changes=changes)

    async def ExportConfiguration(self, request: pb.ExportConfigurationRequest, context: Context) -> pb.ExportConfigurationResponse:
        return pb.ExportConfigurationResponse(configuration=await self._configurations.export())
