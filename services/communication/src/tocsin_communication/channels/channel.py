"""The interface that every channel implements; its conformance suite says the rest."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from tocsin_communication.channels.inbound import InboundAnswer, InboundEvent, InboundRequest, NoInbound, Result
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A page as it leaves: with the incident as last heard of, and the ways to answer it. What does not apply is empty.

    `reply_code` is a short number that the responder can type into an answer or hear in a call; it is unique among their open pages.
    The links are secrets: a driver puts them into the message and into nothing else. A GET of one changes nothing, a POST answers.
    `thread` is what the message hangs from, as the receipt of the one that began the thread said.
    """

    page: Page
    incident: Incident | None
    acknowledge_url: str
    incident_url: str
    reply_code: str = ""
    escalate_url: str = ""
    thread: str = ""

    @property
    def is_approval(self) -> bool:
        """It asks whether a run may go on, which has to be decided whoever has taken the incident, and though it is over."""
        return self.page.kind is Kind.APPROVAL

    @property
    def is_decided(self) -> bool:
        """It asked whether a run may go on, and nobody needs to answer any more; it says how it ended."""
        return self.is_approval and not self.acknowledge_url

    @property
    def yes(self) -> str:
        """What the first answer is called."""
        return "Approve" if self.is_approval else "Acknowledge"

    @property
    def no(self) -> str:
        """What the other answer is called."""
        return "Deny" if self.is_approval else "Escalate"


class ChannelDriver(Protocol):
    """Hands pages to one account at one kind of provider. No method raises for what a provider does: every outcome is a receipt."""

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """Hand the page over within so many seconds. The same key names the same message to the provider, however often it is sent."""
        ...

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """Bring the message that was sent to what the incident is now: who took it, that it is over. None: this channel cannot.

        A question that is over comes with other words and without links; its buttons go.

        Safe to repeat. A call that still rings is hung up by it.
        """
        ...

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """After UNKNOWN: was it taken? ACCEPTED or DELIVERED with its provider id: it was. TRANSIENT: it surely was not. None: nobody
        can know, or a repeat with the same key is harmless because the provider drops it."""
        ...

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """What the provider tells us. Raises BadSignature, BadRequest, NoInbound, and nothing else whatever the bytes are."""
        ...


class OneWay:
    """The part of a driver whose channel takes pages and tells nothing back."""

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """Cannot."""
        return None

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """Cannot know."""
        return None

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """Nobody calls."""
        raise NoInbound()


class Off(OneWay):
    """A channel that is not set up: its pages fail, and say why."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """Refuse."""
        return Receipt(Outcome.PERMANENT_CONFIG, self.why)


Take = Callable[[InboundEvent], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a provider, by a name that is unique within the kind: lower-case letters, digits and dashes.

    `receipt_within` is how long it usually takes until the provider says that the message arrived; None if it never says so. Where
    there is a second account it is tried when that time has passed. `listen` runs as long as the service does, for a provider that tells
    things over a connection that we open; it takes each event as the hooks do.
    """

    name: str
    driver: ChannelDriver
    receipt_within: timedelta | None = None
    listen: Callable[[Take], Coroutine[Any, Any, None]] | None = None

    @property
    def off(self) -> bool:
        """It is not set up."""
        return isinstance(self.driver, Off)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a kind gets besides its settings."""

    clock: Clock
    public_url: str

    def hook(self, kind: Channel, below: str) -> str:
        """The public address at which the provider reaches `parse_inbound` of this kind, with `below` as its path."""
        return f"{self.public_url.rstrip('/')}/hooks/channels/{hook_name(kind)}/{below.lstrip('/')}"


def hook_name(kind: Channel) -> str:
    """The kind's name in addresses."""
    return kind.value.lower().replace("_", "-")


def carried_by_itself(address: str) -> str:
    """The usual answer to who carries the pages to an address: the account, wherever they go."""
    return ""


Accounts = tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind of channel: everything that the rest of communication knows of it.

    `flaw` says what is wrong with an address, empty if nothing is ("must be a phone number such as +15551234567"). `open` yields the
    accounts, the first one is used first; one that is Off says which setting is missing. It gets the service's settings, of which the
    kind's own part is a base class. `host` names who carries pages to an address where that is not the account but, say, the host of
    an URL: one that is slow holds up only its own pages. Where the kind has `threads`, the messages about an incident hang together.
    """

    channel: Channel
    title: str
    flaw: Callable[[str], str]
    open: Callable[[Any, Surroundings], AbstractAsyncContextManager[Accounts]]
    host: Callable[[str], str] = carried_by_itself
    best_effort: bool = False
    threads: bool = False
