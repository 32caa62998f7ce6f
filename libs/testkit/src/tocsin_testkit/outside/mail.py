"""A mail server that keeps what it accepts, and can be told to misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(slots=True)
class Mailbox:
    """What arrived, and how the server behaves: `answer` is what it says to DATA; empty accepts."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    answer: str = ""
    deaf: bool = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer:
            return self.answer
        message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]  # aiosmtpd says str | bytes
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        if self.deaf:
            # Accepted, but the sender never learns: the outcome is unknown to it.
            assert server.transport is not None
            server.transport.abort()
        return "250 accepted"


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server on a free loopback port."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, enable_SMTPUTF8=True), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
