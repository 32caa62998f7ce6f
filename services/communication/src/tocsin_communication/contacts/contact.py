"""Contact methods: how to reach a responder, and which addresses can be reached at all."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_UNSEEN = re.compile(r"[\x00-\x20\x7f]")


class Channel(StrEnum):
    """The way a page goes."""

    EMAIL = "EMAIL"
    WEBHOOK = "WEBHOOK"
    SMS = "SMS"
    VOICE = "VOICE"
    SLACK = "SLACK"
    TEAMS = "TEAMS"
    TELEGRAM = "TELEGRAM"
    NTFY = "NTFY"
    WEB_PUSH = "WEB_PUSH"
    APPRISE = "APPRISE"
    MATTERMOST = "MATTERMOST"
    DISCORD = "DISCORD"
    NONE = "NONE"
    """The responder cannot be reached."""


@dataclass(frozen=True, slots=True)
class ContactMethod:
    """One way to reach one responder; used `delay` after the summons (None: at once)."""

    name: str
    responder: str
    channel: Channel
    address: str
    delay: timedelta | None = None


def mailbox_flaw(address: str) -> str:
    """What is wrong with a mailbox; empty if nothing is."""
    if _MAILBOX.fullmatch(address) is None or ".." in address:
        return "must be a mailbox such as alice@example.org (ASCII only, no display name)"
    return ""


def url_flaw(address: str) -> str:
    """What is wrong with an http or https URL; empty if nothing is."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        return f"is not a URL: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname or _UNSEEN.search(address) or not address.isascii():
        return "must be an http or https URL with a host, in ASCII"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or password"
    return "has no usable port" if port == 0 else ""
