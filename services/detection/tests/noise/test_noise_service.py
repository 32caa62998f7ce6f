"""Noise on real servers: what holds alerts back, what is told when it no longer does, and why."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1 import detection_service_pb2 as detection_pb
from tocsin.detection.v1 import noise_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert, Hold
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.events_pb2 import AlertChanged, AlertOpened, AlertResolved, AlertSuppressed
from tocsin.detection.v1.integration_pb2 import Configuration, Integration
from tocsin.detection.v1.noise_events_pb2 import SilenceCreated, SilenceExpired, SilenceExpiring
from tocsin.detection.v1.noise_pb2 import Inhibition, MaintenanceWindow, NoiseRule, Silence
from tocsin.detection.v1.noise_service_pb2_grpc import NoiseServiceStub

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.noise.frequency import DEFAULT_FLAPPING
from tocsin_detection.noise.turns import AT_ONCE
from tocsin_detection.noise.wire import noise_rule_of
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.world import World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Platform:
    """A running detection, and the words to make noise and to hold it back."""

    def __init__(self, world: World, app: App, keys: dict[str, str]) -> None:
        self.world = world
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.alice = world.stub(NoiseServiceStub, app, Caller("alice", Role.ROLE_RESPONDER))
        self.keys = keys

    async def configure(self) -> None:
        await self.apply(integrations=[Integration(name=name, kind="webhook") for name in ("door", "other")])
        for name in ("door", "other"):
            self.keys[name] = (await self.admin.RotateIntegrationKey(detection_pb.RotateIntegrationKeyRequest(name=name))).key

    async def apply(self, *, prune: bool = False, dry_run: bool = False, **parts: Any) -> dict[str, int]:
        request = detection_pb.ApplyConfigurationRequest(configuration=Configuration(**parts), prune=prune, dry_run=dry_run)
        changes = (await self.admin.ApplyConfiguration(request)).changes
        return {change.name: change.action for change in changes}

    async def export(self) -> Configuration:
        answer = await self.admin.ExportConfiguration(detection_pb.ExportConfigurationRequest())
        configuration: Configuration = answer.configuration
        return configuration

    async def fire(self, *keys: str, door: str = "door", **said: Any) -> list[str]:
        return await self.report([{"key": key, "title": f"{key} is bad", **said} for key in keys], door)

    async def end(self, *keys: str, door: str = "door") -> None:
        await self.report([{"key": key, "status": "resolved"} for key in keys], door)

    async def report(self, content: list[dict[str, Any]], door: str = "door") -> list[str]:
        request = detection_pb.SubmitReportRequest(
            integration_key=self.keys[door], kind="webhook", method="POST", path="/", body=json.dumps(content).encode()
        )
        answer = await self.edge.SubmitReport(request)
        assert answer.status == 202, answer.body
        ids: list[str] = json.loads(answer.body)["alerts"]
        return ids

    async def alert(self, alert_id: str) -> Alert:
        answer = await self.admin.GetAlert(detection_pb.GetAlertRequest(alert_id=alert_id))
        alert: Alert = answer.alert
        return alert

    async def held(self, alert_id: str) -> list[str]:
        """The kinds of what holds an alert back."""
        return [Hold.Kind.Name(hold.kind).removeprefix("KIND_") for hold in (await self.alert(alert_id)).holds]

    async def told(self, alert_id: str, within: float = 5.0) -> Alert:
        """Wait until the others were told that it fires."""

        async def is_told() -> bool:
            return (await self.alert(alert_id)).told

        await self.world.eventually(is_told, within, f"{alert_id} is told")
        return await self.alert(alert_id)

    async def silence(self, *matchers: str, length: timedelta = HOUR, **said: Any) -> Silence:
        wanted = Silence(matchers=matchers, ends_at=self.at(length), comment=said.pop("comment", "we know"), **said)
        made: Silence = (await self.alice.CreateSilence(pb.CreateSilenceRequest(silence=wanted))).silence
        return made

    def at(self, later: timedelta) -> Timestamp:
        instant = Timestamp()
        instant.FromDatetime(self.world.clock.now() + later)
        return instant


@asynccontextmanager
async def running(world: World, keys: dict[str, str]) -> AsyncIterator[Platform]:
    async with world.running(detection(world.settings("detection", DetectionSettings), clock=world.clock)) as app:
        platform = Platform(world, app, keys)
        if not keys:
            await platform.configure()
        yield platform


@pytest.fixture(name="platform")
async def _platform(world: World) -> AsyncIterator[Platform]:
    async with running(world, {}) as platform:
        yield platform


def refused(error: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> dict[str, str]:
    """The fields that were refused."""
    status = status_pb2.Status()
    for key, value in error.value.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(bad)
    return {violation.field: violation.description for violation in bad.field_violations}


async def test_a_silence_holds_until_somebody_ends_it(platform: Platform) -> None:
    silence = await platform.silence('service="shop"')
    held, told = await platform.report([{"key": "a", "title": "a", "service": "shop"}, {"key": "b", "title": "b"}])
    assert (await platform.held(held), await platform.held(told)) == (["SILENCE"], [])
    [suppressed] = await platform.world.facts(AlertSuppressed)
    [hold] = suppressed.alert.holds
    assert (hold.rule, hold.by) == (silence.id, "alice") and "we know" in hold.reason
    assert (await platform.alice.GetSilence(pb.GetSilenceRequest(silence_id=silence.id))).silence.held == 1
    await platform.alice.ExpireSilence(pb.ExpireSilenceRequest(silence_id=silence.id))
    assert not (await platform.told(held)).holds
    opened = [fact.alert.id for fact in await platform.world.facts(AlertOpened, 2)]
    assert opened == [told, held]
    [expired] = await platform.world.facts(SilenceExpired)
    assert (expired.by, expired.silence.state) == ("alice", Silence.STATE_EXPIRED)


async def test_nothing_holds_back_the_platforms_check_of_itself_and_only_lists_that_name_it_show_it(platform: Platform) -> None:
    name = "tocsin-watchdog"
    await platform.apply(integrations=[Integration(name=name, kind="webhook")])
    platform.keys[name] = (await platform.admin.RotateIntegrationKey(detection_pb.RotateIntegrationKeyRequest(name=name))).key
    await platform.silence('alert_id=~".+"')
    [check] = await platform.fire("round", door=name)
    [other] = await platform.fire("other")
    assert (await platform.held(check), await platform.held(other)) == ([], ["SILENCE"])
    everything = (await platform.admin.ListAlerts(detection_pb.ListAlertsRequest())).alerts
    assert [alert.id for alert in everything] == [other]
    own = (await platform.admin.ListAlerts(detection_pb.ListAlertsRequest(integration=name))).alerts
    assert [alert.id for alert in own] == [check]


async def test_a_silence_ends_by_itself_and_says_so_before(platform: Platform) -> None:
    await platform.silence('service="shop"', length=HOUR)
    [held] = await platform.fire("a", service="shop")
    platform.world.clock.forward(46 * MINUTE)
    [expiring] = await platform.world.facts(SilenceExpiring)
    assert expiring.silence.held == 1
    assert await platform.held(held) == ["SILENCE"]
    platform.world.clock.forward(15 * MINUTE)
    await platform.told(held)
    [expired] = await platform.world.facts(SilenceExpired)
    assert expired.reason == "it reached its end"
    assert len(await platform.world.facts(SilenceExpiring)) == 1


async def test_whoever_was_told_firing_is_told_resolved_though_silenced(platform: Platform) -> None:
    [alert] = await platform.fire("a", service="shop")
    await platform.silence('service="shop"')
    [never] = await platform.fire("b", service="shop")
    await platform.end("a", "b")
    resolved = {fact.alert.id for fact in await platform.world.facts(AlertResolved, 2)}
    assert alert in resolved and never in resolved  # that one's suppression was told, and so is its end
    assert [fact.alert.id for fact in await platform.world.facts(AlertOpened)] == [alert]


async def test_one_alert_is_silenced_alone_also_when_it_comes_again(platform: Platform) -> None:
    first, second = await platform.fire("a", "b", service="shop")
    request = pb.SilenceAlertRequest(alert_id=first, ends_at=platform.at(HOUR), comment="known")
    await platform.alice.SilenceAlert(request)
    await platform.end("a", "b")
    again, other = await platform.fire("a", "b", service="shop")
    assert (await platform.held(again), await platform.held(other)) == (["SILENCE"], [])
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.alice.SilenceAlert(pb.SilenceAlertRequest(alert_id="0" * 8 + first[8:], ends_at=platform.at(HOUR), comment="x"))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    assert second != other


async def test_edits_are_in_place_or_make_another_silence(platform: Platform) -> None:
    made = await platform.silence('service="shop"')
    longer = Silence(matchers=made.matchers, ends_at=platform.at(2 * HOUR), comment="longer")
    same = (await platform.alice.EditSilence(pb.EditSilenceRequest(silence_id=made.id, silence=longer))).silence
    assert (same.id, same.comment, same.ends_at) == (made.id, "longer", longer.ends_at)
    wider = Silence(matchers=['service=~"shop|cart"'], ends_at=platform.at(2 * HOUR), comment="wider")
    another = (await platform.alice.EditSilence(pb.EditSilenceRequest(silence_id=made.id, silence=wider))).silence
    assert another.id != made.id
    states = (Silence.STATE_ACTIVE, Silence.STATE_EXPIRED)
    listed = (await platform.alice.ListSilences(pb.ListSilencesRequest(states=states))).silences
    assert [(each.id, each.state) for each in listed] == [(another.id, Silence.STATE_ACTIVE), (made.id, Silence.STATE_EXPIRED)]
    assert len(await platform.world.facts(SilenceCreated, 3)) == 3


@pytest.mark.parametrize(
    ("matchers", "length", "field"),
    [
        (['a=~".*"'], HOUR, "silence.matchers"),
        (['a="b"', 'c=~"("'], HOUR, "silence.matchers[1]"),
        (['a="b"'], -HOUR, "silence.ends_at"),
        (['a="b"'], timedelta(days=91), "silence.ends_at"),
    ],
)
async def test_a_silence_that_cannot_be_is_refused_by_field(platform: Platform, matchers: list[str], length: timedelta, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.silence(*matchers, length=length)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused(error)


async def test_the_policy_of_silences_lies_in_files(platform: Platform) -> None:
    rule = NoiseRule(name="silences")
    rule.silences.longest.FromTimedelta(HOUR)
    await platform.apply(noise_rules=[rule])
    with pytest.raises(grpc.aio.AioRpcError):
        await platform.silence('a="b"', length=2 * HOUR)


async def test_a_repeated_request_makes_one_silence(platform: Platform) -> None:
    wanted = Silence(matchers=['a="b"'], ends_at=platform.at(HOUR), comment="once")
    request = pb.CreateSilenceRequest(request_id="r1", silence=wanted)
    assert (await platform.alice.CreateSilence(request)) == (await platform.alice.CreateSilence(request))


def window(platform: Platform, name: str = "deploy", **said: Any) -> MaintenanceWindow:
    made = MaintenanceWindow(
        name=name, services=["shop"], starts_at=f"{platform.world.clock.now():%Y-%m-%dT%H:%M}", **{"description": "release", **said}
    )
    made.length.FromTimedelta(HOUR)
    return made


async def test_maintenance_holds_while_it_is_open(platform: Platform) -> None:
    made = window(platform, recurrence="FREQ=DAILY")
    assert (await platform.apply(maintenance_windows=[made]))["deploy"] == Change.ACTION_CREATED
    [held] = await platform.fire("a", service="shop")
    assert await platform.held(held) == ["MAINTENANCE"]
    platform.world.clock.forward(61 * MINUTE)
    await platform.told(held)
    [planned] = (await platform.alice.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest(occurrences=2))).planned
    times = [each.starts_at.seconds for each in planned.occurrences]
    assert planned.kept_in_files and times[1] - times[0] == 86_400
    platform.world.clock.forward(timedelta(days=1) - 30 * MINUTE)
    assert await platform.held((await platform.fire("b", service="shop"))[0]) == ["MAINTENANCE"]


async def test_a_window_is_added_closed_and_removed_by_hand(platform: Platform) -> None:
    added = (await platform.alice.AddMaintenanceWindow(pb.AddMaintenanceWindowRequest(window=window(platform)))).planned
    assert (added.created_by, added.kept_in_files, len(added.occurrences)) == ("alice", False, 1)
    [held] = await platform.fire("a", service="shop")
    assert [hold.by for hold in (await platform.alert(held)).holds] == ["alice"]
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.alice.AddMaintenanceWindow(pb.AddMaintenanceWindowRequest(window=window(platform)))
    assert error.value.code() is grpc.StatusCode.ALREADY_EXISTS
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.apply(maintenance_windows=[window(platform)])
    assert "configuration.maintenance_windows[0].name" in refused(error)
    assert "deploy" not in await platform.apply(prune=True)
    ended = (await platform.alice.EndMaintenanceWindow(pb.EndMaintenanceWindowRequest(name="deploy"))).planned
    assert not ended.occurrences
    await platform.told(held)
    await platform.alice.RemoveMaintenanceWindow(pb.RemoveMaintenanceWindowRequest(name="deploy"))
    assert not (await platform.alice.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest())).planned


NODE_DOWN = Inhibition(
    name="node-down", source_matchers=['alertname="NodeDown"'], target_matchers=['alertname!="NodeDown"'], equal=["node"]
)


async def test_an_alert_that_explains_others_holds_them_back_until_it_ends(platform: Platform) -> None:
    await platform.apply(inhibitions=[NODE_DOWN])
    [down] = await platform.fire("n1", labels={"alertname": "NodeDown", "node": "n1"})
    held, free = await platform.report(
        [
            {"key": "d1", "title": "disk", "labels": {"alertname": "Disk", "node": "n1"}},
            {"key": "d2", "title": "disk", "labels": {"alertname": "Disk", "node": "n2"}},
        ]
    )
    assert (await platform.held(down), await platform.held(held), await platform.held(free)) == ([], ["INHIBITION"], [])
    assert [hold.rule for hold in (await platform.alert(held)).holds] == [down]
    await platform.end("n1")
    platform.world.clock.forward(timedelta(seconds=6))
    await platform.told(held)


async def test_cause_and_effect_in_one_report_and_rules_that_come_later(platform: Platform) -> None:
    effect, cause = await platform.report(
        [
            {"key": "d1", "title": "disk", "labels": {"alertname": "Disk", "node": "n1"}},
            {"key": "n1", "title": "down", "labels": {"alertname": "NodeDown", "node": "n1"}},
        ]
    )
    assert not await platform.held(effect) and not await platform.held(cause)
    await platform.apply(inhibitions=[NODE_DOWN])
    [later] = await platform.fire("d2", labels={"alertname": "Disk", "node": "n1"})
    assert await platform.held(later) == ["INHIBITION"]
    both = await platform.report(
        [
            {"key": "d3", "title": "disk", "labels": {"alertname": "Disk", "node": "n3"}},
            {"key": "n3", "title": "down", "labels": {"alertname": "NodeDown", "node": "n3"}},
        ]
    )
    assert [await platform.held(each) for each in both] == [["INHIBITION"], []]
    await platform.apply(prune=True, integrations=[Integration(name="door", kind="webhook")])
    await platform.told(later)


async def test_what_was_told_before_its_cause_opened_is_put_aside_until_that_ends(platform: Platform) -> None:
    await platform.apply(inhibitions=[NODE_DOWN])
    [effect] = await platform.fire("d1", labels={"alertname": "Disk", "node": "n1"})
    [other] = await platform.fire("d2", labels={"alertname": "Disk", "node": "n2"})
    [cause] = await platform.fire("n1", labels={"alertname": "NodeDown", "node": "n1"})

    async def explained() -> bool:
        return [hold.rule for hold in (await platform.alert(effect)).holds] == [cause]

    await platform.world.eventually(explained, within=30)
    [aside] = [fact for fact in await platform.world.facts(AlertChanged) if fact.alert.id == effect]
    assert (aside.put_aside_by, aside.alert.told, aside.alert.version) == ("inhibition node-down", True, 2)
    assert not (await platform.alert(other)).holds and not (await platform.alert(cause)).holds
    await platform.end("n1")
    platform.world.clock.forward(timedelta(seconds=6))

    async def free() -> bool:
        return not (await platform.alert(effect)).holds

    await platform.world.eventually(free, within=30)
    [again] = [fact for fact in await platform.world.facts(AlertOpened, 4) if fact.alert.id == effect and fact.alert.version > 1]
    assert "has ended" in again.reason and again.alert.version == 3


async def test_what_was_told_explains_others_once_it_says_so(platform: Platform) -> None:
    worse = Inhibition(name="worse", source_matchers=['severity="critical"'], target_matchers=['severity="warning"'], equal=["node"])
    await platform.apply(inhibitions=[worse])
    [cause] = await platform.fire("n1", severity="warning", labels={"alertname": "Node", "node": "n1"})
    [effect] = await platform.fire("d1", severity="warning", labels={"alertname": "Disk", "node": "n1"})
    assert not await platform.held(effect)
    await platform.fire("n1", severity="critical", labels={"alertname": "Node", "node": "n1"})

    async def explained() -> bool:
        return [hold.rule for hold in (await platform.alert(effect)).holds] == [cause]

    await platform.world.eventually(explained, within=30)
    [later] = await platform.fire("d2", severity="warning", labels={"alertname": "Disk", "node": "n1"})
    assert await platform.held(later) == ["INHIBITION"]


async def test_what_comes_and_goes_is_held_from_the_start_and_the_platform_says_so(platform: Platform) -> None:
    for _ in range(4):
        [told] = await platform.fire("a", service="shop")
        await platform.told(told)
        await platform.end("a")
    [fifth] = await platform.fire("a", service="shop")
    [hold] = (await platform.alert(fifth)).holds
    assert hold.rule == "flapping" and "the platform's default" in hold.reason
    await platform.apply(prune=True, integrations=(await platform.export()).integrations)
    await platform.end("a")
    [free] = await platform.fire("a", service="shop")
    await platform.told(free)


async def test_what_flaps_is_held_until_it_is_calm(platform: Platform) -> None:
    rule = NoiseRule(name="flaps", matchers=['service="shop"'])
    rule.flapping.openings = 3
    rule.flapping.within.FromTimedelta(10 * MINUTE)
    await platform.apply(noise_rules=[rule])
    for _ in range(2):
        [alert] = await platform.fire("a", service="shop")
        assert await platform.held(alert) == []
        await platform.end("a")
        platform.world.clock.forward(MINUTE)
    [flaps] = await platform.fire("a", service="shop")
    [hold] = (await platform.alert(flaps)).holds
    assert hold.kind == Hold.KIND_FLAPPING and "opened 3 times within 10 m" in hold.reason
    assert await platform.held((await platform.fire("b", service="shop"))[0]) == []
    platform.world.clock.forward(5 * MINUTE + timedelta(seconds=1))
    await platform.told(flaps)


async def test_a_thing_counts_once_it_has_happened_often_enough(platform: Platform) -> None:
    rule = NoiseRule(name="thrice", matchers=['service="shop"'])
    rule.threshold.occurrences = 3
    rule.threshold.within.FromTimedelta(5 * MINUTE)
    await platform.apply(noise_rules=[rule])
    [alert] = await platform.fire("a", service="shop")
    [hold] = (await platform.alert(alert)).holds
    assert hold.kind == Hold.KIND_THRESHOLD and "1 of 3 times within 5 m" in hold.reason
    platform.world.clock.forward(6 * MINUTE)  # the first is too long ago to count
    await platform.fire("a", service="shop")
    await platform.fire("a", service="shop")
    assert await platform.held(alert) == ["THRESHOLD"]
    await platform.end("a")
    [again] = await platform.fire("a", service="shop")  # ends and beginnings do not begin the count anew
    await platform.told(again)


def storm_rule(**said: Any) -> NoiseRule:
    rule = NoiseRule(name="storm")
    rule.storm.alerts = 5
    rule.storm.within.FromTimedelta(MINUTE)
    for name, length in said.items():
        getattr(rule.storm, name).FromTimedelta(length)
    return rule


async def flood(platform: Platform, count: int, start: int = 0) -> list[str]:
    """Alerts of the service shop."""
    numbers = range(start, start + count)
    return await platform.report([{"key": f"k{each}", "title": f"k{each}", "service": "shop", "severity": "warning"} for each in numbers])


async def the_storm(platform: Platform) -> Alert:
    """The alert that stands for the flood, once there is one."""
    found: list[Alert] = []

    async def there_is() -> bool:
        request = detection_pb.ListAlertsRequest(integration="tocsin")
        found[:] = (await platform.admin.ListAlerts(request)).alerts
        return bool(found)

    await platform.world.eventually(there_is)
    return found[0]


async def test_one_alert_stands_for_a_flood(platform: Platform) -> None:
    await platform.apply(noise_rules=[storm_rule()])
    ids = await flood(platform, 20)
    assert [await platform.held(each) for each in (ids[0], ids[4], ids[5], ids[19])] == [[], [], ["STORM"], ["STORM"]]
    stands = await the_storm(platform)
    assert stands.told and stands.sender_severity == "warning" and stands.sender_service == "shop"
    assert "shop: 15" in stands.description
    first, second = await platform.report([{"key": f"c{each}", "title": "cart", "service": "cart"} for each in range(2)])
    assert (await platform.held(first), await platform.held(second)) == ([], ["STORM"])
    assert await platform.held((await platform.fire("x", door="other"))[0]) == []
    explained = await platform.alice.ExplainAlert(pb.ExplainAlertRequest(alert_id=second))
    assert stands.id in explained.verdicts[0].reason and explained.verdicts[0].holds
    platform.world.clock.forward(2 * MINUTE)

    async def over() -> bool:
        return (await platform.alert(stands.id)).state == Alert.STATE_RESOLVED

    await platform.world.eventually(over)
    assert await platform.held(second) == ["STORM"]
    assert await platform.held((await platform.fire("after", service="shop"))[0]) == []
    suppressed = await platform.world.facts(AlertSuppressed, 0)
    assert suppressed == []  # the flood is told by one alert
    assert len(await platform.world.facts(AlertOpened)) == 5 + 1 + 1 + 1 + 1


async def test_a_flood_survives_a_restart_and_releases_what_stayed_open(world: World) -> None:
    keys: dict[str, str] = {}
    async with running(world, keys) as platform:
        await platform.apply(noise_rules=[storm_rule(release_after=MINUTE)])
        await flood(platform, 10)
        assert await platform.held((await platform.report([{"key": "c1", "title": "c", "service": "cart"}]))[0]) == []
        stands = await the_storm(platform)
    async with running(world, keys) as platform:
        [held] = await platform.report([{"key": "c2", "title": "c", "service": "cart"}])
        [kept] = await flood(platform, 1, start=50)
        assert (await platform.held(held), await platform.held(kept)) == (["STORM"], ["STORM"])
        world.clock.forward(2 * MINUTE)

        async def over() -> bool:
            return (await platform.alert(stands.id)).state == Alert.STATE_RESOLVED

        await world.eventually(over)
        assert await platform.held(held) == ["STORM"]
        world.clock.forward(2 * MINUTE)
        await platform.told(held)
        await platform.told(kept)


async def test_a_flood_that_no_rule_holds_back_waits_for_its_turn_and_nobody_behind_it(platform: Platform) -> None:
    rule = storm_rule()
    rule.storm.alerts = 1_000_000
    await platform.apply(noise_rules=[rule])
    ids = await flood(platform, AT_ONCE + 2)
    assert [await platform.held(each) for each in (ids[0], ids[-3], ids[-2], ids[-1])] == [[], [], ["STORM"], ["STORM"]]
    [unrelated] = await platform.fire("c", service="cart")
    assert await platform.held(unrelated) == []
    explained = await platform.alice.ExplainAlert(pb.ExplainAlertRequest(alert_id=ids[-1]))
    assert "in its turn" in explained.verdicts[0].reason and explained.verdicts[0].HasField("ends_at")
    platform.world.clock.forward(timedelta(seconds=1))
    for waited in ids[-2:]:
        await platform.told(waited)
    assert await platform.world.facts(AlertSuppressed, 0) == []


async def test_every_alert_of_an_hour_is_counted(platform: Platform) -> None:
    """Told or held, open or ended, however many."""
    before = platform.world.clock.now().replace(minute=59, second=0, microsecond=0)
    platform.world.clock.forward(before - platform.world.clock.now())
    await platform.fire(*(f"a{number}" for number in range(120)))
    await platform.end("a1")
    await platform.silence('service="shop"')
    platform.world.clock.forward(2 * MINUTE)
    await platform.fire("s", service="shop")
    hours = (await platform.alice.CountAlertsByHour(pb.CountAlertsByHourRequest(hours=3))).hours
    assert [(hour.told, hour.held) for hour in hours] == [(0, 0), (120, 0), (0, 1)]
    assert len((await platform.alice.CountAlertsByHour(pb.CountAlertsByHourRequest())).hours) == 24


async def test_every_rule_says_why_it_acts_or_does_not(platform: Platform) -> None:
    silence = await platform.silence('service="shop"', 'env="test"', comment="noisy")
    await platform.apply(inhibitions=[NODE_DOWN], maintenance_windows=[window(platform)])
    [alert] = await platform.fire("a", service="shop", labels={"env": "prod"})
    explained = await platform.alice.ExplainAlert(pb.ExplainAlertRequest(alert_id=alert))
    said = {verdict.rule: verdict for verdict in explained.verdicts}
    assert explained.verdicts[0].rule == "deploy" and said["deploy"].holds
    assert not said[silence.id].holds and said[silence.id].failed_matcher == 'env="test"' and said[silence.id].by == "alice"
    assert "nothing fires that explains it" in said["node-down"].reason
    assert "does not flood" in said["storm"].reason
    assert "maintenance deploy" in explained.summary and explained.grouping.startswith("1 signal of door")
    assert [entry.decision for entry in explained.log] == ["OPENED", "SUPPRESSED"]


async def test_matches_are_counted_before_somebody_silences_them(platform: Platform) -> None:
    await platform.fire("a", "b", service="shop")
    await platform.fire("c")
    found = await platform.alice.CountMatches(pb.CountMatchesRequest(matchers=['service="shop"']))
    assert found.matches == 2 and {alert.fingerprint for alert in found.newest} == {"a", "b"}


async def test_what_would_have_been_with_other_rules(platform: Platform) -> None:
    await platform.fire("n1", labels={"alertname": "NodeDown", "node": "n1"})
    platform.world.clock.forward(MINUTE)
    [disk] = await platform.fire("d1", labels={"alertname": "Disk", "node": "n1"})
    platform.world.clock.forward(MINUTE)
    await platform.end("n1", "d1")
    await platform.silence('service="shop"')
    [silenced] = await platform.fire("s", service="shop")
    request = pb.SimulateRequest(configuration=Configuration(inhibitions=[NODE_DOWN]), without_silences=True)
    request.since.FromTimedelta(HOUR)
    steps = [step async for step in platform.alice.Simulate(request)]
    differences = {each.alert_id: each for step in steps for each in step.differences.differences}
    assert set(differences) == {disk, silenced}
    assert (differences[disk].did_wake, differences[disk].would_wake) == (True, False)
    assert (differences[silenced].did_wake, differences[silenced].would_wake) == (False, True)
    result = steps[-1].result
    assert (result.alerts, result.did_wake, result.would_wake, result.differences) == (3, 2, 2, 2)
    assert any(step.progress.done == 3 for step in steps) and not any(step.HasField("alerts") for step in steps)
    request.with_alerts = True
    played = {each.alert_id: each async for step in platform.alice.Simulate(request) for each in step.alerts.alerts}
    assert len(played) == 3 and (played[disk].did_wake, played[disk].HasField("would_wake_at")) == (True, False)
    assert (played[silenced].did_wake, played[silenced].HasField("would_wake_at")) == (False, True)
    assert played[silenced].sender_service == "shop" and not played[silenced].HasField("ended_at")
    assert {(rule.kind, rule.rule) for rule in result.rules if rule.would_hold} == {(Hold.KIND_INHIBITION, "node-down")}


async def test_rules_in_files_are_planned_applied_exported_and_pruned(platform: Platform) -> None:
    built_in = {rule.name: rule for rule in (await platform.export()).noise_rules}
    assert noise_rule_of(built_in["flapping"], "") == DEFAULT_FLAPPING
    assert built_in["storm"].storm.alerts == 300 and built_in["silences"].silences.notice.seconds == 900
    given = {"inhibitions": [NODE_DOWN], "maintenance_windows": [window(platform, zone="Europe/Paris")], "noise_rules": [storm_rule()]}
    plan = {"node-down": Change.ACTION_CREATED, "deploy": Change.ACTION_CREATED, "storm": Change.ACTION_UPDATED}
    assert await platform.apply(dry_run=True, **given) == plan
    assert not (await platform.export()).inhibitions
    assert await platform.apply(**given) == plan
    assert set((await platform.apply(**given)).values()) == {Change.ACTION_UNCHANGED}
    exported = await platform.export()
    assert list(exported.inhibitions) == [NODE_DOWN] and exported.maintenance_windows[0].zone == "Europe/Paris"
    keeping = await platform.apply(prune=True, integrations=exported.integrations)
    assert keeping["node-down"] == keeping["deploy"] == keeping["storm"] == keeping["silences"] == Change.ACTION_DELETED
    assert keeping["flapping"] == Change.ACTION_DELETED


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (
            {"inhibitions": [Inhibition(name="a", source_matchers=['x="y"'], target_matchers=['x=~"("'])]},
            "inhibitions[0].target_matchers[0]",
        ),
        ({"inhibitions": [NODE_DOWN, NODE_DOWN]}, "inhibitions[1].name"),
        ({"noise_rules": [NoiseRule(name="a")]}, "noise_rules[0]"),
        ({"noise_rules": [NoiseRule(name="a", matchers=['service="x"'], storm=storm_rule().storm)]}, "noise_rules[0].matchers"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_by_field(platform: Platform, given: dict[str, Any], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.apply(**given)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert any(name.startswith(f"configuration.{field}") for name in refused(error))


@pytest.mark.parametrize(
    ("said", "field"),
    [({"zone": "Mars/Olympus"}, "zone"), ({"recurrence": "FREQ=DAILY;COUNT=3"}, "recurrence"), ({"services": []}, "matchers")],
)
async def test_a_window_that_cannot_be_is_refused_by_field(platform: Platform, said: dict[str, Any], field: str) -> None:
    wrong = window(platform)
    for name, value in said.items():
        wrong.ClearField(name)
        if value:
            setattr(wrong, name, value)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await platform.alice.AddMaintenanceWindow(pb.AddMaintenanceWindowRequest(window=wrong))
    assert f"window.{field}" in refused(error)
