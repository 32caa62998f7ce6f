"""The outside world of communication: a mail server and a web server that speak the real protocols and do what they are told."""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult

from tocsin_testkit.outside.tls import certificate

sys.path.append(str(Path(__file__).parent))

from communication_harness import House, running_house

from tocsin_communication import app


class _Smtp(SMTP):
    """A server that can be told to drop the line as soon as it has a whole message."""

    def __init__(self, outside: "MailServerDouble", **options: Any) -> None:
        self.outside = outside
        super().__init__(outside, **options)

    async def smtp_MAIL(self, arg: str | None) -> None:
        await super().smtp_MAIL(self._without_reports(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:
        await super().smtp_RCPT(self._without_reports(arg))

    def _without_reports(self, arg: str | None) -> str | None:
        """The library itself does not know of delivery reports (RFC 3461)."""
        words = (arg or "").split()
        known = [word for word in words if word.partition("=")[0] in ("RET", "ENVID", "NOTIFY")] if self.outside.reports else []
        self.outside.wishes += known
        return " ".join(word for word in words if word not in known) if known else arg


@dataclass
class MailServerDouble:
    """Real SMTP. `answers` holds what the next messages meet: a reply, "hang" or "drop" (after the message was taken). With `reports` it
    offers delivery reports, and `wishes` holds what was asked of it about them."""

    answers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    reports: bool = False
    wishes: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?starttls=never"

    async def handle_EHLO(self, server: SMTP, session: Any, envelope: Any, name: str, offered: list[str]) -> list[str]:
        session.host_name = name
        return [*offered[:-1], "250-DSN", offered[-1]] if self.reports else offered

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.answers and self.answers[0].startswith("rcpt "):
            return self.answers.pop(0).removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 2.0.0 queued as 42"
        if answer[:1] not in "45":
            self.mails.append(message_from_bytes(envelope.content, policy=default))
            self.senders.append(envelope.mail_from)
        if answer == "drop":
            server.transport.abort()
            return "250 nobody hears this"
        if answer == "hang":
            await asyncio.Event().wait()
        return answer


@dataclass
class SecureMailServerDouble(MailServerDouble):
    """Takes mail from one user only, over TLS only. `logins` holds (name, password, whether it was encrypted)."""

    ca_file: Path = Path()
    password: str = ""
    logins: list[tuple[str, str, bool]] = field(default_factory=list)

    def authenticate(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode(), session.ssl is not None))
        right = self.logins[-1][:2] == ("tocsin", self.password)
        # What is not handled here aiosmtpd refuses itself, with 535.
        return AuthResult(success=right, handled=right)


@dataclass
class Request:
    """One POST as it arrived."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed


@dataclass
class WebServerDouble:
    """Real HTTP/1.1. `answers` holds what the next requests meet: a status line with headers, "hang", or "drop" (once it was read)."""

    answers: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Request(head[0].split()[1], headers, raw))
        answer = self.answers.pop(0) if self.answers else "200 OK"
        if answer == "drop":
            writer.transport.abort()
            return False
        if answer == "hang":
            await asyncio.Event().wait()
        writer.write(f"HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        return True


@pytest_asyncio.fixture
async def mail_server() -> AsyncIterator[MailServerDouble]:
    double = MailServerDouble()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Smtp(double, loop=loop), "127.0.0.1", 0)
    double.port = server.sockets[0].getsockname()[1]
    yield double
    server.close()


@pytest_asyncio.fixture
async def secure_mail_server(tmp_path: Path) -> AsyncIterator[SecureMailServerDouble]:
    double = SecureMailServerDouble(ca_file=certificate(tmp_path), password="s3cret-of_the.mail")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(double.ca_file)
    options = {"tls_context": serving, "require_starttls": True, "auth_required": True, "authenticator": double.authenticate}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Smtp(double, loop=loop, **options), "127.0.0.1", 0)
    double.port = server.sockets[0].getsockname()[1]
    yield double
    server.close()


@pytest_asyncio.fixture
async def web_server() -> AsyncIterator[WebServerDouble]:
    double = WebServerDouble()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(double.serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    double.port = server.sockets[0].getsockname()[1]
    yield double
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def house(world: Any, mail_server: Any, web_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Communication and triage, running, and the outside world. What is looked at every minute is looked at often."""
    monkeypatch.setattr(app, "REACHABILITY_SECONDS", 0.5)
    async with running_house(world, mail_server, web_server, tmp_path) as made:
        yield made
