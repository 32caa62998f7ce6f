"""What every channel must do, and what is special to each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from tocsin_communication.channels.channel import ChannelDriver, Outgoing
from tocsin_communication.channels.email import EmailChannel, MailServer
from tocsin_communication.channels.webhook import WebhookSecret, webhook_channel
from tocsin_communication.contact import Channel, provider
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.page import Kind, Page
from tocsin_communication.receipt import Outcome
from tocsin_kernel.clock import ManualClock

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INCIDENT = Incident("i1", 1, 7, "Checkout <b>fails</b>", "", "checkout", "SEV2", IncidentState.OPEN, NOW, "", "", 1)
SECRET = WebhookSecret("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
LINK = "https://tocsin.example.test/a/token"


def outgoing(channel: Channel, address: str, *, resent: bool = False) -> Outgoing:
    page = Page(
        id="0199f0a0-0000-7000-8000-000000000001",
        kind=Kind.SUMMONS,
        incident_id="i1",
        responder="alice",
        contact_method="alice-x",
        channel=channel,
        address=address,
        provider=provider(channel, address),
        reason="step 1",
        subject="[SEV2] #7 Checkout <b>fails</b>",
        body="Checkout <b>fails</b>\nÄrger",
        created_at=NOW,
        due_at=NOW,
        attempt_at=NOW,
        attempts=1,
        resent_after_unknown=resent,
    )
    return Outgoing(page, INCIDENT, LINK, "https://tocsin.example.test/incidents/i1")


@dataclass
class Bench:
    """A channel and the server behind it, in words that fit all channels."""

    driver: ChannelDriver
    outgoing: Outgoing
    server: Any
    accepts: Outcome
    refusals: dict[str, str]

    async def send(self, *, resent: bool = False, seconds: float = 5.0) -> Any:
        made = replace(self.outgoing, page=replace(self.outgoing.page, resent_after_unknown=resent))
        return await self.driver.send(made, made.page.id, seconds)

    def arrived(self) -> list[tuple[str, bool]]:
        """(key, whether it says that it was sent again) of each message."""
        if self.outgoing.page.channel is Channel.EMAIL:
            return [(mail["Message-ID"].split("@")[0].removeprefix("<page."), "X-Tocsin-Resent" in mail) for mail in self.server.mails]
        return [(request.headers["webhook-id"], request.body["page"]["resent_after_unknown"]) for request in self.server.requests]


@asynccontextmanager
async def _bench(kind: str, mail_server: Any, web_server: Any) -> AsyncIterator[Bench]:
    clock = ManualClock(NOW)
    if kind == "email":
        driver = EmailChannel(MailServer.read(mail_server.url), "tocsin@example.test", clock)
        made = outgoing(Channel.EMAIL, "alice@example.test")
        yield Bench(driver, made, mail_server, Outcome.ACCEPTED, {"now": "451 4.3.0 busy", "ever": "554 5.6.0 no"})
    else:
        async with webhook_channel(SECRET, True, clock) as webhook:
            made = outgoing(Channel.WEBHOOK, web_server.url)
            yield Bench(webhook, made, web_server, Outcome.DELIVERED, {"now": "503 busy", "ever": "410 Gone"})


@pytest_asyncio.fixture(params=["email", "webhook"])
async def bench(request: pytest.FixtureRequest, mail_server: Any, web_server: Any) -> AsyncIterator[Bench]:
    async with _bench(request.param, mail_server, web_server) as made:
        yield made


async def test_a_page_arrives_under_its_key(bench):
    receipt = await bench.send()
    assert receipt.outcome is bench.accepts
    assert receipt.provider_id
    assert bench.arrived() == [(bench.outgoing.page.id, False)]


async def test_a_page_sent_again_says_so_and_keeps_its_key(bench):
    await bench.send(resent=True)
    assert bench.arrived() == [(bench.outgoing.page.id, True)]


@pytest.mark.parametrize(("how", "outcome"), [("now", {Outcome.TRANSIENT}), ("ever", {Outcome.PERMANENT_TARGET, Outcome.PERMANENT_CONFIG})])
async def test_a_refusal_is_told_with_the_providers_words(bench, how, outcome):
    bench.server.answers.append(bench.refusals[how])
    receipt = await bench.send()
    assert receipt.outcome in outcome
    assert bench.refusals[how].split()[0] in receipt.detail


async def test_silence_after_the_hand_over_is_not_taken_for_a_refusal(bench):
    bench.server.answers.append("hang")
    assert (await bench.send(seconds=0.4)).outcome is Outcome.UNKNOWN


async def test_a_line_cut_after_the_hand_over_is_not_taken_for_a_refusal(bench):
    bench.server.answers.append("drop")
    assert (await bench.send()).outcome is Outcome.UNKNOWN
    assert len(bench.arrived()) == 1


async def test_nobody_listening_means_surely_not_taken(bench, unused_port):
    nowhere = f"127.0.0.1:{unused_port}"
    if bench.outgoing.page.channel is Channel.EMAIL:
        bench.driver = EmailChannel(MailServer.read(f"smtp://{nowhere}"), "tocsin@example.test", ManualClock(NOW))
    else:
        bench.outgoing = outgoing(Channel.WEBHOOK, f"http://{nowhere}/")
    assert (await bench.send()).outcome is Outcome.TRANSIENT


async def test_a_mail_has_a_thread_a_link_and_escaped_text(mail_server, web_server):
    async with _bench("email", mail_server, web_server) as bench:
        await bench.send()
    mail = mail_server.mails[0]
    assert mail["Subject"] == "[SEV2] #7 Checkout <b>fails</b>"
    assert mail["References"] == mail["In-Reply-To"] == "<incident.i1@example.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_body(("plain",)).get_content()
    rich = mail.get_body(("html",)).get_content()
    assert LINK in text
    assert "Ärger" in text
    assert LINK in rich
    assert "<b>" not in rich


async def test_an_unknown_mailbox_is_refused_for_ever(mail_server, web_server):
    mail_server.answers.append("rcpt 550 5.1.1 no such user")
    async with _bench("email", mail_server, web_server) as bench:
        receipt = await bench.send()
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "no such user" in receipt.detail
    assert not mail_server.mails


async def test_encryption_that_is_required_is_not_gone_without(mail_server, web_server):
    driver = EmailChannel(MailServer.read(f"smtp://127.0.0.1:{mail_server.port}?starttls=always"), "tocsin@example.test", ManualClock(NOW))
    made = outgoing(Channel.EMAIL, "alice@example.test")
    assert (await driver.send(made, made.page.id, 5.0)).outcome is not Outcome.ACCEPTED
    assert not mail_server.mails


async def test_a_webhook_is_signed_and_says_what_it_is_about(mail_server, web_server):
    async with _bench("webhook", mail_server, web_server) as bench:
        await bench.send()
        await bench.send()
    request = web_server.requests[0]
    timestamp = int(request.headers["webhook-timestamp"])
    assert request.headers["webhook-signature"] == SECRET.sign(request.headers["webhook-id"], timestamp, request.raw)
    assert request.body["type"] == "page.summons"
    assert request.body["incident"]["title"] == "Checkout <b>fails</b>"
    assert request.body["acknowledge_url"] == LINK
    assert web_server.connections == 1


async def test_a_webhook_follows_no_redirect(mail_server, web_server):
    web_server.answers.append(f"302 Found\r\nlocation: {web_server.url}/elsewhere")
    async with _bench("webhook", mail_server, web_server) as bench:
        assert (await bench.send()).outcome is Outcome.PERMANENT_TARGET
    assert len(web_server.requests) == 1


async def test_a_webhooks_wish_to_wait_is_heard(mail_server, web_server):
    web_server.answers.append("429 Slow down\r\nRetry-After: 30")
    async with _bench("webhook", mail_server, web_server) as bench:
        receipt = await bench.send()
    assert receipt.outcome is Outcome.THROTTLED
    assert receipt.retry_after is not None
    assert receipt.retry_after.total_seconds() == 30


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"])
async def test_a_webhook_does_not_reach_inside(web_server, host):
    made = outgoing(Channel.WEBHOOK, f"http://{host}:{web_server.port}/")
    async with webhook_channel(SECRET, False, ManualClock(NOW)) as guarded:
        receipt = await guarded.send(made, made.page.id, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "private" in receipt.detail
    assert web_server.connections == 0


@pytest_asyncio.fixture
async def unused_port() -> int:
    """A port that nobody listens at."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
