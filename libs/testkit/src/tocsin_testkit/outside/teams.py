"""A stand-in for Microsoft Teams: the sign-in, the Bot Connector, workflows, and the signed activities that it sends to a bot."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from joserfc import jwt
from joserfc.jwk import RSAKey

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

APP_ID = "0f0f0f0f-1111-4222-8333-444444444444"
APP_SECRET = "the-client-secret"
TENANT = "0e0e0e0e-1111-4222-8333-444444444444"
ALICE = "0a0a0a0a-1111-4222-8333-444444444444"
CHANNEL = "19:0123456789abcdef@thread.tacv2"
SIG = "workflow-signature"
SCOPE = "https://api.botframework.com/.default"
LARGEST = 28_672


@dataclass
class TeamsMessage:
    """A message as people see it now. In a thread of a channel `conversation` ends with the root's id."""

    conversation: str
    id: str
    said: dict[str, Any]
    edits: int = 0

    @property
    def card(self) -> dict[str, Any]:
        """Its Adaptive Card."""
        content: dict[str, Any] = self.said["attachments"][0]["content"]
        return content

    @property
    def text(self) -> str:
        """All words in it, and where its links lead."""
        if "attachments" not in self.said:
            return str(self.said.get("text", ""))
        runs = [run["text"] for block in self.card["body"] for run in block["inlines"]]
        return "\n".join([*runs, *(action.get("url", "") for action in self.card["actions"])])

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """What comes back to the bot when it is pressed, by verb."""
        return {action["verb"]: action for action in self.card["actions"] if action["type"] == "Action.Execute"}


class FakeTeams(OutsideServer):
    """One tenant with the bot installed for some people and in one channel. With `pace` bursts are throttled, without Retry-After."""

    def __init__(self, people: tuple[str, ...] = (ALICE,)) -> None:
        super().__init__()
        self.people = set(people)
        self.messages: list[TeamsMessage] = []
        self.posted_by_workflow: list[TeamsMessage] = []
        self.key = RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig"})
        self.endorsements: list[str] = ["msteams"]
        self.tokens: set[str] = set()
        self.token_seconds = 3600
        self.signed_in = 0
        self.keys_asked = 0
        self.pace = False
        self.clock: Callable[[], float] = time.monotonic
        self._number = 0
        self._sent: dict[str, list[float]] = {}

    @property
    def service_url(self) -> str:
        """Where the connector is."""
        return f"{self.url}/teams"

    @property
    def login_url(self) -> str:
        """Where tokens are."""
        return f"{self.url}/{TENANT}/oauth2/v2.0/token"

    @property
    def openid_url(self) -> str:
        """Where the keys are announced."""
        return f"{self.url}/v1/.well-known/openidconfiguration"

    @property
    def workflow_url(self) -> str:
        """A workflow's address."""
        return f"{self.url}/workflows/w1/triggers/manual/paths/invoke?api-version=1&sig={SIG}"

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The rules of all four."""
        if request.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._sign_in(request)
        if request.path == "/v1/.well-known/openidconfiguration":
            return as_json({"issuer": "https://api.botframework.com", "jwks_uri": f"{self.url}/v1/.well-known/keys"})
        if request.path == "/v1/.well-known/keys":
            self.keys_asked += 1
            return as_json({"keys": [{**self.key.as_dict(private=False), "endorsements": self.endorsements}]})
        if request.path.startswith("/workflows/"):
            return self._workflow(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _no(401, "Unauthorized")
        return self._connector(request)

    def _sign_in(self, request: HttpRequest) -> HttpResponse:
        form = request.form
        if form.get("client_id") != APP_ID or form.get("client_secret") != APP_SECRET:
            return as_json({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return as_json({"error": "invalid_scope"}, 400)
        self.signed_in += 1
        token = f"token-{self.signed_in}"
        self.tokens.add(token)
        return as_json({"token_type": "Bearer", "expires_in": self.token_seconds, "access_token": token})

    def _connector(self, request: HttpRequest) -> HttpResponse:
        parts = [unquote(part) for part in request.path.removeprefix("/teams/v3/conversations").split("/") if part]
        match request.method, parts:
            case "POST", []:
                return self._open(request.json)
            case "POST", [conversation, "activities"]:
                return self._post(conversation, request)
            case "PUT", [conversation, "activities", id]:
                return self._put(conversation, id, request.json)
            case _:
                return _no(404, "NotFound")

    def _open(self, asked: dict[str, Any]) -> HttpResponse:
        members = asked.get("members") or []
        if asked.get("isGroup") is not False or len(members) != 1 or asked.get("tenantId") != TENANT:
            return _no(400, "BadSyntax")
        person = members[0]["id"]
        return as_json({"id": f"a:{person}"}, 201) if person in self.people else _no(403, "BotNotInConversationRoster")

    def _post(self, conversation: str, request: HttpRequest) -> HttpResponse:
        plan = self.planned()
        if plan is Plan.THROTTLE or (self.pace and self._too_fast(conversation)):
            return _no(429, "TooManyRequests")
        if plan is Plan.REFUSE_NOW:
            return _no(503, "ServiceUnavailable")
        if plan is Plan.TARGET or not self._known(conversation):
            return _no(403, "BotNotInConversationRoster")
        if plan is Plan.CONFIG:
            return _no(400, "BadSyntax")
        if len(request.raw) > LARGEST:
            return _no(413, "MessageSizeTooBig")
        if flaw := _flaw(request.json):
            return _no(400, flaw)
        self._number += 1
        message = TeamsMessage(conversation, str(1_700_000_000_000 + self._number), request.json)
        self.messages.append(message)
        return as_json({"id": message.id}, 201, plan)

    def _too_fast(self, conversation: str) -> bool:
        """Seven in a second, and eight in two, are allowed."""
        now = self.clock()
        sent = [at for at in self._sent.get(conversation, []) if now - at < 2.0]
        refused = len(sent) >= 8 or sum(now - at < 1.0 for at in sent) >= 7
        self._sent[conversation] = sent if refused else [*sent, now]
        return refused

    def _put(self, conversation: str, id: str, said: dict[str, Any]) -> HttpResponse:
        message = next((message for message in self.messages if (message.conversation, message.id) == (conversation, id)), None)
        if message is None:
            return _no(404, "ActivityNotFoundInConversation")
        if flaw := _flaw(said):
            return _no(400, flaw)
        message.said = said
        message.edits += 1
        return as_json({"id": id})

    def _known(self, conversation: str) -> bool:
        root = conversation.partition(";messageid=")
        if root[1]:
            return any((message.conversation, message.id) == (root[0], root[2]) for message in self.messages)
        return conversation == CHANNEL or conversation.removeprefix("a:") in self.people

    def _workflow(self, request: HttpRequest) -> HttpResponse:
        plan = self.planned()
        if plan is Plan.THROTTLE:
            return HttpResponse(429, headers={"retry-after": "2"})
        if plan is Plan.REFUSE_NOW:
            return HttpResponse(503)
        if plan is Plan.TARGET:
            return HttpResponse(404)
        if request.query.get("sig") != SIG:
            return HttpResponse(401)
        if plan is Plan.CONFIG or len(request.raw) > LARGEST or _flaw(request.json):
            return HttpResponse(400)
        self.posted_by_workflow.append(TeamsMessage("workflow", str(len(self.posted_by_workflow)), request.json))
        return HttpResponse(202, then=plan)

    def invoke(self, message: TeamsMessage, verb: str, now: float | None = None, *, person: str = ALICE, id: str = "f:1") -> Callback:
        """Somebody presses a button of a card in a client of today."""
        action = message.buttons[verb]
        value = {"action": {name: action[name] for name in ("type", "id", "verb", "data")}, "trigger": "manual"}
        activity = self.activity("invoke", person, id, name="adaptiveCard/action", value=value, replyToId=message.id)
        return self.signed(activity, now)

    def submit(self, message: TeamsMessage, verb: str, now: float | None = None, *, person: str = ALICE, id: str = "f:1") -> Callback:
        """Somebody presses the same button in a client of yesterday."""
        return self.signed(self.activity("message", person, id, value=message.buttons[verb]["fallback"]["data"]), now)

    def writes(self, text: str, now: float | None = None, *, person: str = ALICE, id: str = "f:1") -> Callback:
        """Somebody writes to the bot."""
        return self.signed(self.activity("message", person, id, text=text), now)

    def activity(self, kind: str, person: str, id: str, **more: Any) -> dict[str, Any]:
        """An activity as Teams sends it."""
        return {
            "type": kind,
            "id": id,
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": f"29:{person}", "aadObjectId": person},
            "conversation": {"id": f"a:{person}", "tenantId": TENANT},
            "recipient": {"id": f"28:{APP_ID}"},
            "channelData": {"tenant": {"id": TENANT}},
            **more,
        }

    def signed(self, activity: object, now: float | None = None, *, algorithm: str = "RS256", **claims: Any) -> Callback:
        """The request with its token; `claims` replaces what Teams would say."""
        at = int(time.time() if now is None else now)
        said = {
            "iss": "https://api.botframework.com",
            "aud": APP_ID,
            "serviceurl": self.service_url,
            "nbf": at - 10,
            "exp": at + 3600,
            **claims,
        }
        header = {"alg": algorithm, "kid": "key-1", "typ": "JWT"}
        token = jwt.encode(header, said, self.key) if algorithm == "RS256" else self._forged(header, said)
        return Callback({"authorization": f"Bearer {token}", "content-type": "application/json"}, _bytes(activity))

    def _forged(self, header: dict[str, str], claims: dict[str, Any]) -> str:
        """What libraries refuse to make: a signature with the public key as the secret of HS256, or none at all."""
        text = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        digest = hmac.new(self.key.as_pem(private=False), text.encode(), hashlib.sha256).digest()
        return f"{text}.{_base64(digest) if header['alg'] == 'HS256' else ''}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(activity: object) -> bytes:
    return activity if isinstance(activity, bytes) else json.dumps(activity).encode()


def _no(status: int, code: str) -> HttpResponse:
    return as_json({"error": {"code": code, "message": code}}, status)


def _flaw(said: Any) -> str:
    """What Teams has against a message; empty if nothing."""
    if not isinstance(said, dict) or said.get("type") != "message":
        return "BadSyntax"
    if "attachments" not in said:
        return "" if said.get("text") else "BadSyntax"
    for attachment in said["attachments"]:
        content = attachment.get("content", {})
        if attachment.get("contentType") != "application/vnd.microsoft.card.adaptive" or content.get("type") != "AdaptiveCard":
            return "BadSyntax"
        if any(action["type"] == "Action.Execute" and content.get("version", "") < "1.4" for action in content.get("actions", [])):
            return "BadSyntax"
    return ""
