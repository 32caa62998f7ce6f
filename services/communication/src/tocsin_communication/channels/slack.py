"""Slack: a direct message or a message in a channel, with buttons; one thread an incident, edited when the incident goes on."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tocsin_chassis.settings import setting
from tocsin_communication.channels import slack_words as words
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, Outgoing, Surroundings
from tocsin_communication.channels.chat import (
    Asides,
    Buttons,
    Kept,
    Refused,
    hanging_from,
    object_in,
    said,
    secrets_in,
    taken,
    text_at,
    told,
)
from tocsin_communication.channels.http import Deadline, host_of, http_client
from tocsin_communication.channels.inbound import (
    BadRequest,
    HttpAnswer,
    InboundAnswer,
    InboundEvent,
    InboundRequest,
    Registered,
    Result,
    Said,
)
from tocsin_communication.channels.slack_api import ASIDE_SECONDS, SlackApi
from tocsin_communication.channels.slack_socket import SlackSocket
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

_ADDRESS = re.compile(r"[UWCGD][A-Z0-9]{2,30}")
# Somebody deleted the message that the thread hangs from.
THREAD_GONE = ("thread_not_found", "message_not_found", "cannot_reply_to_message")
HISTORY = 100
MOST_HISTORY_PAGES = 3
LOOKUP_SHARE = 3.0
# A message that we sent a moment before the page was made cannot be its own; Slack's clock and ours differ by less.
EARLIER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class SlackSettings:
    """What Slack needs."""

    slack_token_file: Path | None = setting(
        "TOCSIN_SLACK_TOKEN_FILE", "file with the bot token of the Slack app (xoxb-…); empty: Slack is off and its pages fail", default=None
    )
    slack_signing_secret_file: Path | None = setting(
        "TOCSIN_SLACK_SIGNING_SECRET_FILE",
        "file with the signing secret of the Slack app, one a line while it is exchanged; empty: pages have links instead of buttons",
        default=None,
    )
    slack_app_token_file: Path | None = setting(
        "TOCSIN_SLACK_APP_TOKEN_FILE",
        "file with the app-level token of the Slack app (xapp-…): answers come over a connection that we open (Socket Mode)",
        default=None,
    )
    slack_api_url: str = setting("TOCSIN_SLACK_API_URL", "where Slack's methods are", default="https://slack.com/api")


@dataclass(frozen=True, slots=True)
class Place:
    """A message: its channel and timestamp, which only together name it."""

    channel: str
    ts: str

    @property
    def provider_id(self) -> str:
        """Both in one text."""
        return f"{self.channel}/{self.ts}"

    @classmethod
    def read(cls, provider_id: str) -> "Place | None":
        """Its opposite; None if it is no such text."""
        channel, _, ts = provider_id.partition("/")
        return cls(channel, ts) if channel and ts else None


class SlackDriver:
    """Pages in one workspace."""

    def __init__(
        self, api: SlackApi, signing_secrets: tuple[str, ...], clock: Clock, asides: Asides, buttons: Buttons | None = None
    ) -> None:
        self._api = api
        self._secrets = signing_secrets
        self._buttons = buttons or Buttons(signing_secrets)
        self._clock = clock
        self._asides = asides
        self._conversations: Kept[str] = Kept()
        self._threads: Kept[Place] = Kept()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. Slack knows no idempotency key: it lies in the metadata, where `recover` looks for it."""
        deadline = Deadline(seconds)
        page = outgoing.page
        root = await self._root(outgoing, deadline)
        try:
            answer, hangs = await self._post(outgoing, idempotency_key, root, deadline)
        except Refused as refused:
            return refused.receipt
        place = Place(text_at(answer, "channel") or page.address, text_at(answer, "ts"))
        began = root if root is not None and hangs else place
        if page.incident_id and began.ts:
            self._threads.keep(began, page.address, page.incident_id)
        return taken("Slack", place.provider_id, place.ts, hanging_from(began.provider_id if began.ts else "", outgoing))

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        place = Place.read(provider_id)
        if place is None:
            return Receipt(Outcome.PERMANENT_TARGET, "there is no such message at Slack")
        arguments = {"channel": place.channel, "ts": place.ts, **words.message(outgoing, outgoing.page.id, self._buttons.offered(outgoing))}
        try:
            await self._api.call("chat.update", arguments, seconds)
        except Refused as refused:
            return refused.receipt
        return Receipt(Outcome.ACCEPTED, "edited", provider_id)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. The conversation, and the thread if there is one, are searched for the page's metadata."""
        deadline = Deadline(seconds)
        try:
            found = await self._find(outgoing, idempotency_key, deadline)
        except Refused as refused:
            return Receipt(Outcome.UNKNOWN, f"whether it was taken cannot be found out: {refused.receipt.detail}")
        if found is None:
            return Receipt(Outcome.TRANSIENT, "Slack does not have it")
        return Receipt(Outcome.ACCEPTED, "found at Slack", found.provider_id)

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver. Buttons, slash commands and events may all be sent to one address."""
        words.verify(self._secrets, request.headers, request.body, self._clock.now().timestamp())
        if request.headers.get("content-type", "").startswith("application/json"):
            return self._event(object_in(request.body))
        try:
            form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as error:
            raise BadRequest("the form is not UTF-8") from error
        if "payload" in form:
            return self._interaction(object_in(form["payload"].encode()))
        if "command" in form:
            return _command(form)
        raise BadRequest("neither a payload nor a command")

    def heard(self, kind: str, payload: dict[str, Any]) -> InboundAnswer:
        """The same for what comes over Socket Mode, where the connection itself proves that it is Slack. Raises BadRequest."""
        match kind:
            case "interactive":
                return self._interaction(payload)
            case "events_api":
                return self._event(payload)
            case "slash_commands":
                return _command({name: text_at(payload, name) for name in ("user_id", "text", "trigger_id")})
            case _:
                raise BadRequest(f"nothing is known of {kind!r}")

    async def _post(self, outgoing: Outgoing, key: str, root: Place | None, deadline: Deadline) -> tuple[dict[str, Any], bool]:
        """Post it, in the thread if there is one, and say so; a thread that is gone does not hold it up. Raises Refused."""
        arguments = {"channel": outgoing.page.address, **words.message(outgoing, key, self._buttons.offered(outgoing))}
        if root is None:
            return await self._api.call("chat.postMessage", arguments, deadline.left), False
        # Who is asked again must see it in the conversation too, not only in the thread.
        threaded = {"channel": root.channel, "thread_ts": root.ts, "reply_broadcast": outgoing.page.kind is Kind.SUMMONS}
        try:
            return await self._api.call("chat.postMessage", arguments | threaded, deadline.left), True
        except Refused as refused:
            if not refused.receipt.detail.endswith(THREAD_GONE):
                raise
            return await self._api.call("chat.postMessage", arguments, deadline.left), False

    async def _root(self, outgoing: Outgoing, deadline: Deadline) -> Place | None:
        """The message that the thread of the incident hangs from. Not finding it costs a thread, never the page."""
        page = outgoing.page
        if not page.incident_id:
            return None
        known = self._known_root(outgoing)
        if known is not None or not page.summons_id:
            return known
        try:
            found = await self._find(outgoing, page.summons_id, Deadline(deadline.left / LOOKUP_SHARE))
        except Refused:
            return None
        if found is not None:
            self._threads.keep(found, page.address, page.incident_id)
        return found

    def _known_root(self, outgoing: Outgoing) -> Place | None:
        """As it is kept for all processes, else as far as this one remembers."""
        return Place.read(outgoing.thread) or self._threads.get(outgoing.page.address, outgoing.page.incident_id)

    async def _find(self, outgoing: Outgoing, page_id: str, deadline: Deadline) -> Place | None:
        """The message that carries a page. Raises Refused."""
        page = outgoing.page
        channel = await self._conversation(page.address, deadline)
        oldest = "0" if page_id != page.id else f"{page.created_at.timestamp() - EARLIER_SECONDS:.6f}"
        found = await self._search("conversations.history", {"channel": channel, "oldest": oldest}, page_id, deadline)
        root = self._known_root(outgoing)
        if found is None and root is not None:
            found = await self._search("conversations.replies", {"channel": channel, "ts": root.ts, "oldest": oldest}, page_id, deadline)
        return found

    async def _search(self, method: str, arguments: Mapping[str, object], page_id: str, deadline: Deadline) -> Place | None:
        cursor = ""
        for _ in range(MOST_HISTORY_PAGES):
            asked = {**arguments, "include_all_metadata": True, "limit": HISTORY, **({"cursor": cursor} if cursor else {})}
            answer = await self._api.call(method, asked, deadline.left)
            messages = answer.get("messages")
            for message in messages if isinstance(messages, list) else []:
                if isinstance(message, dict) and words.page_id_in(message) == page_id:
                    return Place(str(arguments["channel"]), str(message.get("ts", "")))
            cursor = text_at(answer, "response_metadata", "next_cursor")
            if not cursor:
                return None
        raise Refused(Receipt(Outcome.UNKNOWN, "Slack: the conversation is too long to search"))

    async def _conversation(self, address: str, deadline: Deadline) -> str:
        """The conversation that a person is reached in. Raises Refused."""
        if address[:1] not in ("U", "W"):
            return address
        known = self._conversations.get(address)
        if known is None:
            answer = await self._api.call("conversations.open", {"users": address}, deadline.left)
            known = text_at(answer, "channel", "id")
            self._conversations.keep(known, address)
        return known

    def _interaction(self, payload: dict[str, Any]) -> InboundAnswer:
        """A button. Slack's answer is empty; the person hears what came of it a moment later."""
        actions = payload.get("actions")
        if payload.get("type") != "block_actions" or not isinstance(actions, list):
            return InboundAnswer()
        events = tuple(event for action in actions if (event := self._press(payload, action)) is not None)
        if not events:
            return InboundAnswer()
        return InboundAnswer(events, finish=partial(self._whisper, text_at(payload, "response_url")))

    def _press(self, payload: dict[str, Any], action: object) -> InboundEvent | None:
        found = self._buttons.read(text_at(action, "value"))
        if found is None:
            return None
        button, page_id = found
        user = text_at(payload, "user", "id")
        container = (text_at(payload, "container", "channel_id"), text_at(payload, "container", "message_ts"))
        dedup_id = "/".join((*container, user, text_at(action, "action_id"), text_at(action, "action_ts")))
        return button.event(page_id=page_id, address=user, dedup_id=dedup_id)

    def _whisper(self, response_url: str, results: Sequence[Result]) -> HttpAnswer:
        if response_url and told(results):
            self._asides.start(self._api.answer_press(response_url, told(results)))
        return HttpAnswer()

    def _event(self, envelope: dict[str, Any]) -> InboundAnswer:
        """The first request to a new address, or something that was said."""
        if envelope.get("type") == "url_verification":
            return InboundAnswer(answer=HttpAnswer(200, "text/plain", text_at(envelope, "challenge").encode()))
        event = _said(envelope)
        if event is None:
            return InboundAnswer()
        place = Place(text_at(envelope, "event", "channel"), text_at(envelope, "event", "thread_ts"))
        return InboundAnswer((event,), finish=partial(self._reply, place))

    def _reply(self, place: Place, results: Sequence[Result]) -> HttpAnswer:
        if told(results):
            self._asides.start(self._say(place, told(results)))
        return HttpAnswer()

    async def _say(self, place: Place, text: str) -> None:
        arguments = {"channel": place.channel, "text": words.escaped(text), **({"thread_ts": place.ts} if place.ts else {})}
        await self._api.call("chat.postMessage", arguments, ASIDE_SECONDS)


def _said(envelope: dict[str, Any]) -> Said | Registered | None:
    """A person's message to the app; what the app itself or another one says is no answer."""
    event = envelope.get("event")
    if not isinstance(event, dict) or event.get("type") not in ("message", "app_mention"):
        return None
    if event.get("bot_id") or event.get("subtype") or (event.get("type") == "message" and event.get("channel_type") != "im"):
        return None
    user, text = text_at(event, "user"), re.sub(r"<@[^>]*>", " ", text_at(event, "text")).strip()
    return said(user, text, text_at(envelope, "event_id")) if user and text else None


def _command(form: Mapping[str, str]) -> InboundAnswer:
    """A slash command: its words are an answer like a text message."""
    event = said(form.get("user_id", ""), form.get("text", ""), form.get("trigger_id", ""))

    def finish(results: Sequence[Result]) -> HttpAnswer:
        content = {"response_type": "ephemeral", "text": words.escaped(told(results)) or "Nothing was done."}
        return HttpAnswer(200, "application/json", json.dumps(content).encode())

    return InboundAnswer((event,), finish=finish)


def address_flaw(address: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    if _ADDRESS.fullmatch(address) is None:
        return "must be the id of a Slack member or channel such as U012ABCDEF (in Slack: profile, More, Copy member ID)"
    return ""


@asynccontextmanager
async def open_slack(settings: SlackSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The workspace, if a token is set."""
    if settings.slack_token_file is None:
        yield (Account("slack", Off("Slack is off: TOCSIN_SLACK_TOKEN_FILE is not set")),)
        return
    [token, *_] = secrets_in(settings.slack_token_file) or ("",)
    signing = secrets_in(settings.slack_signing_secret_file) if settings.slack_signing_secret_file else ()
    async with http_client([host_of(settings.slack_api_url)]) as http, Asides() as asides:
        api = SlackApi(http, settings.slack_api_url, token)
        if settings.slack_app_token_file is None:
            yield (Account("slack", SlackDriver(api, signing, around.clock, asides)),)
            return
        tokens = secrets_in(settings.slack_app_token_file) or ("",)
        driver = SlackDriver(api, signing, around.clock, asides, Buttons((*signing, *tokens)))
        socket = SlackSocket(SlackApi(http, settings.slack_api_url, tokens[0]).open_socket, driver.heard)
        yield (Account("slack", driver, listen=socket.listen),)


KIND = ChannelKind(Channel.SLACK, "Slack", address_flaw, open_slack, threads=True)
