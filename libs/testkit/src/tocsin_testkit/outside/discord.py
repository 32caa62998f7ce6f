"""A stand-in for Discord: messages of bots and webhooks, nonces, and signed interactions, bad ones too."""

import json
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

TOKEN = "discord-token"
ALICE = "80351110224678912"
OPS = "41771983423143937"
HOOK = "223704706495545344/3d89bb7572e0fb30d8128367b3b1b44fecd1726de135cbe28a41f8b2f777c372ba2939e72279b94526ff5d1bd4358d65cf11"
EPOCH_MS = 1_420_070_400_000


@dataclass
class DiscordMessage:
    """A message as people see it now."""

    channel: str
    id: str
    said: dict[str, Any]
    edits: int = 0

    @property
    def text(self) -> str:
        """All words in it."""
        return "\n".join([self.said.get("content", ""), *(embed.get("description", "") for embed in self.said.get("embeds", []))])

    @property
    def footer(self) -> str:
        """What is written small below it."""
        found: str = self.said["embeds"][0]["footer"]["text"]
        return found

    @property
    def buttons(self) -> dict[str, str]:
        """What comes back, by the label of the button."""
        rows = self.said.get("components", [])
        return {button["label"]: button["custom_id"] for row in rows for button in row["components"] if "custom_id" in button}


class FakeDiscord(OutsideServer):
    """One server with one channel and its webhook, and somebody who takes direct messages."""

    def __init__(self, now: float | None = None) -> None:
        super().__init__()
        self.messages: list[DiscordMessage] = []
        self.key = Ed25519PrivateKey.generate()
        self._nonces: dict[str, DiscordMessage] = {}
        self._now = now

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return f"{self.url}/api/v10"

    @property
    def webhook_url(self) -> str:
        """The channel's webhook."""
        return f"{self.url}/api/webhooks/{HOOK}"

    @property
    def public_key(self) -> str:
        """The application's public key, in hex."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Discord's rules."""
        path = request.path.removeprefix("/api/v10").removeprefix("/api").strip("/").split("/")
        if path[0] == "webhooks":
            return self._webhook(request, "/".join(path[1:3]), path[3:])
        if request.headers.get("authorization") != f"Bot {TOKEN}":
            return _no(401, 0, "401: Unauthorized")
        match request.method, path:
            case "POST", ["users", "@me", "channels"]:
                known = request.json.get("recipient_id") == ALICE
                return as_json({"id": f"9{ALICE}", "type": 1}) if known else _no(400, 50033, "Invalid Recipient(s)")
            case "POST", ["channels", channel, "messages"]:
                return self._post(channel, request.json)
            case "GET", ["channels", channel, "messages"]:
                return self._listed(channel, request.query)
            case "PATCH", ["channels", channel, "messages", id]:
                return self._patch(channel, id, request.json)
            case _:
                return _no(404, 0, "404: Not Found")

    def _post(self, channel: str, said: dict[str, Any]) -> HttpResponse:
        plan = self.planned()
        if refused := self._refused(plan, said):
            return refused
        if plan is Plan.TARGET or channel not in (OPS, f"9{ALICE}"):
            return _no(403, 50007, "Cannot send messages to this user")
        nonce = str(said.get("nonce", ""))
        if len(nonce) > 25:
            return _no(400, 50035, "Invalid Form Body")
        if said.get("enforce_nonce") and nonce in self._nonces:
            first = self._nonces[nonce]
            return as_json({"id": first.id, **first.said})
        message = self._kept(channel, said)
        if nonce:
            self._nonces[nonce] = message
        return as_json({"id": message.id, "channel_id": channel, **said}, then=plan)

    def forget_nonces(self) -> None:
        """Some minutes go by."""
        self._nonces.clear()

    def _refused(self, plan: Plan, said: Any) -> HttpResponse | None:
        if plan is Plan.THROTTLE:
            content = {"message": "You are being rate limited.", "retry_after": 1.337, "global": False}
            return as_json(content, 429, retry_after="2", x_ratelimit_scope="user")
        if plan is Plan.REFUSE_NOW:
            return HttpResponse(503)
        if plan is Plan.CONFIG or _flaw(said):
            return _no(400, 50035, "Invalid Form Body")
        return None

    def _kept(self, channel: str, said: dict[str, Any]) -> DiscordMessage:
        at = time.time() if self._now is None else self._now
        message = DiscordMessage(channel, str(((int(at * 1000) - EPOCH_MS) << 22) + len(self.messages) + 1), said)
        self.messages.append(message)
        return message

    def _listed(self, channel: str, query: dict[str, str]) -> HttpResponse:
        after, limit = int(query.get("after", "0")), int(query.get("limit", "50"))
        if not 1 <= limit <= 100:
            return _no(400, 50035, "Invalid Form Body")
        found = [message for message in self.messages if message.channel == channel and int(message.id) > after][:limit]
        return as_json([{"id": message.id, **message.said} for message in reversed(found)])

    def _patch(self, channel: str, id: str, said: dict[str, Any]) -> HttpResponse:
        message = next((message for message in self.messages if (message.channel, message.id) == (channel, id)), None)
        if message is None:
            return _no(404, 10008, "Unknown Message")
        if _flaw(said):
            return _no(400, 50035, "Invalid Form Body")
        message.said = {**message.said, **said}
        message.edits += 1
        return as_json({"id": id, **message.said})

    def _webhook(self, request: HttpRequest, hook: str, below: list[str]) -> HttpResponse:
        if below:
            return self._patch("hook", below[1], request.json) if hook == HOOK else _no(404, 10015, "Unknown Webhook")
        plan = self.planned()
        if refused := self._refused(plan, request.json):
            return refused
        if plan is Plan.TARGET or hook != HOOK:
            return _no(404, 10015, "Unknown Webhook")
        if any("custom_id" in button for row in request.json.get("components", []) for button in row["components"]):
            return _no(400, 50035, "Invalid Form Body")
        message = self._kept("hook", request.json)
        if request.query.get("wait") != "true":
            return HttpResponse(204, then=plan)
        return as_json({"id": message.id, **request.json}, then=plan)

    def press(self, message: DiscordMessage, label: str, now: float, *, user: str = ALICE, id: str = "i1", direct: bool = True) -> Callback:
        """Somebody presses a button."""
        data = {"custom_id": message.buttons[label], "component_type": 2}
        return self.interaction({"type": 3, "id": id, "data": data, "message": {"id": message.id}}, now, user=user, direct=direct)

    def command(self, text: str, now: float, *, user: str = ALICE, id: str = "i1") -> Callback:
        """Somebody types the slash command and a text."""
        data = {"name": "tocsin", "options": [{"name": "answer", "type": 3, "value": text}]}
        return self.interaction({"type": 2, "id": id, "data": data}, now, user=user)

    def interaction(self, content: object, now: float, *, user: str = ALICE, direct: bool = True) -> Callback:
        """Anything at all, signed."""
        who = {"user": {"id": user}} if direct else {"member": {"user": {"id": user}}, "guild_id": "1"}
        body = content if isinstance(content, bytes) else json.dumps({**who, **content} if isinstance(content, dict) else content).encode()
        timestamp = str(int(now))
        signature = self.key.sign(timestamp.encode() + body).hex()
        return Callback({"content-type": "application/json", "x-signature-ed25519": signature, "x-signature-timestamp": timestamp}, body)


def _no(status: int, code: int, message: str) -> HttpResponse:
    return as_json({"code": code, "message": message}, status)


def _flaw(said: Any) -> bool:
    """Discord has something against a message."""
    if not isinstance(said, dict) or len(said.get("content", "")) > 2000 or len(said.get("embeds", [])) > 10:
        return True
    if any(len(embed.get("description", "")) > 4096 or len(embed["footer"]["text"]) > 2048 for embed in said.get("embeds", [])):
        return True
    rows = said.get("components", [])
    return len(rows) > 5 or any(len(row["components"]) not in range(1, 6) or any(map(_bad_button, row["components"])) for row in rows)


def _bad_button(button: dict[str, Any]) -> bool:
    link = button["style"] == 5
    return (
        ("url" in button) != link or ("custom_id" in button) == link or len(button.get("custom_id", "")) > 100 or len(button["label"]) > 80
    )
