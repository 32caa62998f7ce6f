"""The service on real servers: reports in, alerts and facts out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1 import noise_service_pb2 as noise_pb
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved, AlertSuppressed
from tocsin.detection.v1.integration_pb2 import Configuration, Integration
from tocsin.detection.v1.noise_service_pb2_grpc import NoiseServiceStub
from tocsin.triage.v1.events_pb2 import AlertsWithheld, PrivacyChanged
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis import paging
from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_kernel.ids import uuid7
from tocsin_testkit.world import World

MINUTE = timedelta(minutes=1)


class Platform:
    """A running detection with one integration of each kind, and the words to use it."""

    def __init__(self, world: World, app: App) -> None:
        self.world = world
        self.app = app
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.alice = world.stub(DetectionServiceStub, app, Caller("alice", Role.ROLE_RESPONDER))
        self.keys: dict[str, str] = {}

    async def configure(self) -> None:
        wanted = [Integration(name=kind, kind=kind) for kind in ("alertmanager", "webhook")]
        await self.admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(integrations=wanted)))
        for kind in ("alertmanager", "webhook"):
            self.keys[kind] = (await self.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=kind))).key

    async def report(self, kind: str, content: object, key: str = "") -> pb.SubmitReportResponse:
        request = pb.SubmitReportRequest(
            integration_key=key or self.keys[kind], kind=kind, method="POST", path="/api/v2/alerts", body=json.dumps(content).encode()
        )
        answer: pb.SubmitReportResponse = await self.edge.SubmitReport(request)
        return answer

    async def alerts(self, **wanted: object) -> list[Alert]:
        return list((await self.alice.ListAlerts(pb.ListAlertsRequest(**wanted))).alerts)  # type: ignore[arg-type]


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


def prometheus(world: World, name: str = "HighLoad", *, ends_in: timedelta = 4 * MINUTE, **labels: str) -> dict[str, object]:
    now = world.clock.now()
    return {
        "labels": {"alertname": name, "severity": "critical", **labels},
        "annotations": {"summary": f"{name} is on"},
        "startsAt": (now - MINUTE).isoformat(),
        "endsAt": (now + ends_in).isoformat(),
        "generatorURL": "http://prom:9090/graph",
    }


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return info.reason


async def test_an_alert_opens_repeats_changes_and_resolves(platform: Platform) -> None:
    world = platform.world
    alert = prometheus(world)
    for _ in range(3):
        assert (await platform.report("alertmanager", [alert])).status == 200
    [opened] = await world.facts(AlertOpened)
    assert (opened.alert.title, opened.alert.sender_severity, opened.alert.version) == ("HighLoad is on", "critical", 1)
    await platform.report("alertmanager", [{**alert, "annotations": {"summary": "worse"}}])
    [changed] = await world.facts(AlertChanged)
    assert (changed.alert.title, changed.alert.version, changed.alert.occurrences) == ("worse", 2, 4)
    await platform.report("alertmanager", [{**alert, "endsAt": world.clock.now().isoformat()}])
    [resolved] = await world.facts(AlertResolved)
    assert (resolved.alert.resolve_reason, resolved.alert.version) == ("RESOLVED_BY_SENDER", 3)
    found = await platform.alice.GetAlert(pb.GetAlertRequest(alert_id=opened.alert.id))
    assert found.alert == resolved.alert
    assert [entry.decision for entry in found.log] == ["OPENED", "CHANGED", "RESOLVED"]
    assert all(entry.reason for entry in found.log)


async def test_a_signal_after_the_end_is_another_alert(platform: Platform) -> None:
    down, up = {"key": "db", "title": "db down"}, {"key": "db", "status": "resolved"}
    first = json.loads((await platform.report("webhook", [down, up, down])).body)
    assert first["accepted"] == 3 and len(first["alerts"]) == 2
    states = {alert.id: alert.state for alert in await platform.alerts()}
    assert [states[alert_id] for alert_id in first["alerts"]] == [Alert.STATE_RESOLVED, Alert.STATE_OPEN]


async def test_two_replicas_of_a_monitor_make_one_alert(platform: Platform) -> None:
    alerts = [prometheus(platform.world, f"A{number}") for number in range(40)]
    orders = [alerts, alerts[::-1], alerts[20:] + alerts[:20], alerts[::2] + alerts[1::2]]
    answers = await asyncio.gather(*(platform.report("alertmanager", order) for order in orders * 2))
    assert {answer.status for answer in answers} == {200}
    found = await platform.alerts(page_size=500)
    assert len(found) == 40
    assert {alert.occurrences for alert in found} == {8}
    assert len({fact.alert.id for fact in await platform.world.facts(AlertOpened, 40)}) == 40


async def test_a_storm_of_overlapping_reports_loses_and_doubles_nothing(platform: Platform) -> None:
    """Eight senders say, in different orders and at once, that thirty things begin and end."""

    def batch(sender: int, turn: int) -> list[object]:
        things = [(number * (2 * sender + 1) + turn * 5) % 30 for number in range(16)]
        return [
            {"key": f"t{thing}", "title": "x", "status": "resolved" if (thing + turn + sender) % 5 == 0 else "firing"} for thing in things
        ]

    async def sender(number: int) -> int:
        return sum([(await platform.report("webhook", batch(number, turn))).accepted for turn in range(10)])

    assert sum(await asyncio.gather(*(sender(number) for number in range(8)))) == 8 * 10 * 16
    found = await platform.alerts(page_size=500)
    everything, over = {alert.id for alert in found}, {alert.id for alert in found if alert.state == Alert.STATE_RESOLVED}
    still_open = [alert.fingerprint for alert in found if alert.state == Alert.STATE_OPEN]
    assert len(found) < 500 and len(still_open) == len(set(still_open))

    async def ids(kind: type[AlertOpened] | type[AlertSuppressed] | type[AlertResolved]) -> set[str]:
        return {fact.alert.id for fact in await platform.world.facts(kind, 0)}

    async def all_told() -> bool:
        """What comes and goes too often is held back, and that is told."""
        return await ids(AlertOpened) | await ids(AlertSuppressed) == everything

    async def all_ended() -> bool:
        """Whoever was told that it fires is told its end."""
        return await ids(AlertOpened) & over <= await ids(AlertResolved) <= over

    await platform.world.eventually(all_told, what="every alert is told, or held back")
    await platform.world.eventually(all_ended, what="every end of what was told is told")


async def test_large_and_small_reports_about_the_same_things_agree(platform: Platform) -> None:
    alerts = [prometheus(platform.world, f"A{number}") for number in range(300)]
    await asyncio.gather(*(platform.report("alertmanager", report) for report in (alerts, alerts[100:140], alerts[::-1], alerts[120:160])))
    found = await platform.alerts(page_size=500)
    assert len(found) == 300
    assert sum(alert.occurrences for alert in found) == 680


async def test_a_bad_alert_in_a_batch_is_refused_and_the_others_are_stored(platform: Platform) -> None:
    world = platform.world
    answer = await platform.report("alertmanager", [prometheus(world, "A"), {"labels": {"bad-name": "x"}}, prometheus(world, "B")])
    assert (answer.status, answer.accepted) == (400, 2)
    assert isinstance(json.loads(answer.body), str)
    assert [rejection.index for rejection in answer.rejections] == [1]
    assert {alert.title for alert in await platform.alerts()} == {"A is on", "B is on"}


async def test_silence_ends_an_alert_at_its_end(platform: Platform) -> None:
    world = platform.world
    await platform.report("alertmanager", [prometheus(world)])
    world.clock.forward(4 * MINUTE - timedelta(seconds=1))
    await platform.report("webhook", {"title": "no end"})
    assert {alert.state for alert in await platform.alerts()} == {Alert.STATE_OPEN}
    world.clock.forward(timedelta(seconds=1))
    [resolved] = await world.facts(AlertResolved)
    assert resolved.alert.resolve_reason == "ENDED_SILENTLY"
    assert [alert.title for alert in await platform.alerts(state=Alert.STATE_OPEN)] == ["no end"]


async def test_after_an_outage_senders_get_time_before_silence_counts(world: World) -> None:
    async with running(world) as platform:
        await platform.report("alertmanager", [prometheus(world)])
        await world.facts(AlertOpened)
    world.clock.forward(30 * MINUTE)
    async with running(world) as platform:
        await platform.report("alertmanager", [prometheus(world, "Later", ends_in=timedelta(seconds=10))])
        world.clock.forward(timedelta(seconds=20))
        [resolved] = await world.facts(AlertResolved)
        assert resolved.alert.title == "Later is on"
        world.clock.forward(2 * MINUTE)
        assert {fact.alert.title for fact in await world.facts(AlertResolved, 2)} == {"Later is on", "HighLoad is on"}


async def test_a_key_opens_only_its_own_kind_of_door(platform: Platform) -> None:
    for kind, key in (("webhook", platform.keys["alertmanager"]), ("webhook", "tk_wrong"), ("nagios", platform.keys["webhook"])):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await platform.report(kind, {"title": "x"}, key)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason_of(refused.value) == "INTEGRATION_KEY_UNKNOWN"
    assert await platform.alerts() == []


async def test_a_rotated_key_stops_at_once_and_is_nowhere_in_the_database(platform: Platform) -> None:
    old = platform.keys["webhook"]
    await platform.report("webhook", {"title": "x"})
    new = (await platform.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name="webhook"))).key
    assert new.startswith("tk_")
    with pytest.raises(grpc.aio.AioRpcError):
        await platform.report("webhook", {"title": "x"}, old)
    assert (await platform.report("webhook", {"title": "x"}, new)).status == 202
    async with platform.app.database.transaction() as tx:
        rows = await tx.values(str, "SELECT integration::text FROM integration")
    assert rows and not any(new in row or new.encode().hex() in row for row in rows)


async def test_a_report_is_seen_on_its_integration(platform: Platform) -> None:
    await platform.report("webhook", {"title": "x"})

    async def seen() -> bool:
        listed = (await platform.alice.ListIntegrations(pb.ListIntegrationsRequest())).integrations
        return [item.name for item in listed if item.HasField("last_report_at")] == ["webhook"]

    await platform.world.eventually(seen)


async def test_raising_twice_with_one_request_id_counts_once(platform: Platform) -> None:
    request = pb.RaiseAlertRequest(request_id="r1", title="nobody is on call", severity="SEV2", service="checkout", labels={"team": "sre"})
    first, second = (await platform.alice.RaiseAlert(request)).alert, (await platform.alice.RaiseAlert(request)).alert
    assert first == second
    assert (first.integration, first.sender_severity, first.sender_service, first.occurrences) == ("tocsin", "sev2", "checkout", 1)
    again = (
        await platform.alice.RaiseAlert(pb.RaiseAlertRequest(title="nobody is on call", labels={"team": "sre"}, severity="SEV2"))
    ).alert
    assert (again.id, again.occurrences) == (first.id, 2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.alice.RaiseAlert(pb.RaiseAlertRequest(title=" "))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_person_resolves_an_alert_once(platform: Platform) -> None:
    raised = (await platform.alice.RaiseAlert(pb.RaiseAlertRequest(title="x"))).alert
    request = pb.ResolveAlertRequest(alert_id=raised.id)
    first, second = (await platform.alice.ResolveAlert(request)).alert, (await platform.alice.ResolveAlert(request)).alert
    assert first == second and first.resolve_reason == "RESOLVED_BY_RESPONDER"
    [resolved] = await platform.world.facts(AlertResolved)
    assert "alice" in resolved.reason
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.alice.ResolveAlert(pb.ResolveAlertRequest(alert_id="00000000-0000-7000-8000-000000000000"))
    assert reason_of(refused.value) == "ALERT_NOT_FOUND"


async def test_lists_are_filtered_and_paged_newest_first(platform: Platform) -> None:
    for number in range(5):
        platform.world.clock.forward(timedelta(seconds=1))
        await platform.report("webhook", {"title": f"w{number}", "labels": {"parity": number % 2, "all": "yes"}})
    await platform.alice.RaiseAlert(pb.RaiseAlertRequest(title="mine"))
    pages, token = [], ""
    while True:
        page = await platform.alice.ListAlerts(pb.ListAlertsRequest(integration="webhook", page_size=2, page_token=token))
        pages.append([alert.title for alert in page.alerts])
        token = page.next_page_token
        if not token:
            break
    assert pages == [["w4", "w3"], ["w2", "w1"], ["w0"]]
    assert [alert.title for alert in await platform.alerts(labels={"parity": "1", "all": "yes"})] == ["w3", "w1"]
    assert await platform.alerts(state=Alert.STATE_RESOLVED) == []
    exact = await platform.alice.ListAlerts(pb.ListAlertsRequest(integration="webhook", page_size=5))
    assert (len(exact.alerts), exact.next_page_token) == (5, "")
    for token in ("nonsense", "YQ", paging.encode("x", "y"), paging.encode("2026-11-23T07:00:00+00:00", "y")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await platform.alice.ListAlerts(pb.ListAlertsRequest(page_token=token))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_page_ends_before_it_is_larger_than_an_answer_may_be(platform: Platform) -> None:
    await platform.report("alertmanager", [prometheus(platform.world, f"short{n}") for n in range(60)])
    short = await platform.alice.ListAlerts(pb.ListAlertsRequest(page_size=100))
    assert (len({alert.title for alert in short.alerts}), short.next_page_token) == (60, "")
    platform.world.clock.forward(timedelta(seconds=1))
    long = {"annotations": {"runbook": "x" * 125_000}}
    for report in "abcde":
        await platform.report("alertmanager", [prometheus(platform.world, f"{report}{n}") | long for n in range(8)])
    listed, sizes, token = [], [], ""
    while not sizes or token:
        page = await platform.alice.ListAlerts(pb.ListAlertsRequest(page_size=100, page_token=token))
        listed, token = [*listed, *(alert.title for alert in page.alerts)], page.next_page_token
        sizes.append(len(page.alerts))
    assert (len(listed), len(set(listed))) == (100, 100) and 20 < sizes[0] < 40
    exported = [[alert.title for alert in page.alerts] async for page in platform.alice.ExportAlerts(pb.ExportAlertsRequest())]
    assert [title for titles in exported for title in titles] == listed


async def test_of_a_log_that_is_larger_than_an_answer_may_be_the_newest_is_shown(platform: Platform) -> None:
    await platform.report("alertmanager", [prometheus(platform.world)])
    [alert] = await platform.alerts()
    entries = "SELECT id, opened_at, 'NOTED', number || repeat(' note', 5000) FROM alert, generate_series(1, 200) AS number"
    platform.world.rewrite("detection", f"INSERT INTO alert_log (alert_id, at, decision, reason) {entries}")
    log = (await platform.alice.GetAlert(pb.GetAlertRequest(alert_id=alert.id))).log
    numbers = [int(entry.reason.split()[0]) for entry in log]
    assert numbers == list(range(numbers[0], 201)) and 100 < len(numbers) < 200


async def test_configuration_is_planned_applied_exported_and_pruned(platform: Platform) -> None:
    async def apply(*given: Integration, **options: bool) -> dict[str, int]:
        request = pb.ApplyConfigurationRequest(configuration=Configuration(integrations=given), **options)
        return {change.name: change.action for change in (await platform.admin.ApplyConfiguration(request)).changes}

    async def exported() -> dict[str, str]:
        answer = await platform.admin.ExportConfiguration(pb.ExportConfigurationRequest())
        return {item.name: item.service for item in answer.configuration.integrations}

    wanted = [Integration(name="webhook", kind="webhook", service="checkout"), Integration(name="third", kind="webhook")]
    plan = {"webhook": Change.ACTION_UPDATED, "third": Change.ACTION_CREATED}
    assert await apply(*wanted, dry_run=True) == plan
    assert await exported() == {"alertmanager": "", "webhook": ""}
    assert await apply(*wanted) == plan
    assert await apply(*wanted) == dict.fromkeys(plan, Change.ACTION_UNCHANGED)
    assert await exported() == {"alertmanager": "", "third": "", "webhook": "checkout"}
    await platform.report("webhook", {"title": "x"})
    assert [alert.sender_service for alert in await platform.alerts()] == ["checkout"]
    assert (await apply(*wanted, prune=True))["alertmanager"] == Change.ACTION_DELETED
    with pytest.raises(grpc.aio.AioRpcError):
        await platform.report("alertmanager", [])


@pytest.mark.parametrize("names", [["tocsin"], ["a", "a"], ["Bad Name"]])
async def test_a_wrong_configuration_is_refused_by_field_and_changes_nothing(platform: Platform, names: list[str]) -> None:
    given = Configuration(
        integrations=[Integration(name="good", kind="webhook"), *(Integration(name=name, kind="webhook") for name in names)]
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=given))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "integrations[" in (refused.value.details() or "")
    listed = (await platform.alice.ListIntegrations(pb.ListIntegrationsRequest())).integrations
    assert [item.name for item in listed] == ["alertmanager", "webhook"]


async def test_only_the_edge_and_exercises_may_submit_reports(platform: Platform) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await platform.admin.SubmitReport(pb.SubmitReportRequest(integration_key=platform.keys["webhook"], kind="webhook", method="POST"))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_text_that_the_database_cannot_hold_is_made_harmless(platform: Platform) -> None:
    raised = (await platform.alice.RaiseAlert(pb.RaiseAlertRequest(title="a\0b", description="\0", labels={"host": "\0"}))).alert
    assert (raised.title, raised.labels["host"]) == ("a\ufffdb", "\ufffd")
    assert await platform.alerts(integration="\0", labels={"x": "\0"}) == []
    answer = await platform.report("webhook", {"title": "a\0b \ud800", "labels": {"x": "\0"}})
    assert answer.status == 202


async def test_lists_are_narrowed_by_matchers_text_service_severity_and_holds(platform: Platform) -> None:
    for host, severity in (("db-1", "critical"), ("db-2", "warning"), ("web-1", "warning")):
        labels = {"alertname": "Full", "host": host, "severity": severity, "service": "shop"}
        await platform.report("alertmanager", [{"labels": labels, "annotations": {"summary": f"{host} is full"}}])

    async def hosts(**wanted: object) -> list[str]:
        return sorted(alert.labels["host"] for alert in await platform.alerts(**wanted))

    assert await hosts(matchers=['host=~"db-.*"']) == ["db-1", "db-2"]
    assert await hosts(matchers=['host=~"db-.*"', "severity!=critical"]) == ["db-2"]
    assert await hosts(matchers=['host!~"db-.*"']) == ["web-1"]
    assert await hosts(matchers=['rack=""']) == ["db-1", "db-2", "web-1"]
    assert await hosts(matchers=['rack=~".+"']) == []
    assert await hosts(matchers=['integration="alertmanager"'], text="WEB-1") == ["web-1"]
    assert await hosts(service="shop", severity="Warning") == ["db-2", "web-1"]
    assert await hosts(service="other") == []
    assert await hosts(held=pb.HELD_YES) == [] and len(await hosts(held=pb.HELD_NO, state=Alert.STATE_OPEN)) == 3
    with pytest.raises(grpc.RpcError) as refused:
        await platform.alerts(matchers=['host=~"("'])
    assert "matchers[0]" in str(refused.value.details())
    exported = [alert async for page in platform.alice.ExportAlerts(pb.ExportAlertsRequest()) for alert in page.alerts]
    assert len(exported) == 3


async def test_an_alert_is_taken_put_aside_and_neither_once_it_has_ended(platform: Platform) -> None:
    await platform.report("alertmanager", [prometheus(platform.world)])
    [alert] = await platform.alerts()
    taken = (await platform.alice.AcknowledgeAlert(pb.AcknowledgeAlertRequest(alert_id=alert.id))).alert
    again = (await platform.alice.AcknowledgeAlert(pb.AcknowledgeAlertRequest(alert_id=alert.id))).alert
    assert (taken.acknowledged_by, again.version) == ("alice", taken.version)
    [fact] = await platform.world.facts(AlertAcknowledged)
    assert fact.alert.acknowledged_by == "alice"
    until = platform.world.clock.now() + timedelta(hours=1)
    aside = (await platform.alice.SnoozeAlert(pb.SnoozeAlertRequest(alert_id=alert.id, until=until))).alert
    assert aside.snoozed_until.ToDatetime(UTC) == until
    await platform.alice.ResolveAlert(pb.ResolveAlertRequest(alert_id=alert.id))
    with pytest.raises(grpc.RpcError) as refused:
        await platform.alice.AcknowledgeAlert(pb.AcknowledgeAlertRequest(alert_id=alert.id))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    log = (await platform.alice.GetAlert(pb.GetAlertRequest(alert_id=alert.id))).log
    assert [entry.decision for entry in log] == ["OPENED", "ACKNOWLEDGED", "CHANGED", "RESOLVED"]


async def test_alerts_of_a_private_incident_are_there_for_its_members_only(platform: Platform) -> None:
    """Triage tells which alerts these are, and who its members are."""
    requests = [pb.RaiseAlertRequest(request_id=title, title=title) for title in ("beacon", "disk")]
    hidden, known = [(await platform.alice.RaiseAlert(request)).alert for request in requests]
    bob = platform.world.stub(DetectionServiceStub, platform.app, Caller("bob", Role.ROLE_RESPONDER))
    noise = platform.world.stub(NoiseServiceStub, platform.app, Caller("bob", Role.ROLE_RESPONDER))
    incident = Incident(id=str(uuid7()), private=True, members=["alice"], version=1)
    await platform.world.publish(AlertsWithheld(incident=incident, alert_ids=[hidden.id]), incident.id)

    async def listed(stub: DetectionServiceStub) -> set[str]:
        return {alert.title for alert in (await stub.ListAlerts(pb.ListAlertsRequest())).alerts}

    async def withheld() -> bool:
        return await listed(bob) == {"disk"}

    await platform.world.eventually(withheld)
    assert await listed(platform.alice) == {"beacon", "disk"}
    assert not (await bob.ListAlerts(pb.ListAlertsRequest(text="beacon"))).alerts
    named = (
        bob.GetAlert(pb.GetAlertRequest(alert_id=hidden.id)),
        bob.ResolveAlert(pb.ResolveAlertRequest(request_id="r", alert_id=hidden.id)),
        noise.ExplainAlert(noise_pb.ExplainAlertRequest(alert_id=hidden.id)),
    )
    for call in named:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert (await platform.alice.GetAlert(pb.GetAlertRequest(alert_id=hidden.id))).alert.title == "beacon"
    assert (await noise.ExplainAlert(noise_pb.ExplainAlertRequest(alert_id=known.id))).alert.title == "disk"
    incident.private, incident.version = False, 2
    await platform.world.publish(PrivacyChanged(incident=incident), incident.id, 2)

    async def shown() -> bool:
        return await listed(bob) == {"beacon", "disk"}

    await platform.world.eventually(shown)


async def test_reports_that_come_together_are_answered_each_for_itself(platform: Platform) -> None:
    def gathered(key: str, body: object) -> pb.GatheredReport:
        report = pb.SubmitReportRequest(
            integration_key=key, kind="alertmanager", method="POST", path="/api/v2/alerts", body=json.dumps(body).encode()
        )
        return pb.GatheredReport(report=report, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    key = platform.keys["alertmanager"]
    reports = [
        gathered(key, [{"labels": {"alertname": "one"}}]),
        gathered("nobody's", [{"labels": {"alertname": "two"}}]),
        gathered(key, [{"labels": {}}, {"labels": {"alertname": "three"}}]),
    ]
    kept, refused, half = (await platform.edge.SubmitReports(pb.SubmitReportsRequest(reports=reports))).outcomes
    assert (kept.answer.status, kept.answer.accepted, kept.refusal) == (200, 1, b"")
    assert status_pb2.Status.FromString(refused.refusal).code == code_pb2.UNAUTHENTICATED
    assert (half.answer.status, half.answer.accepted) == (400, 1)
    assert sorted(alert.title for alert in await platform.alerts()) == ["one", "three"]
    with pytest.raises(aio.AioRpcError) as forbidden:
        await platform.admin.SubmitReports(pb.SubmitReportsRequest(reports=reports))
    assert forbidden.value.code() == grpc.StatusCode.PERMISSION_DENIED
