"""Microsoft Teams: a bot with buttons, edited when the incident goes on; or a workflow's address, which takes cards and tells nothing."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tocsin_chassis.settings import setting
from tocsin_communication.channels import teams_words as words
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.chat import (
    Asides,
    Buttons,
    Kept,
    Refused,
    UrlsAndBot,
    hanging_from,
    host_of_url,
    is_url,
    object_in,
    said,
    secrets_in,
    taken,
    text_at,
    told,
)
from tocsin_communication.channels.http import Answer, Deadline, Http, Lost, host_of, http_client
from tocsin_communication.channels.inbound import BadSignature, HttpAnswer, InboundAnswer, InboundEvent, InboundRequest, Result
from tocsin_communication.channels.teams_identity import BotKeys, BotToken, NoToken, verify
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

_PERSON = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CONVERSATION = re.compile(r"(19:[A-Za-z0-9._-]{1,200}@(thread\.tacv2|thread\.v2|thread\.skype|unq\.gbl\.spaces)|a:[A-Za-z0-9_-]{1,300})")
_MENTION = re.compile(r"<at>[^<]*</at>")
THREADED = "@thread.tacv2"
ASIDE_SECONDS = 10.0
NOT_IMPLEMENTED = HttpAnswer(501)
TEXT = "application/vnd.microsoft.activity.message"


@dataclass(frozen=True, kw_only=True)
class TeamsSettings:
    """What the Teams bot needs; workflows need nothing."""

    teams_app_id: str = setting(
        "TOCSIN_TEAMS_APP_ID", "the app id of the Teams bot; empty: only addresses of Teams workflows can be paged", default=""
    )
    teams_tenant_id: str = setting("TOCSIN_TEAMS_TENANT_ID", "the tenant of the Teams bot and of those whom it pages", default="")
    teams_app_secret_file: Path | None = setting(
        "TOCSIN_TEAMS_APP_SECRET_FILE", "file with the client secret of the Teams bot; needed with TOCSIN_TEAMS_APP_ID", default=None
    )
    teams_service_url: str = setting(
        "TOCSIN_TEAMS_SERVICE_URL", "where the Bot Connector of Teams is", default="https://smba.trafficmanager.net/teams"
    )
    teams_login_url: str = setting("TOCSIN_TEAMS_LOGIN_URL", "where the Teams bot signs in", default="https://login.microsoftonline.com")
    teams_openid_url: str = setting(
        "TOCSIN_TEAMS_OPENID_URL",
        "where the keys are announced that requests of Teams are signed with",
        default="https://login.botframework.com/v1/.well-known/openidconfiguration",
    )


@dataclass(frozen=True, slots=True)
class Bot:
    """The bot as it is registered."""

    app_id: str
    tenant_id: str
    service_url: str


class BotConnector:
    """The requests of the bot. Its token goes to the one address of the settings, and to none that a caller names."""

    def __init__(self, http: Http, bot: Bot, token: BotToken) -> None:
        self._http = http
        self._bot = bot
        self._token = token

    async def open(self, person: str, deadline: Deadline) -> str:
        """The conversation with a person; asking again gives the same one. Raises Refused."""
        asked = {
            "bot": {"id": f"28:{self._bot.app_id}"},
            "isGroup": False,
            "members": [{"id": person}],
            "tenantId": self._bot.tenant_id,
            "channelData": {"tenant": {"id": self._bot.tenant_id}},
        }
        try:
            answer = await self._ask("POST", "/v3/conversations", asked, deadline)
        except Refused as refused:
            raise refused.beforehand from refused
        conversation = text_at(answer.json, "id")
        if not conversation:
            raise Refused(Receipt(Outcome.TRANSIENT, "Teams: no conversation was opened"))
        return conversation

    async def post(self, conversation: str, activity: dict[str, object], deadline: Deadline) -> str:
        """The id of the new message. Raises Refused."""
        answer = await self._ask("POST", f"/v3/conversations/{quote(conversation, safe='')}/activities", activity, deadline)
        return text_at(answer.json, "id")

    async def put(self, conversation: str, activity_id: str, activity: dict[str, object], deadline: Deadline) -> None:
        """Replace a message. Raises Refused."""
        path = f"/v3/conversations/{quote(conversation, safe='')}/activities/{quote(activity_id, safe='')}"
        await self._ask("PUT", path, {**activity, "id": activity_id}, deadline)

    async def _ask(self, method: str, path: str, content: dict[str, object], deadline: Deadline) -> Answer:
        """A token that is refused is fetched anew, once."""
        answer = await self._try(method, path, content, deadline)
        if answer.status == 401:
            answer = await self._try(method, path, content, deadline)
        refused = words.refusal(answer)
        if refused is not None:
            raise Refused(refused)
        return answer

    async def _try(self, method: str, path: str, content: dict[str, object], deadline: Deadline) -> Answer:
        try:
            token = await self._token.get(deadline)
            headers = {"authorization": f"Bearer {token}"}
            answer = await self._http.ask_json(method, self._bot.service_url + path, content, seconds=deadline.left, headers=headers)
        except (NoToken, Lost) as error:
            raise Refused(error.receipt) from error
        if answer.status == 401:
            self._token.forget(token)
        return answer


class TeamsBot:
    """Pages as messages of a bot, to a person or into a channel."""

    def __init__(self, connector: BotConnector, keys: BotKeys, bot: Bot, buttons: Buttons, clock: Clock, asides: Asides) -> None:
        self._connector = connector
        self._keys = keys
        self._bot = bot
        self._buttons = buttons
        self._clock = clock
        self._asides = asides
        self._conversations: Kept[str] = Kept()
        self._threads: Kept[str] = Kept()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. The connector knows no idempotency key and cannot be searched."""
        deadline = Deadline(seconds)
        activity = words.activity(outgoing, idempotency_key, self._buttons.offered(outgoing))
        try:
            conversation = await self._conversation(outgoing.page.address, deadline)
            thread, activity_id = await self._post(outgoing, conversation, activity, deadline)
        except Refused as refused:
            if refused.receipt.outcome is Outcome.PERMANENT_TARGET:
                self._conversations.forget(outgoing.page.address.lower())
            return refused.receipt
        threaded = activity_id and conversation.endswith(THREADED)
        root = _thread(conversation, activity_id) if thread == conversation else thread
        return taken("Teams", f"{thread}|{activity_id}", activity_id, hanging_from(root if threaded else "", outgoing))

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        conversation, _, activity_id = provider_id.rpartition("|")
        if not conversation:
            return Receipt(Outcome.PERMANENT_TARGET, "there is no such message at Teams")
        try:
            activity = words.activity(outgoing, outgoing.page.id, self._buttons.offered(outgoing))
            await self._connector.put(conversation, activity_id, activity, Deadline(seconds))
        except Refused as refused:
            return refused.receipt
        return Receipt(Outcome.ACCEPTED, "edited", provider_id)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """A bot cannot read what it wrote."""
        return None

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver. The token must be for this bot, from the place that it names, by a key that may vouch for Teams."""
        claims, key = await verify(self._keys, request.headers.get("authorization", ""), self._bot.app_id, self._clock.now())
        activity = object_in(request.body)
        service_url = text_at(activity, "serviceUrl")
        if not service_url or service_url not in (claims.get("serviceurl"), claims.get("serviceUrl")):
            raise BadSignature("the token is for another service URL")
        tenant = text_at(activity, "channelData", "tenant", "id") or text_at(activity, "conversation", "tenantId")
        if tenant and tenant.lower() != self._bot.tenant_id.lower():
            raise BadSignature("it comes from another tenant")
        if text_at(activity, "channelId") not in key.endorsements:
            raise BadSignature("the key may not vouch for this channel")
        match activity.get("type"):
            case "invoke":
                return self._invoked(activity)
            case "message":
                return self._written(activity)
            case _:
                return InboundAnswer()

    async def _post(self, outgoing: Outgoing, conversation: str, activity: dict[str, object], deadline: Deadline) -> tuple[str, str]:
        """Where it was posted and its id: in the thread of the incident where there are threads. A thread that is gone is left."""
        incident_id = outgoing.page.incident_id
        if not incident_id or not conversation.endswith(THREADED):
            return conversation, await self._connector.post(conversation, activity, deadline)
        thread = outgoing.thread or self._threads.get(conversation, incident_id)
        if thread:
            try:
                return thread, await self._connector.post(thread, activity, deadline)
            except Refused as refused:
                if refused.receipt.outcome is not Outcome.PERMANENT_TARGET:
                    raise
        activity_id = await self._connector.post(conversation, activity, deadline)
        if activity_id:
            self._threads.keep(_thread(conversation, activity_id), conversation, incident_id)
        return conversation, activity_id

    async def _conversation(self, address: str, deadline: Deadline) -> str:
        """Raises Refused."""
        if _PERSON.fullmatch(address) is None:
            return address
        person = address.lower()
        known = self._conversations.get(person)
        if known is None:
            known = await self._connector.open(person, deadline)
            self._conversations.keep(known, person)
        return known

    def _invoked(self, activity: dict[str, Any]) -> InboundAnswer:
        """A button of a card; Teams shows the text that it is answered with."""
        event = self._pressed(activity)
        if activity.get("name") != "adaptiveCard/action" or event is None:
            return InboundAnswer(answer=NOT_IMPLEMENTED)

        def finish(results: Sequence[Result]) -> HttpAnswer:
            content = {"statusCode": 200, "type": TEXT, "value": told(results) or "Nothing was done."}
            return HttpAnswer(200, "application/json", json.dumps(content).encode())

        return InboundAnswer((event,), finish=finish)

    def _written(self, activity: dict[str, Any]) -> InboundAnswer:
        """A button of an old client, or words. The answer is a message of its own."""
        event: InboundEvent | None = self._pressed(activity) or _said(activity)
        if event is None:
            return InboundAnswer()
        return InboundAnswer((event,), finish=partial(self._reply, text_at(activity, "conversation", "id")))

    def _pressed(self, activity: dict[str, Any]) -> InboundEvent | None:
        found = self._buttons.read(words.value_in(activity.get("value")))
        if found is None:
            return None
        button, page_id = found
        return button.event(page_id=page_id, address=_person(activity), dedup_id=text_at(activity, "id"))

    def _reply(self, conversation: str, results: Sequence[Result]) -> HttpAnswer:
        if conversation and told(results):
            self._asides.start(self._say(conversation, told(results)))
        return HttpAnswer()

    async def _say(self, conversation: str, text: str) -> None:
        message: dict[str, object] = {"type": "message", "text": text, "textFormat": "plain"}
        await self._connector.post(conversation, message, Deadline(ASIDE_SECONDS))


class TeamsWorkflows(OneWay):
    """Pages to the addresses of workflows. That one took it does not mean that somebody sees it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        content = words.workflow_message(outgoing, idempotency_key)
        try:
            answer = await self._http.ask_json("POST", outgoing.page.address, content, seconds=seconds)
        except Lost as lost:
            return lost.receipt
        return words.refusal_of_workflow(answer) or Receipt(Outcome.ACCEPTED, "the workflow has it", f"workflow {idempotency_key}")


def _said(activity: dict[str, Any]) -> InboundEvent | None:
    text = _MENTION.sub(" ", text_at(activity, "text")).strip()
    person = _person(activity)
    return said(person, text, text_at(activity, "id")) if text and person else None


def _person(activity: dict[str, Any]) -> str:
    """The person as a contact method names them."""
    return text_at(activity, "from", "aadObjectId").lower()


def _thread(conversation: str, activity_id: str) -> str:
    """The conversation that hangs from a message in a channel."""
    return f"{conversation};messageid={activity_id}"


def address_flaw(address: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    if is_url(address):
        return url_flaw(address)
    if _PERSON.fullmatch(address) is None and _CONVERSATION.fullmatch(address) is None:
        return (
            "must be the object id of a person in Entra (a GUID), the id of a Teams conversation (19:…@thread.tacv2), or a workflow's URL"
        )
    return ""


@asynccontextmanager
async def open_teams(settings: TeamsSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The bot, if it is set up, and the way to workflows, which always is there."""
    own = [host_of(url) for url in (settings.teams_service_url, settings.teams_login_url, settings.teams_openid_url)]
    async with http_client(own) as http, http_client() as to_workflows, Asides() as asides:
        yield (Account("teams", UrlsAndBot(TeamsWorkflows(to_workflows), _bot(settings, http, around.clock, asides))),)


def _bot(settings: TeamsSettings, http: Http, clock: Clock, asides: Asides) -> TeamsBot | Off:
    if not settings.teams_app_id or not settings.teams_tenant_id or settings.teams_app_secret_file is None:
        return Off("the Teams bot is off: TOCSIN_TEAMS_APP_ID, TOCSIN_TEAMS_TENANT_ID and TOCSIN_TEAMS_APP_SECRET_FILE are not all set")
    secrets = secrets_in(settings.teams_app_secret_file) or ("",)
    bot = Bot(settings.teams_app_id, settings.teams_tenant_id, settings.teams_service_url.rstrip("/"))
    login = f"{settings.teams_login_url.rstrip('/')}/{bot.tenant_id}/oauth2/v2.0/token"
    connector = BotConnector(http, bot, BotToken(http, login, bot.app_id, secrets[0], clock))
    return TeamsBot(connector, BotKeys(http, settings.teams_openid_url, clock), bot, Buttons(secrets), clock, asides)


KIND = ChannelKind(Channel.TEAMS, "Microsoft Teams", address_flaw, open_teams, host_of_url, threads=True)
