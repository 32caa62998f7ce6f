"""A stand-in for Vonage's Messages API for SMS: takes messages, and signs what it calls back with a JSON Web Token."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OctKey

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

NUMBER = re.compile(r"[1-9][0-9]{6,14}")
LONGEST_TEXT = 3200
TTL = range(20, 604_801)
PROBLEM = "https://developer.vonage.com/api-errors"


@dataclass
class Sms:
    """A message that was taken."""

    uuid: str
    to: str
    sender: str
    text: str
    webhook_url: str
    client_ref: str


class Refused(Exception):
    """The answer is a problem of RFC 7807."""

    def __init__(self, status: int, title: str, **more: object) -> None:
        super().__init__(title)
        problem = {"type": f"{PROBLEM}#{status}", "title": title, "detail": title, "instance": "bf0ca0bf927b"}
        self.response = as_json(problem | more, status)


class FakeVonage(OutsideServer):
    """One account. `messages` is the ledger."""

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__()
        self.key, self.secret, self.signature_secret = "abcd1234", "vonage-secret", "the signature secret of the account, 32+"
        self.now = now or datetime.now(UTC)
        self.messages: list[Sms] = []

    async def answer(self, request: HttpRequest) -> HttpResponse:
        try:
            self._authenticate(request)
            if (request.method, request.path) != ("POST", "/v1/messages"):
                raise Refused(404, "Not Found")
            return self._taken(request)
        except Refused as refused:
            return refused.response

    def _authenticate(self, request: HttpRequest) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or base64.b64decode(encoded).decode() != f"{self.key}:{self.secret}":
            raise Refused(401, "Unauthorized")

    def _taken(self, request: HttpRequest) -> HttpResponse:
        asked = request.json
        if not isinstance(asked, dict) or asked.get("channel") != "sms" or asked.get("message_type") != "text":
            raise _invalid("channel", "channel and message_type are needed")
        plan = self.planned()
        self._refuse(plan)
        if plan is Plan.TARGET or not NUMBER.fullmatch(str(asked.get("to", ""))):
            raise _invalid("to", "must be a number without a leading +")
        if not asked.get("from") or str(asked["from"]).startswith("+"):
            raise _invalid("from", "must be a number without a leading +, or a word")
        if not 0 < len(str(asked.get("text", ""))) <= LONGEST_TEXT:
            raise _invalid("text", "is too long")
        if asked.get("ttl", 60) not in TTL or len(str(asked.get("client_ref", ""))) > 100:
            raise _invalid("ttl", "must be from 20 to 604800")
        uuid = str(UUID(int=0xAAAAAAAA00000000 + len(self.messages)))
        made = Sms(uuid, asked["to"], asked["from"], asked["text"], asked.get("webhook_url", ""), asked.get("client_ref", ""))
        self.messages.append(made)
        return as_json({"message_uuid": uuid}, 202, plan)

    def _refuse(self, plan: Plan) -> None:
        if plan is Plan.THROTTLE:
            raise Refused(429, "Rate Limit Hit")
        if plan is Plan.REFUSE_NOW:
            raise Refused(503, "Service Unavailable")
        if plan is Plan.CONFIG:
            raise Refused(402, "Low balance")

    def status(self, message: Sms, status: str, **more: object) -> tuple[str, Callback]:
        """What became of a message, to the address that it named."""
        told = {"message_uuid": message.uuid, "to": message.to, "from": message.sender, "status": status, "channel": "sms"}
        return message.webhook_url, self.signed({**told, "timestamp": self.now.isoformat(), "client_ref": message.client_ref, **more})

    def text(self, url: str, sender: str, text: str, uuid: str = "0000-inbound") -> tuple[str, Callback]:
        """Somebody sends an SMS to our number."""
        told = {"channel": "sms", "message_uuid": uuid, "to": "15550000001", "from": sender.lstrip("+"), "text": text}
        return url, self.signed({**told, "timestamp": self.now.isoformat(), "message_type": "text", "sms": {"num_messages": "1"}})

    def signed(self, content: object, **claims: object) -> Callback:
        """A request as the account signs it; claims may differ."""
        body = json.dumps(content).encode()
        own = {"iss": "Vonage", "iat": int(self.now.timestamp()), "jti": "j1", "api_key": self.key}
        own["payload_hash"] = hashlib.sha256(body).hexdigest()
        key = OctKey.import_key(self.signature_secret)
        token = jwt.encode({"alg": "HS256", "typ": "JWT"}, {**own, **claims}, key)
        return Callback({"content-type": "application/json", "authorization": f"Bearer {token}"}, body)


def _invalid(name: str, reason: str) -> Refused:
    return Refused(422, "Invalid params", invalid_parameters=[{"name": name, "reason": reason}])
