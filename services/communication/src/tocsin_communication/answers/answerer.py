"""Who answers when a button is pressed or a message is answered: the one whom the channel proves, or nobody. Pure."""

import re
from collections.abc import Sequence

from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Page

# Chats whose places several people may read, and by which addresses a place is one person's own.
PERSONAL = {
    Channel.SLACK: re.compile(r"[UWD].*"),
    Channel.TEAMS: re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    Channel.TELEGRAM: re.compile(r"[0-9]+"),
    Channel.MATTERMOST: re.compile(r"@.*"),
    Channel.DISCORD: re.compile(r"user:.*"),
}
STRANGER = (
    "You are not known here as a responder, so nothing was done: {channel} {address} is nobody's contact method. "
    "Add it, in the console or by `tocsin contact add {kind} {address}`, and press again."
)
SEVERAL = "{channel} {address} is the contact method of {count} responders, so nobody knows which of them answers. Nothing was done."


def answerer(page: Page, address: str, known: Sequence[str]) -> str | None:
    """The responder who answers a page; None: somebody whom nobody knows, in a place that others read too.

    `address` is who answers in the channel's own words (empty: the channel cannot tell), `known` are the responders who have it.
    """
    if len(known) == 1:
        return known[0]
    if page.responder in known or not address or not is_shared(page.channel, page.address):
        return page.responder
    return None


def is_shared(channel: Channel, address: str) -> bool:
    """Whether others than the responder may read what comes to an address, and answer it."""
    personal = PERSONAL.get(channel)
    return personal is not None and personal.fullmatch(address) is None


def refusal(channel: Channel, address: str, known: Sequence[str]) -> str:
    """What somebody is told who cannot answer."""
    kind = channel.value.lower().replace("_", "-")
    text = SEVERAL if known else STRANGER
    return text.format(channel=channel.value.capitalize(), kind=kind, address=address, count=len(known))
