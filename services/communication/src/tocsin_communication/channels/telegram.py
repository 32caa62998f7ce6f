"""Telegram: a message of a bot with buttons; its text follows the incident, and the buttons go when there is nothing left to press."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, Outgoing, Surroundings
from tocsin_communication.channels.chat import hanging_from
from tocsin_communication.channels.http import Answer, Deadline, Http, Lost, host_of, http_client, wait_of
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    BadSignature,
    Escalate,
    HttpAnswer,
    InboundAnswer,
    InboundEvent,
    InboundRequest,
    NoInbound,
    OptOut,
    Registered,
    Resolve,
    Result,
    Said,
)
from tocsin_communication.channels.refusal import clipped, of_status
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt

log = logging.getLogger(__name__)

API = "https://api.telegram.org"
LONGEST_TEXT = 3500
LONGEST_TOAST = 200
TRIES = (1.0, 5.0, 30.0, 60.0)
ASK_SECONDS = 10.0
RESENT = "You may have had this message before: what became of the first attempt is not known."
NOT_MODIFIED = "message is not modified"
GONE = (
    "chat not found",
    "bot was blocked",
    "user is deactivated",
    "bot was kicked",
    "bot is not a member",
    "can't initiate",
    "thread not found",
)
_CHAT = re.compile(r"-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{4,31}")
_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]{20,}")
_START = re.compile(r"/start(?:@\w+)? +(\S{1,64})\s*")

ANSWERS: dict[str, type[Acknowledge] | type[Escalate] | type[Resolve]] = {"a": Acknowledge, "e": Escalate, "r": Resolve}


@dataclass(frozen=True, kw_only=True)
class TelegramSettings:
    """What Telegram needs."""

    telegram_token_file: Path | None = setting(
        "TOCSIN_TELEGRAM_TOKEN_FILE", "file with the token of the Telegram bot; empty: Telegram is off and its pages fail", default=None
    )
    telegram_url: str = setting("TOCSIN_TELEGRAM_URL", "the Bot API; another one if you run your own server", default=API)


def chat_flaw(address: str) -> str:
    """What is wrong with the name of a chat; empty if nothing is."""
    return "" if _CHAT.fullmatch(address) else "must be the number of a Telegram chat such as 123456789 or -1001234567890, or a @channel"


class TelegramDriver:
    """Hands pages to one bot."""

    def __init__(self, http: Http, url: str, token: str, around: Surroundings) -> None:
        self._http = http
        self._base = f"{url.rstrip('/')}/bot{token}"
        self._around = around
        # Telegram calls back over TLS only. Where it cannot, the message's link is what remains.
        self.reachable = around.public_url.startswith("https://")
        # Nobody has to make up a second secret: Telegram tells this one to nobody else, and from it the token cannot be found.
        self.secret = hmac.new(token.encode(), b"tocsin telegram webhook", hashlib.sha256).hexdigest()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        deadline = Deadline(seconds)
        message = self._message(outgoing) | _reply(outgoing) | {"chat_id": outgoing.page.address}
        try:
            answer = await self._ask("sendMessage", message, deadline.left)
            moved = _parameters(answer).get("migrate_to_chat_id")
            if isinstance(moved, int):
                answer = await self._ask("sendMessage", message | {"chat_id": moved}, deadline.left)
        except Lost as lost:
            return lost.receipt
        result = answer.json.get("result")
        if answer.json.get("ok") is True and isinstance(result, dict):
            chat = result.get("chat")
            where = chat.get("id") if isinstance(chat, dict) else outgoing.page.address
            detail = "taken" if not isinstance(moved, int) else f"taken; the chat is {moved} now: change the contact method"
            number = str(result.get("message_id", ""))
            return Receipt(Outcome.ACCEPTED, detail, f"{where}:{number}", thread=hanging_from(outgoing.thread or number, outgoing))
        return _refusal(answer)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        chat, _, number = provider_id.rpartition(":")
        if not number.isdecimal():
            return Receipt(Outcome.PERMANENT_TARGET, "there is no such message")
        message = self._message(outgoing) | {"chat_id": chat, "message_id": int(number)}
        try:
            answer = await self._ask("editMessageText", message, seconds)
        except Lost as lost:
            return lost.receipt
        if answer.json.get("ok") is True or NOT_MODIFIED in _described(answer):
            return Receipt(Outcome.ACCEPTED, "edited", provider_id)
        return _refusal(answer)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. A bot cannot read what it wrote."""
        return None

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: updates of the bot's webhook."""
        if request.method != "POST":
            raise NoInbound()
        given = request.headers.get("x-telegram-bot-api-secret-token", "").encode(errors="replace")
        if not hmac.compare_digest(given, self.secret.encode()):
            raise BadSignature("X-Telegram-Bot-Api-Secret-Token does not fit; was setWebhook called by another program?")
        update = _object(request.body)
        dedup = f"telegram:{update.get('update_id')}"
        for name, read in (("callback_query", self._pressed), ("message", _written), ("my_chat_member", _joined)):
            if isinstance(update.get(name), dict):
                return read(update[name], dedup)
        return InboundAnswer()

    async def announce(self) -> None:
        """Tell Telegram where updates go, until it has heard."""
        asked = {
            "url": self._around.hook(Channel.TELEGRAM, "updates"),
            "secret_token": self.secret,
            "allowed_updates": ["callback_query", "message", "my_chat_member"],
        }
        for tries in range(1_000_000):
            try:
                answer = await self._ask("setWebhook", asked, ASK_SECONDS)
                if answer.json.get("ok") is True:
                    return
                said = _described(answer)
            except Lost as lost:
                said = lost.receipt.detail
            log.warning("Telegram does not know yet where buttons are answered: %s", said)
            await asyncio.sleep(TRIES[min(tries, len(TRIES) - 1)])

    def _pressed(self, query: dict[str, Any], dedup: str) -> InboundAnswer:
        letter, _, rest = str(query.get("data", "")).partition(":")
        page, _, proof = rest.partition(":")
        who, number = query.get("from"), query.get("id")
        if not isinstance(who, dict) or not isinstance(number, str):
            raise BadRequest("a press has an id and a sender")
        if letter not in ANSWERS or not hmac.compare_digest(proof.encode(errors="replace"), self._proof(letter, page).encode()):
            # Programs of people's own can claim any data.
            raise BadRequest("the data of the button is not ours")
        event: InboundEvent = ANSWERS[letter](dedup_id=dedup, page_id=page, address=str(who.get("id", "")))

        def toast(results: Sequence[Result]) -> HttpAnswer:
            said = " ".join(result.text for result in results if result.text)[:LONGEST_TOAST]
            failed = not all(result.done for result in results)
            return _method("answerCallbackQuery", callback_query_id=number, text=said, show_alert=failed)

        return InboundAnswer((event,), _method("answerCallbackQuery", callback_query_id=number), toast)

    def _message(self, outgoing: Outgoing) -> dict[str, object]:
        """The text as plain text, so that nothing from outside can be markup, and the buttons that apply."""
        keyboard = [row for row in (self._answers(outgoing), self._links(outgoing)) if row]
        return {
            "text": _text(outgoing),
            "link_preview_options": {"is_disabled": True},
            "reply_markup": {"inline_keyboard": keyboard},
        }

    def _answers(self, outgoing: Outgoing) -> list[dict[str, str]]:
        incident = outgoing.incident
        page = outgoing.page.id
        if self.reachable and outgoing.page.kind is Kind.SUMMONS and incident is not None and incident.state is IncidentState.ACKNOWLEDGED:
            return [self._button("Resolve", "r", page)]
        asks = outgoing.is_approval or incident is None or incident.state is IncidentState.OPEN
        if not outgoing.acknowledge_url or not self.reachable or not asks:
            return []
        return [self._button(outgoing.yes, "a", page), self._button(outgoing.no, "e", page)]

    def _button(self, text: str, letter: str, page: str) -> dict[str, str]:
        return {"text": text, "callback_data": f"{letter}:{page}:{self._proof(letter, page)}"}

    def _links(self, outgoing: Outgoing) -> list[dict[str, str]]:
        usable = outgoing.incident_url and "." in (urlsplit(outgoing.incident_url).hostname or "")
        return [{"text": "Open", "url": outgoing.incident_url}] if usable else []

    def _proof(self, letter: str, page: str) -> str:
        return hmac.new(self.secret.encode(), f"{letter}:{page}".encode(errors="replace"), hashlib.sha256).hexdigest()[:16]

    async def _ask(self, method: str, content: object, seconds: float) -> Answer:
        """Raises Lost. The address has the token in it, so it is never told."""
        try:
            return await self._http.ask_json("POST", f"{self._base}/{method}", content, seconds=seconds)
        except Lost as lost:
            raise Lost(replace(lost.receipt, detail=lost.receipt.detail.replace(self._base, API))) from None


def _reply(outgoing: Outgoing) -> dict[str, object]:
    """It answers the first message about the incident, which shows them together; if that was deleted it stands alone."""
    if not outgoing.thread.isdecimal():
        return {}
    return {"reply_parameters": {"message_id": int(outgoing.thread), "allow_sending_without_reply": True}}


def _text(outgoing: Outgoing) -> str:
    page = outgoing.page
    parts = [page.subject, page.body]
    state = _state(outgoing.incident)
    if state:
        parts.insert(0, state)
    text = "\n\n".join(part for part in parts if part)
    text = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    if outgoing.acknowledge_url:
        text += f"\n\nWithout buttons: {outgoing.acknowledge_url}"
    return f"{text}\n\n{RESENT}" if page.resent_after_unknown else text


def _state(incident: Incident | None) -> str:
    if incident is None or incident.state is IncidentState.OPEN:
        return ""
    if incident.state is IncidentState.RESOLVED:
        return "✅ Resolved" + (f": {incident.resolve_reason}" if incident.resolve_reason else "")
    return f"👤 Taken by {incident.acknowledged_by}"


def _written(message: dict[str, Any], dedup: str) -> InboundAnswer:
    """Somebody wrote to the bot: a code that confirms the chat, or an answer in words."""
    who, chat, text = message.get("from"), message.get("chat"), message.get("text")
    if not isinstance(who, dict) or not isinstance(chat, dict) or not isinstance(text, str):
        return InboundAnswer()
    started = _START.fullmatch(text)
    event: InboundEvent
    if started is not None:
        event = Registered(dedup_id=dedup, code=started[1], address=str(chat.get("id", "")))
    else:
        event = Said(dedup_id=dedup, address=str(who.get("id", "")), text=text)

    def told(results: Sequence[Result]) -> HttpAnswer:
        said = " ".join(result.text for result in results if result.text)[:LONGEST_TEXT]
        return _method("sendMessage", chat_id=chat.get("id"), text=said) if said else HttpAnswer()

    return InboundAnswer((event,), HttpAnswer(), told)


def _joined(member: dict[str, Any], dedup: str) -> InboundAnswer:
    """Somebody blocked the bot, or took it back."""
    chat, now = member.get("chat"), member.get("new_chat_member")
    if not isinstance(chat, dict) or not isinstance(now, dict):
        return InboundAnswer()
    gone = now.get("status") in ("kicked", "left")
    return InboundAnswer((OptOut(dedup_id=dedup, address=str(chat.get("id", "")), again=not gone),))


def _method(name: str, **content: object) -> HttpAnswer:
    """The answer to an update may itself be a request to Telegram."""
    return HttpAnswer(200, "application/json", json.dumps({"method": name, **content}).encode())


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the update is not JSON") from None
    if not isinstance(read, dict):
        raise BadRequest("the update is no JSON object")
    return read


def _described(answer: Answer) -> str:
    return str(answer.json.get("description") or f"HTTP {answer.status}")


def _parameters(answer: Answer) -> dict[str, Any]:
    found = answer.json.get("parameters")
    return found if isinstance(found, dict) else {}


def _refusal(answer: Answer) -> Receipt:
    said = _described(answer)
    if answer.status == 429:
        return Receipt(Outcome.THROTTLED, clipped(said), retry_after=wait_of(_parameters(answer).get("retry_after")))
    if answer.status in (400, 403) and any(gone in said for gone in GONE):
        return Receipt(Outcome.PERMANENT_TARGET, clipped(said))
    if answer.success:
        return Receipt(Outcome.UNKNOWN, clipped(f"the answer cannot be understood: {said}"))
    if answer.status == 404:
        return Receipt(Outcome.PERMANENT_CONFIG, clipped(said))
    return of_status(answer.status, said, answer.retry_after)


@asynccontextmanager
async def open_telegram(settings: TelegramSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The bot, if there is one. Where Telegram can reach us it is told where."""
    if settings.telegram_token_file is None:
        yield (Account("telegram", Off("Telegram is off: TOCSIN_TELEGRAM_TOKEN_FILE is not set")),)
        return
    token = settings.telegram_token_file.read_text().strip()
    if _TOKEN.fullmatch(token) is None:
        raise ValueError(f"{settings.telegram_token_file}: is no token of a Telegram bot, such as 110201543:AAHdqTcv…")
    async with http_client([host_of(settings.telegram_url)]) as http:
        driver = TelegramDriver(http, settings.telegram_url, token, around)
        announcing = asyncio.create_task(driver.announce()) if driver.reachable else None
        try:
            yield (Account("telegram", driver),)
        finally:
            if announcing is not None:
                announcing.cancel()
                await asyncio.gather(announcing, return_exceptions=True)


KIND = ChannelKind(Channel.TELEGRAM, "Telegram", chat_flaw, open_telegram, threads=True)
