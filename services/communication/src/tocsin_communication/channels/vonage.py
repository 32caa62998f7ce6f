"""SMS by Vonage (Messages API): a second provider, so that an outage of the first one wakes nobody too late."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from tocsin_chassis.settings import setting
from tocsin_communication.channels.account_files import read_accounts
from tocsin_communication.channels.channel import OneWay, Outgoing, Surroundings
from tocsin_communication.channels.http import Answer, Http, Lost
from tocsin_communication.channels.inbound import (
    BadRequest,
    BadSignature,
    Delivered,
    InboundAnswer,
    InboundEvent,
    InboundRequest,
    NoInbound,
    OptOut,
    Said,
    Seen,
    Undelivered,
)
from tocsin_communication.channels.refusal import clipped, of_status
from tocsin_communication.channels.short import START, STOP, is_word, sender_flaw, text
from tocsin_communication.channels.twilio import called_back, page_of
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

API = "https://api.nexmo.com"
VALID_SECONDS = 900
FRESH = timedelta(minutes=5)
ALGORITHMS = ["HS256"]


@dataclass(frozen=True, kw_only=True)
class VonageSettings:
    """What SMS by Vonage need."""

    vonage_accounts_file: Path | None = setting(
        "TOCSIN_VONAGE_ACCOUNTS_FILE",
        "JSON file with Vonage accounts for SMS, used after those of Twilio: channels/README.md shows one; empty: none",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class VonageAccount:
    """One account, as the file has it."""

    name: str
    api_key: str
    api_secret: str
    signature_secret: str
    sms_from: str
    url: str = API

    @property
    def hears(self) -> bool:
        """People can answer its SMS: not if the sender is a word."""
        return not is_word(self.sms_from)


def vonage_accounts(path: Path | None) -> tuple[VonageAccount, ...]:
    """The accounts of a file; none without one. Raises ValueError."""
    return read_accounts(path, VonageAccount, lambda account: f"sms_from {flaw}" if (flaw := sender_flaw(account.sms_from)) else "")


class VonageSms(OneWay):
    """Hands SMS to one account. It has no idempotency key and no look-up: what is not known goes out again, marked as such."""

    def __init__(self, http: Http, account: VonageAccount, around: Surroundings) -> None:
        self._http = http
        self._account = account
        self._around = around

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        account, page = self._account, outgoing.page
        message = {
            "channel": "sms",
            "message_type": "text",
            "to": page.address.removeprefix("+"),
            "from": account.sms_from.removeprefix("+"),
            "text": text(outgoing, page.resent_after_unknown, account.hears),
            "ttl": VALID_SECONDS,
            "client_ref": idempotency_key[:40],
        }
        if called_back(self._around.public_url):
            message["webhook_url"] = self._around.hook(Channel.SMS, f"{account.name}/status?page={page.id}")
        credentials = base64.b64encode(f"{account.api_key}:{account.api_secret}".encode()).decode()
        headers = {"authorization": f"Basic {credentials}"}
        try:
            answer = await self._http.ask_json("POST", f"{account.url.rstrip('/')}/v1/messages", message, seconds=seconds, headers=headers)
        except Lost as lost:
            return lost.receipt
        return _read(answer)

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: `status` says what became of a message, `reply` brings what somebody wrote."""
        kind = request.path.rpartition("/")[2]
        if kind not in ("status", "reply"):
            raise NoInbound()
        told = proven(request, self._account, self._around.clock)
        uuid = told.get("message_uuid")
        if not isinstance(uuid, str) or not uuid:
            raise BadRequest("a message has a message_uuid")
        return InboundAnswer(self._status(told, uuid, page_of(request)) if kind == "status" else _reply(told, uuid))

    def _status(self, told: Mapping[str, Any], uuid: str, page: str) -> tuple[InboundEvent, ...]:
        status, now = told.get("status"), self._around.clock.now()
        dedup = f"{uuid}:{status}"
        match status:
            case "delivered":
                return (Delivered(dedup_id=dedup, at=now, provider_id=uuid, page_id=page),)
            case "read":
                return (Seen(dedup_id=dedup, at=now, provider_id=uuid, page_id=page),)
            case "rejected" | "undeliverable":
                error = told.get("error")
                said = f"{error.get('title', '')} {error.get('detail', '')}" if isinstance(error, dict) else ""
                why = clipped(f"the SMS was not delivered: {status} {said}")
                return (Undelivered(dedup_id=dedup, why=why, outcome=Outcome.TRANSIENT, provider_id=uuid, page_id=page),)
        return ()


def proven(request: InboundRequest, account: VonageAccount, clock: Clock) -> Mapping[str, Any]:
    """What a callback says, once its token fits it: signed by the account's secret, for this very body, just now. Raises BadSignature."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        claims = jwt.decode(token, OctKey.import_key(account.signature_secret), algorithms=ALGORITHMS).claims
        age = abs(clock.now().timestamp() - float(claims["iat"]))
        hashed = str(claims["payload_hash"]).lower().encode()
    except (JoseError, ValueError, KeyError, TypeError):
        raise BadSignature("the token does not fit; is signature_secret that of the account?") from None
    if scheme.lower() != "bearer" or not hmac.compare_digest(hashed, hashlib.sha256(request.body).hexdigest().encode()):
        raise BadSignature("the token is for another body")
    if not age <= FRESH.total_seconds():
        raise BadSignature("the token is too old; do the clocks agree?")
    try:
        told = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(told, dict):
        raise BadRequest("the body is no JSON object")
    return told


def _reply(told: Mapping[str, Any], uuid: str) -> tuple[InboundEvent, ...]:
    sender, said = told.get("from"), told.get("text")
    if not isinstance(sender, str) or not isinstance(said, str):
        raise BadRequest("an SMS has from and text")
    address, word = f"+{sender.removeprefix('+')}", said.strip().upper()
    if word in STOP or word in START:
        return (OptOut(dedup_id=uuid, address=address, again=word in START),)
    return (Said(dedup_id=uuid, address=address, text=said),)


def _read(answer: Answer) -> Receipt:
    uuid = str(answer.json.get("message_uuid") or "")
    if answer.success:
        return Receipt(Outcome.ACCEPTED if uuid else Outcome.UNKNOWN, f"Vonage: HTTP {answer.status}", uuid)
    problem = answer.json
    said = f"Vonage: {problem.get('title') or ''} {problem.get('detail') or ''}"
    flawed = problem.get("invalid_parameters")
    if answer.status == 422 and isinstance(flawed, list) and any(isinstance(each, dict) and each.get("name") == "to" for each in flawed):
        return Receipt(Outcome.PERMANENT_TARGET, clipped(f"{said}: to"))
    if answer.status == 404:
        return Receipt(Outcome.PERMANENT_CONFIG, clipped(said))
    return of_status(answer.status, said, answer.retry_after)
