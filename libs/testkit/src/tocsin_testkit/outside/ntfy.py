"""A stand-in for an ntfy server: topics with access control, a cache that can be polled, and phones that press buttons."""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, Plan, as_json

TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
SEQUENCE = re.compile(r"[-_A-Za-z0-9]{1,64}")
RESERVED = ("docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1")
LONGEST_MESSAGE = 4096
MOST_ACTIONS = 3
EPOCH = 1_764_000_000


@dataclass
class Refused(Exception):
    """An error in ntfy's own form."""

    code: int
    error: str

    @property
    def response(self) -> HttpResponse:
        status = self.code // 100
        return as_json({"code": self.code, "http": status, "error": self.error, "link": "https://ntfy.sh/docs/publish"}, status)


@dataclass
class FakeNtfy(OutsideServer):
    """One server. `messages` is its cache, in order; `updates` is false for one older than 2.16, which knows no sequences."""

    token: str = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
    updates: bool = True
    readable: bool = True
    now: int = EPOCH
    messages: list[dict[str, Any]] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self._ids = itertools.count(1)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        try:
            if request.headers.get("authorization", "") != f"Bearer {self.token}":
                raise Refused(40101, "unauthorized")
            if request.method == "GET":
                return self._polled(request)
            if request.method not in ("POST", "PUT") or request.path != "/":
                raise Refused(40401, "page not found")
            return self._published(request)
        except Refused as refused:
            return refused.response

    def _published(self, request: HttpRequest) -> HttpResponse:
        if len(request.raw) > 2 * LONGEST_MESSAGE:
            raise Refused(41303, "JSON body too large")
        asked = request.json
        if not isinstance(asked, dict):
            raise Refused(40024, "invalid request: request body must be message as JSON")
        topic = str(asked.get("topic", ""))
        if not TOPIC.fullmatch(topic) or topic in RESERVED:
            raise Refused(40009, "invalid request: topic invalid")
        plan = self.planned()
        self._refuse(plan, topic)
        message = self._kept(topic, asked)
        self.messages.append(message)
        return as_json(message, then=plan)

    def _refuse(self, plan: Plan, topic: str) -> None:
        match plan:
            case Plan.THROTTLE:
                raise Refused(42901, "limit reached: too many requests")
            case Plan.REFUSE_NOW:
                raise Refused(50301, "service unavailable")
            case Plan.CONFIG:
                raise Refused(40301, "forbidden")
        if plan is Plan.TARGET or (topic.startswith("up") and topic not in self.subscribed):
            raise Refused(50701, "cannot publish to UnifiedPush topic without previously active subscriber")

    def _kept(self, topic: str, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("priority", 3) not in range(1, 6):
            raise Refused(40007, "invalid request: invalid priority")
        actions = asked.get("actions", [])
        if len(actions) > MOST_ACTIONS or not all(action.get("label") and action.get("url") for action in actions):
            raise Refused(40018, "invalid request: actions invalid")
        if not SEQUENCE.fullmatch(str(asked.get("sequence_id", "x"))):
            raise Refused(40049, "invalid request: sequence ID invalid")
        text = str(asked.get("message") or "triggered")
        number = f"{next(self._ids):012}"
        made = {"id": number, "time": self.now, "expires": self.now + 43200, "event": "message", "topic": topic, "message": text}
        if len(text.encode()) > LONGEST_MESSAGE:
            # It becomes an attachment, which nobody reads at night.
            made["message"] = "You received a file: attachment.txt"
        if self.updates and asked.get("sequence_id"):
            made["sequence_id"] = asked["sequence_id"]
        return made | {name: asked[name] for name in ("title", "priority", "tags", "click", "actions") if name in asked}

    def _polled(self, request: HttpRequest) -> HttpResponse:
        topic, _, kind = request.path.strip("/").partition("/")
        if kind != "json" or request.query.get("poll") != "1":
            raise Refused(40401, "page not found")
        if not self.readable:
            raise Refused(40301, "forbidden")
        since = int(request.query.get("since", "0"))
        found = [message for message in self.messages if message["topic"] == topic and message["time"] >= since]
        return HttpResponse(200, "".join(json.dumps(message) + "\n" for message in found).encode())

    # What a phone makes of it

    def phone(self, topic: str) -> list[dict[str, Any]]:
        """What a phone shows: of each sequence the newest, oldest first."""
        shown: dict[str, dict[str, Any]] = {}
        for message in self.messages:
            if message["topic"] == topic:
                shown[message.get("sequence_id", message["id"])] = message
        return list(shown.values())

    async def press(self, message: dict[str, Any], label: str) -> int:
        """Somebody presses a button; the phone itself asks. The status of the answer."""
        [action] = [action for action in message["actions"] if action["label"] == label]
        assert action["action"] == "http", "only such a button asks"
        async with httpx.AsyncClient() as client:
            answer = await client.request(
                action.get("method", "POST"), action["url"], headers=action.get("headers"), content=action.get("body", "")
            )
        return answer.status_code
