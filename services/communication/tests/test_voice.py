"""Calls against a server that speaks Twilio's protocol, with people who pick up."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import INCIDENT, KEY, NOW, PUBLIC_URL, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio_bench import ADDRESS, FORMS, account, as_request

from tocsin_communication.channels import voice
from tocsin_communication.channels.channel import ChannelDriver, Outgoing, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import Acknowledge, BadRequest, Delivered, Escalate, NoInbound, Result, Seen, Undelivered
from tocsin_communication.channels.twilio import Twilio
from tocsin_communication.channels.voice import VoiceDriver
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.twilio import FakeTwilio


class VoiceBench:
    """Calls in words that fit all channels. Somebody picks up at once and listens."""

    kind = voice.KIND
    address = ADDRESS
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = True
    shows_links = False

    def __init__(self, server: FakeTwilio, http: Any) -> None:
        self.server = server
        self.server.picks_up = True
        self._http = http
        self.driver: ChannelDriver = self.started()

    def started(self, now: Any = NOW) -> VoiceDriver:
        """A process that started then."""
        around = Surroundings(ManualClock(now), PUBLIC_URL)
        return VoiceDriver(Twilio(self._http, account(self.server, voice_from="+15550000001")), around)

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        said = (" ".join(message.heard) for message in self.server.messages)
        return [Arrived("", text, voice.RESENT in text) for text in said]

    def now_shown(self) -> list[str]:
        return [message.heard[-1] for message in self.server.messages if message.heard]

    def nowhere(self) -> ChannelDriver:
        away = replace(account(self.server, voice_from="+15550000001"), url="http://127.0.0.1:1")
        return VoiceDriver(Twilio(self._http, away), Surroundings(ManualClock(NOW), PUBLIC_URL))

    async def call(self, made: Outgoing | None = None) -> Any:
        await self.driver.send(made or outgoing(Channel.VOICE, ADDRESS), KEY, 5.0)
        return self.server.messages[-1]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[VoiceBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakeTwilio(NOW)))
        http = await stack.enter_async_context(http_client(["127.0.0.1"]))
        yield VoiceBench(server, http)


class TestVoice(ChannelConformance):
    """Everything that every channel must do."""


async def _edit(bench: VoiceBench, sid: str, **incident: Any) -> Receipt:
    made = outgoing(Channel.VOICE, ADDRESS, incident=replace(TAKEN, **incident))
    receipt = await bench.driver.edit(made, sid, 5.0)
    assert receipt is not None
    return receipt


async def test_a_call_says_what_it_is_about_and_nothing_secret(bench):
    call = await bench.call()
    assert call.heard[0] == (
        "This is Tocsin. Severity 2. Incident 7. Service checkout. Checkout b fails b. Press 1 to acknowledge. Press 2 to escalate."
    )
    assert SECRET_TOKEN not in call.twiml
    assert "4711" not in call.twiml


async def test_one_takes_it_and_two_passes_it_on(bench):
    call = await bench.call()
    taken = await bench.driver.parse_inbound(as_request(bench.server.press(call, "1"), "voice"))
    assert taken.events == (
        Delivered(dedup_id=f"{call.sid}:heard", at=NOW, provider_id=call.sid, page_id=KEY),
        Acknowledge(dedup_id=f"{call.sid}:1", page_id=KEY, address=ADDRESS),
    )
    assert taken.finish is not None
    told = taken.finish([Result(taken.events[0], True, ""), Result(taken.events[1], True, "#7 Checkout <b>fails</b> is yours.")])
    assert b"7 Checkout b fails b is yours." in told.body
    passed = await bench.driver.parse_inbound(as_request(bench.server.press(call, "2"), "voice"))
    assert passed.events[1] == Escalate(dedup_id=f"{call.sid}:2", page_id=KEY, address=ADDRESS)


async def test_an_answer_that_was_not_taken_is_said(bench):
    call = await bench.call()
    answer = await bench.driver.parse_inbound(as_request(bench.server.press(call, "1"), "voice"))
    assert answer.finish is not None
    assert b"did not work" in answer.finish([Result(answer.events[1], False, "")]).body


@pytest.mark.parametrize("digits", ["", "7", "#"])
async def test_another_key_answers_nothing_and_is_asked_again(bench, digits):
    call = await bench.call()
    answer = await bench.driver.parse_inbound(as_request(bench.server.press(call, digits), "voice"))
    assert answer.events == ()
    bench.server.play(call, answer.answer.body.decode())
    assert "Press 1" in call.heard[-2]
    again = await bench.driver.parse_inbound(as_request(bench.server.press(call, "1"), "voice"))
    assert len(again.events) == 2


async def test_voicemail_is_no_answer_and_a_person_is_seen(bench):
    call = await bench.call()
    machine = await bench.driver.parse_inbound(as_request(bench.server.recognised(call, "machine_start"), "voice"))
    [missed] = machine.events
    assert isinstance(missed, Undelivered)
    assert (missed.outcome, missed.page_id) == (Outcome.TRANSIENT, KEY)
    human = await bench.driver.parse_inbound(as_request(bench.server.recognised(call, "human"), "voice"))
    assert isinstance(human.events[0], Seen)
    unknown = await bench.driver.parse_inbound(as_request(bench.server.recognised(call, "unknown"), "voice"))
    assert unknown.events == ()


async def test_a_call_that_ended_proves_nothing(bench):
    call = await bench.call()
    for status in ("initiated", "ringing", "in-progress", "completed", "canceled"):
        assert (await bench.driver.parse_inbound(as_request(bench.server.status(call, status), "voice"))).events == ()


@pytest.mark.parametrize(
    ("status", "sip", "outcome"),
    [
        ("busy", "486", Outcome.TRANSIENT),
        ("no-answer", "487", Outcome.TRANSIENT),
        ("failed", "503", Outcome.TRANSIENT),
        ("failed", "404", Outcome.PERMANENT_TARGET),
    ],
)
async def test_a_call_that_nobody_took_did_not_arrive(bench, status, sip, outcome):
    call = await bench.call()
    answer = await bench.driver.parse_inbound(as_request(bench.server.status(call, status, SipResponseCode=sip), "voice"))
    [event] = answer.events
    assert isinstance(event, Undelivered)
    assert (event.outcome, event.page_id, event.provider_id) == (outcome, KEY, call.sid)


async def test_a_phone_that_still_rings_is_hung_up_when_another_takes_it(bench):
    bench.server.picks_up = False
    call = await bench.call()
    assert (await _edit(bench, call.sid)).detail == "hung up"
    assert call.status == "canceled"
    assert (await _edit(bench, call.sid)).detail == "the call has ended"


async def test_who_took_it_on_the_line_is_not_cut_off(bench):
    call = await bench.call()
    before = list(call.heard)
    assert (await _edit(bench, call.sid, acknowledged_by="alice")).outcome is Outcome.ACCEPTED
    assert (call.heard, call.status) == (before, "in-progress")


async def test_the_end_of_an_incident_is_told_on_the_line(bench):
    call = await bench.call()
    await _edit(bench, call.sid, state=IncidentState.RESOLVED)
    assert "resolved" in call.heard[-1]


async def test_an_open_incident_hangs_up_nobody(bench):
    bench.server.picks_up = False
    call = await bench.call()
    await bench.driver.edit(outgoing(Channel.VOICE, ADDRESS, incident=INCIDENT), call.sid, 5.0)
    assert call.status == "queued"


async def test_a_call_for_another_page_is_not_taken_for_this_one(bench):
    other = outgoing(Channel.VOICE, ADDRESS)
    await bench.driver.send(replace(other, page=replace(other.page, id="another")), "another", 5.0)
    missing = await bench.driver.recover(outgoing(Channel.VOICE, ADDRESS), KEY, 5.0)
    assert missing is not None
    assert missing.outcome is Outcome.TRANSIENT


async def test_after_a_restart_a_call_is_known_by_its_callback_or_not_at_all(bench):
    call = await bench.call()
    later = bench.started(NOW.replace(minute=5))
    assert await later.recover(outgoing(Channel.VOICE, ADDRESS), KEY, 5.0) is None
    await later.parse_inbound(as_request(bench.server.status(call, "ringing"), "voice"))
    found = await later.recover(outgoing(Channel.VOICE, ADDRESS), KEY, 5.0)
    assert found is not None
    assert found.provider_id == call.sid


async def test_what_asks_nothing_asks_for_no_digit(bench):
    made = outgoing(Channel.VOICE, ADDRESS, incident=TAKEN, kind=Kind.TAKEN)
    call = await bench.call(replace(made, acknowledge_url="", escalate_url="", reply_code=""))
    assert "<Gather" not in call.twiml
    assert len(call.heard) == 1


async def test_a_long_title_still_fits_into_a_call(bench):
    long = replace(INCIDENT, title="<&\"'" * 500)
    call = await bench.call(outgoing(Channel.VOICE, ADDRESS, incident=long))
    assert len(call.twiml) <= 4000


async def test_whatever_is_signed_is_read_or_refused(bench):
    requests = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["status", "digits", "answered-by", "other"]),
        st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=10),
        FORMS,
    )
    def made(path, page, fields):
        url = f"{PUBLIC_URL}/hooks/channels/voice/main/{path}?page={page}"
        requests.append(as_request((url, bench.server.signed(url, fields)), "voice"))

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
