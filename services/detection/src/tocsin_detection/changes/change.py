"""A change: something that was done on purpose, and may explain what broke soon after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Link:
    """Where to read more: an http or https address, and what to call it (may be empty)."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `fingerprint` tells it from others of its integration: the same one told again is kept once.

    Texts are the sender's. `service` may be empty. Times are aware, in UTC: when it happened by the sender's clock, and when it was told.
    `id` is empty until it is kept.
    """

    integration: str
    fingerprint: str
    service: str
    summary: str
    source: str
    happened_at: datetime
    received_at: datetime
    details: Mapping[str, str]
    links: tuple[Link, ...]
    id: str = ""
