"""Webhooks: an HTTP POST of JSON, signed by the Standard Webhooks scheme."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.http import Answer, Http, Lost, http_client
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """What webhooks need."""

    webhook_secret_file: Path | None = setting(
        "TOCSIN_WEBHOOK_SECRET_FILE",
        "file with the Standard Webhooks secret (whsec_…), one a line while it is exchanged; empty: webhooks are off and their pages fail",
        default=None,
    )
    webhook_allow_private: bool = setting(
        "TOCSIN_WEBHOOK_ALLOW_PRIVATE", "true lets webhooks go to private and loopback addresses", default=False
    )
    webhook_private_hosts: str = setting(
        "TOCSIN_WEBHOOK_PRIVATE_HOSTS",
        "the hosts (host or host:port, with commas between) that are private and may be reached all the same",
        default="",
    )
    webhook_updates: bool = setting(
        "TOCSIN_WEBHOOK_UPDATES",
        "true tells webhooks how the incident of a page goes on (page.updated) instead of sending another page (page.taken, page.resolved)",
        default=False,
    )


class WebhookSecret:
    """A Standard Webhooks signing secret, or several while one is exchanged for another: every one signs, and one that fits is enough."""

    def __init__(self, text: str) -> None:
        """Raises ValueError unless `text` is lines of whsec_ and base64."""
        self._keys = [_key(line) for line in text.split()]
        if not self._keys:
            raise ValueError("the webhook secret must be whsec_ and base64")

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The value of the webhook-signature header."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in self._keys]
        return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _key(line: str) -> bytes:
    prefix, _, encoded = line.partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if prefix != "whsec" or not key:
        raise ValueError("the webhook secret must be whsec_ and base64")
    return key


class WebhookChannel(OneWay):
    """Hands pages to HTTP servers. Connections are kept for the next page to the same one; redirects are failures."""

    def __init__(self, http: Http, secret: WebhookSecret, clock: Clock) -> None:
        self._http = http
        self._secret = secret
        self._clock = clock

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. An answer of success means delivered: the receiver itself has it."""
        return await self._post(outgoing, idempotency_key, body(outgoing), seconds)

    async def _post(self, outgoing: Outgoing, event_id: str, content: bytes, seconds: float) -> Receipt:
        headers = self._headers(outgoing, event_id, content)
        try:
            answer = await self._http.ask("POST", outgoing.page.address, seconds=seconds, headers=headers, content=content)
        except Lost as lost:
            return _hinted(lost.receipt)
        return read_answer(answer, event_id)

    def _headers(self, outgoing: Outgoing, event_id: str, content: bytes) -> dict[str, str]:
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": self._secret.sign(event_id, timestamp, content),
        }
        if outgoing.page.resent_after_unknown:
            headers["x-tocsin-resent"] = "unknown-outcome"
        return headers


class UpdatingWebhookChannel(WebhookChannel):
    """For receivers that keep what they are told: instead of another page they get what became of the one that they have."""

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. How the incident goes on is an event of its own, with the same id however often it is sent."""
        if outgoing.incident is None and not outgoing.is_decided:
            return None
        news = outgoing.incident.version if outgoing.incident is not None and not outgoing.is_decided else "decided"
        event_id = f"{outgoing.page.id}-{news}"
        return await self._post(outgoing, event_id, body(outgoing, "page.updated", self._clock.now()), seconds)


@asynccontextmanager
async def webhook_channel(
    secret: WebhookSecret, allow_private: bool, clock: Clock, updates: bool = False, private_hosts: Iterable[str] = ()
) -> AsyncIterator[WebhookChannel]:
    """The channel and its connections; closed at the end."""
    async with http_client(private_hosts, allow_private=allow_private) as http:
        yield (UpdatingWebhookChannel if updates else WebhookChannel)(http, secret, clock)


def body(outgoing: Outgoing, event: str = "", at: datetime | None = None) -> bytes:
    """The JSON that is sent; the event is named after the page unless it is another one."""
    page, incident = outgoing.page, outgoing.incident
    said: dict[str, object] = {
        "type": event or f"page.{page.kind.value.lower()}",
        "timestamp": (at or page.created_at).isoformat(),
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


def read_answer(answer: Answer, event_id: str) -> Receipt:
    """What an HTTP answer means for the page."""
    said = f"HTTP {answer.status}"
    match answer.status:
        case status if 200 <= status < 300:
            return Receipt(Outcome.DELIVERED, said, event_id)
        case 429:
            return Receipt(Outcome.THROTTLED, said, retry_after=answer.retry_after)
        case status if status in (408, 425) or status >= 500:
            return Receipt(Outcome.TRANSIENT, said, retry_after=answer.retry_after)
        case status if 300 <= status < 400:
            return Receipt(Outcome.PERMANENT_TARGET, f"{said}: redirects are not followed")
        case 404 | 410:
            return Receipt(Outcome.PERMANENT_TARGET, said)
        case _:
            return Receipt(Outcome.PERMANENT_CONFIG, said)


def _hinted(receipt: Receipt) -> Receipt:
    if receipt.outcome is not Outcome.PERMANENT_TARGET:
        return receipt
    return Receipt(receipt.outcome, f"{receipt.detail}; TOCSIN_WEBHOOK_ALLOW_PRIVATE=true allows it")


@asynccontextmanager
async def open_webhook(settings: WebhookSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The signer and its connections, if a secret is set."""
    if settings.webhook_secret_file is None:
        yield (Account("webhook", Off("webhooks are off: TOCSIN_WEBHOOK_SECRET_FILE is not set")),)
        return
    secret = WebhookSecret(settings.webhook_secret_file.read_text())
    allowed = [name.strip() for name in settings.webhook_private_hosts.split(",") if name.strip()]
    async with webhook_channel(secret, settings.webhook_allow_private, around.clock, settings.webhook_updates, allowed) as channel:
        yield (Account("webhook", channel),)


def host(address: str) -> str:
    """Whose server it is: a slow one holds up only its own pages."""
    return urlsplit(address).netloc.lower()


KIND = ChannelKind(Channel.WEBHOOK, "webhook", url_flaw, open_webhook, host)
