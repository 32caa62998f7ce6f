"""A stand-in for Telegram's Bot API: chats, buttons, edits, a webhook with its secret, and the limits of each."""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

LONGEST_TEXT = 4096
LONGEST_DATA = 64
LONGEST_ANSWER = 200
PORTS = (443, 80, 88, 8443)
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass
class ChatMessage:
    """A message in a chat as it is shown now."""

    chat: int
    number: int
    text: str
    keyboard: list[list[dict[str, str]]]
    silent: bool = False
    reply_to: int = 0
    edits: int = 0

    @property
    def buttons(self) -> dict[str, dict[str, str]]:
        """The buttons by what is written on them."""
        return {button["text"]: button for row in self.keyboard for button in row}


@dataclass
class Refused(Exception):
    """An error in Telegram's own form."""

    status: int
    description: str
    parameters: dict[str, int] = field(default_factory=dict)

    @property
    def response(self) -> HttpResponse:
        content: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        return as_json(content | ({"parameters": self.parameters} if self.parameters else {}), self.status)


class FakeTelegram(OutsideServer):
    """One bot. `messages` is the ledger; `chats` are the ones it may write to."""

    def __init__(self, token: str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw") -> None:
        super().__init__()
        self.token = token
        self.chats = {555, -100123}
        self.blocked: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.messages: list[ChatMessage] = []
        self.webhook: dict[str, Any] = {}
        self.answered: dict[str, str] = {}
        self._open: set[str] = set()
        self._updates = itertools.count(1001)
        self._numbers = itertools.count(77)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        token, _, method = request.path.removeprefix("/bot").partition("/")
        try:
            if token != self.token:
                raise Refused(401, "Unauthorized") if ":" in token else Refused(404, "Not Found")
            asked = request.json if "json" in request.headers.get("content-type", "") else {**request.query, **request.form}
            return self._call(method, asked if isinstance(asked, dict) else {})
        except Refused as refused:
            return refused.response

    def _call(self, method: str, asked: dict[str, Any]) -> HttpResponse:
        then = Plan.ACCEPT
        match method:
            case "sendMessage":
                then = self.planned()
                self._refuse(then)
                result: object = self._sent(asked)
            case "editMessageText":
                result = self._edited(asked)
            case "answerCallbackQuery":
                result = self.answer_query(str(asked.get("callback_query_id")), str(asked.get("text", "")))
            case "setWebhook":
                result = self._hooked(asked)
            case "getUpdates" if self.webhook.get("url"):
                raise Refused(
                    409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
                )
            case "getWebhookInfo":
                result = {"url": self.webhook.get("url", ""), "pending_update_count": 0}
            case _:
                raise Refused(404, "Not Found: method not found")
        return as_json({"ok": True, "result": result}, then=then)

    def _refuse(self, plan: Plan) -> None:
        match plan:
            case Plan.THROTTLE:
                raise Refused(429, "Too Many Requests: retry after 7", {"retry_after": 7})
            case Plan.REFUSE_NOW:
                raise Refused(503, "Service Unavailable")
            case Plan.TARGET:
                raise Refused(403, "Forbidden: bot was blocked by the user")
            case Plan.CONFIG:
                raise Refused(401, "Unauthorized")

    def _sent(self, asked: dict[str, Any]) -> dict[str, object]:
        chat = self._chat(asked)
        text, keyboard = self._shown(asked)
        message = ChatMessage(
            chat, next(self._numbers), text, keyboard, bool(asked.get("disable_notification")), self._replied(chat, asked)
        )
        self.messages.append(message)
        return _as_result(message)

    def _replied(self, chat: int, asked: dict[str, Any]) -> int:
        """What the message answers; 0 if nothing does."""
        wanted = asked.get("reply_parameters") or {}
        number = int(wanted.get("message_id", 0))
        if any((message.chat, message.number) == (chat, number) for message in self.messages):
            return number
        if number and not wanted.get("allow_sending_without_reply"):
            raise Refused(400, "Bad Request: message to be replied not found")
        return 0

    def _edited(self, asked: dict[str, Any]) -> dict[str, object]:
        chat = self._chat(asked)
        found = [message for message in self.messages if (message.chat, message.number) == (chat, int(asked.get("message_id", 0)))]
        if not found:
            raise Refused(400, "Bad Request: message to edit not found")
        text, keyboard = self._shown(asked)
        if (text, keyboard) == (found[0].text, found[0].keyboard):
            said = "message is not modified: specified new message content and reply markup are exactly the same as a current content"
            raise Refused(400, f"Bad Request: {said} and reply markup of the message")
        found[0].text, found[0].keyboard = text, keyboard
        found[0].edits += 1
        return _as_result(found[0])

    def _chat(self, asked: dict[str, Any]) -> int:
        chat = int(asked.get("chat_id", 0))
        if chat in self.migrated:
            new = self.migrated[chat]
            raise Refused(400, "Bad Request: group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": new})
        if chat in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat not in self.chats:
            raise Refused(400, "Bad Request: chat not found")
        return chat

    def _shown(self, asked: dict[str, Any]) -> tuple[str, list[list[dict[str, str]]]]:
        text = str(asked.get("text", ""))
        if not text.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if len(text) > LONGEST_TEXT:
            raise Refused(400, "Bad Request: message is too long")
        markup = asked.get("reply_markup") or {}
        keyboard = (json.loads(markup) if isinstance(markup, str) else markup).get("inline_keyboard", [])
        for button in (button for row in keyboard for button in row):
            if not 1 <= len(button.get("callback_data", "x").encode()) <= LONGEST_DATA:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
            host = urlsplit(button.get("url", "https://example.org")).hostname or ""
            if "." not in host:
                raise Refused(400, f"Bad Request: inline keyboard button URL '{button.get('url')}' is invalid: Wrong HTTP URL")
        return text, keyboard

    def _hooked(self, asked: dict[str, Any]) -> bool:
        parts = urlsplit(str(asked.get("url", "")))
        if parts.scheme != "https" or (parts.port or 443) not in PORTS:
            raise Refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not SECRET.fullmatch(str(asked.get("secret_token", ""))):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        self.webhook = asked
        return True

    def answer_query(self, query: str, text: str) -> bool:
        """A press is answered, by a request or by the answer to the update."""
        if query not in self._open:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if len(text) > LONGEST_ANSWER:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        self._open.discard(query)
        self.answered[query] = text
        return True

    # What it tells us

    def press(self, message: ChatMessage, button: str, user: int = 555) -> Callback:
        """Somebody presses a button."""
        return self.press_data(message, message.buttons[button]["callback_data"], user)

    def press_data(self, message: ChatMessage, data: str, user: int = 555) -> Callback:
        """Somebody's own program claims that a button with this data was pressed."""
        query = str(4382 + len(self._open) + len(self.answered))
        self._open.add(query)
        shown = {
            "message_id": message.number,
            "date": 1700000000,
            "chat": {"id": message.chat, "type": _kind(message.chat)},
            "text": message.text,
        }
        pressed = {"id": query, "from": {"id": user, "is_bot": False, "username": "ana"}, "message": shown, "chat_instance": "-8"}
        return self.update(callback_query=pressed | {"data": data})

    def text(self, text: str, user: int = 555, chat: int | None = None) -> Callback:
        """Somebody writes to the bot."""
        sender = {"id": user, "is_bot": False, "username": "ana"}
        where = {"id": user if chat is None else chat, "type": "private" if chat is None else "supergroup"}
        return self.update(message={"message_id": next(self._numbers), "from": sender, "chat": where, "date": 1700000000, "text": text})

    def membership(self, status: str, user: int = 555) -> Callback:
        """Somebody blocks the bot ("kicked") or takes it back ("member")."""
        member = {"status": status, "user": {"id": 110201543, "is_bot": True}}
        sender, chat = {"id": user, "is_bot": False}, {"id": user, "type": "private"}
        return self.update(my_chat_member={"chat": chat, "from": sender, "date": 1700000000, "new_chat_member": member})

    def update(self, **content: object) -> Callback:
        """Any update, with the secret of the webhook."""
        headers = {"content-type": "application/json", "x-telegram-bot-api-secret-token": str(self.webhook.get("secret_token", ""))}
        return Callback(headers, json.dumps({"update_id": next(self._updates), **content}).encode())


def _kind(chat: int) -> str:
    return "private" if chat > 0 else "supergroup"


def _as_result(message: ChatMessage) -> dict[str, object]:
    return {
        "message_id": message.number,
        "date": 1700000000,
        "chat": {"id": message.chat, "type": _kind(message.chat)},
        "text": message.text,
    }
