"""Webhooks: an HTTP POST of JSON, signed by the Standard Webhooks scheme."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpcore

from tocsin_chassis.outgoing import GuardedNetwork, PrivateAddress
from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.contact import Channel, url_flaw
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

LONGEST_ANSWER = 64 * 1024
CONNECTIONS = 128
KEPT_SECONDS = 30.0
# Raised before a byte of the request has left; anything else means that the receiver may have it.
NOT_HANDED_OVER = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.UnsupportedProtocol,
    httpcore.LocalProtocolError,
)
LOST = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, TimeoutError)


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """What webhooks need."""

    webhook_secret_file: Path | None = setting(
        "TOCSIN_WEBHOOK_SECRET_FILE",
        "file with the Standard Webhooks secret (whsec_…); empty: webhooks are off and their pages fail",
        default=None,
    )
    webhook_allow_private: bool = setting(
        "TOCSIN_WEBHOOK_ALLOW_PRIVATE", "true lets webhooks go to private and loopback addresses", default=False
    )


class WebhookSecret:
    """A Standard Webhooks signing secret."""

    def __init__(self, text: str) -> None:
        """Raises ValueError unless `text` is whsec_ and base64."""
        prefix, _, encoded = text.strip().partition("_")
        try:
            self._key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            self._key = b""
        if prefix != "whsec" or not self._key:
            raise ValueError("the webhook secret must be whsec_ and base64")

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The value of the webhook-signature header."""
        digest = hmac.new(self._key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"


class WebhookChannel(OneWay):
    """Hands pages to HTTP servers. Connections are kept for the next page to the same one; redirects are failures."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, secret: WebhookSecret, clock: Clock) -> None:
        self._pool = pool
        self._secret = secret
        self._clock = clock

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. An answer of success means delivered: the receiver itself has it."""
        content = body(outgoing)
        headers = self._headers(outgoing, idempotency_key, content)
        handed_over = False

        async def trace(event: str, _: Mapping[str, object]) -> None:
            nonlocal handed_over
            handed_over = handed_over or event == "http11.send_request_headers.started"

        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            async with asyncio.timeout(seconds):
                async with self._pool.stream(
                    "POST", outgoing.page.address, headers=headers, content=content, extensions={"timeout": timeouts, "trace": trace}
                ) as answer:
                    await _drain(answer)
            return read_answer(answer.status, dict(answer.headers), idempotency_key)
        except PrivateAddress as error:
            return Receipt(Outcome.PERMANENT_TARGET, f"{error}; TOCSIN_WEBHOOK_ALLOW_PRIVATE=true allows it")
        except NOT_HANDED_OVER as error:
            return Receipt(Outcome.TRANSIENT, f"not handed over: {error or type(error).__name__}")
        except LOST as error:
            said = f"no answer after the request was handed over: {error or type(error).__name__}"
            return Receipt(Outcome.UNKNOWN, said) if handed_over else Receipt(Outcome.TRANSIENT, f"not handed over: {type(error).__name__}")

    def _headers(self, outgoing: Outgoing, key: str, content: bytes) -> list[tuple[bytes, bytes]]:
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "tocsin",
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": self._secret.sign(key, timestamp, content),
        }
        if outgoing.page.resent_after_unknown:
            headers["x-tocsin-resent"] = "unknown-outcome"
        return [(name.encode(), value.encode()) for name, value in headers.items()]


@asynccontextmanager
async def webhook_channel(secret: WebhookSecret, allow_private: bool, clock: Clock) -> AsyncIterator[WebhookChannel]:
    """The channel and its connections; closed at the end."""
    network = GuardedNetwork(allow_private=allow_private)
    pool = httpcore.AsyncConnectionPool(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 2, keepalive_expiry=KEPT_SECONDS, network_backend=network
    )
    async with pool:
        yield WebhookChannel(pool, secret, clock)


def body(outgoing: Outgoing) -> bytes:
    """The JSON that is sent."""
    page, incident = outgoing.page, outgoing.incident
    said: dict[str, object] = {
        "type": f"page.{page.kind.value.lower()}",
        "timestamp": page.created_at.isoformat(),
        "page": {
            "id": page.id,
            "kind": page.kind.value,
            "responder": page.responder,
            "contact_method": page.contact_method,
            "subject": page.subject,
            "body": page.body,
            "reason": page.reason,
            "summons_id": page.summons_id,
            "attempt": page.attempts,
            "resent_after_unknown": page.resent_after_unknown,
        },
        "acknowledge_url": outgoing.acknowledge_url,
    }
    if incident is not None:
        said["incident"] = {
            "id": incident.id,
            "number": incident.number,
            "title": incident.title,
            "summary": incident.summary,
            "severity": incident.severity,
            "service": incident.service,
            "state": incident.state.value,
            "opened_at": incident.opened_at.isoformat(),
            "acknowledged_by": incident.acknowledged_by,
            "url": outgoing.incident_url,
        }
    return json.dumps(said, ensure_ascii=False).encode()


def read_answer(status: int, headers: Mapping[bytes, bytes], key: str) -> Receipt:
    """What an HTTP status means for the page."""
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return Receipt(Outcome.DELIVERED, said, key)
    if status == 429:
        return Receipt(Outcome.THROTTLED, said, retry_after=_retry_after(headers))
    if status in (408, 425) or status >= 500:
        return Receipt(Outcome.TRANSIENT, said, retry_after=_retry_after(headers))
    if 300 <= status < 400:
        return Receipt(Outcome.PERMANENT_TARGET, f"{said}: redirects are not followed")
    return Receipt(Outcome.PERMANENT_TARGET if status in (404, 410) else Outcome.PERMANENT_CONFIG, said)


def _retry_after(headers: Mapping[bytes, bytes]) -> timedelta | None:
    value = next((value for name, value in headers.items() if name.lower() == b"retry-after"), b"")
    return timedelta(seconds=min(int(value), 86400)) if value.isdigit() else None


async def _drain(answer: httpcore.Response) -> None:
    """Read the answer, so that its connection can be used again; more than the limit is left unread."""
    size = 0
    async for chunk in answer.aiter_stream():
        size += len(chunk)
        if size > LONGEST_ANSWER:
            return


@asynccontextmanager
async def open_webhook(settings: WebhookSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The signer and its connections, if a secret is set."""
    if settings.webhook_secret_file is None:
        yield (Account("webhook", Off("webhooks are off: TOCSIN_WEBHOOK_SECRET_FILE is not set")),)
        return
    secret = WebhookSecret(settings.webhook_secret_file.read_text())
    async with webhook_channel(secret, settings.webhook_allow_private, around.clock) as channel:
        yield (Account("webhook", channel),)


def host(address: str) -> str:
    """Whose server it is: a slow one holds up only its own pages."""
    return urlsplit(address).netloc.lower()


KIND = ChannelKind(Channel.WEBHOOK, "webhook", url_flaw, open_webhook, host)
