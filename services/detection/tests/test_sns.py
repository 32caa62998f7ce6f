"""Amazon SNS: what it publishes, and that nothing else passes for it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from detection_words import NOON, request

from tocsin_chassis.outgoing import outgoing
from tocsin_detection.intake import sns
from tocsin_detection.intake.intake import HttpAnswer, Outcome, Report
from tocsin_detection.intake.sns_api import SnsApi, text_to_sign
from tocsin_detection.integration import InsufficientData, Options
from tocsin_testkit.outside.sns import CERTIFICATE, AmazonSns, amazon_sns

SAMPLES = Path(__file__).parent / "samples" / "sns"
ALARM = json.loads((SAMPLES / "cloudwatch_alarm.json").read_text())
COMPOSITE = json.loads((SAMPLES / "cloudwatch_composite.json").read_text())
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
ALLOWED = Options(allowed_topics=(TOPIC,))


def read(message: object, options: Options = ALLOWED, **more: str) -> Report:
    text = message if isinstance(message, str) else json.dumps(message)
    said = {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": text, **more}
    return sns.read(request("sns", said, options=options, headers={"content-type": "text/plain; charset=UTF-8"}))


def test_an_alarm_of_cloudwatch_becomes_a_signal_although_it_says_that_it_is_text() -> None:
    [signal] = read(ALARM).signals
    assert (signal.title, signal.fingerprint, signal.delivery) == ("checkout-5xx", ALARM["AlarmArn"], "m-1")
    assert (signal.service, signal.resolved) == ("checkout", False)
    assert signal.starts_at == NOON - timedelta(minutes=2, seconds=16, milliseconds=873)
    assert signal.labels["metric"] == "HTTPCode_Target_5XX_Count" and signal.labels["LoadBalancer"] == "app/checkout/1a2b"
    assert signal.description.startswith("Threshold Crossed") and signal.annotations["Threshold"] == "5.0"


def test_a_composite_alarm_has_a_rule_and_no_trigger() -> None:
    [signal] = read(COMPOSITE).signals
    assert signal.fingerprint == COMPOSITE["AlarmArn"] and "ALARM" in signal.annotations["alarm_rule"]


def test_ok_ends_the_alarm() -> None:
    [signal] = read({**ALARM, "NewStateValue": "OK"}).signals
    assert signal.resolved and signal.fingerprint == ALARM["AlarmArn"] and signal.ends_at == signal.starts_at


@pytest.mark.parametrize(
    ("means", "resolved"), [(InsufficientData.NOTHING, []), (InsufficientData.FIRES, [False]), (InsufficientData.RESOLVES, [True])]
)
def test_what_too_little_data_means_is_set(means: InsufficientData, resolved: list[bool]) -> None:
    report = read({**ALARM, "NewStateValue": "INSUFFICIENT_DATA"}, replace(ALLOWED, insufficient_data=means))
    assert [signal.resolved for signal in report.signals] == resolved and report.rejections == ()


def test_a_state_that_is_none_is_refused_by_name() -> None:
    [rejection] = read({**ALARM, "NewStateValue": "BROKEN"}).rejections
    assert rejection.reason.startswith("NewStateValue: 'BROKEN'")


def test_what_others_publish_is_read_too() -> None:
    [usual] = read({"title": "disk full", "key": "db-1", "severity": "high"}).signals
    assert (usual.title, usual.fingerprint, usual.severity) == ("disk full", "db-1", "high")
    [subject] = read({"host": "db-1"}, Subject="disk full").signals
    assert subject.title == "disk full"
    [text] = read("disk full on db-1\nand more", Subject="Disk").signals
    [bare] = read("disk full on db-1\nand more").signals
    assert (text.title, bare.title, bare.description) == ("Disk", "disk full on db-1", "disk full on db-1\nand more")
    for blank in ("", " \n "):
        assert read(blank).rejections[0].reason.startswith("Message: ")


@pytest.mark.parametrize("given", [[], {}, 7, None, "x", {"Trigger": [], "Dimensions": 1}])
def test_no_detail_of_an_alarm_breaks_it(given: object) -> None:
    for field in (*ALARM, "AlarmRule"):
        report = read({**ALARM, field: given})
        assert len(report.signals) + len(report.rejections) == 1
        assert all(signal.title and signal.fingerprint for signal in report.signals)


# From here on: who sent it.


@pytest.fixture(name="amazon")
async def _amazon(tmp_path: Path) -> AsyncIterator[AmazonSns]:
    async with amazon_sns(tmp_path, NOON) as running:
        yield running


@pytest.fixture(name="api")
async def _api(amazon: AmazonSns) -> AsyncIterator[SnsApi]:
    async with outgoing(["localhost"], amazon.ca_file) as client:
        yield SnsApi(client, [amazon.host])


async def serve(api: SnsApi, message: object, options: Options = ALLOWED) -> HttpAnswer | None:
    return await api.serve(request("sns", message, options=options))


def why(answer: HttpAnswer | None, status: int = 403) -> str:
    assert answer is not None and answer.status == status, answer
    return str(json.loads(answer.body)["error"])


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "ALARM: checkout"}])
async def test_what_sns_signed_is_let_in(api: SnsApi, amazon: AmazonSns, version: str, more: dict[str, str]) -> None:
    message = amazon.notification(TOPIC, ALARM, NOON, version=version, **more)
    assert await serve(api, {**message, "UnsubscribeURL": "https://x", "unknown": 1}) is None
    for _ in range(3):
        await serve(api, message)
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp"])
async def test_a_message_that_was_changed_is_refused(api: SnsApi, amazon: AmazonSns, field: str) -> None:
    message = amazon.notification(TOPIC, ALARM, NOON, Subject="x")
    other = {**message, field: "2026-11-23T12:01:00.000Z" if field == "Timestamp" else "other"}
    assert why(await serve(api, other)).startswith("Signature: ")
    assert why(await serve(api, {name: text for name, text in message.items() if name != "Subject"})).startswith("Signature: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://evil.sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/mine.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem?x=1",
        "https://sns.eu-central-1.amazonaws.com/a/../SimpleNotificationService-1.pem",
        "https://127.0.0.1/SimpleNotificationService-1.pem",
        "https://[::1]/SimpleNotificationService-1.pem",
        "https://[/SimpleNotificationService-1.pem",
        "https://localhost/SimpleNotificationService-1.pem",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_foreign_certificate_is_not_even_asked_for(api: SnsApi, amazon: AmazonSns, url: str) -> None:
    message = {**amazon.notification(TOPIC, ALARM, NOON), "SigningCertURL": url}
    assert why(await serve(api, message)).startswith("SigningCertURL: ")
    assert amazon.asked == []


async def test_a_private_address_is_not_asked(amazon: AmazonSns) -> None:
    """A name of SNS that leads into the own network, as a broken or hostile name server might say."""
    async with outgoing([], amazon.ca_file) as client:
        answer = await serve(SnsApi(client, [amazon.host]), amazon.notification(TOPIC, ALARM, NOON))
    assert "private address" in why(answer)
    assert amazon.asked == []


async def test_a_server_that_nobody_vouches_for_is_not_believed(amazon: AmazonSns) -> None:
    async with outgoing(["localhost"]) as client:
        answer = await serve(SnsApi(client, [amazon.host]), amazon.notification(TOPIC, ALARM, NOON))
    assert "certificate" in why(answer, 503).lower()


async def test_while_sns_cannot_be_asked_it_delivers_again(api: SnsApi, amazon: AmazonSns) -> None:
    message = amazon.notification(TOPIC, ALARM, NOON)
    amazon.answers[CERTIFICATE] = (503, b"")
    why(await serve(api, message), 503)
    del amazon.answers[CERTIFICATE]
    assert await serve(api, message) is None


@pytest.mark.parametrize("answered", [(302, b""), (404, b""), (200, b"no certificate"), (200, b"x" * 70_000)])
async def test_an_answer_that_is_no_certificate_is_refused(api: SnsApi, amazon: AmazonSns, answered: tuple[int, bytes]) -> None:
    amazon.answers[CERTIFICATE] = answered
    assert why(await serve(api, amazon.notification(TOPIC, ALARM, NOON))).startswith("SigningCertURL: ")
    assert amazon.asked == [CERTIFICATE]


async def test_a_topic_that_is_not_allowed_is_refused_however_well_it_is_signed(api: SnsApi, amazon: AmazonSns) -> None:
    for message in (amazon.notification(TOPIC + "2", ALARM, NOON), amazon.confirmation(TOPIC + "2", NOON)):
        assert "allowed_topics" in why(await serve(api, message))
    assert "allowed_topics" in why(await serve(api, amazon.notification(TOPIC, ALARM, NOON), Options()))
    assert amazon.asked == []


@pytest.mark.parametrize("away", [timedelta(days=-1, minutes=-1), timedelta(minutes=6)])
async def test_a_message_of_another_time_is_refused(api: SnsApi, amazon: AmazonSns, away: timedelta) -> None:
    assert why(await serve(api, amazon.notification(TOPIC, ALARM, NOON + away))).startswith("Timestamp: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"SignatureVersion": "3"}, "SignatureVersion"),
        ({"Signature": "%%%"}, "Signature"),
        ({"Signature": ""}, "Signature"),
        ({"Signature": None}, "Signature"),
        ({"Timestamp": "soon"}, "Timestamp"),
        ({"Timestamp": "2026-11-23T12:00:00"}, "Timestamp"),
        ({"Type": "Other"}, "Type"),
        ({"Type": ["Notification"]}, "Type"),
    ],
)
async def test_what_cannot_be_verified_is_refused_by_its_field(
    api: SnsApi, amazon: AmazonSns, change: dict[str, object], field: str
) -> None:
    assert why(await serve(api, {**amazon.notification(TOPIC, ALARM, NOON), **change})).startswith(f"{field}: ")


async def test_a_subscription_to_an_allowed_topic_is_confirmed(api: SnsApi, amazon: AmazonSns) -> None:
    answer = await serve(api, amazon.confirmation(TOPIC, NOON))
    assert answer is not None and answer.status == 200
    assert [path for path in amazon.asked if "ConfirmSubscription" in path] == [amazon.subscribe_url(TOPIC).partition(amazon.host)[2]]


async def test_an_end_of_a_subscription_is_not_undone(api: SnsApi, amazon: AmazonSns) -> None:
    answer = await serve(api, amazon.confirmation(TOPIC, NOON, "UnsubscribeConfirmation"))
    assert answer is not None and answer.status == 200
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "url", ["https://evil.example/?Action=ConfirmSubscription", "https://{host}/?Action=Unsubscribe", "https://{host}/"]
)
async def test_only_an_address_of_sns_that_confirms_is_asked(api: SnsApi, amazon: AmazonSns, url: str) -> None:
    message = amazon.confirmation(TOPIC, NOON, SubscribeURL=url.format(host=amazon.host))
    assert why(await serve(api, message)).startswith("SubscribeURL: ")
    assert amazon.asked == [CERTIFICATE]


async def test_what_is_no_message_is_left_to_be_refused_in_words(api: SnsApi) -> None:
    for body in (b"", b"{", b"[]", b'"x"'):
        assert await serve(api, body) is None
        refusal = sns.read(request("sns", body)).refusal
        assert refusal is not None and refusal.status == 400


def test_the_text_that_is_signed_has_a_subject_only_if_there_is_one() -> None:
    message = {"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": "m", "Timestamp": "now"}
    assert text_to_sign(message) == "Message\nm\nMessageId\n1\nTimestamp\nnow\nTopicArn\nt\nType\nNotification\n"
    assert "Subject\ns\n" in text_to_sign({**message, "Subject": "s"})


def test_an_answer_to_sns_is_one_it_takes() -> None:
    assert sns.answer(read(ALARM), Outcome(("a",))).status == 202
