"""The interface that every channel implements; its conformance suite says the rest."""

from dataclasses import dataclass
from typing import Protocol

from tocsin_communication.incident import Incident
from tocsin_communication.page import Page
from tocsin_communication.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A page as it leaves: with the incident as last heard of, and the links. A link that does not apply is empty."""

    page: Page
    incident: Incident | None
    acknowledge_url: str
    incident_url: str


class ChannelDriver(Protocol):
    """Hands pages to one kind of provider."""

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """Hand the page over within so many seconds. Never raises for what the provider does: every outcome is a receipt.

        The same key names the same message to the provider, however often it is sent.
        """
        ...


@dataclass(frozen=True, slots=True)
class Off:
    """A channel that is not set up: its pages fail, and say why."""

    why: Receipt

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """Refuse."""
        return self.why
