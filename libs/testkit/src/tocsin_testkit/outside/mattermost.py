"""A stand-in for a Mattermost server: posts, threads, incoming webhooks, and the presses of buttons, which it does not sign."""

import json
import time
from dataclasses import dataclass
from typing import Any

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

TOKEN = "bot-token-0000"
ME = "b" * 26
OPS = "o" * 26
HOOK = "h" * 26
DEDUPLICATED_SECONDS = 30.0
LONGEST_POST = 16_383


@dataclass
class Post:
    """A post as people see it now."""

    id: str
    channel: str
    said: dict[str, Any]
    at: float
    edits: int = 0

    @property
    def attachment(self) -> dict[str, Any]:
        """What hangs below the message."""
        found: dict[str, Any] = (self.said.get("props") or self.said)["attachments"][0]
        return found

    @property
    def text(self) -> str:
        """All words in it."""
        parts = [self.said.get("message", self.said.get("text", "")), *(self.attachment.get(name, "") for name in ("text", "footer"))]
        return "\n".join(map(str, parts))

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """The buttons, by id."""
        return {action["id"]: action for action in self.attachment.get("actions", [])}


class FakeMattermost(OutsideServer):
    """One server with some people and one channel. A repeat of a pending id within half a minute gives the first post again."""

    def __init__(self, people: tuple[str, ...] = ("alice", "bob"), now: float | None = None) -> None:
        super().__init__()
        self.people = set(people)
        self.posts: list[Post] = []
        self.saving: set[str] = set()
        """Pending ids whose first post is still being saved."""
        self._pending: dict[str, tuple[float, Post]] = {}
        self._now = now

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Mattermost's rules."""
        if request.path.startswith("/hooks/"):
            return self._hook(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no(401, "api.context.session_expired.app_error")
        match request.method, request.path.removeprefix("/api/v4/").split("/"):
            case "GET", ["users", "me"]:
                return as_json({"id": ME, "username": "tocsin"})
            case "GET", ["users", "username", name]:
                return as_json({"id": _user(name)}) if name in self.people else _no(404, "app.user.get_by_username.app_error")
            case "POST", ["channels", "direct"]:
                return self._direct(request.json)
            case "GET", ["channels", channel, "posts"]:
                return self._list(channel, request)
            case "POST", ["posts"]:
                return self._post(request.json)
            case "PUT", ["posts", id, "patch"]:
                return self._patch(id, request.json)
            case _:
                return _no(404, "api.context.404.app_error")

    def _direct(self, pair: Any) -> HttpResponse:
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] != ME or pair[1] not in map(_user, self.people):
            return _no(400, "api.context.invalid_body_param.app_error")
        return as_json({"id": _direct(pair[1]), "type": "D"}, 201)

    def _post(self, said: dict[str, Any]) -> HttpResponse:
        plan = self.planned()
        pending = str(said.get("pending_post_id", ""))
        if plan is Plan.THROTTLE:
            return HttpResponse(429, b"limit exceeded", {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"})
        if plan is Plan.REFUSE_NOW:
            return HttpResponse(503)
        if plan is Plan.TARGET or not self._known(str(said.get("channel_id"))):
            return _no(403, "api.context.permissions.app_error")
        if plan is Plan.CONFIG:
            return _no(401, "api.context.session_expired.app_error")
        if pending in self.saving:
            return _no(500, "api.post.deduplicate_create_post.pending")
        at, first = self._pending.get(pending, (0.0, None))
        if first is not None and time.monotonic() - at < DEDUPLICATED_SECONDS:
            return as_json({"id": first.id, **first.said}, 201)
        if flaw := self._flaw(said):
            return _no(400, flaw)
        post = self._kept(str(said["channel_id"]), said)
        if pending:
            self._pending[pending] = (time.monotonic(), post)
        return as_json({"id": post.id, "create_at": int(post.at * 1000), **said}, 201, plan)

    def forget_pending(self) -> None:
        """Half a minute goes by."""
        self._pending.clear()

    def _kept(self, channel: str, said: dict[str, Any]) -> Post:
        post = Post(f"p{len(self.posts):025d}", channel, said, time.time() if self._now is None else self._now)
        self.posts.append(post)
        return post

    def _flaw(self, said: dict[str, Any]) -> str:
        if len(str(said.get("message", ""))) > LONGEST_POST:
            return "model.post.is_valid.message_length.app_error"
        root = said.get("root_id")
        if root and not any(post.id == root and post.channel == said["channel_id"] for post in self.posts):
            return "api.post.create_post.root_id.app_error"
        for attachment in (said.get("props") or {}).get("attachments", []):
            for action in attachment.get("actions", []):
                if not action["id"].isalnum() or not action.get("name") or not action.get("integration", {}).get("url"):
                    return "model.post.is_valid.actions.app_error"
        return ""

    def _patch(self, id: str, said: dict[str, Any]) -> HttpResponse:
        post = next((post for post in self.posts if post.id == id), None)
        if post is None:
            return _no(404, "app.post.get.app_error")
        post.said = {**post.said, **said}
        post.edits += 1
        return as_json({"id": post.id, **post.said})

    def _list(self, channel: str, request: HttpRequest) -> HttpResponse:
        if not self._known(channel):
            return _no(403, "api.context.permissions.app_error")
        since = int(request.query.get("since", "0")) / 1000
        found = [post for post in self.posts if post.channel == channel and post.at >= since]
        return as_json({"order": [post.id for post in reversed(found)], "posts": {post.id: {"id": post.id, **post.said} for post in found}})

    def _hook(self, request: HttpRequest) -> HttpResponse:
        plan = self.planned()
        if plan is Plan.THROTTLE:
            return HttpResponse(429, b"limit exceeded", {"x-ratelimit-reset": "1"})
        if plan is Plan.REFUSE_NOW:
            return HttpResponse(503)
        if plan is Plan.TARGET or request.path != f"/hooks/{HOOK}":
            return _no(400, "web.incoming_webhook.invalid.app_error")
        if plan is Plan.CONFIG or not request.json.get("text"):
            return _no(400, "web.incoming_webhook.parse.app_error.text")
        self._kept("hook", request.json)
        return HttpResponse(200, b"ok", then=plan)

    def _known(self, channel: str) -> bool:
        return channel == OPS or channel in {_direct(_user(name)) for name in self.people}

    def press(self, post: Post, action: str, user: str, trigger: str = "t1") -> Callback:
        """Somebody presses a button. Nothing is signed; only what the button carries is known to us alone."""
        pressed = {
            "user_id": _user(user),
            "user_name": user,
            "channel_id": post.channel,
            "post_id": post.id,
            "trigger_id": trigger,
            "type": "button",
            "data_source": "",
            "context": post.buttons[action]["integration"]["context"],
        }
        return Callback({"content-type": "application/json"}, json.dumps(pressed).encode())


def _user(name: str) -> str:
    return f"u{name:x<25}"


def _direct(user: str) -> str:
    return f"d{user[1:]}"


def _no(status: int, code: str) -> HttpResponse:
    return as_json({"id": code, "message": code, "status_code": status}, status)
