"""E-mail over SMTP: one connection for each message, plain text and HTML, one thread for each incident; answers by mail."""

import asyncio
import functools
import hashlib
import html
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPRecipientRefused, SMTPResponseException

from tocsin_chassis.settings import Secret, setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.email_answers import Fate, Purpose, ReplyAddresses, by_a_program, fate, recipients, said, sender
from tocsin_communication.channels.email_inbox import read_mail
from tocsin_communication.channels.inbound import BadSignature, Delivered, InboundAnswer, InboundRequest, NoInbound, Said, Undelivered
from tocsin_communication.contacts.contact import Channel, mailbox_flaw
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

LONGEST_DETAIL = 300
LONGEST_ID = 200
QUIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class EmailSettings:
    """What e-mail needs."""

    smtp_url: Secret = setting(
        "TOCSIN_SMTP_URL",
        "smtp://[user:password@]host:port[?starttls=always|never|auto] or smtps://…; empty: e-mail is off and its pages fail",
        default=Secret(""),
    )
    smtp_ca_file: Path | None = setting(
        "TOCSIN_SMTP_CA_FILE", "PEM of certificate authorities that are trusted beside the system's for the mail server", default=None
    )
    email_from: str = setting("TOCSIN_EMAIL_FROM", "the mailbox that pages come from", default="tocsin@localhost")
    email_reply_domain: str = setting(
        "TOCSIN_EMAIL_REPLY_DOMAIN",
        "domain whose mail reaches Tocsin: answers and bounces go there; empty: nobody can answer by mail",
        default="",
    )
    email_reply_secret_file: Path | None = setting(
        "TOCSIN_EMAIL_REPLY_SECRET_FILE",
        "file with a secret of at least 16 characters, which the addresses for answers are made with",
        default=None,
    )
    email_authserv_id: str = setting(
        "TOCSIN_EMAIL_AUTHSERV_ID",
        "name of the mail server that receives for the reply domain, in Authentication-Results: "
        "who it proves by DMARC answers in their own name, anybody else in the name of the one who was paged",
        default="",
    )


class StartTls(StrEnum):
    """When a plain connection is turned into an encrypted one."""

    ALWAYS = "always"
    NEVER = "never"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over, read from a URL."""

    host: str
    port: int
    tls: bool
    start_tls: StartTls
    user: str = ""
    password: str = ""
    ca_file: Path | None = None

    @classmethod
    def read(cls, url: str, ca_file: Path | None = None) -> "MailServer":
        """Where nothing is said, a password is sent over an encrypted connection only. Raises ValueError, without the password."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("TOCSIN_SMTP_URL must be smtp://[user:password@]host:port[?starttls=always|never|auto] or smtps://…")
        tls = parts.scheme == "smtps"
        wanted = parse_qs(parts.query).get("starttls", ["never" if tls else "always" if parts.password else "auto"])[0]
        if wanted not in list(StartTls):
            raise ValueError(f"TOCSIN_SMTP_URL: starttls must be always, never or auto, not {wanted!r}")
        port = parts.port or (465 if tls else 587)
        return cls(parts.hostname, port, tls, StartTls(wanted), unquote(parts.username or ""), unquote(parts.password or ""), ca_file)

    def client(self, seconds: float) -> SMTP:
        """A client that is not yet connected. With AUTO it encrypts if the server offers to. It logs in as it connects."""
        return SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.tls,
            start_tls={StartTls.ALWAYS: True, StartTls.NEVER: False, StartTls.AUTO: None}[self.start_tls],
            username=self.user or None,
            password=self.password or None,
            timeout=seconds,
            tls_context=_trust(self.ca_file),
        )


@functools.cache
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whose certificates are believed. Reading them takes longer than sending a mail, so it is done once."""
    trust = ssl.create_default_context()
    if ca_file is not None:
        trust.load_verify_locations(ca_file)
    return trust


class EmailChannel(OneWay):
    """Hands pages to a mail server, and reads the mail that comes back, if there are `addresses` for it."""

    def __init__(
        self, server: MailServer, sender: str, clock: Clock, addresses: ReplyAddresses | None = None, authserv_id: str = ""
    ) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock
        self._addresses = addresses
        self._authserv_id = authserv_id

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. Accepted means that the mail server has it."""
        page = outgoing.page
        answers = self._address(Purpose.REPLY, page.id) if outgoing.acknowledge_url else ""
        message = compose(outgoing, idempotency_key, self._sender, self._clock.now(), answers)
        content = message.as_bytes(policy=SMTP_POLICY)
        client = self._server.client(seconds)
        handed_over = False
        try:
            async with asyncio.timeout(seconds):
                await client.connect()
                await self._envelope(client, page.id, page.address)
                handed_over = True
                answer = await client.data(content)
            return Receipt(Outcome.ACCEPTED, _said(answer.code, answer.message), str(message["Message-ID"]))
        except SMTPResponseException as error:
            return Receipt(_refusal(error), _said(error.code, error.message))
        except ssl.SSLCertVerificationError as error:
            return Receipt(Outcome.TRANSIENT, f"the mail server's certificate is not trusted: {error.verify_message}")
        except (SMTPException, OSError, TimeoutError) as error:
            return _lost(handed_over, error)
        finally:
            await _leave(client)

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: a mail to an address of ours, at `inbox`. The address proves that whoever writes there had the page."""
        if self._addresses is None or request.method != "POST" or request.path.rpartition("/")[2] != "inbox":
            raise NoInbound()
        message, envelope = read_mail(request)
        found = self._addresses.find([*envelope, *recipients(message)])
        if found is None:
            raise BadSignature("the mail is for no address of ours")
        purpose, page = found
        dedup = str(message.get("message-id") or hashlib.sha256(request.body).hexdigest()).strip()[:LONGEST_ID]
        if purpose is Purpose.BOUNCE:
            return self._came_back(fate(message), page, dedup)
        text = "" if by_a_program(message) else said(message)
        if not text:
            return InboundAnswer()
        return InboundAnswer((Said(dedup_id=dedup, address=sender(message, self._authserv_id), text=text, page_id=page),))

    def _came_back(self, what: Fate | None, page: str, dedup: str) -> InboundAnswer:
        if what is None:
            return InboundAnswer()
        if what.outcome is Outcome.DELIVERED:
            return InboundAnswer((Delivered(dedup_id=dedup, at=self._clock.now(), page_id=page),))
        return InboundAnswer((Undelivered(dedup_id=dedup, why=what.why, outcome=what.outcome, page_id=page),))

    async def _envelope(self, client: SMTP, page: str, address: str) -> None:
        """Where it may come back, reports are asked for: what a mail server takes has not arrived yet."""
        back = self._address(Purpose.BOUNCE, page)
        if back and client.is_ehlo_or_helo_needed:
            with suppress(SMTPHeloError):
                await client.ehlo()
        reports = bool(back) and client.supports_extension("dsn")
        await client.mail(back or self._sender, options=["RET=HDRS", f"ENVID={page}"] if reports else [])
        await client.rcpt(address, options=["NOTIFY=SUCCESS,FAILURE"] if reports else [])

    def _address(self, purpose: Purpose, page: str) -> str:
        return self._addresses.make(purpose, page) if self._addresses is not None else ""


def compose(outgoing: Outgoing, key: str, sender: str, now: datetime, answers: str = "") -> EmailMessage:
    """The message; its id comes from the key, so that mailboxes can tell a repeat. `answers` is where an answer by mail goes."""
    page = outgoing.page
    domain = sender.rpartition("@")[2].rstrip(">") or "localhost"
    message = EmailMessage()
    message["Message-ID"] = f"<page.{key}@{domain}>"
    message["Date"] = format_datetime(now)
    message["From"] = sender
    message["To"] = page.address
    message["Subject"] = page.subject
    if answers:
        message["Reply-To"] = answers
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if page.incident_id:
        thread = f"<incident.{page.incident_id}@{domain}>"
        message["In-Reply-To"] = thread
        message["References"] = thread
        message["X-Tocsin-Incident"] = page.incident_id
    if page.resent_after_unknown:
        message["X-Tocsin-Resent"] = "unknown-outcome"
    message.set_content(plain(outgoing, by_mail=bool(answers)))
    message.add_alternative(rich(outgoing, by_mail=bool(answers)), subtype="html")
    return message


BY_MAIL = "Or answer this mail: ack takes it, esc passes it on."
RESENT = "You may have had this message before: what became of the first attempt is not known."


def plain(outgoing: Outgoing, *, by_mail: bool = False) -> str:
    """The plain text, links included."""
    parts = [outgoing.page.body]
    if outgoing.acknowledge_url:
        parts.insert(0, f"{outgoing.yes}: {outgoing.acknowledge_url}\n" + (f"{BY_MAIL}\n" if by_mail else ""))
    if outgoing.incident_url:
        parts.append(f"\nIncident: {outgoing.incident_url}")
    if outgoing.escalate_url:
        parts.append(f"\n{_other(outgoing)}: {outgoing.escalate_url}")
    if outgoing.page.resent_after_unknown:
        parts.append(f"\n{RESENT}")
    return "\n".join(parts) + "\n"


def _other(outgoing: Outgoing) -> str:
    """What the other answer does; spelt out, as a mail has room for it."""
    return outgoing.no if outgoing.page.kind is Kind.APPROVAL else "Ask the next one"


def rich(outgoing: Outgoing, *, by_mail: bool = False) -> str:
    """The same as HTML. Everything that came from outside is escaped."""
    body = html.escape(outgoing.page.body).replace("\n", "<br>\n")
    parts = [f"<h2>{html.escape(outgoing.page.subject)}</h2>"]
    if outgoing.acknowledge_url:
        parts.append(f'<p><a href="{html.escape(outgoing.acknowledge_url)}"><strong>{outgoing.yes}</strong></a></p>')
    if by_mail:
        parts.append(f"<p>{BY_MAIL}</p>")
    parts.append(f"<p>{body}</p>")
    if outgoing.incident_url:
        parts.append(f'<p><a href="{html.escape(outgoing.incident_url)}">Incident</a></p>')
    if outgoing.escalate_url:
        parts.append(f'<p><a href="{html.escape(outgoing.escalate_url)}">{_other(outgoing)}</a></p>')
    if outgoing.page.resent_after_unknown:
        parts.append(f"<p><em>{RESENT}</em></p>")
    return f"<!doctype html>\n<html><body>{''.join(parts)}</body></html>\n"


def _lost(handed_over: bool, error: Exception) -> Receipt:
    """Once the message is on its way nobody can say whether the server took it."""
    said = str(error) or type(error).__name__
    if handed_over:
        return Receipt(Outcome.UNKNOWN, _clipped(f"no answer after the message was handed over: {said}"))
    return Receipt(Outcome.TRANSIENT, _clipped(f"not handed over: {said}"))


async def _leave(client: SMTP) -> None:
    """Say goodbye; the outcome is known already, so nothing that happens here matters."""
    try:
        if client.is_connected:
            async with asyncio.timeout(QUIT_SECONDS):
                await client.quit()
    except (SMTPException, OSError, TimeoutError):
        pass
    finally:
        client.close()


def _refusal(error: SMTPResponseException) -> Outcome:
    """A recipient that is refused for ever is a dead address; anything else that is refused for ever is our own fault."""
    if not 500 <= error.code < 600:
        return Outcome.TRANSIENT
    return Outcome.PERMANENT_TARGET if isinstance(error, SMTPRecipientRefused) else Outcome.PERMANENT_CONFIG


def _said(code: int, message: str) -> str:
    return _clipped(f"{code} {message}")


def _clipped(text: str) -> str:
    return " ".join(text.split())[:LONGEST_DETAIL]


@asynccontextmanager
async def open_email(settings: EmailSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The mail server, if one is set."""
    if not settings.smtp_url:
        yield (Account("smtp", Off("e-mail is off: TOCSIN_SMTP_URL is not set")),)
        return
    server = MailServer.read(settings.smtp_url, settings.smtp_ca_file)
    yield (Account("smtp", EmailChannel(server, settings.email_from, around.clock, _addresses(settings), settings.email_authserv_id)),)


def _addresses(settings: EmailSettings) -> ReplyAddresses | None:
    """Raises ValueError if only half is set."""
    if bool(settings.email_reply_domain) != bool(settings.email_reply_secret_file):
        raise ValueError("TOCSIN_EMAIL_REPLY_DOMAIN and TOCSIN_EMAIL_REPLY_SECRET_FILE go together")
    if settings.email_reply_secret_file is None:
        return None
    try:
        return ReplyAddresses(settings.email_reply_domain, settings.email_reply_secret_file.read_bytes().strip())
    except ValueError as error:
        raise ValueError(f"{settings.email_reply_secret_file}: {error}") from None


KIND = ChannelKind(Channel.EMAIL, "e-mail", mailbox_flaw, open_email)
