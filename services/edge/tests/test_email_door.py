"""Mail for integrations, over real SMTP."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from edge_harness import Edge, running_edge

from tocsin_edge import email_door
from tocsin_standalone.ports import free_port
from tocsin_testkit.world import World

MESSAGE = b"Subject: DOWN: shop\r\nMessage-ID: <1@m>\r\n\r\n.text\r\n"
Answer = TypeVar("Answer")


class Mails:
    """An edge that takes mail, and a mail client."""

    def __init__(self, door: Edge, port: int) -> None:
        self.door = door
        self.port = port

    async def talk(self, conversation: Callable[[smtplib.SMTP], Answer]) -> Answer:
        def talk() -> Answer:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
                return conversation(client)

        return await asyncio.to_thread(talk)

    async def send(self, *to: str, sender: str = "nagios@example.test", content: bytes = MESSAGE) -> Any:
        """What becomes of a message; the code and words of a refusal."""
        try:
            return await self.talk(lambda client: client.sendmail(sender, to, content))
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[to[0]]
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error


@pytest_asyncio.fixture(name="mails")
async def _mails(world: World, tmp_path: Path) -> AsyncIterator[Mails]:
    certificate(tmp_path / "mail.pem")
    port = free_port()
    settings = {"smtp_listen": f"127.0.0.1:{port}", "smtp_certificate_file": tmp_path / "mail.pem"}
    async with running_edge(world, tmp_path, **settings) as door:
        yield Mails(door, port)


def certificate(file: Path) -> None:
    key, name = generate_private_key(SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    signed = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(signed.public_bytes(Encoding.PEM) + private)


@pytest.mark.parametrize("address", ["right@tocsin.example.test", "RIGHT@elsewhere", "right+checkout@x", '"right"@x'])
async def test_a_message_is_handed_over_as_it_came(mails: Mails, address: str) -> None:
    assert await mails.send(address) == {}
    report = mails.door.behind.reports[-1]
    assert (report.kind, report.integration_key, report.method, report.path) == ("email", "right", "POST", "/")
    assert report.body == MESSAGE


async def test_a_message_without_a_sender_is_taken(mails: Mails) -> None:
    assert await mails.send("right@x", sender="") == {}


async def test_an_address_that_nobody_has_is_refused_before_the_message(mails: Mails) -> None:
    for address in ("wrong@x", "right", "@x", "x" * 300 + "@x"):
        code, _ = await mails.send(address)
        assert code in (550, 553)
    assert all(report.method == "HEAD" for report in mails.door.behind.reports)


async def test_what_is_not_the_messages_fault_is_to_be_sent_again(mails: Mails) -> None:
    assert (await mails.send("busy@x"))[0] == 451
    await mails.door.server.stop(0)
    assert (await mails.send("right@x"))[0] == 451


async def test_the_worst_answer_counts_when_a_message_is_for_several(mails: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    code, reason = await mails.send("right@x", "strict@x")
    assert (code, reason) == (554, b"5.6.0 subject: it is missing ? say one")
    monkeypatch.setattr(email_door, "MOST_RECIPIENTS", 1)
    assert set(await mails.send("right@x", "strict@x")) == {"strict@x"}


async def test_a_message_that_is_too_large_or_has_long_lines(mails: Mails) -> None:
    assert (await mails.send("right@x", content=b"x\r\n" * 400_000))[0] == 552
    assert await mails.send("right@x", content=b"Subject: x\r\n\r\n" + b"x" * 20_000) == {}


async def test_starttls_is_offered_and_no_sign_in(mails: Mails) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def encrypted(client: smtplib.SMTP) -> tuple[bool, Any]:
        client.starttls(context=context)
        client.ehlo()
        return client.has_extn("auth"), client.sendmail("a@x", ["right@x"], MESSAGE)

    assert await mails.talk(encrypted) == (False, {})


async def test_a_connection_too_many_is_told_so(mails: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_door, "MOST_CONVERSATIONS", 1)

    async def second() -> Any:
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            await mails.talk(lambda client: client.noop())
        return refused.value.smtp_code

    first = await asyncio.to_thread(lambda: smtplib.SMTP("127.0.0.1", mails.port, timeout=10))
    assert await second() == 421
    await asyncio.to_thread(first.quit)
    assert (await mails.talk(lambda client: client.noop()))[0] == 250


async def test_keys_do_not_reach_the_log(mails: Mails, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        await mails.send("right@x")
        await mails.send("secret-key@x")
    assert "secret-key" not in caplog.text and "right@x" not in caplog.text


ANSWER = f"Reply+{'a2' * 21}@in.example.test"


async def test_an_answer_to_a_page_is_handed_to_communication(mails: Mails) -> None:
    assert await mails.send(ANSWER, sender="") == {}
    [asked] = mails.door.behind.hooks
    assert (asked.kind, asked.method, asked.path, asked.body) == ("email", "POST", "/inbox", MESSAGE)
    assert asked.headers == {"content-type": "message/rfc822", "x-original-to": ANSWER}
    assert mails.door.behind.reports == []


@pytest.mark.parametrize(("word", "code"), [(b"forged", 550), (b"unreadable", 554), (b"busy", 451), (b"x" * (1024 * 1024), 552)])
async def test_what_communication_does_not_take_is_told_to_the_sender(mails: Mails, word: bytes, code: int) -> None:
    told = await mails.send(ANSWER, content=MESSAGE + word + b"\r\n")
    assert told[0] == code


async def test_what_only_looks_like_an_answer_is_an_unknown_address(mails: Mails) -> None:
    assert (await mails.send("reply+short@in.example.test"))[0] == 550
    assert mails.door.behind.hooks == []
