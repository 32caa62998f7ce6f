"""What every kind of channel must do. A kind's test module has a class that extends ChannelConformance and a fixture `bench`:

class TestSms(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self): async with fake_twilio() as server: yield SmsBench(...)
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels.channel import ChannelDriver, ChannelKind, Outgoing
from tocsin_communication.channels.inbound import BadRequest, BadSignature, InboundRequest, NoInbound
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.message import Text, decided
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.receipt import Outcome, Receipt

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PUBLIC_URL = "https://tocsin.example.test"
INCIDENT = Incident(
    "0199f0a0-0000-7000-8000-0000000000aa", 1, 7, "Checkout <b>fails</b>", "", "checkout", "SEV2", IncidentState.OPEN, NOW, "", "", 1
)
TAKEN = replace(INCIDENT, version=2, turn=2, state=IncidentState.ACKNOWLEDGED, acknowledged_by="bob")
KEY = "0199f0a0-0000-7000-8000-000000000001"
SECRET_TOKEN = "s3cr3t-token-of-the-link"


class How(StrEnum):
    """What the provider does with the next message."""

    THROTTLE = "throttle"
    """Refuses it because too much was sent, and says when to come again."""
    REFUSE_NOW = "refuse now"
    """Surely does not take it, and may take it later."""
    HANG = "hang"
    """Takes it and never answers."""
    DROP = "drop"
    """Takes it and cuts the line."""
    TARGET = "target"
    """Nobody is at this address, for ever."""
    CONFIG = "config"
    """Our account is refused."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that the provider has taken."""

    key: str
    """The idempotency key, or whatever of it the channel carries; empty if it carries none."""
    text: str
    """All that a person sees or hears of it, links included."""
    resent: bool
    """It says that it may have come before."""


class Bench(Protocol):
    """A driver and the faithful server behind it. `cannot` names what this provider never does."""

    kind: ChannelKind
    driver: ChannelDriver
    address: str
    cannot: frozenset[How]
    accepts: Outcome
    edits: bool
    recovers: bool
    shows_links: bool

    def next(self, how: How) -> None:
        """What the next message meets."""
        ...

    def arrived(self) -> list[Arrived]:
        """What the provider has taken, in order."""
        ...

    def now_shown(self) -> list[str]:
        """What a person sees now of each message that was sent, after edits."""
        ...

    def nowhere(self) -> ChannelDriver:
        """The same driver for a server that nobody runs."""
        ...


def outgoing(
    channel: Channel, address: str, *, resent: bool = False, incident: Incident | None = INCIDENT, kind: Kind = Kind.SUMMONS
) -> Outgoing:
    """A page as the sender would hand it over."""
    page = Page(
        id=KEY,
        kind=kind,
        incident_id=INCIDENT.id if incident else "",
        responder="alice",
        contact_method="alice-x",
        channel=channel,
        address=address,
        provider=channel.value.lower(),
        reason="step 1",
        subject="[SEV2] #7 Checkout <b>fails</b>",
        body="Checkout <b>fails</b>\nÄrger",
        created_at=NOW,
        due_at=NOW,
        attempt_at=NOW,
        attempts=1,
        resent_after_unknown=resent,
    )
    link = f"{PUBLIC_URL}/a/{SECRET_TOKEN}"
    return Outgoing(page, incident, link, f"{PUBLIC_URL}/incidents/{INCIDENT.id}", "4711", f"{link}/escalate")


def request(path: str, body: bytes = b"", method: str = "POST", query: str = "", **headers: str) -> InboundRequest:
    """A request as the edge passes it on; underscores in header names are dashes."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return InboundRequest(method, f"{PUBLIC_URL}/hooks/channels/x{path}" + (f"?{query}" if query else ""), path, query, named, body)


class ChannelConformance:
    """The suite."""

    async def _send(self, bench: Bench, seconds: float = 5.0, *, resent: bool = False) -> Receipt:
        return await bench.driver.send(outgoing(bench.kind.channel, bench.address, resent=resent), KEY, seconds)

    def _needs(self, bench: Bench, how: How) -> None:
        if how in bench.cannot:
            pytest.skip(f"this provider does not {how.value}")

    async def test_the_address_of_the_bench_is_a_good_one(self, bench: Bench) -> None:
        assert bench.kind.flaw(bench.address) == ""

    @pytest.mark.parametrize("address", ["", " ", "not an address at all\n", "\x00"])
    async def test_what_is_no_address_is_refused_in_words(self, bench: Bench, address: str) -> None:
        assert bench.kind.flaw(address)

    async def test_a_page_arrives_once_with_its_key_and_its_words(self, bench: Bench) -> None:
        receipt = await self._send(bench)
        assert receipt.outcome is bench.accepts
        assert receipt.provider_id
        [arrived] = bench.arrived()
        assert "fails" in arrived.text
        if bench.shows_links:
            assert SECRET_TOKEN in arrived.text
        assert not arrived.resent

    async def test_a_page_sent_again_says_so_and_keeps_its_key(self, bench: Bench) -> None:
        await self._send(bench)
        await self._send(bench, resent=True)
        first, *others = bench.arrived()
        assert all(again.key == first.key for again in others)
        assert all(again.resent for again in others)

    async def test_a_page_about_no_incident_leaves_too(self, bench: Bench) -> None:
        made = outgoing(bench.kind.channel, bench.address, incident=None, kind=Kind.DIRECT)
        receipt = await bench.driver.send(replace(made, acknowledge_url="", incident_url="", escalate_url="", reply_code=""), KEY, 5.0)
        assert receipt.outcome is bench.accepts

    @pytest.mark.parametrize(
        ("how", "outcome"),
        [
            (How.THROTTLE, Outcome.THROTTLED),
            (How.REFUSE_NOW, Outcome.TRANSIENT),
            (How.TARGET, Outcome.PERMANENT_TARGET),
            (How.CONFIG, Outcome.PERMANENT_CONFIG),
        ],
    )
    async def test_a_refusal_is_understood_and_told(self, bench: Bench, how: How, outcome: Outcome) -> None:
        self._needs(bench, how)
        bench.next(how)
        receipt = await self._send(bench)
        assert receipt.outcome is outcome
        assert receipt.detail
        assert SECRET_TOKEN not in receipt.detail
        assert bench.arrived() == []
        if how is How.THROTTLE:
            assert receipt.retry_after is None or receipt.retry_after.total_seconds() > 0

    @pytest.mark.parametrize(("how", "seconds"), [(How.HANG, 0.6), (How.DROP, 5.0)])
    async def test_what_was_handed_over_without_an_answer_is_unknown(self, bench: Bench, how: How, seconds: float) -> None:
        self._needs(bench, how)
        bench.next(how)
        assert (await self._send(bench, seconds)).outcome is Outcome.UNKNOWN

    async def test_nobody_listening_means_surely_not_taken(self, bench: Bench) -> None:
        receipt = await bench.nowhere().send(outgoing(bench.kind.channel, bench.address), KEY, 5.0)
        assert receipt.outcome is Outcome.TRANSIENT

    async def test_after_silence_the_provider_is_asked_where_it_can_tell(self, bench: Bench) -> None:
        made = outgoing(bench.kind.channel, bench.address)
        missing = await bench.driver.recover(made, KEY, 5.0)
        if not bench.recovers:
            assert missing is None
            return
        assert missing is not None
        assert missing.outcome is Outcome.TRANSIENT
        bench.next(How.DROP)
        assert (await self._send(bench)).outcome is Outcome.UNKNOWN
        found = await bench.driver.recover(made, KEY, 5.0)
        assert found is not None
        assert found.outcome.taken
        assert found.provider_id
        assert len(bench.arrived()) == 1

    async def test_a_recovery_that_fails_claims_nothing(self, bench: Bench) -> None:
        told = await bench.nowhere().recover(outgoing(bench.kind.channel, bench.address), KEY, 2.0)
        assert told is None or told.outcome is Outcome.UNKNOWN

    async def test_a_message_is_brought_to_what_the_incident_is_now(self, bench: Bench) -> None:
        sent = await self._send(bench)
        changed = replace(outgoing(bench.kind.channel, bench.address, incident=TAKEN), acknowledge_url="", escalate_url="", reply_code="")
        edited = await bench.driver.edit(changed, sent.provider_id, 5.0)
        if not bench.edits:
            assert edited is None
            return
        assert edited is not None
        assert edited.outcome.taken
        assert any("bob" in shown for shown in bench.now_shown())
        again = await bench.driver.edit(changed, sent.provider_id, 5.0)
        assert again is not None
        assert again.outcome.taken

    async def test_a_message_says_how_the_question_ended_and_asks_nothing_any_more(self, bench: Bench) -> None:
        asked = outgoing(bench.kind.channel, bench.address, incident=None, kind=Kind.APPROVAL)
        sent = await bench.driver.send(asked, KEY, 5.0)
        text = decided(Text("Approve? isolate the host", asked.page.body), "denied by carol")
        over = replace(asked.page, subject=text.subject, body=text.body)
        edited = await bench.driver.edit(Outgoing(over, None, "", ""), sent.provider_id, 5.0)
        assert (edited is not None and edited.outcome.taken) is bench.edits
        if bench.edits:
            shown = bench.now_shown()[-1]
            assert "No answer needed" in shown
            assert not any(word in shown for word in ("Approve", "Deny", SECRET_TOKEN))

    async def test_an_edit_that_fails_is_a_receipt(self, bench: Bench) -> None:
        receipt = await bench.nowhere().edit(outgoing(bench.kind.channel, bench.address, incident=TAKEN), "nonsense", 2.0)
        assert receipt is None or not receipt.outcome.taken

    async def test_ten_at_once_all_arrive(self, bench: Bench) -> None:
        made = outgoing(bench.kind.channel, bench.address)
        keys = [f"{KEY[:-2]}{number:02}" for number in range(10, 20)]
        pages = [replace(made, page=replace(made.page, id=key)) for key in keys]
        receipts = await asyncio.gather(*(bench.driver.send(page, page.page.id, 10.0) for page in pages))
        assert {receipt.outcome for receipt in receipts} == {bench.accepts}
        assert len(bench.arrived()) == 10

    async def test_whatever_comes_in_is_refused_in_one_of_three_ways(self, bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        requests: list[InboundRequest] = []
        names = st.sampled_from(
            ["content-type", "x-slack-signature", "x-slack-request-timestamp", "x-twilio-signature", "authorization",
             "x-telegram-bot-api-secret-token", "x-signature-ed25519", "x-signature-timestamp", "webhook-signature"]
        )  # fmt: skip
        text = st.text(max_size=60)

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(
            st.sampled_from(["GET", "POST"]),
            st.sampled_from(["/", "/status", "/actions", "/reply", "/voice", "/x/y"]),
            text,
            st.dictionaries(names, text, max_size=4),
            st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b"null", b"payload=%7B%7D", b'{"type": 1}', b"Body=1&From=x"]),
        )
        def made(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
            requests.append(InboundRequest(method, f"{PUBLIC_URL}{path}?{query}", path, query, headers, body))

        made()
        assert loop.is_running()
        for each in requests:
            with pytest.raises((BadSignature, BadRequest, NoInbound)):
                await bench.driver.parse_inbound(each)
