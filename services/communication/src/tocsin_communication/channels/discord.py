"""Discord: a bot with buttons, edited when the incident goes on; or a channel's webhook, which is edited too and tells nothing back."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin_chassis.settings import setting
from tocsin_communication.channels import discord_words as words
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.chat import (
    Buttons,
    Kept,
    Refused,
    UrlsAndBot,
    hanging_from,
    host_of_url,
    is_url,
    object_in,
    plain_markdown,
    said,
    secrets_in,
    taken,
    text_at,
    told,
)
from tocsin_communication.channels.http import Answer, Deadline, Http, Lost, host_of, http_client
from tocsin_communication.channels.inbound import HttpAnswer, InboundAnswer, InboundRequest, Result
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

_ADDRESS = re.compile(r"(user|channel):[0-9]{5,20}")
_WEBHOOK_PATH = re.compile(r"/api(/v[0-9]+)?/webhooks/[0-9]{5,20}/[A-Za-z0-9_-]{1,200}")
PING, COMMAND, COMPONENT = 1, 2, 3
PONG = HttpAnswer(200, "application/json", b'{"type": 1}')
ONLY_TO_THEM = 64
PAGE_OF_MESSAGES = 100
MOST_PAGES = 5
EARLIER_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class DiscordSettings:
    """What the Discord bot needs; webhooks need only their address."""

    discord_token_file: Path | None = setting(
        "TOCSIN_DISCORD_TOKEN_FILE", "file with the token of the Discord bot; empty: only webhooks of Discord can be paged", default=None
    )
    discord_public_key: str = setting(
        "TOCSIN_DISCORD_PUBLIC_KEY",
        "the public key of the Discord application, in hex; empty: its pages have links, not buttons",
        default="",
    )
    discord_api_url: str = setting("TOCSIN_DISCORD_API_URL", "where Discord's API is", default="https://discord.com/api/v10")


class DiscordApi:
    """The requests of the bot."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def ask(self, method: str, path: str, deadline: Deadline, content: object = None) -> Answer:
        """A success. Raises Refused."""
        headers = {"authorization": f"Bot {self._token}"}
        try:
            if content is None:
                answer = await self._http.ask(method, self._url + path, seconds=deadline.left, headers=headers)
            else:
                answer = await self._http.ask_json(method, self._url + path, content, seconds=deadline.left, headers=headers)
        except Lost as lost:
            raise Refused(lost.receipt) from lost
        if (receipt := words.refusal(answer)) is not None:
            raise Refused(receipt)
        return answer


class DiscordBot:
    """Pages as messages of a bot, to a person or into a channel."""

    def __init__(self, api: DiscordApi, buttons: Buttons, public_key: Ed25519PublicKey | None, clock: Clock) -> None:
        self._api = api
        self._buttons = buttons
        self._key = public_key
        self._clock = clock
        self._channels: Kept[str] = Kept()
        self._roots: Kept[str] = Kept()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. For some minutes the nonce makes a repeat the same message."""
        deadline = Deadline(seconds)
        page = outgoing.page
        try:
            channel = await self._channel(page.address, deadline)
            content = words.message(outgoing, idempotency_key, self._buttons.offered(outgoing))
            content |= {"nonce": words.nonce(idempotency_key), "enforce_nonce": True}
            if root := outgoing.thread or self._roots.get(channel, page.incident_id):
                content["message_reference"] = {"message_id": root, "fail_if_not_exists": False}
            answer = await self._api.ask("POST", f"/channels/{channel}/messages", deadline, content)
        except Refused as refused:
            return refused.receipt
        message_id = text_at(answer.json, "id")
        if page.incident_id and message_id and not root:
            self._roots.keep(message_id, channel, page.incident_id)
        return taken("Discord", f"{channel}/{message_id}", message_id, hanging_from(root or message_id, outgoing))

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        channel, _, message_id = provider_id.partition("/")
        path = f"/channels/{quote(channel, safe='')}/messages/{quote(message_id, safe='')}"
        content = words.message(outgoing, outgoing.page.id, self._buttons.offered(outgoing))
        try:
            await self._api.ask("PATCH", path, Deadline(seconds), content)
        except Refused as refused:
            return refused.receipt
        return Receipt(Outcome.ACCEPTED, "edited", provider_id)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. The channel's messages since then are searched for the page's id."""
        deadline = Deadline(seconds)
        try:
            channel = await self._channel(outgoing.page.address, deadline)
            found = await self._find(channel, idempotency_key, outgoing.page.created_at, deadline)
        except Refused as refused:
            return Receipt(Outcome.UNKNOWN, f"whether it was taken cannot be found out: {refused.receipt.detail}")
        if not found:
            return Receipt(Outcome.TRANSIENT, "Discord does not have it")
        root = outgoing.thread or self._roots.get(channel, outgoing.page.incident_id) or found
        return Receipt(Outcome.ACCEPTED, "found at Discord", f"{channel}/{found}", thread=hanging_from(root, outgoing))

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver."""
        words.verify(self._key, request.headers, request.body, self._clock.now())
        interaction = object_in(request.body)
        match interaction.get("type"):
            case int(kind) if kind == PING:
                return InboundAnswer(answer=PONG)
            case int(kind) if kind == COMPONENT:
                return self._pressed(interaction)
            case int(kind) if kind == COMMAND:
                event = said(_person(interaction), _words(interaction), text_at(interaction, "id"))
                return InboundAnswer((event,), finish=_whisper)
            case _:
                return InboundAnswer()

    def _pressed(self, interaction: dict[str, Any]) -> InboundAnswer:
        found = self._buttons.read(text_at(interaction, "data", "custom_id"))
        if found is None:
            return InboundAnswer()
        button, page_id = found
        event = button.event(page_id=page_id, address=_person(interaction), dedup_id=text_at(interaction, "id"))
        return InboundAnswer((event,), finish=_whisper)

    async def _find(self, channel: str, page_id: str, since: datetime, deadline: Deadline) -> str:
        """The message that carries a page; empty if there is none. Raises Refused."""
        after = words.snowflake(since.timestamp() - EARLIER_SECONDS)
        for _ in range(MOST_PAGES):
            query = urlencode({"after": after, "limit": PAGE_OF_MESSAGES})
            listed = _list((await self._api.ask("GET", f"/channels/{channel}/messages?{query}", deadline)).body)
            for each in listed:
                if words.footer_in(each) == words.footer(page_id):
                    return text_at(each, "id")
            if len(listed) < PAGE_OF_MESSAGES:
                return ""
            after = max(words.snowflake_of(text_at(each, "id")) for each in listed)
        raise Refused(Receipt(Outcome.UNKNOWN, "Discord: the channel is too long to search"))

    async def _channel(self, address: str, deadline: Deadline) -> str:
        """Where an address leads. Raises Refused."""
        kind, _, snowflake_id = address.partition(":")
        if kind == "channel":
            return snowflake_id
        known = self._channels.get(address)
        if known is None:
            try:
                answer = await self._api.ask("POST", "/users/@me/channels", deadline, {"recipient_id": snowflake_id})
            except Refused as refused:
                raise refused.beforehand from refused
            known = text_at(answer.json, "id")
            self._channels.keep(known, address)
        return known


class DiscordWebhooks(OneWay):
    """Pages to webhooks of channels. Whoever has the address can edit what it posted, so that we can too."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        url = _with(outgoing.page.address, "", wait="true")
        try:
            answer = await self._http.ask_json("POST", url, words.webhook_message(outgoing, idempotency_key), seconds=seconds)
        except Lost as lost:
            return lost.receipt
        message_id = text_at(answer.json, "id")
        return words.refusal_of_webhook(answer) or taken("Discord", f"webhook/{message_id}", message_id)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        url = _with(outgoing.page.address, f"/messages/{quote(provider_id.partition('/')[2], safe='')}")
        try:
            answer = await self._http.ask_json("PATCH", url, words.webhook_message(outgoing, outgoing.page.id), seconds=seconds)
        except Lost as lost:
            return lost.receipt
        return words.refusal_of_webhook(answer) or Receipt(Outcome.ACCEPTED, "edited", provider_id)


def _whisper(results: Sequence[Result]) -> HttpAnswer:
    """Told to the one who pressed."""
    data = {"content": plain_markdown(told(results)) or "Nothing was done.", "flags": ONLY_TO_THEM, "allowed_mentions": {"parse": []}}
    return HttpAnswer(200, "application/json", json.dumps({"type": 4, "data": data}).encode())


def _person(interaction: dict[str, Any]) -> str:
    """The person as a contact method names them: in a server they are a member, in a direct message a user."""
    found = text_at(interaction, "member", "user", "id") or text_at(interaction, "user", "id")
    return f"user:{found}" if found else ""


def _words(interaction: dict[str, Any]) -> str:
    """What was typed after the slash command."""
    data = interaction.get("data")
    options = data.get("options") if isinstance(data, dict) else None
    return " ".join(text_at(option, "value") for option in options if isinstance(option, dict)) if isinstance(options, list) else ""


def _list(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise Refused(Receipt(Outcome.UNKNOWN, "Discord: no list of messages"))
    return [each for each in found if isinstance(each, dict)]


def _with(url: str, below: str, **query: str) -> str:
    """The address of something below a webhook; a thread that the address names stays."""
    parts = urlsplit(url)
    kept = {name: value for name, value in parse_qsl(parts.query) if name == "thread_id"}
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + below, urlencode({**kept, **query}), ""))


def address_flaw(address: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    if is_url(address) and not url_flaw(address):
        fits = _WEBHOOK_PATH.fullmatch(urlsplit(address).path.rstrip("/"))
        return "" if fits else "must be the URL of a Discord webhook: https://discord.com/api/webhooks/…/…"
    if _ADDRESS.fullmatch(address) is None:
        return "must be user: or channel: and the id (a number), or the URL of a Discord webhook"
    return ""


@asynccontextmanager
async def open_discord(settings: DiscordSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The bot, if it is set up, and the way to webhooks, which always is there."""
    async with http_client([host_of(settings.discord_api_url)]) as http:
        yield (Account("discord", UrlsAndBot(DiscordWebhooks(http), _bot(settings, http, around.clock))),)


def _bot(settings: DiscordSettings, http: Http, clock: Clock) -> DiscordBot | Off:
    if settings.discord_token_file is None:
        return Off("the Discord bot is off: TOCSIN_DISCORD_TOKEN_FILE is not set")
    tokens = secrets_in(settings.discord_token_file) or ("",)
    key = public_key(settings.discord_public_key)
    return DiscordBot(DiscordApi(http, settings.discord_api_url, tokens[0]), Buttons(tokens if key else ()), key, clock)


def public_key(text: str) -> Ed25519PublicKey | None:
    """The application's key; None if there is none. Raises ValueError that names the setting."""
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)) if text else None
    except ValueError as error:
        raise ValueError("TOCSIN_DISCORD_PUBLIC_KEY must be 64 hex digits: General Information of the Discord application") from error


KIND = ChannelKind(Channel.DISCORD, "Discord", address_flaw, open_discord, host_of_url, threads=True)
