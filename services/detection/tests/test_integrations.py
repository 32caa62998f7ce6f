"""Options and secrets of integrations on real servers: kept, told, obeyed; and the senders that need them."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1 import integration_pb2
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration, Integration, RateLimit
from tocsin.detection.v1.integration_pb2 import Mapping as MappingMessage

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.outside.sns import AmazonSns, amazon_sns
from tocsin_testkit.world import World

SAMPLES = Path(__file__).parent / "samples"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
SECRET = "a-secret-of-this-test"


class Doors:
    """A running detection, and the words to set up its doors and to knock."""

    def __init__(self, world: World, app: App, amazon: AmazonSns) -> None:
        self.world = world
        self.amazon = amazon
        self.app = app
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.alice = world.stub(DetectionServiceStub, app, Caller("alice", Role.ROLE_RESPONDER))

    async def apply(self, *integrations: Integration, **how: bool) -> list[Change]:
        request = pb.ApplyConfigurationRequest(configuration=Configuration(integrations=integrations), **how)  # type: ignore[arg-type]
        return [change for change in (await self.admin.ApplyConfiguration(request)).changes if change.kind == "Integration"]

    async def refusal(self, *integrations: Integration) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.apply(*integrations)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return caught.value.details() or ""

    async def exported(self) -> list[Integration]:
        found = (await self.admin.ExportConfiguration(pb.ExportConfigurationRequest())).configuration.integrations
        return list(found)

    async def door(self, kind: str, **options: object) -> str:
        """The key of a new integration."""
        await self.apply(Integration(name=kind, kind=kind, **options))  # type: ignore[arg-type]
        return str((await self.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=kind))).key)

    async def secret(self, name: str, secret: str) -> Integration:
        request = pb.SetIntegrationSecretRequest(name=name, secret=secret)
        found: Integration = (await self.admin.SetIntegrationSecret(request)).integration
        return found

    async def knock(self, kind: str, key: str, body: object, headers: Mapping[str, str] | None = None) -> pb.SubmitReportResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = pb.SubmitReportRequest(integration_key=key, kind=kind, method="POST", path="/", body=content, headers=headers or {})
        answer: pb.SubmitReportResponse = await self.edge.SubmitReport(request)
        return answer

    async def alerts(self) -> list[Alert]:
        return list((await self.alice.ListAlerts(pb.ListAlertsRequest())).alerts)


@pytest.fixture(name="doors")
async def _doors(world: World, tmp_path: Path) -> AsyncIterator[Doors]:
    async with amazon_sns(tmp_path, world.clock.now()) as amazon:
        settings = world.settings("detection", DetectionSettings, sns_hosts=amazon.host, outgoing_ca_file=amazon.ca_file)
        async with world.running(detection(settings, clock=world.clock)) as app:
            yield Doors(world, app, amazon)


def everything() -> list[Integration]:
    """Integrations that set all that can be set."""
    mapping = MappingMessage(
        items="body.items",
        key="body.k",
        title="body.t",
        severity="body.s",
        state="body.f",
        service='"shop"',
        description="body.d",
        url="body.u",
        labels='{"a": body.t}',
    )
    return [
        Integration(name="aws", kind="sns", allowed_topics=[TOPIC], insufficient_data=integration_pb2.INSUFFICIENT_DATA_FIRES),
        Integration(name="events", kind="cloudevents", accepts_batches=True, mapping=MappingMessage(title="body.type")),
        Integration(name="zabbix", kind="webhook", mapping=mapping, rate_limit=RateLimit(per_second=5, burst=9), requires_signature=True),
    ]


async def test_what_is_applied_is_exported_and_applying_that_changes_nothing(doors: Doors) -> None:
    assert {change.action for change in await doors.apply(*everything())} == {Change.ACTION_CREATED}
    exported = await doors.exported()
    assert exported == everything()
    assert {change.action for change in await doors.apply(*exported)} == {Change.ACTION_UNCHANGED}


KEYS = {
    "pagerduty": "0123456789abcdef0123456789ABCDEF",
    "opsgenie": "eb243592-faa2-4ba2-a551-1afdf565c889",
    "email": "shop-alerts-0f3c9a1b7d",
    "alertmanager": "a-password-that-is-long",
    "webhook": "tk_0f3c9a1b7d5e2f4a6b8c",
}


@pytest.mark.parametrize(("kind", "key"), KEYS.items())
async def test_a_key_that_senders_have_already_opens_its_integration_and_the_one_before_does_not(doors: Doors, kind: str, key: str) -> None:
    old = await doors.door(kind)
    request = pb.ImportIntegrationKeyRequest(name=kind, key=key)
    for _ in range(2):
        assert (await doors.admin.ImportIntegrationKey(request)).integration.name == kind
    await doors.knock(kind, key, {})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await doors.knock(kind, old, {})
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_configuration_takes_keys_over_tells_it_and_never_gives_them_back(doors: Doors) -> None:
    wanted = Integration(name="moved", kind="opsgenie", key=KEYS["opsgenie"])
    assert [change.action for change in await doors.apply(wanted, dry_run=True)] == [Change.ACTION_CREATED]
    await doors.apply(wanted)
    await doors.knock("opsgenie", KEYS["opsgenie"], {"message": "disk full"})
    assert [change.action for change in await doors.apply(wanted)] == [Change.ACTION_UNCHANGED]
    [changed] = await doors.apply(Integration(name="moved", kind="opsgenie", key="another-key-that-is-long-enough"))
    assert (changed.action, [field.path for field in changed.fields]) == (Change.ACTION_UPDATED, ["key"])
    assert "another-key" not in str(changed)
    assert await doors.exported() == [Integration(name="moved", kind="opsgenie")]
    assert not (await doors.admin.ListIntegrations(pb.ListIntegrationsRequest())).integrations[0].key


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("pagerduty", "eb243592-faa2-4ba2-a551-1afdf565c889"),
        ("opsgenie", "short"),
        ("email", "Upper-Case-0123456789"),
        ("webhook", "a/b?c=" + "d" * 30),
    ],
)
async def test_a_key_that_is_not_safe_or_cannot_be_shown_is_refused_with_what_it_must_be(doors: Doors, kind: str, key: str) -> None:
    await doors.door(kind)
    for call in (
        doors.admin.ImportIntegrationKey(pb.ImportIntegrationKeyRequest(name=kind, key=key)),
        doors.apply(Integration(name=kind, kind=kind, key=key)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "must be" in (refused.value.details() or "") and key not in (refused.value.details() or "")


async def test_a_key_opens_one_integration(doors: Doors) -> None:
    key = KEYS["opsgenie"]
    await doors.apply(Integration(name="one", kind="opsgenie", key=key), Integration(name="two", kind="opsgenie"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await doors.admin.ImportIntegrationKey(pb.ImportIntegrationKeyRequest(name="two", key=key))
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    for given in (
        [Integration(name="two", kind="opsgenie", key=key)],
        [Integration(name=name, kind="opsgenie", key=key + "x") for name in "ab"],
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await doors.apply(*given)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_may_apply_configurations_need_not_be_able_to_make_keys(world: World, doors: Doors) -> None:
    manager = world.stub(DetectionServiceStub, doors.app, Caller("max", Role.ROLE_MANAGER))
    plain = Configuration(integrations=[Integration(name="moved", kind="opsgenie")])
    await manager.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=plain))
    plain.integrations[0].key = KEYS["opsgenie"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await manager.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=plain))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_change_of_an_option_is_told_by_its_path_and_tried_without_doing_it(doors: Doors) -> None:
    await doors.apply(*everything())
    aws, events, zabbix = everything()
    zabbix.mapping.title = "body.title"
    del aws.allowed_topics[:]
    planned = await doors.apply(aws, zabbix, dry_run=True, prune=True)
    assert {(change.name, change.action) for change in planned} == {
        ("aws", Change.ACTION_UPDATED),
        ("events", Change.ACTION_DELETED),
        ("zabbix", Change.ACTION_UPDATED),
    }
    assert [field.path for change in planned for field in change.fields] == ["allowed_topics", "mapping.title"]
    assert await doors.exported() == everything()
    assert events.name == "events" and await doors.apply(aws, zabbix, prune=True) == planned
    assert await doors.exported() == [aws, zabbix]


async def test_an_empty_mapping_is_none(doors: Doors) -> None:
    await doors.apply(Integration(name="w", kind="webhook", mapping=MappingMessage()))
    [exported] = await doors.exported()
    assert not exported.HasField("mapping")


@pytest.mark.parametrize(
    ("integration", "field"),
    [
        (Integration(name="x", kind="webhook", mapping=MappingMessage(title="body.")), "mapping.title"),
        (Integration(name="x", kind="webhook", mapping=MappingMessage(labels="nope")), "mapping.labels"),
        (Integration(name="x", kind="alertmanager", mapping=MappingMessage(title="body.t")), "mapping"),
        (Integration(name="x", kind="webhook", allowed_topics=[TOPIC]), "allowed_topics"),
        (Integration(name="x", kind="sns", allowed_topics=[TOPIC, "*"]), "allowed_topics[1]"),
        (Integration(name="x", kind="webhook", accepts_batches=True), "accepts_batches"),
        (Integration(name="x", kind="sentry", insufficient_data=integration_pb2.INSUFFICIENT_DATA_FIRES), "insufficient_data"),
        (Integration(name="x", kind="email", requires_signature=True), "requires_signature"),
    ],
)
async def test_what_could_not_work_is_refused_by_its_field_and_nothing_is_applied(
    doors: Doors, integration: Integration, field: str
) -> None:
    refusal = await doors.refusal(Integration(name="good", kind="webhook"), integration)
    assert f"configuration.integrations[1].{field}" in refusal
    assert await doors.exported() == []


async def test_secrets_are_counted_and_never_shown(doors: Doors) -> None:
    await doors.door("webhook")
    for secret, count in (("the-first-secret", 1), ("the-second-secret", 2), ("the-third-secret", 2)):
        assert (await doors.secret("webhook", secret)).secrets == count
    [listed] = (await doors.alice.ListIntegrations(pb.ListIntegrationsRequest())).integrations
    assert listed.secrets == 2 and "secret" not in str(listed).replace("secrets", "")
    [exported] = await doors.exported()
    assert exported.secrets == 0
    await doors.apply(Integration(name="webhook", kind="webhook", description="other"))
    [listed] = (await doors.alice.ListIntegrations(pb.ListIntegrationsRequest())).integrations
    assert listed.secrets == 2
    assert (await doors.secret("webhook", "")).secrets == 0


@pytest.mark.parametrize(("name", "secret", "code"), [("webhook", "short", "INVALID_ARGUMENT"), ("nobody", SECRET, "NOT_FOUND")])
async def test_a_secret_that_could_not_work_is_refused(doors: Doors, name: str, secret: str, code: str) -> None:
    await doors.door("webhook")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await doors.secret(name, secret)
    assert caught.value.code().name == code


def hub(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def test_a_sender_changes_its_secret_without_a_lost_report(doors: Doors) -> None:
    key = await doors.door("webhook", requires_signature=True)
    body = b'{"title": "disk full"}'
    assert (await doors.knock("webhook", key, body, hub(body))).status == 401
    await doors.secret("webhook", SECRET)
    assert (await doors.knock("webhook", key, body, hub(body))).status == 202
    await doors.secret("webhook", "another-secret")
    for secret in (SECRET, "another-secret"):
        assert (await doors.knock("webhook", key, body, hub(body, secret))).status == 202
    await doors.secret("webhook", "a-third-secret")
    assert (await doors.knock("webhook", key, body, hub(body))).status == 401
    assert (await doors.knock("webhook", key, body)).status == 401
    [alert] = await doors.alerts()
    assert alert.occurrences == 3


async def test_sentrys_signature_is_over_the_bytes_that_came(doors: Doors) -> None:
    key = await doors.door("sentry")
    await doors.secret("sentry", SECRET)
    body = (SAMPLES / "sentry" / "event_alert.json").read_bytes()
    headers = {"sentry-hook-resource": "event_alert", "sentry-hook-signature": hub(body)["x-hub-signature-256"].removeprefix("sha256=")}
    assert (await doors.knock("sentry", key, json.loads(body), headers)).status == 401
    assert await doors.alerts() == []
    assert (await doors.knock("sentry", key, body, headers)).status == 202
    assert [alert.title for alert in await doors.alerts()] == ["ZeroDivisionError: division by zero"]


async def test_a_webhook_that_comes_again_within_its_window_counts_once(doors: Doors) -> None:
    key = await doors.door("webhook")
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    await doors.secret("webhook", secret)
    body = b'[{"title": "a"}, {"title": "b"}]'
    at = int(doors.world.clock.now().timestamp())
    digest = hmac.new(b"k" * 32, f"msg_1.{at}.".encode() + body, hashlib.sha256).digest()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
    for _ in range(3):
        assert (await doors.knock("webhook", key, body, headers)).status == 202
    assert {(alert.title, alert.occurrences) for alert in await doors.alerts()} == {("a", 1), ("b", 1)}


async def test_a_cloud_event_that_comes_again_is_one_alert(doors: Doors) -> None:
    key = await doors.door("cloudevents")
    event = json.loads((SAMPLES / "cloudevents" / "structured.json").read_bytes())
    headers = {"content-type": "application/cloudevents+json"}
    for _ in range(3):
        assert (await doors.knock("cloudevents", key, event, headers)).status == 202
    [alert] = await doors.alerts()
    assert alert.occurrences == 1
    await doors.knock("cloudevents", key, {**event, "id": "another"}, headers)
    [alert] = await doors.alerts()
    assert alert.occurrences == 2


async def test_sns_is_subscribed_reports_and_is_heard_once(doors: Doors) -> None:
    now, amazon = doors.world.clock.now(), doors.amazon
    key = await doors.door("sns", allowed_topics=[TOPIC])
    plain = {"content-type": "text/plain; charset=UTF-8"}
    assert (await doors.knock("sns", key, amazon.confirmation(TOPIC, now), plain)).status == 200
    assert any("ConfirmSubscription" in path for path in amazon.asked)
    alarm = json.loads((SAMPLES / "sns" / "cloudwatch_alarm.json").read_bytes())
    notification = amazon.notification(TOPIC, alarm, now)
    for _ in range(3):
        assert (await doors.knock("sns", key, notification, plain)).status == 202
    [alert] = await doors.alerts()
    assert (alert.title, alert.occurrences, alert.state) == ("checkout-5xx", 1, Alert.STATE_OPEN)
    over = amazon.notification(TOPIC, {**alarm, "NewStateValue": "OK"}, now, id="m-2")
    forged = {**over, "Message": json.dumps({**alarm, "NewStateValue": "OK", "NewStateReason": "forged"})}
    assert (await doors.knock("sns", key, forged, plain)).status == 403
    foreign = {**over, "SigningCertURL": "https://evil.example/SimpleNotificationService-1.pem"}
    assert (await doors.knock("sns", key, foreign, plain)).status == 403
    assert [alert.state for alert in await doors.alerts()] == [Alert.STATE_OPEN]
    assert (await doors.knock("sns", key, over, plain)).status == 202
    assert [alert.state for alert in await doors.alerts()] == [Alert.STATE_RESOLVED]


async def test_a_mapped_sender_opens_and_ends_an_alert(doors: Doors) -> None:
    mapping = MappingMessage(key="string(body.eventid)", title="body.trigger.name", state='body.value == "PROBLEM"', labels="{}")
    key = await doors.door("webhook", mapping=mapping)
    sample = json.loads((SAMPLES / "webhook" / "zabbix.json").read_bytes())
    assert (await doors.knock("webhook", key, sample)).status == 202
    assert (await doors.knock("webhook", key, {**sample, "value": "OK"})).status == 202
    [alert] = await doors.alerts()
    assert (alert.title, alert.fingerprint, alert.state) == ("Load is high", "4711", Alert.STATE_RESOLVED)


async def test_a_preview_shows_what_a_sample_would_become_and_keeps_nothing(doors: Doors) -> None:
    mapping = MappingMessage(items="body.all", title="body.what", state="body.fires")
    sample = {"all": [{"what": "a", "fires": True}, {"what": "b", "fires": False}, {"fires": True}]}
    shown = await doors.admin.PreviewReport(pb.PreviewReportRequest(kind="webhook", mapping=mapping, body=json.dumps(sample).encode()))
    assert [(alert.title, alert.state) for alert in shown.alerts] == [("a", Alert.STATE_OPEN), ("b", Alert.STATE_RESOLVED)]
    [rejection] = shown.rejections
    assert (rejection.index, shown.status) == (2, 400) and "mapping.title" in rejection.reason
    assert await doors.alerts() == []


async def test_samples_of_other_kinds_are_shown_too(doors: Doors) -> None:
    batch = (SAMPLES / "cloudevents" / "batch.json").read_bytes()
    headers = {"content-type": "application/cloudevents-batch+json"}
    shown = await doors.admin.PreviewReport(pb.PreviewReportRequest(kind="cloudevents", body=batch, headers=headers))
    assert (len(shown.alerts), len(shown.rejections), shown.status) == (2, 1, 400)
    alerts = b'[{"labels": {"alertname": "HighLoad"}}]'
    shown = await doors.admin.PreviewReport(pb.PreviewReportRequest(kind="alertmanager", body=alerts))
    assert ([alert.title for alert in shown.alerts], shown.status) == (["HighLoad"], 200)
    broken = await doors.admin.PreviewReport(pb.PreviewReportRequest(kind="sns", body=b"{"))
    assert broken.status == 400 and "JSON" in broken.rejections[0].reason


@pytest.mark.parametrize(
    ("preview", "field"),
    [
        (pb.PreviewReportRequest(kind="webhook", mapping=MappingMessage(title="body."), body=b"{}"), "mapping.title"),
        (pb.PreviewReportRequest(kind="carrier-pigeon", body=b"{}"), "kind"),
    ],
)
async def test_a_preview_that_cannot_be_made_says_why(doors: Doors, preview: pb.PreviewReportRequest, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await doors.admin.PreviewReport(preview)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT and field in (caught.value.details() or "")


async def test_an_expression_runs_only_for_those_who_may_configure(doors: Doors) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await doors.alice.PreviewReport(pb.PreviewReportRequest(kind="webhook", body=b"{}"))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
