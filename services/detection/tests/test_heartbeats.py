"""Heartbeats on real servers: pinged by HTTP and RPC, late by the clock, kept in files."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1 import detection_service_pb2 as detection_pb
from tocsin.detection.v1 import heartbeat_service_pb2 as pb
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.events_pb2 import AlertOpened, AlertResolved
from tocsin.detection.v1.heartbeat_pb2 import Heartbeat
from tocsin.detection.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.noise.judge import NothingHolds
from tocsin_detection.observer import Observer
from tocsin_detection.repeats import Repeats
from tocsin_detection.settings import DetectionSettings
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import RandomIds
from tocsin_testkit.world import World

MINUTE = timedelta(minutes=1)
NIGHTLY = Heartbeat(
    name="nightly backup", integration="pings", interval=5, grace=Duration(seconds=60), alert_tags=["db"], alert_priority="critical"
)


class Platform:
    """A running detection with two integrations that take pings, and one that does not."""

    def __init__(self, world: World, app: App) -> None:
        self.world = world
        self.app = app
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.heartbeats = world.stub(HeartbeatServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.alice = world.stub(HeartbeatServiceStub, app, Caller("alice", Role.ROLE_RESPONDER))
        self.keys: dict[str, str] = {}

    async def configure(self) -> None:
        kinds = {"pings": "heartbeat", "others": "heartbeat", "webhook": "webhook"}
        wanted = [Integration(name=name, kind=kind, service="checkout") for name, kind in kinds.items()]
        await self.admin.ApplyConfiguration(detection_pb.ApplyConfigurationRequest(configuration=Configuration(integrations=wanted)))
        for name in kinds:
            self.keys[name] = (await self.admin.RotateIntegrationKey(detection_pb.RotateIntegrationKeyRequest(name=name))).key

    async def create(self, wanted: Heartbeat = NIGHTLY) -> Heartbeat:
        made: Heartbeat = (await self.heartbeats.CreateHeartbeat(pb.CreateHeartbeatRequest(heartbeat=wanted))).heartbeat
        return made

    async def ping(self, name: str = "nightly%20backup", method: str = "POST", integration: str = "pings") -> tuple[int, dict[str, str]]:
        answer = await self.edge.SubmitReport(
            detection_pb.SubmitReportRequest(integration_key=self.keys[integration], kind="heartbeat", method=method, path=f"/{name}")
        )
        return answer.status, json.loads(answer.body)

    async def state(self, name: str = "nightly backup") -> str:
        found = (await self.alice.GetHeartbeat(pb.GetHeartbeatRequest(name=name))).heartbeat
        return Heartbeat.State.Name(found.state).removeprefix("STATE_")


@asynccontextmanager
async def running(world: World) -> AsyncIterator[Platform]:
    async with world.running(detection(world.settings("detection", DetectionSettings), clock=world.clock)) as app:
        platform = Platform(world, app)
        await platform.configure()
        yield platform


@pytest.fixture(name="platform")
async def _platform(world: World) -> AsyncIterator[Platform]:
    async with running(world) as platform:
        yield platform


async def test_a_heartbeat_that_is_late_opens_an_alert_and_the_next_ping_ends_it(platform: Platform) -> None:
    world = platform.world
    made = await platform.create()
    assert (made.state, made.HasField("due_at")) == (Heartbeat.STATE_NEVER_PINGED, False)
    world.clock.forward(timedelta(days=30))
    status, said = await platform.ping()
    assert (status, said["state"]) == (200, "ALIVE") and said["next_ping_before"]
    world.clock.forward(6 * MINUTE - timedelta(seconds=1))
    await platform.ping("unknown")
    assert await platform.state() == "ALIVE"
    world.clock.forward(timedelta(seconds=1))
    [opened] = await world.facts(AlertOpened)
    alert = opened.alert
    assert (alert.title, alert.integration, alert.sender_service) == ("heartbeat nightly backup is late", "pings", "checkout")
    assert (list(alert.tags), alert.sender_severity, alert.labels["heartbeat"]) == (["db"], "critical", "nightly backup")
    assert await platform.state() == "LATE"
    assert (await platform.ping(method="GET"))[1]["state"] == "ALIVE"
    [resolved] = await world.facts(AlertResolved)
    assert resolved.alert.id == alert.id
    log = (await platform.admin.GetAlert(detection_pb.GetAlertRequest(alert_id=alert.id))).log
    assert "a ping came" in [entry.reason for entry in log]


async def test_a_get_arms_nothing_and_says_so(platform: Platform) -> None:
    await platform.create()
    status, said = await platform.ping(method="GET")
    assert (status, said["state"]) == (200, "NEVER_PINGED") and "POST" in said["hint"]
    platform.world.clock.forward(60 * MINUTE)
    assert await platform.state() == "NEVER_PINGED"


async def test_a_key_pings_only_the_heartbeats_of_its_own_integration(platform: Platform) -> None:
    await platform.create()
    assert (await platform.ping(integration="others"))[0] == 404
    assert await platform.state() == "NEVER_PINGED"


async def test_late_heartbeats_are_found_once_each_and_in_their_order(platform: Platform) -> None:
    for number in range(20):
        await platform.create(Heartbeat(name=f"job-{number}", integration="pings", interval=1 + number % 3))
        await platform.ping(f"job-{number}")
    platform.world.clock.forward(2 * MINUTE)
    opened = await platform.world.facts(AlertOpened, 14)
    assert sorted(fact.alert.labels["heartbeat"] for fact in opened) == sorted(f"job-{n}" for n in range(20) if n % 3 < 2)


async def test_after_an_outage_late_ones_get_a_grace(world: World) -> None:
    async with running(world) as platform:
        await platform.create()
        await platform.ping()
    world.clock.forward(60 * MINUTE)
    async with running(world) as platform:
        await platform.create(Heartbeat(name="short", integration="pings", interval=1))
        await platform.ping("short")
        world.clock.forward(61 * timedelta(seconds=1))
        [opened] = await world.facts(AlertOpened)
        assert opened.alert.labels["heartbeat"] == "short"
        world.clock.forward(MINUTE)
        assert len(await world.facts(AlertOpened, 2)) == 2


async def test_switching_off_ends_the_alert_and_switching_on_gives_an_interval(platform: Platform) -> None:
    await platform.create()
    await platform.ping()
    platform.world.clock.forward(6 * MINUTE)
    await platform.world.facts(AlertOpened)
    off = (await platform.alice.DisableHeartbeat(pb.DisableHeartbeatRequest(name="nightly backup"))).heartbeat
    assert off.state == Heartbeat.STATE_DISABLED
    await platform.world.facts(AlertResolved)
    platform.world.clock.forward(60 * MINUTE)
    on = (await platform.alice.EnableHeartbeat(pb.EnableHeartbeatRequest(name="nightly backup"))).heartbeat
    assert on.state == Heartbeat.STATE_ALIVE
    assert on.due_at.ToSeconds() == int((platform.world.clock.now() + 6 * MINUTE).timestamp())


async def test_deleting_one_that_is_late_ends_its_alert_and_is_no_error_twice(platform: Platform) -> None:
    await platform.create()
    await platform.alice.PingHeartbeat(pb.PingHeartbeatRequest(name="nightly backup"))
    platform.world.clock.forward(6 * MINUTE)
    await platform.world.facts(AlertOpened)
    for _ in range(2):
        await platform.heartbeats.DeleteHeartbeat(pb.DeleteHeartbeatRequest(name="nightly backup"))
    await platform.world.facts(AlertResolved)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.state()
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_making_one_twice_is_refused_unless_it_is_the_same_request(platform: Platform) -> None:
    wanted = pb.CreateHeartbeatRequest(request_id="r1", heartbeat=NIGHTLY)
    first, second = await platform.heartbeats.CreateHeartbeat(wanted), await platform.heartbeats.CreateHeartbeat(wanted)
    assert first == second
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.create()
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Heartbeat(name="x", integration="webhook", interval=1), "integration"),
        (Heartbeat(name="x", integration="nowhere", interval=1), "integration"),
        (Heartbeat(name="x", integration="pings", interval=400, unit=Heartbeat.UNIT_DAYS), "interval"),
        (Heartbeat(name="x", integration="pings"), "interval"),
        (Heartbeat(name="a/b", integration="pings", interval=1), "name"),
    ],
)
async def test_a_heartbeat_that_cannot_work_is_refused_by_field(platform: Platform, wanted: Heartbeat, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.create(wanted)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in (refused.value.details() or "")


async def test_configuring_otherwise_keeps_what_happened(platform: Platform) -> None:
    await platform.create()
    await platform.ping()
    wanted = Heartbeat(name="nightly backup", integration="pings", interval=1, unit=Heartbeat.UNIT_HOURS, disabled=True)
    changed = (await platform.heartbeats.UpdateHeartbeat(pb.UpdateHeartbeatRequest(heartbeat=wanted))).heartbeat
    assert (changed.state, changed.disabled, changed.unit) == (Heartbeat.STATE_ALIVE, False, Heartbeat.UNIT_HOURS)
    assert changed.due_at.ToSeconds() - changed.last_ping_at.ToSeconds() == 3600
    [listed] = (await platform.alice.ListHeartbeats(pb.ListHeartbeatsRequest(integration="pings"))).heartbeats
    assert listed == changed


async def test_heartbeats_in_files_are_planned_applied_exported_and_pruned(platform: Platform) -> None:
    observer = Observer(NothingHolds(), Repeats(platform.app.database), RandomIds())
    heartbeats = Heartbeats(platform.app.database, observer, platform.world.clock, MINUTE)

    async def apply(*given: Heartbeat, dry_run: bool = False, prune: bool = False) -> dict[str, int]:
        async with platform.app.database.transaction() as tx:
            return {change.name: change.action for change in await heartbeats.apply(tx, given, dry_run=dry_run, prune=prune)}

    async def exported() -> list[Heartbeat]:
        async with platform.app.database.transaction() as tx:
            return await heartbeats.exported(tx)

    other = Heartbeat(name="other", integration="others", interval=2, unit=Heartbeat.UNIT_DAYS)
    plan = {"nightly backup": Change.ACTION_CREATED, "other": Change.ACTION_CREATED}
    assert await apply(NIGHTLY, other, dry_run=True) == plan and await exported() == []
    assert await apply(NIGHTLY, other) == plan
    assert await apply(*await exported()) == dict.fromkeys(plan, Change.ACTION_UNCHANGED)
    await platform.ping()
    platform.world.clock.forward(6 * MINUTE)
    [opened] = await platform.world.facts(AlertOpened)
    off = Heartbeat(name="nightly backup", integration="pings", interval=5, disabled=True)
    assert await apply(off) == {"nightly backup": Change.ACTION_UPDATED}
    [resolved] = await platform.world.facts(AlertResolved)
    assert (resolved.alert.id, await platform.state()) == (opened.alert.id, "DISABLED")
    on = Heartbeat(name="nightly backup", integration="pings", interval=5)
    assert (await apply(on, prune=True)) == {"nightly backup": Change.ACTION_UPDATED, "other": Change.ACTION_DELETED}
    assert await platform.state() == "ALIVE"
    for wrong, field in (([on, on], "heartbeats[1].name"), ([Heartbeat(name="x", integration="webhook", interval=1)], "integration")):
        with pytest.raises(Invalid, match=re.escape(field)):
            await apply(*wrong)
    assert [heartbeat.name for heartbeat in await exported()] == ["nightly backup"]
