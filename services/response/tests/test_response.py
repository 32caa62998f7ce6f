"""Response on real servers: facts of triage in, facts of response out, and the calls of people between."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2 import RaiseAlertRequest, RaiseAlertResponse
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceServicer, add_DetectionServiceServicer_to_server
from tocsin.response.v1 import response_service_pb2 as pb
from tocsin.response.v1.escalation_pb2 import Escalation, EscalationPolicy, EscalationStep, Fallback, Target
from tocsin.response.v1.events_pb2 import CoverageGapFound, EscalationExhausted, EscalationStarted, EscalationStopped, ResponderSummoned
from tocsin.response.v1.oncall_pb2 import Responder, Rotation, Schedule, Team
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved, SeverityChanged
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, Severity

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.ids import uuid7
from tocsin_response.app import response
from tocsin_response.command.templates import templates
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

MINUTE = timedelta(minutes=1)
ALICE = Caller("alice", Role.ROLE_MANAGER)
INCIDENT = "01934000-0000-7000-8000-000000000001"


@pytest.fixture
async def stub(world: World) -> AsyncIterator[Any]:
    """Response runs; a stub that calls it as alice."""
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield world.stub(ResponseServiceStub, app, ALICE)


def step(minutes: int, **target: str) -> EscalationStep:
    return EscalationStep(targets=[Target(**target)], delay=Duration(seconds=60 * minutes))


def rotation(*responders: str, starts_on: str = "2026-01-05") -> Rotation:
    return Rotation(unit=Rotation.UNIT_WEEKLY, starts_on=starts_on, handoff_time="09:00", responders=responders)


def organisation(**more: Any) -> pb.Configuration:
    """Three people, a schedule, a policy of two steps."""
    parts: dict[str, Any] = {
        "responders": [Responder(name=name, display_name=name.title(), time_zone="Europe/Paris") for name in ("ann", "bob", "cid")],
        "teams": [Team(name="ops", members=["bob", "cid"])],
        "schedules": [Schedule(name="primary", time_zone="Europe/Paris", rotation=rotation("ann"))],
        "escalation_policies": [EscalationPolicy(name="two", steps=[step(5, schedule="primary"), step(10, team="ops")])],
        "fallback": Fallback(responders=["cid"]),
    }
    return pb.Configuration(**{**parts, **more})


async def applied(stub: Any, configuration: pb.Configuration, **how: bool) -> list[Change]:
    return list((await stub.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=configuration, **how))).changes)


def incident(state: Any = Incident.STATE_OPEN, *, policy: str = "two", version: int = 1, **more: Any) -> Incident:
    return Incident(id=INCIDENT, number=1, title="Slow", state=state, escalation_policy=policy, version=version, **more)


async def opened(world: World, policy: str = "two", version: int = 1, **alert: str) -> None:
    fact = IncidentOpened(incident=incident(policy=policy, version=version))
    if alert:
        fact.alert.CopyFrom(AttachedAlert(**alert))
    await world.publish(fact, INCIDENT, version)


async def listed(stub: Any) -> pb.ListEscalationsResponse:
    answer: pb.ListEscalationsResponse = await stub.ListEscalations(pb.ListEscalationsRequest(incident_id=INCIDENT))
    return answer


async def known_version(world: World, version: int) -> None:
    """Wait until response has heard of this version of the incident."""

    async def heard() -> bool:
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            found = connection.execute("SELECT version FROM incident_copy").fetchone()
            return found is not None and found[0] >= version

    await world.eventually(heard)


async def test_an_unanswered_summons_climbs_the_policy_until_nobody_is_left(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world)
    [first] = await world.facts(ResponderSummoned)
    assert (first.summons.responder, first.summons.reason, first.incident.title) == ("ann", "STEP_STARTED", "Slow")
    assert first.summons.explanation.startswith("Step 1 of two: schedule primary; Ann is on call from 2026-01-05 08:00 UTC")
    world.clock.forward(5 * MINUTE)
    summoned = await world.facts(ResponderSummoned, 3)
    assert {(fact.summons.responder, fact.summons.reason) for fact in summoned[1:]} == {("bob", "STEP_TIMEOUT"), ("cid", "STEP_TIMEOUT")}
    assert not any(fact.summons.HasField("late_by") for fact in summoned)
    world.clock.forward(10 * MINUTE)
    [exhausted] = await world.facts(EscalationExhausted)
    assert exhausted.escalation.state == Escalation.STATE_EXHAUSTED
    answer = await listed(stub)
    assert [found.state for found in answer.escalations] == [Escalation.STATE_EXHAUSTED]
    assert [summons.step for summons in answer.summonses] == [1, 1, 0]


async def test_an_acknowledgement_stops_it(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world)
    await world.facts(ResponderSummoned)
    await world.publish(IncidentAcknowledged(incident=incident(Incident.STATE_ACKNOWLEDGED, acknowledged_by="ann")), INCIDENT, 2)
    [stopped] = await world.facts(EscalationStopped)
    assert stopped.at.ToDatetime(UTC) == world.clock.now()
    assert stopped.escalation.stop_reason == "acknowledged by ann"
    assert not stopped.escalation.HasField("due_at")


async def test_a_late_opening_of_a_resolved_incident_wakes_nobody(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED)), INCIDENT, 3)
    await known_version(world, 3)
    await opened(world)
    # What comes after it has been handled after it: the fact of a reopening is the proof that the opening was passed over.
    await world.publish(IncidentReopened(incident=incident()), INCIDENT, 4)
    [summoned] = await world.facts(ResponderSummoned)
    answer = await listed(stub)
    assert [found.id for found in answer.escalations] == [summoned.summons.escalation_id]


async def test_a_late_opening_starts_when_only_the_severity_changed_since(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    worse = SeverityChanged(incident=incident(severity=Severity.SEVERITY_SEV1))
    await world.publish(worse, INCIDENT, 2)
    await known_version(world, 2)
    await opened(world)
    [summoned] = await world.facts(ResponderSummoned)
    assert summoned.incident.severity == Severity.SEVERITY_SEV1


async def test_a_reopened_incident_starts_again(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world)
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED)), INCIDENT, 2)
    await world.publish(IncidentReopened(incident=incident()), INCIDENT, 3)
    await world.facts(EscalationStarted, 2)
    answer = await listed(stub)
    assert [found.state for found in answer.escalations] == [Escalation.STATE_RUNNING, Escalation.STATE_STOPPED]


async def test_a_reopening_that_overtakes_the_end_leaves_one_running(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world)
    await world.facts(EscalationStarted)
    await world.publish(IncidentReopened(incident=incident()), INCIDENT, 3)
    await world.facts(EscalationStarted, 2)
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED)), INCIDENT, 2)
    await world.publish(SeverityChanged(incident=incident()), INCIDENT, 4)
    await known_version(world, 4)
    assert [found.state for found in (await listed(stub)).escalations] == [Escalation.STATE_RUNNING, Escalation.STATE_STOPPED]


async def test_an_edited_policy_does_not_disturb_what_runs(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world)
    await world.facts(ResponderSummoned)
    await applied(stub, pb.Configuration(escalation_policies=[EscalationPolicy(name="two", steps=[step(1, responder="ann")])]))
    world.clock.forward(5 * MINUTE)
    await world.facts(ResponderSummoned, 3)


async def test_after_downtime_one_step_is_taken_and_says_how_late(world: World) -> None:
    settings = world.settings("response", ResponseSettings)
    async with world.running(response(settings, clock=world.clock)) as app:
        await applied(world.stub(ResponseServiceStub, app, ALICE), organisation())
        await opened(world)
        await world.facts(ResponderSummoned)
    world.clock.forward(timedelta(hours=2))
    async with world.running(response(settings, clock=world.clock)) as app:
        summoned = await world.facts(ResponderSummoned, 3)
        assert [fact.summons.late_by.seconds for fact in summoned[1:]] == [2 * 3600 - 300] * 2
        [running] = (await listed(world.stub(ResponseServiceStub, app, ALICE))).escalations
        assert running.state == Escalation.STATE_RUNNING
        assert (running.due_at.ToDatetime() - world.clock.now().replace(tzinfo=None)) == 10 * MINUTE


async def test_two_replicas_take_each_step_once(world: World) -> None:
    settings = world.settings("response", ResponseSettings)
    async with (
        world.running(response(settings, clock=world.clock)) as app,
        world.running(response(settings, clock=world.clock)),
    ):
        stub = world.stub(ResponseServiceStub, app, ALICE)
        await applied(stub, organisation())
        await opened(world)
        await world.facts(ResponderSummoned)
        world.clock.forward(5 * MINUTE)
        await world.facts(ResponderSummoned, 3)
        world.clock.forward(10 * MINUTE)
        await world.facts(EscalationExhausted)
        assert len((await listed(stub)).summonses) == 3


class FakeDetection(DetectionServiceServicer):
    """Refuses the first call, then takes every alert."""

    def __init__(self) -> None:
        self.calls: list[RaiseAlertRequest] = []

    async def RaiseAlert(self, request: RaiseAlertRequest, context: Any) -> RaiseAlertResponse:
        self.calls.append(request)
        if len(self.calls) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return RaiseAlertResponse(alert=Alert(id="01934000-0000-7000-8000-00000000000a", title=request.title))


@pytest.fixture
async def outside() -> AsyncIterator[tuple[FakeDetection, str]]:
    """Detection, as far as response can see it, and its address."""
    fake, server = FakeDetection(), aio.server()
    add_DetectionServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield fake, f"127.0.0.1:{port}"
    await server.stop(0)


async def test_nobody_on_call_asks_the_fallback_and_raises_one_alert(world: World, outside: tuple[FakeDetection, str]) -> None:
    fake, address = outside
    settings = world.settings("response", ResponseSettings, detection_address=address)
    async with world.running(response(settings, clock=world.clock)) as app:
        stub = world.stub(ResponseServiceStub, app, ALICE)
        future = Schedule(name="primary", time_zone="UTC", rotation=rotation("ann", starts_on="2099-01-05"))
        await applied(stub, organisation(schedules=[future]))
        await opened(world)
        [gap] = await world.facts(CoverageGapFound)
        assert (gap.gap, gap.asked_instead, gap.at.ToDatetime(UTC)) == ("schedule primary", ["cid"], world.clock.now())
        [summoned] = await world.facts(ResponderSummoned)
        assert (summoned.summons.responder, summoned.summons.reason) == ("cid", "NOBODY_ON_CALL")

        async def called(count: int) -> bool:
            return len(fake.calls) >= count

        await world.eventually(lambda: called(1))

        async def accepted() -> bool:
            world.clock.forward(timedelta(seconds=1))
            with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
                return connection.execute("SELECT count(*) FROM gap_report WHERE alert_id IS NOT NULL").fetchone() == (1,)

        await world.eventually(accepted)
        first, second = fake.calls
        assert first == second
        assert (first.dedup_key, first.severity, first.labels["alertname"]) == (
            "coverage-gap:schedule primary", "warning", "OncallCoverageGap",
        )  # fmt: skip
        # The alert about the gap opens an incident that meets the same gap: that is told, and raises no other alert.
        about = str(uuid7())
        gap_incident = Incident(id=about, title=first.title, state=Incident.STATE_OPEN, escalation_policy="two")
        alert = AttachedAlert(alert_id="01934000-0000-7000-8000-00000000000a", title=first.title)
        await world.publish(IncidentOpened(incident=gap_incident, alert=alert), about, 1)
        await world.facts(CoverageGapFound, 2)
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            assert connection.execute("SELECT count(*) FROM gap_report").fetchone() == (1,)


async def test_without_any_responder_the_gap_is_visible_and_the_timers_go_on(world: World, stub: Any) -> None:
    await opened(world, policy="")
    [gap] = await world.facts(CoverageGapFound)
    assert list(gap.asked_instead) == []
    [running] = (await listed(stub)).escalations
    assert running.state == Escalation.STATE_RUNNING
    # Somebody is entered meanwhile, and is asked at the next round.
    await applied(stub, pb.Configuration(responders=[Responder(name="ann")]))
    world.clock.forward(5 * MINUTE)
    [summoned] = await world.facts(ResponderSummoned)
    assert summoned.summons.responder == "ann"


async def test_an_unknown_policy_asks_the_platforms_fallback(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await opened(world, policy="gone")
    [gap] = await world.facts(CoverageGapFound)
    assert (gap.gap, gap.asked_instead) == ("escalation policy gone", ["cid"])
    [summoned] = await world.facts(ResponderSummoned)
    assert (summoned.summons.responder, summoned.summons.reason) == ("cid", "STEP_STARTED")


def override(world: World, responder: str = "bob", request_id: str = "o1", hours: int = 8) -> pb.CreateOverrideRequest:
    request = pb.CreateOverrideRequest(request_id=request_id, schedule="primary", responder=responder, reason="on a train")
    request.ends_at.FromDatetime(world.clock.now() + timedelta(hours=hours))
    return request


async def on_call(stub: Any, at: datetime | None = None) -> Any:
    request = pb.GetOncallRequest(schedule="primary")
    if at is not None:
        request.at.FromDatetime(at)
    return (await stub.GetOncall(request)).duties[0]


async def test_an_override_takes_over_and_gives_back(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    assert (await on_call(stub)).display_name == "Ann"
    made = (await stub.CreateOverride(override(world))).override
    assert made.created_by == "alice"
    assert (await stub.CreateOverride(override(world))).override == made
    duty = await on_call(stub)
    assert (duty.responder, duty.reason, duty.until) == ("bob", "override by alice: on a train", made.ends_at)
    assert (await on_call(stub, world.clock.now() + timedelta(hours=8))).responder == "ann"
    request = pb.ListShiftsRequest(schedule="primary", until=made.ends_at)
    getattr(request, "from").FromDatetime(world.clock.now() - timedelta(hours=1))
    assert [shift.responder for shift in (await stub.ListShifts(request)).shifts] == ["ann", "bob"]
    assert list((await stub.ListOverrides(pb.ListOverridesRequest())).overrides) == [made]
    for _ in range(2):
        await stub.DeleteOverride(pb.DeleteOverrideRequest(override_id=made.id))
    assert (await on_call(stub)).responder == "ann"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"schedule": "gone"}, grpc.StatusCode.NOT_FOUND),
        ({"responder": "gone"}, grpc.StatusCode.NOT_FOUND),
        ({"responder": "a\0"}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_an_override_that_cannot_be_is_refused(world: World, stub: Any, change: dict[str, str], code: grpc.StatusCode) -> None:
    await applied(stub, organisation())
    request = override(world)
    request.MergeFrom(pb.CreateOverrideRequest(**change))
    with pytest.raises(aio.AioRpcError) as refused:
        await stub.CreateOverride(request)
    assert refused.value.code() == code


async def test_an_override_ends_after_it_starts(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    with pytest.raises(aio.AioRpcError) as refused:
        await stub.CreateOverride(override(world, hours=-1))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "ends_at" in (refused.value.details() or "")


async def test_configuration_round_trips(stub: Any) -> None:
    given = organisation(
        schedules=[Schedule(name="primary", time_zone="Europe/Paris", rotation=rotation("ann")), Schedule(name="x", time_zone="UTC")]
    )
    planned = await applied(stub, given, dry_run=True)
    assert {change.action for change in planned} == {Change.ACTION_CREATED}
    shipped = list(templates().values())
    nothing = pb.Configuration(incident_plans=sorted(shipped, key=lambda plan: plan.name))
    assert (await stub.ExportConfiguration(pb.ExportConfigurationRequest())).configuration == nothing
    assert await applied(stub, given) == planned
    exported = (await stub.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    given.incident_plans.extend(nothing.incident_plans)
    assert exported == given
    assert {change.action for change in await applied(stub, exported, prune=True)} == {Change.ACTION_UNCHANGED}
    exported.schedules[0].rotation.handoff_time = "10:00"
    [updated] = [change for change in await applied(stub, exported) if change.action == Change.ACTION_UPDATED]
    assert [(field.path, field.before, field.after) for field in updated.fields] == [("rotation.handoff_time", '"09:00"', '"10:00"')]
    pruned = await applied(stub, pb.Configuration(), prune=True)
    assert {change.action for change in pruned} == {Change.ACTION_DELETED}
    assert (await stub.ExportConfiguration(pb.ExportConfigurationRequest())).configuration == nothing


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"responders": [Responder(name="ann", time_zone="Mars/Base")]}, "configuration.responders[0].time_zone"),
        ({"schedules": [Schedule(name="s", time_zone="Europe")]}, "configuration.schedules[0].time_zone"),
        (
            {"schedules": [Schedule(name="s", time_zone="UTC", rotation=rotation("ann", starts_on="2026-02-30"))]},
            "configuration.schedules[0].rotation.starts_on",
        ),
        (
            {"schedules": [Schedule(name="s", time_zone="UTC", rotation=rotation("ann", "zoe"))]},
            "configuration.schedules[0].rotation.responders[1]: there is no Responder zoe",
        ),
        ({"teams": [Team(name="ops", members=["zoe"])]}, "configuration.teams[0].members[0]"),
        (
            {"escalation_policies": [EscalationPolicy(name="p", steps=[step(1, schedule="gone")])]},
            "configuration.escalation_policies[0].steps[0].targets[0].schedule",
        ),
        ({"teams": [Team(name="ops"), Team(name="ops")]}, "configuration.teams[1].name"),
    ],
)
async def test_a_wrong_configuration_names_the_field(stub: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await applied(stub, organisation(**more))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in (refused.value.details() or "")


async def test_what_is_still_named_is_not_deleted(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    await stub.CreateOverride(override(world))
    without_people = organisation(responders=[Responder(name="ann"), Responder(name="cid")], teams=[])
    without_people.escalation_policies[0].steps.pop()
    with pytest.raises(aio.AioRpcError) as refused:
        await applied(stub, without_people, prune=True)
    assert "Responder bob would be deleted, but an override of Schedule primary still names it" in (refused.value.details() or "")
    with pytest.raises(aio.AioRpcError) as refused:
        await applied(stub, organisation(schedules=[]), prune=True)
    assert "Schedule primary would be deleted, but EscalationPolicy two still names it" in (refused.value.details() or "")


async def test_a_range_of_shifts_has_bounds(world: World, stub: Any) -> None:
    await applied(stub, organisation())
    for days in (0, 367):
        request = pb.ListShiftsRequest(schedule="primary")
        getattr(request, "from").FromDatetime(world.clock.now())
        request.until.FromDatetime(world.clock.now() + timedelta(days=days))
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.ListShifts(request)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
