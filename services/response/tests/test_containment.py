"""Containment on real servers: the ledger, the rails, what automations propose, the return of an incident, block lists."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1 import containment_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.containment_events_pb2 import (
    ActionProposed,
    ActionRefused,
    IncidentRecurred,
    MeasureApplied,
    MeasureExpired,
    MeasureLifted,
    MeasureLost,
    RecoveryWatchSet,
)
from tocsin.response.v1.containment_pb2 import (
    TARGET_KIND_ADDRESS,
    TARGET_KIND_DOMAIN,
    TARGET_KIND_HOST,
    Automation,
    GuardRails,
    Measure,
    NeverTouch,
    Proposal,
    RateLimit,
)
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceStub
from tocsin.response.v1.escalation_pb2 import Fallback
from tocsin.response.v1.oncall_pb2 import Responder
from tocsin.response.v1.playbook_pb2 import Playbook
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import AlertAttached, IncidentOpened, IncidentResolved, SeverityChanged
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, Severity

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.database import postgres
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.errors import Unavailable
from tocsin_kernel.ids import RandomIds
from tocsin_response.app import response
from tocsin_response.containment.measure import TargetKind
from tocsin_response.containment.measures import Measures, Taken
from tocsin_response.guard.guards import Guards
from tocsin_response.guard.rails import Act
from tocsin_response.recovery.watching import RecoveryWatching
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.playbook_stage import chain
from tocsin_testkit.world import World

ALICE = Caller("alice", Role.ROLE_MANAGER)
EDGE = Caller("edge", service="edge")
INCIDENT, OTHER = "01934000-0000-7000-8000-000000000001", "01934000-0000-7000-8000-000000000002"
RUN = "01934000-0000-7000-8000-00000000000a"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


PATIENCE = 30.0


class Stubs:
    """Both services, called as alice, and what the edge asks."""

    def __init__(self, world: World, app: Any) -> None:
        self.world = world
        self.containment = world.stub(ContainmentServiceStub, app, ALICE)
        self.edge = world.stub(ContainmentServiceStub, app, EDGE)
        self.response = world.stub(ResponseServiceStub, app, ALICE)

    async def apply(self, **parts: Any) -> Any:
        kept = [Playbook(name=name, content=chain(1)) for name in ("ransomware", "p")]
        configuration = response_pb.Configuration(responders=[Responder(name="ann", display_name="Ann")], playbooks=kept, **parts)
        return await self.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))

    async def record(self, target: str = "db-1", **more: Any) -> Measure:
        request = pb.RecordMeasureRequest(
            request_id=f"r-{target}", incident_id=INCIDENT, action="isolate-host", target_kind=TARGET_KIND_HOST, target=target, **more
        )
        return (await self.containment.RecordMeasure(request)).measure


@pytest.fixture
async def stubs(world: World) -> AsyncIterator[Stubs]:
    world.clock = ManualClock(NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Stubs(world, app)


def incident(id: str = INCIDENT, *, state: Any = Incident.STATE_OPEN, version: int = 1, **more: Any) -> Incident:
    kept = {"id": id, "number": 1, "title": "Slow", "state": state, "service": "shop", "version": version}
    return Incident(**{**kept, "severity": Severity.SEVERITY_SEV2, **more})


def alert(title: str, number: int = 1) -> AttachedAlert:
    return AttachedAlert(alert_id=f"01934000-0000-7000-8000-0000000001{number:02}", title=title, open=True)


async def opened(world: World, id: str = INCIDENT, title: str = "HighErrorRate", **more: Any) -> None:
    about = incident(id, **more)
    await world.publish(IncidentOpened(incident=about, alert=alert(title)), id, about.version)


async def heard(world: World, stubs: Stubs, id: str = INCIDENT) -> None:
    """Until response knows the incident."""

    async def known() -> bool:
        return bool((await stubs.response.ListEscalations(response_pb.ListEscalationsRequest(incident_id=id))).escalations)

    await world.eventually(known, PATIENCE)


async def refused(call: Any) -> tuple[Any, str]:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value.code(), str(error.value.details())


async def test_what_was_done_by_hand_is_in_the_ledger_until_somebody_says_it_is_undone(world: World, stubs: Stubs) -> None:
    code, _ = await refused(stubs.record())
    assert code == grpc.StatusCode.NOT_FOUND
    await opened(world)
    await heard(world, stubs)
    measure = await stubs.record(reason="it spreads")
    assert (await stubs.record(reason="it spreads")).id == measure.id  # the same request
    [told] = await world.facts(MeasureApplied, 1, PATIENCE)
    assert (told.measure.target, told.measure.applied_by) == ("db-1", "alice")
    lifting = (await stubs.containment.LiftMeasure(pb.LiftMeasureRequest(request_id="l", measure_id=measure.id, reason="clean"))).measure
    assert (lifting.state, lifting.reversible) == (Measure.STATE_LIFTING, False)
    assert "by hand" in lifting.trouble
    lifted = (await stubs.containment.ConfirmLifted(pb.ConfirmLiftedRequest(measure_id=measure.id, reason="cable is back"))).measure
    assert (lifted.state, lifted.lifted_by) == (Measure.STATE_LIFTED, "alice")
    [fact] = await world.facts(MeasureLifted, 1, PATIENCE)
    assert fact.measure.decision == "cable is back"
    listed = await stubs.containment.ListMeasures(pb.ListMeasuresRequest(incident_id=INCIDENT, in_force_only=True))
    assert not listed.measures


async def test_a_measure_whose_time_is_up_is_lifted_and_one_that_is_kept_stays(world: World, stubs: Stubs) -> None:
    await opened(world)
    await heard(world, stubs)
    until = Timestamp()
    until.FromDatetime(NOON + HOUR)
    short_one, kept = await stubs.record("db-1", until=until), await stubs.record("db-2")
    after = (await stubs.containment.KeepMeasure(pb.KeepMeasureRequest(measure_id=kept.id, reason="scrapped"))).measure
    assert after.kept
    code, said = await refused(stubs.containment.VerifyMeasure(pb.VerifyMeasureRequest(measure_id=kept.id)))
    assert code == grpc.StatusCode.FAILED_PRECONDITION and "look yourself, and report" in said
    await stubs.apply(fallback=Fallback(responders=["ann"]))
    await stubs.containment.ReportMeasure(pb.ReportMeasureRequest(measure_id=kept.id, finding="it answers"))
    [lost] = await world.facts(MeasureLost, 1, PATIENCE)
    assert (lost.finding, list(lost.tell), lost.incident.id) == ("it answers", ["ann"], INCIDENT)
    world.clock.forward(HOUR)
    [expired] = await world.facts(MeasureExpired, 1, PATIENCE)
    assert expired.measure.id == short_one.id
    code, said = await refused(stubs.containment.ProlongMeasure(pb.ProlongMeasureRequest(measure_id=short_one.id)))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "being lifted" in said
    page = await stubs.containment.ListMeasures(pb.ListMeasuresRequest(page_size=1))
    rest = await stubs.containment.ListMeasures(pb.ListMeasuresRequest(page_size=1, page_token=page.next_page_token))
    assert [each.target for each in (*page.measures, *rest.measures)] == ["db-2", "db-1"]


async def test_rails_refuse_protected_targets_and_count_what_they_let_through(world: World, stubs: Stubs) -> None:
    """A step that is tried again is one act; the third target within the hour is refused, and told."""
    rails = GuardRails(
        name="house",
        never_touch=[NeverTouch(kind=TARGET_KIND_HOST, pattern="dc-*", reason="domain controllers")],
        limits=[RateLimit(actions=["isolate-host"], most=2)],
    )
    changes = (await stubs.apply(guard_rails=[rails])).changes
    assert ("GuardRails", Change.ACTION_CREATED) in [(change.kind, change.action) for change in changes]
    answer = await stubs.containment.TryGuardRails(
        pb.TryGuardRailsRequest(action="isolate-host", target_kind=TARGET_KIND_HOST, target="dc-1")
    )
    assert not answer.allowed
    assert "domain controllers" in answer.reason
    async with postgres(world.settings("response", ResponseSettings).postgres_url, "response") as database:
        guards = Guards(database, world.clock)
        said = []
        for target in ("a", "a", "b", "c"):
            async with database.transaction() as tx:
                act = Act("isolate-host", TargetKind.HOST, target)
                said.append(await guards.allow(tx, act, RUN, f"step-{target}", INCIDENT))
        assert said[:3] == ["", "", ""]
        assert "at most 2" in said[3]
        [told] = await world.facts(ActionRefused, 1, PATIENCE)
        assert (told.target, told.incident_id) == ("c", INCIDENT)
        world.clock.forward(2 * HOUR)
        async with database.transaction() as tx:
            assert await guards.allow(tx, Act("isolate-host", TargetKind.HOST, "c"), RUN, "step-d", INCIDENT) == ""
    exported = (await stubs.response.ExportConfiguration(response_pb.ExportConfigurationRequest())).configuration
    again = await stubs.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=exported, prune=True))
    assert {change.action for change in again.changes} == {Change.ACTION_UNCHANGED}


async def test_the_measure_of_a_step_is_entered_once_and_taken_back_with_it(world: World, stubs: Stubs) -> None:
    async with postgres(world.settings("response", ResponseSettings).postgres_url, "response") as database:
        measures = Measures(database, world.clock, RandomIds())
        taken = Taken(
            INCIDENT,
            "isolate-host",
            "defender",
            TargetKind.HOST,
            "db-1",
            "",
            "ann",
            reversible=True,
            run_id=RUN,
            step_path="s",
            assignment_id=RUN,
        )
        for _ in range(2):
            async with database.transaction() as tx:
                await measures.applied(tx, taken)
        async with database.transaction() as tx:
            await measures.taken_back(tx, RUN, "isolate-host", "db-1", "the run was rolled back")
    listed = (await stubs.containment.ListMeasures(pb.ListMeasuresRequest(incident_id=INCIDENT))).measures
    assert [(each.state, each.decision) for each in listed] == [(Measure.STATE_LIFTED, "the run was rolled back")]


async def test_an_automation_proposes_once_says_why_and_a_person_declines(world: World, stubs: Stubs) -> None:
    worst = Automation(
        name="contain",
        triggers=[Automation.TRIGGER_INCIDENT_OPENED, Automation.TRIGGER_SEVERITY_CHANGED],
        condition="incident.severity == 1 && incident.service == 'shop'",
        playbook="ransomware",
        variables={"__host__": "alert.title"},
    )
    await stubs.apply(automations=[worst])
    await opened(world, title="db-1")
    await heard(world, stubs)
    worse = incident(version=2, severity=Severity.SEVERITY_SEV1)
    await world.publish(SeverityChanged(incident=worse), INCIDENT, 2)
    [told] = await world.facts(ActionProposed, 1, PATIENCE)
    proposal = told.proposal
    assert (proposal.playbook, proposal.state, proposal.automation_version) == ("ransomware", Proposal.STATE_OPEN, 1)
    assert "version 1" in proposal.reason
    declined = await stubs.containment.AnswerProposal(pb.AnswerProposalRequest(proposal_id=proposal.id, accept=False, reason="a test"))
    assert (declined.proposal.state, declined.proposal.decided_by) == (Proposal.STATE_DECLINED, "alice")
    code, _ = await refused(stubs.containment.AnswerProposal(pb.AnswerProposalRequest(proposal_id=proposal.id, accept=True)))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert not (await stubs.containment.ListProposals(pb.ListProposalsRequest(open_only=True))).proposals


async def test_an_automation_that_cannot_be_evaluated_is_refused_at_once_or_told(world: World, stubs: Stubs) -> None:
    broken = Automation(name="broken", triggers=[Automation.TRIGGER_INCIDENT_OPENED], condition="incident.severity ==", playbook="p")
    code, said = await refused(stubs.apply(automations=[broken]))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "automations[0].condition" in said
    nowhere = Automation(name="nowhere", triggers=[Automation.TRIGGER_INCIDENT_OPENED], playbook="ransomwear")
    _, said = await refused(stubs.apply(automations=[nowhere]))
    assert "automations[0].playbook: there is no Playbook ransomwear" in said
    _, said = await refused(stubs.apply(guard_rails=[GuardRails(name="few", limits=[RateLimit(actions=["isolate"], most=1)])]))
    assert "guard_rails[0].limits[0].actions[0]: there is no action isolate" in said
    absent = Automation(name="absent", triggers=[Automation.TRIGGER_INCIDENT_OPENED], condition="incident.colour == 'red'", playbook="p")
    await stubs.apply(automations=[absent])
    await opened(world)
    [told] = await world.facts(ActionProposed, 1, PATIENCE)
    assert told.proposal.state == Proposal.STATE_FAILED


class Triage:
    """Refuses the first request: triage is away."""

    def __init__(self) -> None:
        self.reopened: list[tuple[str, str]] = []
        self.away = True

    async def reopen(self, incident_id: str, request_id: str, reason: str) -> None:
        if self.away:
            raise Unavailable(detail="away")
        self.reopened.append((incident_id, reason))


async def test_an_incident_that_needed_measures_is_looked_out_for_and_opened_again_when_it_returns(world: World, stubs: Stubs) -> None:
    await opened(world)
    await heard(world, stubs)
    await stubs.record("db-1.example")
    ended = incident(state=Incident.STATE_RESOLVED, version=2)
    await world.publish(IncidentResolved(incident=ended), INCIDENT, 2)
    [watch] = [fact.watch for fact in await world.facts(RecoveryWatchSet, 1, PATIENCE)]
    assert {each.value for each in watch.indicators} == {"HighErrorRate", "db-1.example"}
    elsewhere = incident(OTHER, number=2, service="search", title="Beacon from db-1.example")
    await world.publish(AlertAttached(incident=elsewhere, alert=alert("Beacon", 2)), OTHER, 1)
    [back] = await world.facts(IncidentRecurred, 1, PATIENCE)
    assert (back.watch.incident_id, back.seen_in_incident_id) == (INCIDENT, OTHER)
    assert "db-1.example" in back.watch.recurrence
    async with postgres(world.settings("response", ResponseSettings).postgres_url, "response") as database:
        away = Triage()
        watching = RecoveryWatching(database, world.clock, away)
        await watching.reopen_due()
        away.away = False
        await watching.reopen_due()
        assert not away.reopened  # its lease has not ended
        world.clock.forward(timedelta(minutes=1))
        await watching.reopen_due()
        await watching.reopen_due()
    assert [each[0] for each in away.reopened] == [INCIDENT]
    assert not (await stubs.containment.ListRecoveryWatches(pb.ListRecoveryWatchesRequest())).watches


async def test_devices_read_what_is_blocked_and_never_an_empty_list(world: World, stubs: Stubs) -> None:
    until = Timestamp()
    until.FromDatetime(NOON + HOUR)
    add = pb.AddBlockEntryRequest(list="edge-deny", kind=TARGET_KIND_ADDRESS, value="1.2.3.4", comment="c2", until=until)
    assert not (await stubs.containment.AddBlockEntry(add)).was_there
    assert (await stubs.containment.AddBlockEntry(add)).was_there
    path = (await stubs.containment.CreateBlockListLink(pb.CreateBlockListLinkRequest(list="edge-deny"))).path
    _, _, secret, _ = path.split("/")

    async def read() -> pb.ReadBlockListResponse:
        return await stubs.edge.ReadBlockList(pb.ReadBlockListRequest(token=secret, list="edge-deny", reader="192.0.2.1"))

    first = await read()
    assert first.text == "1.2.3.4\n"
    [shown] = (await stubs.containment.ListBlockLists(pb.ListBlockListsRequest())).lists
    assert [(reader.address, reader.current) for reader in shown.readers] == [("192.0.2.1", True)]
    world.clock.forward(HOUR)

    async def gone() -> bool:
        return (await read()).text == "192.0.2.255\n"

    await world.eventually(gone, PATIENCE)
    assert (await read()).etag != first.etag
    code, _ = await refused(stubs.edge.ReadBlockList(pb.ReadBlockListRequest(token="wrong", list="edge-deny")))
    assert code == grpc.StatusCode.NOT_FOUND
    wrong = pb.AddBlockEntryRequest(list="edge-deny", kind=TARGET_KIND_DOMAIN, value="evil.example")
    assert "holds address entries" in (await refused(stubs.containment.AddBlockEntry(wrong)))[1]
    protected = GuardRails(name="own", never_touch=[NeverTouch(kind=TARGET_KIND_ADDRESS, pattern="9.9.9.0/24", reason="our resolver")])
    await stubs.apply(guard_rails=[protected])
    ours = pb.AddBlockEntryRequest(list="edge-deny", kind=TARGET_KIND_ADDRESS, value="9.9.9.9")
    assert "our resolver" in (await refused(stubs.containment.AddBlockEntry(ours)))[1]
