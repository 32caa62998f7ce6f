"""What is special to e-mail and webhooks; what every channel must do is in channel_conformance.py."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import INCIDENT, KEY, NOW, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing

from tocsin_communication.channels import email, webhook
from tocsin_communication.channels.channel import ChannelDriver, OneWay, Outgoing
from tocsin_communication.channels.email import EmailChannel, MailServer
from tocsin_communication.channels.webhook import WebhookChannel, WebhookSecret, webhook_channel
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import ManualClock

SECRET = WebhookSecret("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
LINK = f"https://tocsin.example.test/a/{SECRET_TOKEN}"


class EmailBench:
    """Mail in words that fit all channels."""

    kind = email.KIND
    address = "alice@example.test"
    cannot = frozenset({How.THROTTLE})
    accepts = Outcome.ACCEPTED
    edits = False
    recovers = False
    shows_links = True

    def __init__(self, server: Any) -> None:
        self.server = server
        self.driver = EmailChannel(MailServer.read(server.url), "tocsin@example.test", ManualClock(NOW))

    def next(self, how: How) -> None:
        answers = {How.REFUSE_NOW: "451 4.3.0 busy", How.TARGET: "rcpt 550 5.1.1 no such user", How.CONFIG: "554 5.7.1 not you"}
        self.server.answers.append(answers.get(how, how.value))

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(
                mail["Message-ID"].split("@")[0].removeprefix("<page."),
                mail.get_body(("plain",)).get_content(),
                "X-Tocsin-Resent" in mail,
            )
            for mail in self.server.mails
        ]

    def now_shown(self) -> list[str]:
        return [arrived.text for arrived in self.arrived()]

    def nowhere(self) -> ChannelDriver:
        return EmailChannel(MailServer.read("smtp://127.0.0.1:1"), "tocsin@example.test", ManualClock(NOW))


class TestEmail(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, mail_server: Any) -> EmailBench:
        return EmailBench(mail_server)


class WebhookBench:
    """Webhooks in words that fit all channels."""

    kind = webhook.KIND
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.DELIVERED
    edits = False
    recovers = False
    shows_links = True

    def __init__(self, server: Any, driver: WebhookChannel) -> None:
        self.server = server
        self.address = server.url
        self.driver = driver
        self.refused: list[int] = []

    def next(self, how: How) -> None:
        answers = {
            How.THROTTLE: "429 Slow down\r\nRetry-After: 30",
            How.REFUSE_NOW: "503 busy",
            How.TARGET: "410 Gone",
            How.CONFIG: "401 Unauthorized",
        }
        if how in answers:
            self.refused.append(len(self.server.requests))
        self.server.answers.append(answers.get(how, how.value))

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(request.headers["webhook-id"], str(request.body), request.body["page"]["resent_after_unknown"])
            for number, request in enumerate(self.server.requests)
            if number not in self.refused
        ]

    def now_shown(self) -> list[str]:
        return [arrived.text for arrived in self.arrived()]

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.driver, "http://127.0.0.1:1/")


class UpdatedBench(WebhookBench):
    """Webhooks that are told how the incident goes on."""

    edits = True


class _Elsewhere(OneWay):
    """Webhooks know their server by the page's address alone."""

    def __init__(self, driver: WebhookChannel, address: str) -> None:
        self._driver = driver
        self._address = address

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        page = replace(outgoing.page, address=self._address)
        return await self._driver.send(replace(outgoing, page=page), idempotency_key, seconds)


class TestWebhook(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, web_server: Any) -> AsyncIterator[WebhookBench]:
        async with webhook_channel(SECRET, True, ManualClock(NOW)) as driver:
            yield WebhookBench(web_server, driver)


class TestWebhookWithUpdates(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, web_server: Any) -> AsyncIterator[UpdatedBench]:
        async with webhook_channel(SECRET, True, ManualClock(NOW), updates=True) as driver:
            yield UpdatedBench(web_server, driver)


async def test_an_update_is_an_event_of_its_own_with_one_id(web_server):
    changed = outgoing(Channel.WEBHOOK, web_server.url, incident=TAKEN)
    async with webhook_channel(SECRET, True, ManualClock(NOW), updates=True) as driver:
        for _ in range(2):
            await driver.edit(changed, KEY, 5.0)
    assert [request.headers["webhook-id"] for request in web_server.requests] == [f"{KEY}-{TAKEN.version}"] * 2
    assert web_server.requests[0].body["type"] == "page.updated"
    assert web_server.requests[0].body["incident"]["acknowledged_by"] == "bob"


def test_a_secret_that_is_exchanged_signs_beside_the_next_one():
    body = b'{"type":"incident.acknowledged"}'
    both = WebhookSecret("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0\nwhsec_YW5vdGhlci1zZWNyZXQtb2YtMjQtYnl0ZXM=\n")
    first, second = both.sign("msg_0001", 1_700_000_000, body).split()
    assert first == SECRET.sign("msg_0001", 1_700_000_000, body) == "v1,FFxitdQMBNu4QZ1GwX0pDYn5KnT9zVkVJZHodAzOUcc="
    assert second != first


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_dG9jc2lu\nnonsense"])
def test_a_secret_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="whsec_"):
        WebhookSecret(text)


async def _mail(mail_server: Any) -> Receipt:
    return await EmailBench(mail_server).driver.send(outgoing(Channel.EMAIL, EmailBench.address), KEY, 5.0)


async def _post(web_server: Any) -> Receipt:
    async with webhook_channel(SECRET, True, ManualClock(NOW)) as driver:
        return await driver.send(outgoing(Channel.WEBHOOK, web_server.url), KEY, 5.0)


async def test_a_mail_has_a_thread_a_link_and_escaped_text(mail_server):
    await _mail(mail_server)
    mail = mail_server.mails[0]
    assert mail["Subject"] == "[SEV2] #7 Checkout <b>fails</b>"
    assert mail["References"] == mail["In-Reply-To"] == f"<incident.{INCIDENT.id}@example.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_body(("plain",)).get_content()
    rich = mail.get_body(("html",)).get_content()
    assert LINK in text
    assert "Ärger" in text
    assert LINK in rich
    assert "<b>" not in rich


async def test_an_unknown_mailbox_is_refused_for_ever(mail_server):
    mail_server.answers.append("rcpt 550 5.1.1 no such user")
    receipt = await _mail(mail_server)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "no such user" in receipt.detail
    assert not mail_server.mails


async def test_encryption_that_is_required_is_not_gone_without(mail_server):
    driver = EmailChannel(MailServer.read(f"smtp://127.0.0.1:{mail_server.port}?starttls=always"), "tocsin@example.test", ManualClock(NOW))
    made = outgoing(Channel.EMAIL, "alice@example.test")
    assert (await driver.send(made, made.page.id, 5.0)).outcome is not Outcome.ACCEPTED
    assert not mail_server.mails


@pytest.mark.parametrize("how", ["smtp", "smtp?starttls=always"])
async def test_a_mail_server_that_wants_a_name_gets_it_over_an_encrypted_connection(secure_mail_server, how):
    scheme, _, query = how.partition("?")
    url = f"{scheme}://tocsin:{secure_mail_server.password}@localhost:{secure_mail_server.port}?{query}"
    receipt = await _mail_by(MailServer.read(url, secure_mail_server.ca_file))
    assert receipt.outcome is Outcome.ACCEPTED, receipt.detail
    assert secure_mail_server.logins == [("tocsin", secure_mail_server.password, True)]
    assert len(secure_mail_server.mails) == 1


async def test_a_wrong_password_is_our_own_fault_and_is_not_said_aloud(secure_mail_server):
    url = f"smtp://tocsin:hunter2@localhost:{secure_mail_server.port}"
    receipt = await _mail_by(MailServer.read(url, secure_mail_server.ca_file))
    assert (receipt.outcome, "535" in receipt.detail, "hunter2" in receipt.detail) == (Outcome.PERMANENT_CONFIG, True, False)


async def test_a_mail_server_that_nobody_vouches_for_gets_no_password(secure_mail_server):
    url = f"smtp://tocsin:{secure_mail_server.password}@localhost:{secure_mail_server.port}"
    receipt = await _mail_by(MailServer.read(url))
    assert receipt.outcome is Outcome.TRANSIENT and "certificate" in receipt.detail
    assert secure_mail_server.logins == []


async def test_a_password_is_not_sent_in_the_clear_unless_that_is_said(mail_server):
    receipt = await _mail_by(MailServer.read(f"smtp://tocsin:secret@127.0.0.1:{mail_server.port}"))
    assert receipt.outcome is Outcome.TRANSIENT
    assert mail_server.mails == []


async def _mail_by(server: MailServer) -> Receipt:
    channel = EmailChannel(server, "tocsin@example.test", ManualClock(NOW))
    return await channel.send(outgoing(Channel.EMAIL, EmailBench.address), KEY, 10.0)


async def test_a_webhook_is_signed_and_says_what_it_is_about(web_server):
    made = outgoing(Channel.WEBHOOK, web_server.url)
    async with webhook_channel(SECRET, True, ManualClock(NOW)) as driver:
        await driver.send(made, KEY, 5.0)
        await driver.send(made, KEY, 5.0)
    request = web_server.requests[0]
    timestamp = int(request.headers["webhook-timestamp"])
    assert request.headers["webhook-signature"] == SECRET.sign(request.headers["webhook-id"], timestamp, request.raw)
    assert request.body["type"] == "page.summons"
    assert request.body["incident"]["title"] == "Checkout <b>fails</b>"
    assert request.body["acknowledge_url"] == LINK
    assert web_server.connections == 1


async def test_a_webhook_follows_no_redirect(web_server):
    web_server.answers.append(f"302 Found\r\nlocation: {web_server.url}/elsewhere")
    assert (await _post(web_server)).outcome is Outcome.PERMANENT_TARGET
    assert len(web_server.requests) == 1


async def test_a_webhooks_wish_to_wait_is_heard(web_server):
    web_server.answers.append("429 Slow down\r\nRetry-After: 30")
    receipt = await _post(web_server)
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
