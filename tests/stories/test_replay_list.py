"""What real senders do again and again, told as stories: the fourteen points of the contract's replay list."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from uuid import UUID

import pytest
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert

from tocsin_testkit.outside.sns import amazon_sns
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.world import eventually

MINUTE = timedelta(minutes=1)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
ALARM = {
    "AlarmName": "checkout-5xx",
    "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:checkout-5xx",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-11-23T11:57:43.127+0000",
}


@pytest.fixture
async def checkout(platform):
    """Somebody is on call for a service."""
    await platform.responders("alice")
    await platform.policy("checkout-policy", [("alice", 5 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    return platform


async def alerts(platform, **wanted) -> list[Alert]:
    """What detection holds, newest first."""
    return list((await platform.detection.ListAlerts(pb.ListAlertsRequest(page_size=500, **wanted))).alerts)


async def only(platform, **wanted) -> Alert:
    [alert] = await alerts(platform, **wanted)
    return alert


def iso(instant):
    return instant.isoformat().replace("+00:00", "Z")


# Alertmanager's API and webhook


async def test_1_a_bad_label_refuses_its_alert_and_keeps_the_others(checkout):
    labels = [{"alertname": "A"}, {"9bad": "x"}, {"alertname": "C"}]
    answer = await checkout.post_alerts([{"labels": each} for each in labels])
    assert answer.status_code == 400
    assert "9bad" in answer.json()
    assert sorted(alert.labels["alertname"] for alert in await alerts(checkout)) == ["A", "C"]


async def test_2_an_alert_ends_at_its_end_when_prometheus_falls_silent(checkout):
    await checkout.fire("checkout", "HighErrorRate", ends_in=4 * MINUTE)
    await checkout.expect_page("alice", about="HighErrorRate")
    checkout.clock.forward(4 * MINUTE - timedelta(seconds=1))
    await checkout.expect_quiet()
    assert (await only(checkout)).state == Alert.STATE_OPEN
    checkout.clock.forward(timedelta(seconds=1))
    await checkout.expect_page("alice", about="esolved")
    ended = await only(checkout)
    assert (ended.state, ended.resolve_reason) == (Alert.STATE_RESOLVED, "ENDED_SILENTLY")


async def test_3_two_replicas_of_prometheus_make_one_alert(checkout):
    for start in (0, 3):
        alert = {
            "labels": {"alertname": "HighErrorRate", "service": "checkout"},
            "annotations": {"summary": "HighErrorRate on checkout"},
            "startsAt": iso(checkout.clock.now() + timedelta(seconds=start)),
            "endsAt": iso(checkout.clock.now() + 4 * MINUTE),
        }
        assert (await checkout.post_alerts([alert])).status_code == 200
    await checkout.expect_page("alice", about="HighErrorRate")
    await checkout.expect_quiet()
    alert = await only(checkout)
    assert alert.occurrences == 2
    assert alert.starts_at.ToDatetime() == checkout.clock.now().replace(tzinfo=None)


async def test_4_a_webhook_that_comes_while_the_database_is_gone_is_told_to_come_again(checkout):
    key = await checkout.integration("alertmanager-webhook")
    group = {
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {"alertname": "DiskFull", "service": "checkout"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.test",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "service": "checkout"},
                "annotations": {"summary": "Disk full"},
                "startsAt": iso(checkout.clock.now()),
                "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": "c4fa8262820e0e19",
            }
        ],
    }
    async with checkout.world.without_database("detection"):
        refused = await checkout.http.post(f"/alertmanager-webhook/{key}", json=group, timeout=30)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0

    async def taken():
        return (await checkout.http.post(f"/alertmanager-webhook/{key}", json=group)).is_success

    await eventually(taken, 20, "the webhook to be taken again")
    await checkout.expect_page("alice", about="Disk full")
    await checkout.expect_quiet()
    assert (await only(checkout)).title == "Disk full"


# PagerDuty


@pytest.fixture
async def pagerduty(checkout):
    """Sends events as PagerDuty's clients do."""
    key = await checkout.integration("pagerduty")

    async def send(action, dedup_key, summary="Database down"):
        payload = {"summary": summary, "source": "db-1", "severity": "critical", "custom_details": {"service": "checkout"}}
        event = {"routing_key": key, "event_action": action, "dedup_key": dedup_key}
        answer = await checkout.http.post("/v2/enqueue", json={**event, **({"payload": payload} if action == "trigger" else {})})
        assert answer.status_code == 202
        assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": dedup_key}

    return send


async def test_5_the_end_of_something_unknown_makes_nothing(checkout, pagerduty):
    await pagerduty("resolve", "unknown")
    await pagerduty("acknowledge", "unknown")
    await checkout.expect_quiet()
    assert await alerts(checkout) == []


async def test_6_a_repeat_pages_nobody_again_and_a_trigger_after_the_end_is_new(checkout, pagerduty):
    await pagerduty("trigger", "db")
    await checkout.expect_page("alice", about="Database down")
    await pagerduty("acknowledge", "db")
    await checkout.expect_page("alice", about="Taken by")
    await pagerduty("trigger", "db")
    checkout.clock.forward(10 * MINUTE)
    await checkout.expect_quiet()
    first = await only(checkout)
    await pagerduty("resolve", "db")
    await checkout.expect_page("alice", about="esolved")
    await pagerduty("trigger", "db")
    second, before = await alerts(checkout)
    assert (second.state, before.state) == (Alert.STATE_OPEN, Alert.STATE_RESOLVED)
    assert before.id == first.id != second.id


# Opsgenie


@pytest.fixture
async def opsgenie(checkout):
    """Calls Opsgenie's API."""
    key = await checkout.integration("opsgenie")

    async def call(method, path, body=None, expect=202):
        answer = await checkout.http.request(method, path, json=body, headers={"authorization": f"GenieKey {key}"})
        assert answer.status_code == expect, answer.text
        return answer.json()

    return call


async def settled(opsgenie, request_id):
    """The status of a request, once it is processed."""
    found = []

    async def processed():
        found[:] = [(await opsgenie("GET", f"/v2/alerts/requests/{request_id}", expect=200))["data"]]
        return True

    await eventually(processed, 10, "the request to be processed")
    return found[0]


async def test_7_closing_an_unknown_alias_fails_only_in_the_status_of_the_request(checkout, opsgenie):
    answer = await opsgenie("POST", "/v2/alerts/nowhere/close?identifierType=alias", {"source": "test"})
    assert answer["result"] == "Request will be processed"
    status = await settled(opsgenie, answer["requestId"])
    assert (status["success"], status["isSuccess"]) == (False, False)
    assert await alerts(checkout) == []


async def test_8_a_change_right_after_the_creation_is_not_overtaken(checkout, opsgenie):
    """Alertmanager changes the message without asking what became of the alert it has created."""
    created = await opsgenie("POST", "/v2/alerts", {"message": "old words", "alias": "db", "details": {"service": "checkout"}})
    changed = await opsgenie("PUT", "/v2/alerts/db/message?identifierType=alias", {"message": "new words"})
    for answer in (created, changed):
        assert (await settled(opsgenie, answer["requestId"]))["success"] is True
    assert (await only(checkout)).title == "new words"


async def test_9_the_count_goes_on_past_a_hundred(checkout, opsgenie):
    for _ in range(105):
        await opsgenie("POST", "/v2/alerts", {"message": "again", "alias": "db"})

    async def counted():
        return (await alerts(checkout))[0].occurrences == 105

    await eventually(counted, 10, "105 occurrences")
    shown = await opsgenie("GET", "/v2/alerts/db?identifierType=alias", expect=200)
    assert shown["data"]["count"] == 105


async def test_10_a_ping_for_an_unknown_heartbeat_is_accepted(checkout, opsgenie):
    answer = await opsgenie("GET", "/v2/heartbeats/nobody-knows-it/ping")
    assert answer["result"].startswith("PONG")
    UUID(answer["requestId"])
    await checkout.expect_quiet()
    assert await alerts(checkout) == []


# CloudEvents, Amazon SNS, Sentry


def event(id, **more):
    return {"specversion": "1.0", "id": id, "source": "/db-1", "type": "disk.full", "data": {"title": f"Disk {id}", **more}}


async def post_event(platform, key, content, content_type="application/cloudevents+json"):
    body = json.dumps(content).encode()
    return await platform.http.post(f"/cloudevents/{key}", content=body, headers={"content-type": content_type})


async def test_11_a_batch_is_not_taken_for_one_event(checkout):
    key = await checkout.integration("cloudevents")
    batch = [event("e-1", key="a"), event("e-2", key="b")]
    refused = await post_event(checkout, key, batch, "application/cloudevents-batch+json; charset=utf-8")
    assert (refused.status_code, "accepts_batches" in refused.text) == (415, True)
    assert await alerts(checkout) == []
    key = await checkout.integration("cloudevents", accepts_batches=True)
    assert (await post_event(checkout, key, batch, "application/cloudevents-batch+json; charset=utf-8")).is_success
    assert sorted(alert.title for alert in await alerts(checkout)) == ["Disk e-1", "Disk e-2"]


@pytest.fixture
async def amazon(world, tmp_path):
    """A stand-in for Amazon SNS, whose clock is the world's."""
    async with amazon_sns(tmp_path, world.clock.now()) as running:
        yield running


@pytest.fixture
async def behind_amazon(world, amazon):
    """A platform that believes the stand-in, and what posts to it as SNS does."""
    async with running_platform(world, sns_hosts=amazon.host, outgoing_ca_file=amazon.ca_file) as platform:
        key = await platform.integration("sns", allowed_topics=[TOPIC])

        async def post(message):
            headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": message["Type"]}
            return await platform.http.post(f"/sns/{key}", content=json.dumps(message).encode(), headers=headers)

        yield platform, post


async def test_12_sns_says_that_its_json_is_text_and_a_foreign_certificate_is_refused(behind_amazon, amazon):
    platform, post = behind_amazon
    genuine = amazon.notification(TOPIC, ALARM, platform.clock.now())
    foreign = {**genuine, "SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem"}
    assert (await post(foreign)).status_code == 403
    assert await alerts(platform) == []
    assert (await post(genuine)).is_success
    assert (await only(platform)).title == "checkout-5xx"


async def test_13_a_signature_of_sentry_is_over_the_bytes_as_they_came(checkout):
    key = await checkout.integration("sentry")
    secret = "a-client-secret-of-sentry"
    await checkout.detection.SetIntegrationSecret(pb.SetIntegrationSecretRequest(name="sentry", secret=secret))
    issue = {"issue_id": "42", "title": "TypeError", "url": "https://sentry.io/x"}
    # Neither the order of the members nor the space between them is what a JSON library would write.
    body = b' {"data":{"triggered_rule" : "every issue","event":' + json.dumps(issue).encode() + b'},\n"action":"triggered"}'
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    async def post(signed):
        timestamp = str(int(checkout.clock.now().timestamp()))
        headers = {"sentry-hook-resource": "event_alert", "sentry-hook-timestamp": timestamp, "sentry-hook-signature": signed}
        return (await checkout.http.post(f"/sentry/{key}", content=body, headers=headers)).status_code

    assert await post(signature[::-1]) == 401
    assert await post(base64.b64encode(bytes.fromhex(signature)).decode()) == 401
    assert await alerts(checkout) == []
    assert await post(signature) < 300
    assert (await only(checkout)).title == "TypeError"


async def test_14_what_is_delivered_again_counts_once(behind_amazon, amazon):
    platform, post = behind_amazon
    for _ in range(2):
        assert (await post(amazon.notification(TOPIC, ALARM, platform.clock.now(), id="m-1"))).is_success
    key = await platform.integration("cloudevents")
    for _ in range(2):
        assert (await post_event(platform, key, event("e-1"))).is_success
    assert (await only(platform, integration="sns")).occurrences == 1
    assert (await only(platform, integration="cloudevents")).occurrences == 1
    assert (await post(amazon.notification(TOPIC, ALARM, platform.clock.now(), id="m-2"))).is_success
    assert (await only(platform, integration="sns")).occurrences == 2
