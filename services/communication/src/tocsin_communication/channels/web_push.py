"""Web Push: to a browser, by the push service of its maker. The console's service worker shows the page and says that it did."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, Outgoing, Surroundings
from tocsin_communication.channels.http import Answer, Http, Lost, http_client
from tocsin_communication.channels.inbound import (
    BadRequest,
    BadSignature,
    Delivered,
    HttpAnswer,
    InboundAnswer,
    InboundRequest,
    NoInbound,
    Registered,
    Result,
    Seen,
)
from tocsin_communication.channels.refusal import clipped, of_status
from tocsin_communication.channels.web_push_secrecy import ServerKey, Subscription, SubscriptionFlawed, encrypt, padless
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt

# As long as a page itself is tried: an older one would only confuse.
KEPT_SECONDS = 900
# A push message has 3993 bytes in all; links take up to a thousand of them.
LONGEST_BODY = 2000
LONGEST_TITLE = 600
LONGEST_CODE = 100
RESENT = "You may have had this page before."


@dataclass(frozen=True, kw_only=True)
class WebPushSettings:
    """What Web Push needs."""

    web_push_key_file: Path | None = setting(
        "TOCSIN_WEB_PUSH_KEY_FILE",
        "file with the private VAPID key, P-256 as PEM or base64url; a new one makes all subscriptions void; "
        "empty: Web Push is off and its pages fail",
        default=None,
    )
    web_push_contact: str = setting(
        "TOCSIN_WEB_PUSH_CONTACT", "mailto: or https: address for the push services to complain to; empty: the public URL", default=""
    )
    web_push_allow_private: bool = setting(
        "TOCSIN_WEB_PUSH_ALLOW_PRIVATE", "true lets Web Push go to private and loopback addresses, and without TLS", default=False
    )


def subscription_flaw(address: str) -> str:
    """What is wrong with a subscription; empty if nothing is."""
    try:
        flaw = url_flaw(Subscription.read(address).endpoint)
    except SubscriptionFlawed as error:
        return str(error)
    return f"endpoint {flaw}" if flaw else ""


class WebPushDriver:
    """Sends pages to browsers under one key."""

    def __init__(self, http: Http, key: ServerKey, contact: str, around: Surroundings, allow_private: bool = False) -> None:
        self._http = http
        self._key = key
        self._contact = contact
        self._around = around
        self._allow_private = allow_private

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. Of messages with the same key the push service keeps the newest, and the browser shows one."""
        return await self._push(outgoing, _topic(idempotency_key), seconds)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver: another message under the same topic and tag, without a sound."""
        return await self._push(outgoing, _topic(outgoing.page.id), seconds)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. A repeat is shown in place of the first."""
        return None

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: `key` is what a browser subscribes with, `subscription` confirms one, `shown` and `opened` are receipts."""
        match (request.method, request.path.rpartition("/")[2]):
            case ("GET", "key"):
                return InboundAnswer((), _json(200, {"key": self._key.public}))
            case ("POST", "subscription"):
                return _registered(_object(request.body))
            case ("POST", "shown"):
                page = self._proven(_object(request.body))
                return InboundAnswer((Delivered(dedup_id=f"{page}:shown", at=self._around.clock.now(), page_id=page),))
            case ("POST", "opened"):
                page = self._proven(_object(request.body))
                return InboundAnswer((Seen(dedup_id=f"{page}:opened", at=self._around.clock.now(), page_id=page),))
        raise NoInbound()

    async def _push(self, outgoing: Outgoing, topic: str, seconds: float) -> Receipt:
        try:
            subscription = Subscription.read(outgoing.page.address)
        except SubscriptionFlawed as error:
            return Receipt(Outcome.PERMANENT_TARGET, f"the subscription {error}")
        if not subscription.endpoint.startswith("https://") and not self._allow_private:
            return Receipt(Outcome.PERMANENT_TARGET, "the endpoint is not https; TOCSIN_WEB_PUSH_ALLOW_PRIVATE=true allows it")
        headers = {
            "ttl": str(KEPT_SECONDS),
            "urgency": "high" if _loud(outgoing) else "normal",
            "topic": topic,
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "authorization": self._key.authorization(subscription.origin, self._contact, self._around.clock.now()),
        }
        content = encrypt(subscription, self._plain(outgoing))
        try:
            answer = await self._http.ask("POST", subscription.endpoint, seconds=seconds, headers=headers, content=content)
        except Lost as lost:
            return lost.receipt
        return _read(answer, topic)

    def _plain(self, outgoing: Outgoing) -> bytes:
        """What the service worker gets; channels/README.md describes it."""
        page = outgoing.page
        told = [_state(outgoing.incident), page.body, RESENT if page.resent_after_unknown else ""]
        said = {
            "page": page.id,
            "proof": self._proof(page.id),
            "receipts": self._around.hook(Channel.WEB_PUSH, ""),
            "tag": page.id,
            "title": _cut(page.subject, LONGEST_TITLE),
            "body": _cut("\n".join(part for part in told if part), LONGEST_BODY),
            "loud": _loud(outgoing),
            "url": outgoing.incident_url,
            "acknowledge_url": outgoing.acknowledge_url,
            "escalate_url": outgoing.escalate_url,
        }
        return json.dumps(said, ensure_ascii=False).encode()

    def _proof(self, page: str) -> str:
        return hmac.new(self._key.secret, f"web push receipt {page}".encode(errors="replace"), hashlib.sha256).hexdigest()

    def _proven(self, said: dict[str, Any]) -> str:
        """The page that a receipt is for. Raises BadSignature."""
        page, proof = str(said.get("page")), str(said.get("proof"))
        if not hmac.compare_digest(proof.encode(errors="replace"), self._proof(page).encode()):
            raise BadSignature("the proof does not fit the page")
        return page


def _registered(said: dict[str, Any]) -> InboundAnswer:
    """A browser that shows the code of a contact method becomes its address."""
    code = said.get("code")
    if not isinstance(code, str) or not 0 < len(code) <= LONGEST_CODE:
        raise BadRequest("code must be the confirmation code of a contact method")
    address = json.dumps(said.get("subscription"))
    flaw = subscription_flaw(address)
    if flaw:
        raise BadRequest(f"subscription {flaw}")

    def told(results: Sequence[Result]) -> HttpAnswer:
        done = any(result.done for result in results)
        return _json(200 if done else 409, {"done": done, "text": " ".join(result.text for result in results if result.text)})

    return InboundAnswer((Registered(code=code, address=str(Subscription.read(address))),), HttpAnswer(), told)


def _read(answer: Answer, topic: str) -> Receipt:
    """What a push service's status means. The body is the browser maker's, for operators."""
    if answer.success:
        return Receipt(Outcome.ACCEPTED, f"the push service has it: HTTP {answer.status}", topic)
    said = answer.body[:200].decode(errors="replace")
    if answer.status in (404, 410):
        return Receipt(Outcome.PERMANENT_TARGET, clipped(f"the browser has no such subscription any more: HTTP {answer.status}"))
    if 300 <= answer.status < 400:
        return Receipt(Outcome.PERMANENT_TARGET, f"HTTP {answer.status}: redirects are not followed; subscribe again")
    return of_status(answer.status, said, answer.retry_after)


def _loud(outgoing: Outgoing) -> bool:
    """It asks for something; what only tells makes no sound."""
    tells = outgoing.page.kind in (Kind.TAKEN, Kind.RESOLVED) or outgoing.is_decided
    return not tells and (outgoing.is_approval or outgoing.incident is None or outgoing.incident.state is IncidentState.OPEN)


def _state(incident: Incident | None) -> str:
    if incident is None or incident.state is IncidentState.OPEN:
        return ""
    if incident.state is IncidentState.RESOLVED:
        return "Resolved" + (f": {incident.resolve_reason}" if incident.resolve_reason else "")
    return f"Taken by {incident.acknowledged_by}"


def _topic(key: str) -> str:
    return padless(hashlib.sha256(key.encode()).digest())[:32]


def _cut(text: str, longest: int) -> str:
    """As much of it as fits when it is written as JSON: a push message has little room."""
    cut = text
    while len(json.dumps(cut, ensure_ascii=False).encode()) > longest:
        cut = cut[: len(cut) * 4 // 5]
    return cut if cut == text else f"{cut}…"


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(read, dict):
        raise BadRequest("the body is no JSON object")
    return read


def _json(status: int, content: object) -> HttpAnswer:
    return HttpAnswer(status, "application/json", json.dumps(content).encode())


def host(address: str) -> str:
    """Whose push service it is: a slow one holds up only its own pages."""
    try:
        return urlsplit(Subscription.read(address).endpoint).netloc.lower()
    except SubscriptionFlawed:
        return ""


@asynccontextmanager
async def open_web_push(settings: WebPushSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The key and the connections, if there is a key."""
    if settings.web_push_key_file is None:
        yield (Account("web-push", Off("Web Push is off: TOCSIN_WEB_PUSH_KEY_FILE is not set")),)
        return
    key = ServerKey.read(settings.web_push_key_file)
    contact = settings.web_push_contact or around.public_url
    if not contact.startswith(("mailto:", "https:")) and not settings.web_push_allow_private:
        raise ValueError("TOCSIN_WEB_PUSH_CONTACT must begin with mailto: or https:, because the public URL does not")
    async with http_client(allow_private=settings.web_push_allow_private) as http:
        yield (Account("web-push", WebPushDriver(http, key, contact, around, settings.web_push_allow_private)),)


KIND = ChannelKind(Channel.WEB_PUSH, "Web Push", subscription_flaw, open_web_push, host)
