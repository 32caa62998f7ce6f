"""SMS against a server that speaks Twilio's protocol."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, SECRET_TOKEN, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio_bench import ADDRESS, FORMS, account, as_request

from tocsin_communication.channels import sms
from tocsin_communication.channels.channel import ChannelDriver, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import BadRequest, BadSignature, Delivered, NoInbound, OptOut, Result, Said, Undelivered
from tocsin_communication.channels.short import RESENT
from tocsin_communication.channels.sms import SmsDriver
from tocsin_communication.channels.twilio import Twilio, sign, twilio_accounts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.twilio import FakeTwilio, Message

HOOK = f"{PUBLIC_URL}/hooks/channels/sms"


class SmsBench:
    """SMS in words that fit all channels."""

    kind = sms.KIND
    address = ADDRESS
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = False
    recovers = True
    shows_links = False

    def __init__(self, server: FakeTwilio, http: Any) -> None:
        self.server = server
        self._http = http
        self.around = Surroundings(ManualClock(NOW), PUBLIC_URL)
        self.driver: ChannelDriver = self.with_account()

    def with_account(self, **more: str) -> SmsDriver:
        return SmsDriver(Twilio(self._http, account(self.server, **more)), self.around)

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived("", message.body, RESENT in message.body) for message in self.server.messages]

    def now_shown(self) -> list[str]:
        return [message.body for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return SmsDriver(Twilio(self._http, replace(account(self.server), url="http://127.0.0.1:1")), self.around)

    async def one(self) -> Message:
        await self.driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
        return self.server.messages[-1]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[SmsBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakeTwilio(NOW)))
        http = await stack.enter_async_context(http_client(["127.0.0.1"]))
        yield SmsBench(server, http)


class TestSms(ChannelConformance):
    """Everything that every channel must do."""


async def test_an_sms_fits_into_one_and_says_how_to_answer(bench):
    message = await bench.one()
    assert message.body == "[SEV2] #7 Checkout <b>fails</b> Reply ACK 4711 to take it, ESC 4711 to pass it on."
    assert len(message.body) <= 160
    assert 1 <= message.validity <= 36_000
    assert SECRET_TOKEN not in message.body


async def test_where_nobody_can_answer_there_is_a_link(bench):
    bench.server.numbers.add("TOCSIN")
    made = outgoing(Channel.SMS, ADDRESS)
    receipt = await bench.with_account(sms_from="TOCSIN").send(made, KEY, 5.0)
    assert receipt.outcome is Outcome.ACCEPTED
    assert made.acknowledge_url in bench.server.messages[0].body


async def test_a_messaging_service_chooses_the_sender(bench):
    receipt = await bench.with_account(messaging_service="MG" + "2" * 32).send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert (receipt.outcome, receipt.detail) == (Outcome.ACCEPTED, "Twilio: accepted")


async def test_an_api_key_asks_in_place_of_the_account(bench):
    bench.server.keys["SK" + "3" * 32] = "its secret"
    driver = bench.with_account(api_key="SK" + "3" * 32, api_secret="its secret")
    assert (await driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)).outcome is Outcome.ACCEPTED


async def test_a_wrong_token_is_a_flaw_of_the_installation_and_not_told(bench):
    driver = SmsDriver(Twilio(bench._http, replace(account(bench.server), auth_token="wrong-one")), bench.around)
    receipt = await driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "20003" in receipt.detail
    assert "wrong-one" not in receipt.detail


async def test_who_said_stop_is_not_asked_again(bench):
    stop = await bench.driver.parse_inbound(as_request(bench.server.text(f"{HOOK}/main/reply", ADDRESS, "Stop ")))
    assert [(event.address, event.again) for event in stop.events if isinstance(event, OptOut)] == [(ADDRESS, False)]
    receipt = await bench.driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "unsubscribed" in receipt.detail
    start = await bench.driver.parse_inbound(as_request(bench.server.text(f"{HOOK}/main/reply", ADDRESS, "START")))
    assert [event.again for event in start.events if isinstance(event, OptOut)] == [True]


async def test_a_repeat_after_silence_would_be_a_second_sms(bench):
    """Why recover matters: the provider has no idempotency key."""
    bench.next(How.DROP)
    await bench.driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    await bench.driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert len(bench.server.messages) == 2


async def test_an_older_sms_to_the_same_phone_is_not_taken_for_this_one(bench):
    bench.server.now = NOW - timedelta(hours=1)
    await bench.one()
    bench.server.now = NOW
    other = replace(outgoing(Channel.SMS, ADDRESS), reply_code="4712")
    await bench.driver.send(other, "other", 5.0)
    missing = await bench.driver.recover(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert missing is not None
    assert missing.outcome is Outcome.TRANSIENT


async def test_a_trial_accounts_preface_does_not_hide_an_sms(bench):
    message = await bench.one()
    message.body = f"Sent from your Twilio trial account - {message.body}"
    found = await bench.driver.recover(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
    assert found is not None
    assert found.provider_id == message.sid


async def test_the_carriers_receipt_is_delivery(bench):
    message = await bench.one()
    for status in ("sent", "queued"):
        assert (await bench.driver.parse_inbound(as_request(bench.server.status(message, status)))).events == ()
    first = await bench.driver.parse_inbound(as_request(bench.server.status(message, "delivered")))
    again = await bench.driver.parse_inbound(as_request(bench.server.status(message, "delivered")))
    assert first.events == again.events == (Delivered(dedup_id=f"{message.sid}:delivered", at=NOW, provider_id=message.sid, page_id=KEY),)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (30003, Outcome.TRANSIENT),
        (30005, Outcome.PERMANENT_TARGET),
        (30007, Outcome.PERMANENT_CONFIG),
        (21610, Outcome.PERMANENT_TARGET),
        (30999, Outcome.TRANSIENT),
        (0, Outcome.TRANSIENT),
    ],
)
async def test_a_carriers_refusal_is_told_by_its_code(bench, code, outcome):
    message = await bench.one()
    answer = await bench.driver.parse_inbound(as_request(bench.server.status(message, "undelivered", code)))
    [event] = answer.events
    assert isinstance(event, Undelivered)
    assert (event.outcome, event.page_id, event.provider_id) == (outcome, KEY, message.sid)


async def test_an_answer_is_passed_on_and_answered(bench):
    answer = await bench.driver.parse_inbound(as_request(bench.server.text(f"{HOOK}/main/reply", ADDRESS, " ack 4711 ")))
    [said] = answer.events
    assert said == Said(dedup_id="SM" + "9" * 32, address=ADDRESS, text=" ack 4711 ")
    assert answer.finish is not None
    told = answer.finish([Result(said, True, "#7 Checkout <b>fails</b> is yours.")])
    assert told.body == b"<Response><Message>#7 Checkout &lt;b&gt;fails&lt;/b&gt; is yours.</Message></Response>"
    assert told.content_type == "text/xml"


async def test_yes_is_an_answer_that_twilio_takes_for_start_too(bench):
    answer = await bench.driver.parse_inbound(as_request(bench.server.text(f"{HOOK}/main/reply", ADDRESS, "Yes")))
    assert [type(event) for event in answer.events] == [OptOut, Said]


async def test_help_is_left_to_twilio(bench):
    answer = await bench.driver.parse_inbound(as_request(bench.server.text(f"{HOOK}/main/reply", ADDRESS, "help")))
    assert answer.events == ()


async def test_what_twilio_did_not_sign_is_refused(bench):
    message = await bench.one()
    url, callback = bench.server.status(message, "delivered")
    forged = bench.server.signed(url, {"Said": "no"}, token="another")
    for request in (
        as_request((url, forged)),
        as_request((url.replace(KEY, "another-page"), callback)),
        replace(as_request((url, callback)), body=callback.body + b"&More=1"),
        replace(as_request((url, callback)), headers={}),
    ):
        with pytest.raises(BadSignature):
            await bench.driver.parse_inbound(request)


async def test_the_usual_port_in_the_signed_address_does_not_matter(bench):
    message = await bench.one()
    url = message.callback.replace("example.test", "example.test:443")
    message.callback = url
    signed = bench.server.status(message, "delivered")[1]
    request = as_request((url.replace(":443", ""), signed))
    assert len((await bench.driver.parse_inbound(request)).events) == 1


def test_the_signature_is_twilios():
    fields = [("MessageSid", "SM0001"), ("From", "+15550001"), ("To", "+15550002"), ("Body", "ACK 4711")]
    assert sign("tocsin-test-token", "https://tocsin.example/hooks/twilio/sms?x=1", fields) == b"ZozkggtuFjapPfu81GJc14MUlrg="


async def test_behind_a_name_that_is_not_of_the_internet_no_receipt_is_asked_for(bench):
    bench.around = Surroundings(ManualClock(NOW), "http://localhost:8080")
    assert (await bench.with_account().send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)).outcome is Outcome.ACCEPTED
    assert bench.server.messages[0].callback == ""


GOOD = '{"name": "main", "account_sid": "AC%s", "auth_token": "t0ps3cret", "sms_from": "+15550000001"}' % ("1" * 32)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a list"),
        (f"[{GOOD}, {GOOD}]", "the same name"),
        (f"[{GOOD.replace('AC', 'SK')}]", "account 1: account_sid"),
        (f"[{GOOD.replace('auth_token', 'auth_tokens')}]", "there is no field 'auth_tokens'"),
        (f"[{GOOD.replace('+1555', '1555-')}]", "sms_from must be"),
        ('[{"name": "main"}]', "account_sid is missing"),
        (f"[{GOOD.replace('sms_from', 'voice_from').replace('+1555', '1555')}]", "voice_from must be a phone number"),
        (f"[{GOOD.replace(', ' + chr(34) + 'sms_from' + chr(34) + ': ' + chr(34) + '+15550000001' + chr(34), '')}]", "needs sms_from"),
    ],
)
def test_a_flaw_in_the_file_of_accounts_is_named_without_its_secrets(tmp_path: Path, text, problem):
    path = tmp_path / "accounts.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem) as raised:
        twilio_accounts(path)
    assert "t0ps3cret" not in str(raised.value)


async def test_whatever_is_signed_is_read_or_refused(bench):
    requests = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["status", "reply", "other"]), st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=10), FORMS)
    def made(path, page, fields):
        url = f"{PUBLIC_URL}/hooks/channels/sms/main/{path}?page={page}"
        requests.append(as_request((url, bench.server.signed(url, fields)), "sms"))

    made()
    taken = 0
    for request in requests:
        try:
            answer = await bench.driver.parse_inbound(request)
        except (BadRequest, NoInbound):
            continue
        taken += 1
        if answer.finish is not None:
            answer.finish([Result(event, False, "<&") for event in answer.events])
    assert taken
