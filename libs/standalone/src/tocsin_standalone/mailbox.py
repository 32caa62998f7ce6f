"""A mail server that delivers to itself: it speaks real SMTP, takes every message and keeps it. For the demo, and for tests."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from tocsin_kernel.clock import Clock, FollowingClock

LOOPBACK = "127.0.0.1"
LINK = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True)
class Mail:
    """One message as it arrived. `number` counts from 1."""

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    message: EmailMessage = field(repr=False)

    @property
    def links(self) -> list[str]:
        """The web addresses in the text, in order."""
        return [found.rstrip(".,;:!?)") for found in LINK.findall(self.text)]


class Mailbox:
    """The server, running inside `async with`. `messages` has what arrived, oldest first; at most `capacity`, the oldest go."""

    def __init__(self, *, port: int = 0, clock: Clock | None = None, capacity: int = 1000) -> None:
        self.messages: list[Mail] = []
        self.port = port
        self._clock = clock or FollowingClock()
        self._capacity = capacity
        self._count = 0
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address for whoever sends mail."""
        return f"smtp://{LOOPBACK}:{self.port}?starttls=never"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True, loop=loop), LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by the protocol for each message that was handed over."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._count += 1
        mail = _read(self._count, self._clock.now(), envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        async with self._arrived:
            self.messages.append(mail)
            del self.messages[: -self._capacity]
            self._arrived.notify_all()
        return f"250 OK kept as {self._count}"

    async def wait_for(self, wanted: Callable[[Mail], bool], seconds: float = 10.0) -> Mail:
        """The first message that is `wanted`, arrived or yet to arrive. Raises TimeoutError."""

        def found() -> Mail | None:
            return next(filter(wanted, self.messages), None)

        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: found() is not None)
            mail = found()
        assert mail is not None
        return mail


def _read(number: int, at: datetime, sender: str, recipients: tuple[str, ...], content: bytes) -> Mail:
    message = message_from_bytes(content, policy=default)
    return Mail(number, at, sender, recipients, _header(message, "subject"), _text(message), message)


def _header(message: EmailMessage, name: str) -> str:
    """A header's text. Mail comes from anywhere, and the parser refuses some of it."""
    try:
        return str(message.get(name, ""))
    except (ValueError, LookupError, IndexError):
        return ""


def _text(message: EmailMessage) -> str:
    """The plain text, or whatever text there is."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, ValueError):  # an unknown charset, a broken encoding
        payload = body.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else ""
