"""TriageService: requests become commands, answers become messages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from tocsin.triage.v1 import triage_service_pb2 as pb
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import caller, reader
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import Reply, once
from tocsin_kernel.errors import Invalid
from tocsin_triage.configuring import Configuring
from tocsin_triage.correlation import USUAL_SEVERITY
from tocsin_triage.incident import Incident, IncidentType, Severity, State
from tocsin_triage.incidents import Declaration, Incidents, page_start, page_token
from tocsin_triage.simulations import Simulations
from tocsin_triage.store import Wanted
from tocsin_triage.wire import STATES_GIVEN, attached_message, incident_message, service_message, severity_of, type_of


class TriageApi(TriageServiceServicer):
    """The RPCs of triage."""

    def __init__(self, database: Database, incidents: Incidents, configuring: Configuring, simulations: Simulations) -> None:
        self._database = database
        self._incidents = incidents
        self._configuring = configuring
        self._simulations = simulations

    async def DeclareIncident(self, request: pb.DeclareIncidentRequest, context: Context) -> pb.DeclareIncidentResponse:
        title = " ".join(request.title.split())
        if not title:
            raise Invalid(field="title", detail="it is blank; say in one line what is wrong")
        severity = severity_of(request.severity) or USUAL_SEVERITY
        said = Declaration(
            title,
            request.summary,
            request.service,
            severity,
            caller().name,
            type_of(request.type) or IncidentType.OPERATIONAL,
            request.private,
            tuple(request.members),
        )
        return await self._once(
            "DeclareIncident", request.request_id, pb.DeclareIncidentResponse, lambda tx: self._incidents.declare(tx, said)
        )

    async def AcknowledgeIncident(self, request: pb.AcknowledgeIncidentRequest, context: Context) -> pb.AcknowledgeIncidentResponse:
        by = _who("acknowledged_by", request.acknowledged_by)
        return await self._once(
            "AcknowledgeIncident",
            request.request_id,
            pb.AcknowledgeIncidentResponse,
            lambda tx: self._incidents.acknowledge(tx, request.incident_id, by),
        )

    async def ResolveIncident(self, request: pb.ResolveIncidentRequest, context: Context) -> pb.ResolveIncidentResponse:
        by = _who("resolved_by", request.resolved_by)
        return await self._once(
            "ResolveIncident",
            request.request_id,
            pb.ResolveIncidentResponse,
            lambda tx: self._incidents.resolve(tx, request.incident_id, by, request.reason),
        )

    async def ReopenIncident(self, request: pb.ReopenIncidentRequest, context: Context) -> pb.ReopenIncidentResponse:
        by = caller().name
        return await self._once(
            "ReopenIncident",
            request.request_id,
            pb.ReopenIncidentResponse,
            lambda tx: self._incidents.reopen(tx, request.incident_id, by, request.reason),
        )

    async def ChangeSeverity(self, request: pb.ChangeSeverityRequest, context: Context) -> pb.ChangeSeverityResponse:
        by = caller().name
        return await self._once(
            "ChangeSeverity",
            request.request_id,
            pb.ChangeSeverityResponse,
            lambda tx: self._incidents.change_severity(tx, request.incident_id, Severity(request.severity), by, request.reason),
        )

    async def ChangeType(self, request: pb.ChangeTypeRequest, context: Context) -> pb.ChangeTypeResponse:
        by, to = caller().name, type_of(request.type)
        assert to is not None
        return await self._once(
            "ChangeType",
            request.request_id,
            pb.ChangeTypeResponse,
            lambda tx: self._incidents.change_type(tx, request.incident_id, to, by, request.reason),
        )

    async def MakePrivate(self, request: pb.MakePrivateRequest, context: Context) -> pb.MakePrivateResponse:
        by = caller().name
        return await self._once(
            "MakePrivate",
            request.request_id,
            pb.MakePrivateResponse,
            lambda tx: self._incidents.make_private(tx, request.incident_id, request.members, by, request.reason),
        )

    async def MakePublic(self, request: pb.MakePublicRequest, context: Context) -> pb.MakePublicResponse:
        by = caller().name
        return await self._once(
            "MakePublic",
            request.request_id,
            pb.MakePublicResponse,
            lambda tx: self._incidents.make_public(tx, request.incident_id, by, request.reason),
        )

    async def AddMember(self, request: pb.AddMemberRequest, context: Context) -> pb.AddMemberResponse:
        by = caller().name
        return await self._once(
            "AddMember",
            request.request_id,
            pb.AddMemberResponse,
            lambda tx: self._incidents.admit(tx, request.incident_id, request.member, by, request.reason),
        )

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Context) -> pb.RemoveMemberResponse:
        by = caller().name
        return await self._once(
            "RemoveMember",
            request.request_id,
            pb.RemoveMemberResponse,
            lambda tx: self._incidents.dismiss(tx, request.incident_id, request.member, by, request.reason),
        )

    async def GetIncident(self, request: pb.GetIncidentRequest, context: Context) -> pb.GetIncidentResponse:
        incident, alerts = await self._incidents.get(request.incident_id or None, request.number or None)
        return pb.GetIncidentResponse(incident=incident_message(incident), alerts=[attached_message(alert) for alert in alerts])

    async def ListIncidents(self, request: pb.ListIncidentsRequest, context: Context) -> pb.ListIncidentsResponse:
        wanted = Wanted(
            states=_states(request.states),
            service=request.service,
            below=page_start(request.page_token),
            limit=paging.page_size(request.page_size),
            reader=reader(),
        )
        listing = await self._incidents.list(wanted)
        every = [incident_message(incident) for incident in listing.incidents]
        incidents, token = paging.fitted(every, listing.next_page_token, lambda last: page_token(listing.incidents[last]))
        return pb.ListIncidentsResponse(incidents=incidents, next_page_token=token)

    async def ListServices(self, request: pb.ListServicesRequest, context: Context) -> pb.ListServicesResponse:
        return pb.ListServicesResponse(services=[service_message(service) for service in await self._configuring.services()])

    async def ApplyConfiguration(self, request: pb.ApplyConfigurationRequest, context: Context) -> pb.ApplyConfigurationResponse:
        planned = await self._configuring.apply(request.configuration, dry_run=request.dry_run, prune=request.prune)
        return pb.ApplyConfigurationResponse(changes=planned)

    async def ExportConfiguration(self, request: pb.ExportConfigurationRequest, context: Context) -> pb.ExportConfigurationResponse:
        return pb.ExportConfigurationResponse(configuration=await self._configuring.export())

    async def SimulatePlacement(
        self, request_iterator: AsyncIterator[pb.SimulatePlacementRequest], context: Context
    ) -> AsyncIterator[pb.SimulatePlacementResponse]:
        async for step in self._simulations.run(request_iterator):
            yield step

    async def _once(self, method: str, request_id: str, reply: Callable[..., Reply], work: Callable[[Tx], Awaitable[Incident]]) -> Reply:
        """The answer to a command: the first one, if this is a repeat."""
        async with self._database.transaction() as tx:

            async def answer() -> Reply:
                return reply(incident=incident_message(await work(tx)))

            return await once(tx, method, request_id, reply, answer)  # type: ignore[arg-type]  # it is the message's class


def _who(field: str, named: str) -> str:
    """The responder who acts: the one named, else the caller. A service acts for somebody and has to say for whom."""
    acting = caller()
    if not named and acting.service:
        raise Invalid(field=field, detail=f"{acting.service} must say which responder it acts for")
    return named or acting.name


def _states(given: Sequence[int]) -> list[State]:
    known: Mapping[int, State] = {int(number): state for number, state in STATES_GIVEN.items()}
    for index, number in enumerate(given):
        if number not in known:
            raise Invalid(field=f"states[{index}]", detail="there is no such state; leave the list empty for any")
    return [known[number] for number in given]
