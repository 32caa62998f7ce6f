"""Answers by mail, reports of mail servers, and what only looks like either."""

import json
from collections.abc import AsyncIterator
from email.message import EmailMessage, Message
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, outgoing
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_chassis.settings import Secret
from tocsin_communication.channels.channel import Surroundings
from tocsin_communication.channels.email import EmailChannel, EmailSettings, MailServer, open_email
from tocsin_communication.channels.email_answers import Purpose, ReplyAddresses
from tocsin_communication.channels.inbound import (
    BadRequest,
    BadSignature,
    Delivered,
    InboundAnswer,
    InboundRequest,
    NoInbound,
    Said,
    Undelivered,
)
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock

ADDRESSES = ReplyAddresses("in.example.test", b"a secret of the tests")
REPLY = ADDRESSES.make(Purpose.REPLY, KEY)
BOUNCE = ADDRESSES.make(Purpose.BOUNCE, KEY)


def driver(url: str = "smtp://127.0.0.1:1", authserv_id: str = "") -> EmailChannel:
    return EmailChannel(MailServer.read(url), "tocsin@example.test", ManualClock(NOW), ADDRESSES, authserv_id)


def mail(text: str = "ack\n", to: str = REPLY, **headers: str) -> EmailMessage:
    """An answer of a person; underscores in header names are dashes."""
    made = EmailMessage()
    made["From"] = "Alice <alice@example.test>"
    made["To"] = to
    made["Message-ID"] = "<m1@example.test>"
    made["Subject"] = "Re: [SEV2] #7 Checkout fails"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def as_request(message: Message | bytes, path: str = "/inbox", **headers: str) -> InboundRequest:
    body = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP_POLICY)
    named = {"content-type": "message/rfc822", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return InboundRequest("POST", f"{PUBLIC_URL}/hooks/channels/email{path}", path, "", named, body)


async def heard(message: Message | bytes, authserv_id: str = "", **headers: str) -> InboundAnswer:
    return await driver(authserv_id=authserv_id).parse_inbound(as_request(message, **headers))


async def test_an_answer_names_its_page():
    assert (await heard(mail("ack\n"))).events == (Said(dedup_id="<m1@example.test>", address="", text="ack", page_id=KEY),)


@pytest.mark.parametrize(
    "text",
    [
        "\n\n  ack \n\nBob\n+49 170 1234567\n",
        "ack\n\nOn Mon, 23 Nov 2026 at 12:00, Tocsin <tocsin@example.test> wrote:\n> esc\n",
        "On Mon, 23 Nov 2026 at 12:00, Tocsin <tocsin@example.test> wrote:\n> esc\n> more\n\nack\n",
        "On Mon, 23 Nov 2026 at 12:00, Tocsin\n<tocsin@example.test> wrote:\n> esc\n\nack\n",
        "Am 23.11.2026 um 12:00 schrieb Tocsin <tocsin@example.test>:\n> esc\nack",
        "ack\n\n-----Original Message-----\nFrom: tocsin@example.test\nesc",
        "ack\n________________________________\nFrom: Tocsin <tocsin@example.test>\nesc",
    ],
)
async def test_only_the_first_line_that_the_person_wrote_counts(text):
    [event] = (await heard(mail(text))).events
    assert isinstance(event, Said)
    assert event.text == "ack"


@pytest.mark.parametrize(
    "text", ["", "> ack\n", "-- \nBob\n", "-----Original Message-----\nack", "From: Tocsin <tocsin@example.test>\nack"]
)
async def test_what_is_only_quoted_says_nothing(text):
    assert (await heard(mail(text))).events == ()


async def test_a_mail_of_html_only_is_read_too():
    message = mail()
    message.set_content("<style>p {}</style><div>ack<br></div><blockquote>esc</blockquote>", subtype="html")
    [event] = (await heard(message)).events
    assert isinstance(event, Said)
    assert event.text == "ack"


async def test_a_strange_charset_keeps_nobody_from_answering():
    raw = mail("ack\n").as_bytes().replace(b'charset="utf-8"', b'charset="x-unheard-of"')
    [event] = (await heard(raw)).events
    assert isinstance(event, Said)
    assert event.text == "ack"


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; more"},
        {"Return_Path": "<>"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"X_Auto_Response_Suppress": "All"},
        {"List_Id": "<everybody.example.test>"},
    ],
)
async def test_what_a_program_sends_is_no_answer(headers):
    assert (await heard(mail("ack\n", **headers))).events == ()


async def test_auto_submitted_no_is_a_person():
    assert len((await heard(mail("ack\n", Auto_Submitted="no"))).events) == 1


@pytest.mark.parametrize(
    ("results", "address"),
    [
        ("mx.example.test; spf=pass; dmarc=pass header.from=example.test", "alice@example.test"),
        ("mx.example.test; dmarc=fail header.from=example.test", ""),
        ("mx.evil.test; dmarc=pass header.from=example.test", ""),
        ("mx.example.test.evil.test; dmarc=pass", ""),
        ("", ""),
    ],
)
async def test_only_who_is_proven_answers_in_their_own_name(results, address):
    [event] = (await heard(mail("ack\n", Authentication_Results=results), "mx.example.test")).events
    assert isinstance(event, Said)
    assert event.address == address


async def test_a_forged_result_further_down_proves_nothing():
    message = mail("ack\n", Authentication_Results="mx.example.test; dmarc=fail")
    message["Authentication-Results"] = "mx.example.test; dmarc=pass"
    [event] = (await heard(message, "mx.example.test")).events
    assert isinstance(event, Said)
    assert event.address == ""


async def test_the_address_of_the_envelope_counts_too():
    assert len((await heard(mail(to="tocsin@example.test"), x_original_to=REPLY.upper())).events) == 1


async def test_an_address_that_is_not_ours_is_refused():
    wrong = ReplyAddresses("in.example.test", b"another secret, of others")
    for to in (
        "tocsin@example.test",
        wrong.make(Purpose.REPLY, KEY),
        REPLY.replace("in.example.test", "evil.test"),
        REPLY.replace("reply+", "bounce+"),
        REPLY[:-30],
    ):
        with pytest.raises(BadSignature):
            await heard(mail(to=to))


async def test_nobody_is_expected_elsewhere():
    for request in (as_request(mail(), "/other"), InboundRequest("GET", PUBLIC_URL, "/inbox", "", {}, b"")):
        with pytest.raises(NoInbound):
            await driver().parse_inbound(request)
    with pytest.raises(NoInbound):
        await EmailChannel(MailServer.read("smtp://h"), "a@b", ManualClock(NOW)).parse_inbound(as_request(mail()))


@given(st.uuids(), st.sampled_from(list(Purpose)), st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_address_survives_what_mail_servers_do_to_it(page, purpose, loud):
    made = ADDRESSES.make(purpose, str(page))
    assert len(made.partition("@")[0]) <= 64
    shown = f'"Tocsin" <{made.upper() if loud else made}>, somebody@example.test'
    assert ADDRESSES.find(["no", shown]) == (purpose, str(page))


@given(st.binary(max_size=2000), st.sampled_from(["message/rfc822", "application/json", "multipart/form-data; boundary=b", "", "é"]))
@settings(max_examples=400, deadline=None)
async def test_whatever_is_sent_to_an_address_of_ours_is_read_or_refused(body, kind):
    begun = mail().as_bytes().partition(b"\n\n")[0].replace(b'Content-Type: text/plain; charset="utf-8"\n', b"")
    for sent in (body, begun + b"\n" + body, begun + b"\n\n" + body):
        try:
            await driver().parse_inbound(as_request(sent, content_type=kind))
        except (BadRequest, BadSignature):
            pass


# What services that receive mail make of it


async def test_it_comes_in_the_forms_of_services_that_receive_mail():
    raw = mail("ack\n", to="tocsin@example.test").as_bytes().decode()
    postmark = as_request(json.dumps({"RawEmail": raw, "OriginalRecipient": REPLY}).encode(), content_type="application/json")
    parts = {"body-mime": raw, "recipient": REPLY}
    mailgun = as_request(_form(parts), content_type="multipart/form-data; boundary=b0undary")
    sendgrid = as_request(
        _form({"email": raw, "envelope": json.dumps({"to": [REPLY]})}), content_type="multipart/form-data; boundary=b0undary"
    )
    for request in (postmark, mailgun, sendgrid):
        [event] = (await driver().parse_inbound(request)).events
        assert event == Said(dedup_id="<m1@example.test>", address="", text="ack", page_id=KEY)


async def test_a_form_without_the_mail_says_what_is_missing():
    with pytest.raises(BadRequest, match="raw mail"):
        await heard(_form({"subject": "Re:", "recipient": REPLY}), content_type="multipart/form-data; boundary=b0undary")


def _form(fields: dict[str, str]) -> bytes:
    parts = [f'--b0undary\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    return ("".join(parts) + "--b0undary--\r\n").encode()


# Reports


def report(action: str, status: str, diagnostic: str = "smtp; 550 5.1.1 unknown user", to: str = BOUNCE) -> bytes:
    """What a mail server sends to the sender of an envelope. RFC 3464."""
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: {to}\r\nMessage-ID: <dsn1@mx.example.net>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; alice@example.test\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: {diagnostic}\r\n"
        "\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("action", "status", "outcome"),
    [
        ("failed", "5.1.1", Outcome.PERMANENT_TARGET),
        ("failed", "5.2.1", Outcome.PERMANENT_TARGET),
        ("failed", "5.7.26", Outcome.PERMANENT_CONFIG),
        ("failed", "4.4.7", Outcome.TRANSIENT),
        ("Failed", "", Outcome.TRANSIENT),
    ],
)
async def test_a_mail_that_came_back_did_not_arrive(action, status, outcome):
    [event] = (await heard(report(action, status))).events
    assert isinstance(event, Undelivered)
    assert (event.outcome, event.page_id, event.dedup_id) == (outcome, KEY, "<dsn1@mx.example.net>")
    assert "unknown user" in event.why


async def test_a_report_of_success_is_a_receipt():
    [event] = (await heard(report("delivered", "2.0.0"))).events
    assert event == Delivered(dedup_id="<dsn1@mx.example.net>", at=NOW, page_id=KEY)


async def test_a_delay_and_a_vacation_notice_mean_nothing():
    assert (await heard(report("delayed", "4.0.0"))).events == ()
    assert (await heard(mail("I am away, ack\n", to=BOUNCE, Auto_Submitted="auto-replied"))).events == ()
    assert (await heard(report("failed", "5.1.1", to=REPLY))).events == ()


# What is sent so that it can be answered


@pytest_asyncio.fixture
async def sent(mail_server: Any) -> AsyncIterator[Any]:
    receipt = await driver(mail_server.url).send(outgoing(Channel.EMAIL, "alice@example.test"), KEY, 5.0)
    assert receipt.outcome is Outcome.ACCEPTED
    yield mail_server.mails[0]


async def test_a_page_says_where_an_answer_goes(sent):
    assert sent["Reply-To"] == REPLY
    text = sent.get_body(("plain",)).get_content()
    assert "Or answer this mail: ack takes it, esc passes it on." in text
    assert f"Ask the next one: {outgoing(Channel.EMAIL, 'a@b').escalate_url}" in text
    answer = mail("ack\n", to=sent["Reply-To"])
    assert len((await heard(answer)).events) == 1


async def test_reports_are_asked_for_where_the_server_can(mail_server):
    mail_server.reports = True
    await driver(mail_server.url).send(outgoing(Channel.EMAIL, "alice@example.test"), KEY, 5.0)
    assert mail_server.senders == [BOUNCE]
    assert mail_server.wishes == ["RET=HDRS", f"ENVID={KEY}", "NOTIFY=SUCCESS,FAILURE"]


async def test_where_nothing_can_come_back_nothing_is_promised(mail_server):
    plain = EmailChannel(MailServer.read(mail_server.url), "tocsin@example.test", ManualClock(NOW))
    await plain.send(outgoing(Channel.EMAIL, "alice@example.test"), KEY, 5.0)
    assert mail_server.mails[0]["Reply-To"] is None
    assert "answer this mail" not in mail_server.mails[0].get_body(("plain",)).get_content()


async def test_half_of_the_settings_are_refused(tmp_path: Path):
    around = Surroundings(ManualClock(NOW), PUBLIC_URL)
    (tmp_path / "secret").write_text("short")
    url = Secret("smtp://127.0.0.1:1")
    for flawed, problem in (
        (EmailSettings(smtp_url=url, email_reply_domain="in.example.test"), "go together"),
        (EmailSettings(smtp_url=url, email_reply_domain="in.example.test", email_reply_secret_file=tmp_path / "secret"), "at least 16"),
    ):
        with pytest.raises(ValueError, match=problem):
            async with open_email(flawed, around):
                pass
    (tmp_path / "secret").write_text("long enough for anybody\n")
    async with open_email(
        EmailSettings(smtp_url=url, email_reply_domain="in.example.test", email_reply_secret_file=tmp_path / "secret"), around
    ) as [account]:
        assert not account.off
