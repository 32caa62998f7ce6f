"""What the chats share: which answers a page offers, how its state is said, and how text of others is kept from doing anything."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from tocsin_communication.channels.channel import ChannelDriver, Outgoing
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    Escalate,
    InboundAnswer,
    InboundRequest,
    Registered,
    Resolve,
    Result,
    Said,
)
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt, Thread

log = logging.getLogger(__name__)

RESENT = "You may have had this message before: what became of the first attempt is not known."
MOST_KEPT = 10_000
STOP_SECONDS = 2.0
PROOF_LENGTH = 32
_MARKDOWN = re.compile(r"([\\`*_~\[\]()<>#|!])")
_CONFIRM = re.compile(r"(?i:confirm) +([A-Za-z0-9_-]{4,64})")
Value = TypeVar("Value")


class Button(StrEnum):
    """An answer that a chat message offers; the value is what comes back."""

    ACKNOWLEDGE = "ack"
    ESCALATE = "esc"
    RESOLVE = "res"

    def event(self, *, page_id: str, address: str, dedup_id: str) -> Acknowledge | Escalate | Resolve:
        """What pressing it means."""
        return _EVENTS[self](page_id=page_id, address=address, dedup_id=dedup_id)


_EVENTS: dict[Button, type[Acknowledge] | type[Escalate] | type[Resolve]] = {
    Button.ACKNOWLEDGE: Acknowledge,
    Button.ESCALATE: Escalate,
    Button.RESOLVE: Resolve,
}


@dataclass(frozen=True, slots=True)
class Offered:
    """A button in a message, and what the provider gives back when it is pressed; or the link behind it where nothing comes back."""

    button: Button
    label: str
    value: str
    url: str = ""


class Buttons:
    """Makes buttons and knows them again. A proof is in each, because programs of people's own can claim to have pressed anything."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` are what the channel and we alone know; the first one signs, all are good. Without any, buttons open links."""
        self._keys = [hashlib.sha256(b"tocsin buttons " + secret.encode()).digest() for secret in secrets]

    def offered(self, outgoing: Outgoing) -> tuple[Offered, ...]:
        """The answers that make sense now: what is open is taken or passed on, what somebody has taken is resolved, leave is given."""
        if not outgoing.is_approval and outgoing.incident is not None and outgoing.incident.state is not IncidentState.OPEN:
            taken = outgoing.incident.state is IncidentState.ACKNOWLEDGED and outgoing.page.kind is Kind.SUMMONS
            # A link resolves nothing: only whoever the chat proves may.
            return (self._offer(Button.RESOLVE, "Resolve", outgoing.page.id, ""),) if taken and self._keys else ()
        ways = {Button.ACKNOWLEDGE: outgoing.acknowledge_url, Button.ESCALATE: outgoing.escalate_url}
        labels = {Button.ACKNOWLEDGE: outgoing.yes, Button.ESCALATE: outgoing.no}
        return tuple(self._offer(button, labels[button], outgoing.page.id, url) for button, url in ways.items() if url)

    def _offer(self, button: Button, label: str, page_id: str, url: str) -> Offered:
        if not self._keys:
            return Offered(button, label, "", url)
        claimed = f"{button.value}:{page_id}"
        return Offered(button, label, f"{claimed}:{_proof(self._keys[0], claimed)}")

    def read(self, value: str) -> tuple[Button, str] | None:
        """The button and the page's id in what a provider gives back; None if it is nothing of ours."""
        claimed, _, proof = value.rpartition(":")
        name, _, page_id = claimed.partition(":")
        if name not in list(Button) or not any(hmac.compare_digest(_proof(key, claimed).encode(), proof.encode()) for key in self._keys):
            return None
        return Button(name), page_id


def _proof(key: bytes, claimed: str) -> str:
    return hmac.new(key, claimed.encode(), hashlib.sha256).hexdigest()[:PROOF_LENGTH]


def state_line(incident: Incident | None) -> str:
    """How it stands, in one plain sentence; empty if the page is about no incident."""
    if incident is None:
        return ""
    match incident.state:
        case IncidentState.OPEN:
            return "Open: nobody has taken it yet."
        case IncidentState.ACKNOWLEDGED:
            return f"Taken by {incident.acknowledged_by}."
        case _:
            return f"Resolved: {incident.resolve_reason}" if incident.resolve_reason else "Resolved."


def said(address: str, text: str, dedup_id: str) -> Said | Registered:
    """What somebody wrote to the bot: the code of a contact method that is being confirmed, or an answer in their own words."""
    code = _CONFIRM.fullmatch(text.strip())
    if code is not None:
        return Registered(code=code[1], address=address, dedup_id=dedup_id)
    return Said(address=address, text=text, dedup_id=dedup_id)


def told(results: Sequence[Result]) -> str:
    """What the person is answered."""
    return " ".join(result.text for result in results if result.text)


def taken(provider: str, provider_id: str, message_id: str, thread: Thread | None = None) -> Receipt:
    """The receipt of a success. One without the message's id did not come from the provider, but from something on the way."""
    if not message_id:
        return Receipt(Outcome.UNKNOWN, f"{provider} answered with success, but without the id of a message")
    return Receipt(Outcome.ACCEPTED, f"{provider} has it", provider_id, thread=thread)


def hanging_from(root: str, outgoing: Outgoing) -> Thread | None:
    """What is to be remembered of the thread of a message that hangs from `root` or is it; None where that is known, or no matter."""
    return Thread(root, outgoing.thread) if root and outgoing.page.incident_id and root != outgoing.thread else None


def clip(text: str, longest: int) -> str:
    """At most so many characters; an ellipsis shows that some are missing."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain_markdown(text: str) -> str:
    """Text of others as Markdown that shows it and does nothing: no link, no image, and nobody is called by an @."""
    return _MARKDOWN.sub(r"\\\1", text).replace("@", "@\u200b")


def object_in(content: bytes) -> dict[str, Any]:
    """The JSON object that a provider sent. Raises BadRequest."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not JSON") from error
    if not isinstance(found, dict):
        raise BadRequest("not a JSON object")
    return found


def text_at(data: object, *path: str) -> str:
    """The text at a path in JSON of others; empty if there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, str) else ""


def secrets_in(file: Path) -> tuple[str, ...]:
    """The secrets in a file, one a line: while one is exchanged for another both are there, and the first one is used."""
    return tuple(line.strip() for line in file.read_text().splitlines() if line.strip())


class Refused(Exception):
    """A provider did not do what was asked, or nobody knows; `receipt` says what that means if the request was the message itself."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.detail)
        self.receipt = receipt

    @property
    def beforehand(self) -> "Refused":
        """The same for a request that only prepared the message, which surely has not left."""
        if self.receipt.outcome is not Outcome.UNKNOWN:
            return self
        return Refused(Receipt(Outcome.TRANSIENT, self.receipt.detail))


class Kept(Generic[Value]):
    """What was learned of the provider, as far as memory goes; forgetting it costs a look-up, never a page."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, *key: str) -> Value | None:
        """What is known."""
        found = self._values.get("\n".join(key))
        if found is not None:
            self._values.move_to_end("\n".join(key))
        return found

    def keep(self, value: Value, *key: str) -> None:
        """Remember it; the longest unused is forgotten."""
        self._values["\n".join(key)] = value
        self._values.move_to_end("\n".join(key))
        if len(self._values) > MOST_KEPT:
            self._values.popitem(last=False)

    def forget(self, *key: str) -> None:
        """It is not so any more."""
        self._values.pop("\n".join(key), None)


class UrlsAndBot:
    """Two ways of one kind: addresses that are URLs are webhooks, all others are reached through the bot, which alone hears answers."""

    def __init__(self, urls: ChannelDriver, bot: ChannelDriver) -> None:
        self._urls = urls
        self._bot = bot

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        return await self._way(outgoing).send(outgoing, idempotency_key, seconds)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        return await self._way(outgoing).edit(outgoing, provider_id, seconds)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver."""
        return await self._way(outgoing).recover(outgoing, idempotency_key, seconds)

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver."""
        return await self._bot.parse_inbound(request)

    def _way(self, outgoing: Outgoing) -> ChannelDriver:
        return self._urls if is_url(outgoing.page.address) else self._bot


def is_url(address: str) -> bool:
    """It begins as one."""
    return address.lower().startswith(("http://", "https://"))


def host_of_url(address: str) -> str:
    """Who carries pages to an address where webhooks are carried by their own hosts and all others by the bot's."""
    return urlsplit(address).netloc.lower() if is_url(address) else ""


class Asides:
    """Words to people that nobody waits for, because the provider waits only three seconds for its own answer."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside; a failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("somebody was not told what became of their answer: %s", error)

    async def __aenter__(self) -> "Asides":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.finish()

    async def finish(self) -> None:
        """Let what is under way end, for a moment."""
        if self._under_way:
            late = list(self._under_way)
            await asyncio.wait(late, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
