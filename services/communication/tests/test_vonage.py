"""SMS by Vonage, the second provider, against a server that speaks its protocol."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio_bench import ADDRESS, as_request

from tocsin_communication.channels import sms
from tocsin_communication.channels.channel import ChannelDriver, Off, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import BadRequest, BadSignature, Delivered, NoInbound, OptOut, Said, Seen, Undelivered
from tocsin_communication.channels.short import RESENT
from tocsin_communication.channels.sms import SmsSettings, open_sms
from tocsin_communication.channels.vonage import VonageAccount, VonageSms, vonage_accounts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.vonage import FakeVonage

AROUND = Surroundings(ManualClock(NOW), PUBLIC_URL)
REPLY = f"{PUBLIC_URL}/hooks/channels/sms/vonage/reply"


class VonageBench:
    """SMS by Vonage in words that fit all channels."""

    kind = sms.KIND
    address = ADDRESS
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = False
    recovers = False
    shows_links = False

    def __init__(self, server: FakeVonage, http: Any) -> None:
        self.server = server
        self._http = http
        self.account = VonageAccount("vonage", server.key, server.secret, server.signature_secret, "+15550000001", server.url)
        self.driver: ChannelDriver = VonageSms(http, self.account, AROUND)

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived(message.client_ref, message.text, RESENT in message.text) for message in self.server.messages]

    def now_shown(self) -> list[str]:
        return [message.text for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return VonageSms(self._http, replace(self.account, url="http://127.0.0.1:1"), AROUND)

    async def one(self) -> Any:
        await self.driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)
        return self.server.messages[-1]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[VonageBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakeVonage(NOW)))
        yield VonageBench(server, await stack.enter_async_context(http_client(["127.0.0.1"])))


class TestVonage(ChannelConformance):
    """Everything that every channel must do."""


async def test_numbers_go_without_a_plus_and_come_back_with_one(bench):
    message = await bench.one()
    assert (message.to, message.sender) == (ADDRESS[1:], "15550000001")
    assert "Reply ACK 4711 to take it" in message.text
    answer = await bench.driver.parse_inbound(as_request(bench.server.text(REPLY, ADDRESS, "ack 4711")))
    assert answer.events == (Said(dedup_id="0000-inbound", address=ADDRESS, text="ack 4711"),)


async def test_a_word_cannot_be_answered_so_there_is_a_link(bench):
    made = outgoing(Channel.SMS, ADDRESS)
    driver = VonageSms(bench._http, replace(bench.account, sms_from="TOCSIN"), AROUND)
    await driver.send(made, KEY, 5.0)
    assert made.acknowledge_url in bench.server.messages[0].text


async def test_receipts_are_told(bench):
    message = await bench.one()

    async def told(status: str, **more: object) -> Any:
        return (await bench.driver.parse_inbound(as_request(bench.server.status(message, status, **more)))).events

    assert await told("submitted") == ()
    assert await told("delivered") == (Delivered(dedup_id=f"{message.uuid}:delivered", at=NOW, provider_id=message.uuid, page_id=KEY),)
    assert isinstance((await told("read"))[0], Seen)
    [failed] = await told("undeliverable", error={"title": "1320", "detail": "Illegal number"})
    assert isinstance(failed, Undelivered)
    assert (failed.outcome, failed.page_id) == (Outcome.TRANSIENT, KEY)
    assert "Illegal number" in failed.why


async def test_who_says_stop_has_opted_out(bench):
    for word, again in (("STOP", False), ("start", True)):
        [event] = (await bench.driver.parse_inbound(as_request(bench.server.text(REPLY, ADDRESS, word)))).events
        assert event == OptOut(dedup_id="0000-inbound", address=ADDRESS, again=again)


async def test_what_vonage_did_not_sign_is_refused(bench):
    url, good = bench.server.text(REPLY, ADDRESS, "ack 4711")
    other = FakeVonage(NOW)
    other.signature_secret = "the signature secret of somebody else"
    content = json.loads(good.body)
    old = int(NOW.timestamp()) - 301
    for callback in (
        other.signed(content),
        bench.server.signed(content, iat=old),
        bench.server.signed(content, iat="soon"),
        bench.server.signed(content, payload_hash=""),
        replace(good, body=good.body.replace(b"4711", b"4712")),
        replace(good, headers={}),
        replace(good, headers={"authorization": good.headers["authorization"].replace("Bearer", "Basic")}),
    ):
        with pytest.raises(BadSignature):
            await bench.driver.parse_inbound(as_request((url, callback)))


async def test_whatever_is_signed_is_read_or_refused(bench):
    requests = []
    names = st.sampled_from(["message_uuid", "status", "from", "text", "error", "title", "detail"])
    values = st.recursive(
        st.none() | st.integers() | st.sampled_from(["delivered", "rejected", "STOP"]) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=8,
    )

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["status", "reply", "other"]), values | st.dictionaries(names, values, max_size=5))
    def made(path, content):
        url = f"{PUBLIC_URL}/hooks/channels/sms/vonage/{path}?page=1"
        requests.append(as_request((url, bench.server.signed(content))))

    made()
    for request in requests:
        try:
            await bench.driver.parse_inbound(request)
        except (BadRequest, NoInbound):
            continue


async def test_its_accounts_come_after_those_of_twilio(bench, tmp_path: Path):
    twilio = {"name": "main", "account_sid": "AC" + "1" * 32, "auth_token": "t0ken", "sms_from": "+15550000001"}
    names = ("name", "api_key", "api_secret", "signature_secret", "sms_from", "url")
    vonage = {name: getattr(bench.account, name) for name in names}
    (tmp_path / "twilio").write_text(json.dumps([twilio]))
    (tmp_path / "vonage").write_text(json.dumps([vonage]))
    both = SmsSettings(twilio_accounts_file=tmp_path / "twilio", vonage_accounts_file=tmp_path / "vonage")
    async with open_sms(both, AROUND) as accounts:
        assert [account.name for account in accounts] == ["main", "vonage"]
        assert all(account.receipt_within for account in accounts)
        assert (await accounts[1].driver.send(outgoing(Channel.SMS, ADDRESS), KEY, 5.0)).outcome is Outcome.ACCEPTED
    async with open_sms(SmsSettings(vonage_accounts_file=tmp_path / "vonage"), AROUND) as accounts:
        assert [account.name for account in accounts] == ["vonage"]
    unreachable = Surroundings(ManualClock(NOW), "http://localhost:8080")
    async with open_sms(both, unreachable) as accounts:
        assert [account.receipt_within for account in accounts] == [None, None]
    async with open_sms(SmsSettings(), AROUND) as [account]:
        assert isinstance(account.driver, Off)
    (tmp_path / "vonage").write_text(json.dumps([vonage | {"name": "main"}]))
    with pytest.raises(ValueError, match="two accounts have the name 'main'"):
        async with open_sms(both, AROUND):
            pass
    (tmp_path / "vonage").write_text(json.dumps([vonage | {"sms_from": "much too long a word"}]))
    with pytest.raises(ValueError, match="account 1: sms_from must be"):
        vonage_accounts(tmp_path / "vonage")
