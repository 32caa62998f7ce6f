"""A stand-in for Slack's Web API: it keeps messages, checks what Slack checks, and signs the presses of its buttons."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

TOKEN = "xoxb-0000-tocsin"
APP_TOKEN = "xapp-0000-tocsin"
SIGNING_SECRET = "tocsin-slack-secret"
MOST_USES_OF_A_RESPONSE_URL = 5
LONGEST_PLAIN = {"header": 150, "section": 3000, "button": 75}


@dataclass
class SlackMessage:
    """A message as people see it now."""

    channel: str
    ts: str
    said: dict[str, Any]
    edits: int = 0

    @property
    def text(self) -> str:
        """All words in it."""
        return "\n".join([str(self.said.get("text", "")), *_texts(self.said.get("blocks"))])

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """The buttons, by action id."""
        blocks = [block for block in self.said.get("blocks") or [] if block["type"] == "actions"]
        return {element["action_id"]: element for block in blocks for element in block["elements"]}

    @property
    def page_id(self) -> str:
        """What its metadata says."""
        return str(self.said.get("metadata", {}).get("event_payload", {}).get("page_id", ""))


@dataclass
class ResponseUrl:
    """Where an app may answer a press, a few times."""

    uses: list[dict[str, Any]] = field(default_factory=list)


class FakeSlack(OutsideServer):
    """One workspace with some members and channels. With `pace` a second message to a channel within a second is throttled."""

    def __init__(
        self, members: tuple[str, ...] = ("U0ALICE", "U0BOB"), channels: tuple[str, ...] = ("C0OPS",), now: float | None = None
    ) -> None:
        super().__init__()
        self.now = int(time.time() if now is None else now)
        self.members = set(members)
        self.channels = set(channels)
        self.messages: list[SlackMessage] = []
        self.response_urls: dict[str, ResponseUrl] = {}
        self.pace = False
        self.clock: Callable[[], float] = time.monotonic
        self.socket_url = ""
        self.sockets: list[ServerConnection] = []
        self.tickets: set[str] = set()
        self.confirmed: list[dict[str, Any]] = []
        """What the app has sent back over Socket Mode."""
        self._last: dict[str, float] = {}
        self._number = 0

    async def serve_socket(self, socket: ServerConnection) -> None:
        """One connection of Socket Mode. Its address is good once."""
        ticket = str(socket.request.path if socket.request else "")
        if ticket not in self.tickets:
            await socket.close(4001, "the ticket is not good")
            return
        self.tickets.remove(ticket)
        self.sockets.append(socket)
        await socket.send(json.dumps({"type": "hello", "num_connections": len(self.sockets), "connection_info": {"app_id": "A1"}}))
        try:
            async for frame in socket:
                self.confirmed.append(json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            self.sockets.remove(socket)

    def _open_socket(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("authorization") != f"Bearer {APP_TOKEN}":
            return _no("not_allowed_token_type")
        self._number += 1
        ticket = f"/link/?ticket={self._number}"
        self.tickets.add(ticket)
        return as_json({"ok": True, "url": self.socket_url + ticket})

    async def tell(self, kind: str, payload: dict[str, Any], envelope_id: str = "e-1") -> None:
        """Something happens, and is told over the newest connection."""
        envelope = {"type": kind, "envelope_id": envelope_id, "accepts_response_payload": kind != "events_api", "payload": payload}
        await self.sockets[-1].send(json.dumps(envelope))

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Slack's rules."""
        if request.path.startswith("/response/"):
            return self._respond(request)
        method = request.path.removeprefix("/api/")
        arguments = self._arguments(request, method)
        if arguments is None:
            return _no("invalid_form_data")
        if method == "apps.connections.open":
            return self._open_socket(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth" if "authorization" in request.headers else "not_authed")
        match method:
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "conversations.open":
                return self._open(arguments)
            case "conversations.history" | "conversations.replies":
                return self._history(arguments, thread=str(arguments.get("ts", "")) if method == "conversations.replies" else "")
            case _:
                return _no("unknown_method")

    def _arguments(self, request: HttpRequest, method: str) -> dict[str, Any] | None:
        kind = request.headers.get("content-type", "")
        if kind.startswith("application/json"):
            return {} if method in ("conversations.history", "conversations.replies") else request.json
        if not kind.startswith("application/x-www-form-urlencoded"):
            return None
        form: dict[str, Any] = dict(request.form)
        for name in ("blocks", "metadata", "attachments"):
            if name in form:
                form[name] = json.loads(form[name])
        return form

    def _post(self, said: dict[str, Any]) -> HttpResponse:
        channel = self._channel(str(said.get("channel", "")))
        plan = self.planned()
        if plan is Plan.THROTTLE or (self.pace and channel and self._too_fast(channel)):
            return as_json({"ok": False, "error": "ratelimited"}, 429, retry_after="1")
        if plan is Plan.REFUSE_NOW:
            return as_json({"ok": False, "error": "service_unavailable"}, 503)
        if plan is Plan.TARGET or not channel:
            return _no("channel_not_found")
        if plan is Plan.CONFIG:
            return _no("invalid_auth")
        if flaw := _flaw(said):
            return _no(flaw)
        root = said.get("thread_ts")
        if root and not any(message.ts == root and message.channel == channel for message in self.messages):
            return _no("thread_not_found")
        self._number += 1
        message = SlackMessage(channel, f"{self.now}.{self._number:06d}", said)
        self.messages.append(message)
        return as_json({"ok": True, "channel": channel, "ts": message.ts, "message": {"type": "message", **said}}, then=plan)

    def _update(self, said: dict[str, Any]) -> HttpResponse:
        message = self.message(str(said.get("channel")), str(said.get("ts")))
        if message is None:
            return _no("message_not_found")
        if flaw := _flaw(said):
            return _no(flaw)
        message.said = {**message.said, **said}
        message.edits += 1
        return as_json({"ok": True, "channel": message.channel, "ts": message.ts, "text": said.get("text", "")})

    def _open(self, said: dict[str, Any]) -> HttpResponse:
        user = str(said.get("users", ""))
        return as_json({"ok": True, "channel": {"id": f"D{user[1:]}"}}) if user in self.members else _no("user_not_found")

    def _history(self, asked: dict[str, Any], thread: str) -> HttpResponse:
        """The newest first; replies are only in the thread, unless they were broadcast."""
        channel, oldest = str(asked.get("channel", "")), float(asked.get("oldest", "0"))
        if not self._channel(channel):
            return _no("channel_not_found")
        found = [message for message in self.messages if message.channel == channel and oldest < float(message.ts)]
        found = [message for message in found if _belongs(message.said, message.ts, thread)]
        with_metadata = str(asked.get("include_all_metadata", "")).lower() == "true"
        start, limit = int(asked.get("cursor") or 0), int(asked.get("limit", 100))
        shown = [{"ts": message.ts, **_seen(message.said, with_metadata)} for message in reversed(found)][start : start + limit]
        more = str(start + limit) if start + limit < len(found) else ""
        return as_json({"ok": True, "messages": shown, "has_more": bool(more), "response_metadata": {"next_cursor": more}})

    def _respond(self, request: HttpRequest) -> HttpResponse:
        used = self.response_urls.get(request.path)
        if used is None:
            return HttpResponse(404, b"expired_url")
        if len(used.uses) >= MOST_USES_OF_A_RESPONSE_URL:
            return HttpResponse(404, b"used_url")
        used.uses.append(request.json)
        return HttpResponse(200, b"ok")

    def _channel(self, name: str) -> str:
        """The conversation that a name leads to; empty if to none."""
        if name in self.members:
            return f"D{name[1:]}"
        return name if name in self.channels or (name[:1] == "D" and f"U{name[1:]}" in self.members) else ""

    def _too_fast(self, channel: str) -> bool:
        now, before = self.clock(), self._last.get(channel, float("-inf"))
        self._last[channel] = now
        return now - before < 1.0

    def message(self, channel: str, ts: str) -> SlackMessage | None:
        """The message with that name."""
        return next((message for message in self.messages if (message.channel, message.ts) == (channel, ts)), None)

    def press(self, message: SlackMessage, action: str, user: str, now: float, *, action_ts: str = "1700000009.1") -> Callback:
        """Somebody presses a button; `now` is what the signature says. The same call again is the same press again."""
        return signed(urlencode({"payload": json.dumps(self.pressed(message, action, user, action_ts))}).encode(), now)

    def pressed(self, message: SlackMessage, action: str, user: str, action_ts: str = "1700000009.1") -> dict[str, Any]:
        """The press itself."""
        button = message.buttons[action]
        path = f"/response/{message.ts}/{user}"
        self.response_urls.setdefault(path, ResponseUrl())
        return {
            "type": "block_actions",
            "api_app_id": "A1",
            "team": {"id": "T1", "domain": "acme"},
            "user": {"id": user, "username": user.lower(), "team_id": "T1"},
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": False},
            "channel": {"id": message.channel},
            "message": {"ts": message.ts, "text": message.said.get("text", "")},
            "trigger_id": "123.456.abc",
            "response_url": self.url + path,
            "actions": [{**button, "action_ts": action_ts}],
        }

    def command(self, user: str, text: str, now: float, trigger: str = "1.2.c") -> Callback:
        """Somebody types /tocsin and a text."""
        form = {"command": "/tocsin", "text": text, "user_id": user, "team_id": "T1", "channel_id": "C0OPS", "trigger_id": trigger}
        return signed(urlencode(form).encode(), now)

    def writes(self, user: str, text: str, now: float, event_id: str = "Ev1", retry: int = 0) -> Callback:
        """Somebody writes to the app. A retry has the same event id."""
        event = {"type": "message", "channel_type": "im", "user": user, "text": text, "channel": f"D{user[1:]}", "ts": "1700000010.1"}
        envelope = {"type": "event_callback", "event_id": event_id, "team_id": "T1", "event_time": int(now), "event": event}
        repeated = {"x-slack-retry-num": str(retry), "x-slack-retry-reason": "http_timeout"} if retry else {}
        return signed(json.dumps(envelope).encode(), now, "application/json", **repeated)

    def handshake(self, challenge: str, now: float) -> Callback:
        """The first request to an events address."""
        return signed(json.dumps({"type": "url_verification", "challenge": challenge}).encode(), now, "application/json")


@asynccontextmanager
async def socket_mode(slack: FakeSlack) -> AsyncIterator[FakeSlack]:
    """The stand-in with a server for Socket Mode beside it."""
    async with serve(slack.serve_socket, "127.0.0.1", 0) as server:
        slack.socket_url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield slack


def signed(
    body: bytes, now: float, content_type: str = "application/x-www-form-urlencoded", secret: str = SIGNING_SECRET, **more: str
) -> Callback:
    """A request as Slack signs it."""
    timestamp = str(int(now))
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"content-type": content_type, "x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={digest}", **more}
    return Callback(headers, body)


def _no(error: str) -> HttpResponse:
    return as_json({"ok": False, "error": error})


def _belongs(said: dict[str, Any], ts: str, thread: str) -> bool:
    if thread:
        return said.get("thread_ts") == thread or ts == thread
    return not said.get("thread_ts") or bool(said.get("reply_broadcast"))


def _seen(said: dict[str, Any], with_metadata: bool) -> dict[str, Any]:
    return said if with_metadata else {name: value for name, value in said.items() if name != "metadata"}


def _flaw(said: dict[str, Any]) -> str:
    """What Slack has against a message; empty if nothing."""
    blocks = said.get("blocks") or []
    if not said.get("text") and not blocks:
        return "no_text"
    if len(blocks) > 50 or any(_bad_block(block) for block in blocks):
        return "invalid_blocks"
    if len(json.dumps(blocks)) > 13_000:
        return "msg_blocks_too_long"
    return "metadata_too_large" if len(json.dumps(said.get("metadata", {}))) > 16_000 else ""


def _bad_block(block: dict[str, Any]) -> bool:
    elements = block.get("elements", [])
    match block.get("type"):
        case "header" | "section":
            return not 1 <= len(block["text"]["text"]) <= LONGEST_PLAIN[block["type"]]
        case "context":
            return not 1 <= len(elements) <= 10
        case "actions":
            ids = [element["action_id"] for element in elements]
            return not 1 <= len(elements) <= 25 or len(set(ids)) != len(ids) or any(_bad_button(element) for element in elements)
        case kind:
            return kind != "divider"


def _bad_button(button: dict[str, Any]) -> bool:
    return len(button["text"]["text"]) > LONGEST_PLAIN["button"] or len(button.get("value", "")) > 2000 or len(button.get("url", "")) > 3000


def _texts(found: object) -> list[str]:
    """Every text in blocks."""
    if isinstance(found, dict):
        own = [found["text"]] if isinstance(found.get("text"), str) else []
        return own + [text for value in found.values() if not isinstance(value, str) for text in _texts(value)]
    return [text for item in found for text in _texts(item)] if isinstance(found, list) else []
