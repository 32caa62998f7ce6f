"""Mattermost: a bot with buttons, one thread an incident, edited when it goes on; or an incoming webhook, which tells nothing back."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.chat import (
    RESENT,
    Button,
    Buttons,
    Kept,
    Offered,
    Refused,
    UrlsAndBot,
    clip,
    hanging_from,
    host_of_url,
    is_url,
    object_in,
    plain_markdown,
    secrets_in,
    state_line,
    taken,
    text_at,
    told,
)
from tocsin_communication.channels.http import Answer, Deadline, Http, Lost, host_of, http_client, wait_of
from tocsin_communication.channels.inbound import BadSignature, HttpAnswer, InboundAnswer, InboundRequest, Result
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.pages.receipt import Outcome, Receipt

_PERSON = re.compile(r"@[a-z0-9][a-z0-9._-]{0,63}")
_CHANNEL = re.compile(r"channel:[a-z0-9]{26}")
LONGEST_SUBJECT = 300
LONGEST_BODY = 7000
LOOKUP_SHARE = 3.0
EARLIER_SECONDS = 60.0
# A repeat came while the first post is still being saved: it may yet be.
BEING_SAVED = "api.post.deduplicate_create_post.pending"
ARCHIVED = "api.post.create_post.can_not_post_to_deleted.error"
STYLES = {Button.ACKNOWLEDGE: "primary", Button.ESCALATE: "danger", Button.RESOLVE: "primary"}


@dataclass(frozen=True, kw_only=True)
class MattermostSettings:
    """What the Mattermost bot needs; incoming webhooks need only the address, unless it is private."""

    mattermost_url: str = setting(
        "TOCSIN_MATTERMOST_URL",
        "where Mattermost is, which may be a private address; empty: only incoming webhooks can be paged",
        default="",
    )
    mattermost_token_file: Path | None = setting(
        "TOCSIN_MATTERMOST_TOKEN_FILE", "file with the access token of the Mattermost bot; needed to page people and channels", default=None
    )


class MattermostApi:
    """The requests of the bot."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/api/v4"
        self._token = token

    async def ask(self, method: str, path: str, deadline: Deadline, content: object = None) -> Any:
        """The JSON of a success. Raises Refused."""
        headers = {"authorization": f"Bearer {self._token}"}
        try:
            if content is None:
                answer = await self._http.ask(method, self._url + path, seconds=deadline.left, headers=headers)
            else:
                answer = await self._http.ask_json(method, self._url + path, content, seconds=deadline.left, headers=headers)
        except Lost as lost:
            raise Refused(lost.receipt) from lost
        if (receipt := refusal(answer)) is not None:
            raise Refused(receipt)
        return answer.json


class MattermostBot:
    """Pages as posts of a bot, to a person or into a channel."""

    def __init__(self, api: MattermostApi, buttons: Buttons, hook: str) -> None:
        """`hook` is where Mattermost tells us of presses. It signs nothing; but what a button carries is signed by us."""
        self._api = api
        self._buttons = buttons
        self._hook = hook
        self._me = ""
        self._channels: Kept[str] = Kept()
        self._threads: Kept[str] = Kept()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. The pending id makes a repeat within half a minute the same post."""
        deadline = Deadline(seconds)
        try:
            channel = await self._channel(outgoing.page.address, deadline)
            post_id, root = await self._post(outgoing, idempotency_key, channel, deadline)
        except Refused as refused:
            return refused.receipt
        return taken("Mattermost", post_id, post_id, hanging_from(root, outgoing))

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        try:
            path = f"/posts/{quote(provider_id, safe='')}/patch"
            await self._api.ask("PUT", path, Deadline(seconds), self._content(outgoing, outgoing.page.id))
        except Refused as refused:
            return refused.receipt
        return Receipt(Outcome.ACCEPTED, "edited", provider_id)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. The channel's posts since then are searched for the page's id."""
        deadline = Deadline(seconds)
        since = outgoing.page.created_at.timestamp()
        try:
            found = await self._find(await self._channel(outgoing.page.address, deadline), idempotency_key, since, deadline)
        except Refused as refused:
            return Receipt(Outcome.UNKNOWN, f"whether it was taken cannot be found out: {refused.receipt.detail}")
        if not found:
            return Receipt(Outcome.TRANSIENT, "Mattermost does not have it")
        return Receipt(Outcome.ACCEPTED, "found at Mattermost", found)

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver."""
        press = object_in(request.body) if request.method == "POST" and request.body else {}
        found = self._buttons.read(text_at(press, "context", "page"))
        if found is None:
            raise BadSignature("the button is none of ours")
        button, page_id = found
        dedup_id = text_at(press, "trigger_id") or "/".join((text_at(press, "post_id"), text_at(press, "user_id"), button.value))
        event = button.event(page_id=page_id, address=f"@{text_at(press, 'user_name').lower()}", dedup_id=dedup_id)
        return InboundAnswer((event,), finish=_whisper)

    async def _post(self, outgoing: Outgoing, key: str, channel: str, deadline: Deadline) -> tuple[str, str]:
        """Its id, and what it hangs from: the thread of the incident; if that is gone, it begins another one."""
        content = {"channel_id": channel, "pending_post_id": key, **self._content(outgoing, key)}
        root = await self._root(outgoing, channel, deadline)
        if root:
            try:
                return text_at(await self._api.ask("POST", "/posts", deadline, {**content, "root_id": root}), "id"), root
            except Refused as refused:
                if "root_id" not in refused.receipt.detail:
                    raise
        post_id = text_at(await self._api.ask("POST", "/posts", deadline, content), "id")
        if outgoing.page.incident_id and post_id:
            self._threads.keep(post_id, channel, outgoing.page.incident_id)
        return post_id, post_id

    async def _root(self, outgoing: Outgoing, channel: str, deadline: Deadline) -> str:
        """The post that the thread of the incident hangs from; not finding it costs a thread, never the page."""
        page, incident = outgoing.page, outgoing.incident
        known = outgoing.thread or self._threads.get(channel, page.incident_id)
        if known or not page.summons_id or incident is None:
            return known or ""
        try:
            share = Deadline(deadline.left / LOOKUP_SHARE)
            found = await self._find(channel, page.summons_id, incident.opened_at.timestamp(), share)
        except Refused:
            return ""
        if found:
            self._threads.keep(found, channel, page.incident_id)
        return found

    async def _find(self, channel: str, page_id: str, since: float, deadline: Deadline) -> str:
        """The post that carries a page; empty if there is none. Raises Refused."""
        query = urlencode({"since": int((since - EARLIER_SECONDS) * 1000)})
        posts: object = (await self._api.ask("GET", f"/channels/{channel}/posts?{query}", deadline)).get("posts")
        for post_id, post in posts.items() if isinstance(posts, dict) else ():
            if text_at(post, "props", "tocsin_page") == page_id:
                return str(post_id)
        return ""

    async def _channel(self, address: str, deadline: Deadline) -> str:
        """Where an address leads. Raises Refused."""
        if address.startswith("channel:"):
            return address.removeprefix("channel:")
        known = self._channels.get(address)
        if known is None:
            try:
                known = await self._open(address.removeprefix("@"), deadline)
            except Refused as refused:
                raise refused.beforehand from refused
            self._channels.keep(known, address)
        return known

    async def _open(self, person: str, deadline: Deadline) -> str:
        self._me = self._me or text_at(await self._api.ask("GET", "/users/me", deadline), "id")
        user = text_at(await self._api.ask("GET", f"/users/username/{quote(person, safe='')}", deadline), "id")
        return text_at(await self._api.ask("POST", "/channels/direct", deadline, [self._me, user]), "id")

    def _content(self, outgoing: Outgoing, key: str) -> dict[str, object]:
        actions = [self._button(each) for each in self._buttons.offered(outgoing)]
        attachment = {**_attachment(outgoing), "actions": actions}
        props = {"attachments": [attachment], "tocsin_page": key}
        return {"message": plain_markdown(clip(outgoing.page.subject, LONGEST_SUBJECT)), "props": props}

    def _button(self, offered: Offered) -> dict[str, object]:
        button, integration = offered.button, {"url": self._hook, "context": {"page": offered.value}}
        return {"id": button.value, "type": "button", "name": offered.label, "style": STYLES[button], "integration": integration}


class MattermostWebhooks(OneWay):
    """Pages to incoming webhooks."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        links = ((outgoing.yes, outgoing.acknowledge_url), (outgoing.no, outgoing.escalate_url))
        attachment = _attachment(outgoing)
        attachment["text"] = "\n\n".join([str(attachment["text"]), *(f"{title}: {url}" for title, url in links if url)])
        content = {"text": plain_markdown(clip(outgoing.page.subject, LONGEST_SUBJECT)), "attachments": [attachment]}
        try:
            answer = await self._http.ask_json("POST", outgoing.page.address, content, seconds=seconds)
        except Lost as lost:
            return lost.receipt
        refused = refusal(answer)
        if refused is None:
            return taken("Mattermost", f"webhook {idempotency_key}", idempotency_key if answer.body.strip() == b"ok" else "")
        if answer.status in (401, 403, 404, 410) or "incoming_webhook.invalid" in refused.detail:
            return Receipt(Outcome.PERMANENT_TARGET, refused.detail)
        return refused


def refusal(answer: Answer) -> Receipt | None:
    """Why Mattermost did not do it; None if it did."""
    if answer.success:
        return None
    code = text_at(answer.json, "id")
    said = clip(f"Mattermost: HTTP {answer.status} {code}".rstrip(), 200)
    return Receipt(_outcome(answer.status, code), said, retry_after=_wait(answer.headers) if answer.status == 429 else None)


def _outcome(status: int, code: str) -> Outcome:
    match status:
        case 429:
            return Outcome.THROTTLED
        case 503:
            return Outcome.TRANSIENT
        case 403 | 404 | 410:
            return Outcome.PERMANENT_TARGET
        case _ if status >= 500 or status == 408 or code == BEING_SAVED:
            return Outcome.UNKNOWN
        case _:
            return Outcome.PERMANENT_TARGET if code == ARCHIVED else Outcome.PERMANENT_CONFIG


def _wait(headers: Mapping[str, str]) -> Any:
    return wait_of(headers.get("retry-after") or headers.get("x-ratelimit-reset", ""))


def _attachment(outgoing: Outgoing) -> dict[str, object]:
    page = outgoing.page
    remarks = [state_line(outgoing.incident), RESENT if page.resent_after_unknown else ""]
    made: dict[str, object] = {
        "fallback": clip(page.subject, LONGEST_SUBJECT),
        "text": plain_markdown(clip(page.body, LONGEST_BODY)),
        "footer": " ".join(remark for remark in remarks if remark),
    }
    if outgoing.incident_url:
        made |= {"title": "Incident", "title_link": outgoing.incident_url}
    return made


def _whisper(results: Sequence[Result]) -> HttpAnswer:
    """Told to the one who pressed."""
    content = {"ephemeral_text": plain_markdown(told(results)) or "Nothing was done."}
    return HttpAnswer(200, "application/json", json.dumps(content).encode())


def address_flaw(address: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    if is_url(address):
        return url_flaw(address)
    if _PERSON.fullmatch(address) is None and _CHANNEL.fullmatch(address) is None:
        return "must be @username, channel: and the channel's id of 26 characters, or the URL of an incoming webhook"
    return ""


@asynccontextmanager
async def open_mattermost(settings: MattermostSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The bot, if it is set up, and the way to incoming webhooks, which always is there."""
    own = [host_of(settings.mattermost_url)] if settings.mattermost_url else []
    async with http_client(own) as http:
        yield (Account("mattermost", UrlsAndBot(MattermostWebhooks(http), _bot(settings, http, around))),)


def _bot(settings: MattermostSettings, http: Http, around: Surroundings) -> MattermostBot | Off:
    if not settings.mattermost_url or settings.mattermost_token_file is None:
        return Off("the Mattermost bot is off: TOCSIN_MATTERMOST_URL and TOCSIN_MATTERMOST_TOKEN_FILE are not both set")
    tokens = secrets_in(settings.mattermost_token_file) or ("",)
    return MattermostBot(
        MattermostApi(http, settings.mattermost_url, tokens[0]), Buttons(tokens), around.hook(Channel.MATTERMOST, "actions")
    )


KIND = ChannelKind(Channel.MATTERMOST, "Mattermost", address_flaw, open_mattermost, host_of_url, threads=True)
