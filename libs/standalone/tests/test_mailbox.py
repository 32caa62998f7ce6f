"""The mailbox: takes real mail, and shows it without letting it do anything."""

import asyncio
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from tocsin_standalone.demo.page import linked, mailbox_pages
from tocsin_standalone.mailbox import Mailbox


def mail(subject: str, text: str, to: str = "amara@shop.example") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "tocsin@localhost"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative("<p>not this</p>", subtype="html")
    return message


async def send(mailbox: Mailbox, message: EmailMessage) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=mailbox.port, start_tls=False)


async def test_what_is_sent_arrives_whole() -> None:
    async with Mailbox() as mailbox:
        await send(mailbox, mail("Kasse läuft nicht", "Übernehmen: http://127.0.0.1:1/a/token.\nEnde"))
        (arrived,) = mailbox.messages
    assert arrived.subject == "Kasse läuft nicht"
    assert arrived.recipients == ("amara@shop.example",)
    assert arrived.text.splitlines() == ["Übernehmen: http://127.0.0.1:1/a/token.", "Ende"]
    assert arrived.links == ["http://127.0.0.1:1/a/token"]


async def test_who_waits_gets_the_first_that_fits() -> None:
    async with Mailbox() as mailbox:
        waiting = asyncio.create_task(mailbox.wait_for(lambda each: "second" in each.subject))
        await send(mailbox, mail("first", ""))
        await send(mailbox, mail("second", ""))
        assert (await waiting).number == 2
        with pytest.raises(TimeoutError):
            await mailbox.wait_for(lambda each: False, seconds=0.05)


async def test_the_oldest_mail_makes_room() -> None:
    async with Mailbox(capacity=2) as mailbox:
        for number in range(3):
            await send(mailbox, mail(str(number), ""))
        assert [each.subject for each in mailbox.messages] == ["1", "2"]


async def test_mail_that_is_no_proper_mail_is_kept_too() -> None:
    async with Mailbox() as mailbox:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=mailbox.port, start_tls=False)
        async with client:
            await client.sendmail("a@b", ["c@d"], b"Content-Type: text/plain; charset=no-such\r\nSubject: =?x?q?\xff?=\r\n\r\n\xff\xfe")
        assert len(mailbox.messages) == 1


def test_only_web_addresses_become_links_and_the_rest_is_text() -> None:
    shown = linked('<script>alert(1)</script> javascript:alert(1) http://x.example/?a=1&b="2 (see https://y.example/z).')
    assert "<script>" not in shown and 'href="javascript' not in shown
    assert 'href="http://x.example/?a=1&amp;b="' in shown
    assert ">https://y.example/z</a>)." in shown


async def test_the_pages_show_mail_newest_first_with_nothing_that_runs() -> None:
    async with Mailbox() as mailbox:
        await send(mailbox, mail("older", "http://127.0.0.1:1/a/one"))
        await send(mailbox, mail("<b>newer</b>", "<img src=x onerror=alert(1)>"))
        transport = httpx.ASGITransport(mailbox_pages(mailbox, "http://127.0.0.1:8080"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
            listed = await web.get("/")
            assert listed.text.index("&lt;b&gt;newer") < listed.text.index("older")
            assert 'http-equiv="refresh"' in listed.text
            assert "default-src 'none'" in listed.headers["content-security-policy"]
            shown = await web.get("/mails/1")
            assert '<a href="http://127.0.0.1:1/a/one" target="_blank" rel="noopener noreferrer">' in shown.text
            assert "<img" not in (await web.get("/mails/2")).text
            assert (await web.get("/mails/9")).status_code == 404
            assert (await web.get("/mailbox.css")).headers["content-type"].startswith("text/css")
            assert (await web.get("/", headers={"host": "evil.example"})).status_code == 400
