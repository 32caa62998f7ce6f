"""Mail by SMTP: `<key>@<any domain>` is an integration's address, `reply+…@` and `bounce+…@` belong to pages. 250 is said only when the
message is stored."""

import asyncio
import json
import logging
import ssl
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session
from google.rpc import code_pb2
from opentelemetry.trace import SpanKind
from prometheus_client import Counter
from tocsin.detection.v1.detection_service_pb2 import SubmitReportRequest, SubmitReportResponse

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import tracer
from tocsin_edge.answers_by_mail import AnswersByMail, is_answer
from tocsin_edge.http.handover import SUBMIT
from tocsin_edge.http.intake import LIMIT, LONGEST_KEY
from tocsin_edge.http.room import Full, Room
from tocsin_edge.settings import EdgeSettings
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

SECONDS = 20.0
IDLE_SECONDS = 60.0
MOST_CONVERSATIONS = 100
MOST_RECIPIENTS = 10
LONGEST_REASON = 400

TAKEN = "250 2.0.0 accepted"
KNOWN = "250 2.1.5 OK"
LATER = "451 4.3.0 not accepted; nothing is lost, send it again"
TOO_MANY_RECIPIENTS = "452 4.5.3 too many recipients"
UNKNOWN = "550 5.1.1 there is no integration of kind email with this address"
TOO_MANY_CONVERSATIONS = b"421 4.3.2 too many connections; try again\r\n"

mails = Counter("tocsin_mails_received_total", "messages for integrations of kind email, by the code of the answer", ["code"])


class EmailDoor:
    """The SMTP server, and what it says to each command."""

    def __init__(self, upstream: Upstream, room: Room, settings: EdgeSettings) -> None:
        self.port = 0
        self._upstream = upstream
        self._room = room
        self._answers = AnswersByMail(upstream, room)
        self._listen = settings.smtp_listen
        self._name = urlsplit(settings.public_url).hostname or "localhost"
        self._certificate = _certificate(settings)
        self._open: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None
        # It would write addresses, and so keys, into the log.
        logging.getLogger("mail.log").setLevel(logging.ERROR)

    async def start(self) -> None:
        """Listen, if there is where. Raises OSError if the port is taken."""
        if not self._listen:
            return
        host, _, port = self._listen.rpartition(":")
        self._server = await asyncio.get_running_loop().create_server(self._conversation, host.strip("[]") or "127.0.0.1", int(port))
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("SMTP at port %d", self.port)

    def stop(self) -> None:
        """Hang up. Who has not heard 250 sends again."""
        if self._server is not None:
            self._server.close()
        for transport in self._open:
            transport.close()

    def _conversation(self) -> asyncio.Protocol:
        return _Busy() if len(self._open) >= MOST_CONVERSATIONS else _Conversation(self, self._open, self._name, self._certificate)

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, name: str, offered: list[str]) -> list[str]:
        """What is offered: no sign-in, because the address is the key."""
        session.host_name = name
        return [line for line in offered if not line[4:].startswith("AUTH")]

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Whether an address belongs to an integration. Whether one of a page is genuine is known when its message is there."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY_RECIPIENTS
        if is_answer(address):
            envelope.rcpt_tos.append(address)
            return KNOWN
        for key in _keys(address):
            said = await self._submit("HEAD", key, b"")
            if said != UNKNOWN:
                envelope.rcpt_tos.append(key)
                return KNOWN if said == TAKEN else said
        return UNKNOWN

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Hand the message over, to each one that it is for. The worst answer is the answer, so that nothing is lost."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        with tracer.start_as_current_span("report email", kind=SpanKind.SERVER) as span:
            said = [await self._hand_over(recipient, content) for recipient in dict.fromkeys(envelope.rcpt_tos)]
            worst = max(said, key=lambda answer: {"2": 0, "5": 1, "4": 2}[answer[0]])
            span.set_attribute("smtp.response.code", worst[:3])
        mails.labels(worst[:3]).inc()
        return worst

    async def handle_exception(self, error: Exception) -> str:
        """Something unforeseen happened to a conversation."""
        log.error("a mail could not be taken", exc_info=error)
        return LATER

    async def _hand_over(self, recipient: str, content: bytes) -> str:
        return await (self._answers.hand_over(recipient, content) if is_answer(recipient) else self._submit("POST", recipient, content))

    async def _submit(self, method: str, key: str, content: bytes) -> str:
        request = SubmitReportRequest(
            integration_key=key, kind="email", method=method, path="/", headers={"content-type": "message/rfc822"}, body=content
        )
        try:
            with self._room.taken(len(content)):
                packed = await self._upstream.call(SUBMIT, request.SerializeToString(), SECONDS)
        except Full:
            return LATER
        except Exception as error:  # whatever it was, the sender must hear that it should repeat, or why not
            return _refusal(error)
        answer = SubmitReportResponse.FromString(packed)
        return TAKEN if answer.status < 300 else f"554 5.6.0 {_reason(answer.body)}"


class _Conversation(SMTP):
    """One connection. Monitors write longer lines than the standard allows."""

    line_length_limit = 65_536

    def __init__(self, door: EmailDoor, open_ones: set[asyncio.BaseTransport], name: str, certificate: ssl.SSLContext | None) -> None:
        super().__init__(
            door,
            data_size_limit=LIMIT,
            hostname=name,
            ident="Tocsin",
            tls_context=certificate,
            timeout=IDLE_SECONDS,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        self._open_ones = open_ones
        self._first: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # After STARTTLS it comes a second time, for the same connection.
        self._first = self._first or transport
        self._open_ones.add(self._first)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._first is not None:
            self._open_ones.discard(self._first)
        super().connection_lost(error)


class _Busy(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(TOO_MANY_CONVERSATIONS)
        transport.close()


def _certificate(settings: EdgeSettings) -> ssl.SSLContext | None:
    """What STARTTLS shows; None: it is not offered. Raises OSError for files that are none."""
    if settings.smtp_certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.smtp_certificate_file, settings.smtp_certificate_key_file)
    return context


def _keys(address: str) -> list[str]:
    """The keys that an address may hold: as it is written, and in small letters, because mail programs change that."""
    local = address.rpartition("@")[0].strip('"').partition("+")[0]
    return list(dict.fromkeys((local, local.lower()))) if 0 < len(local) <= LONGEST_KEY else []


def _refusal(error: Exception) -> str:
    status = to_status(error)
    match status.code:
        case code_pb2.UNAUTHENTICATED:
            return UNKNOWN
        case code_pb2.INVALID_ARGUMENT:
            return f"554 5.6.0 {_printable(status.message)}"
    log.warning("a mail could not be handed over; its sender was told to repeat it: %s", error)
    return LATER


def _reason(body: bytes) -> str:
    """What detection says is wrong with a message."""
    said = json.loads(body or b"{}")
    return _printable(str(said.get("error", "it cannot be read")))


def _printable(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode().split())[:LONGEST_REASON]
