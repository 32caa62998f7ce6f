"""Apprise: the way to some hundred services that have no channel of their own here. Best effort: it says whether, but never why not."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.chat import RESENT, state_line
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt

if TYPE_CHECKING:
    from apprise import NotifyBase

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[\x21-\x7e]{1,2000}")
CONNECT_SECONDS = 4.0
# Each holds up one thread, also after its time is over.
AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class AppriseSettings:
    """What Apprise needs."""

    apprise_schemes: str = setting(
        "TOCSIN_APPRISE_SCHEMES",
        "the services that may be paged through Apprise, by the scheme of their URLs, as in pover,gotify: their connections are"
        " made by Apprise, and what its services reach is not guarded; empty: Apprise is off and its pages fail",
        default="",
    )


class AppriseChannel(OneWay):
    """Hands pages to Apprise, in threads because it waits, and with an end because a service may never answer."""

    def __init__(self, schemes: frozenset[str], threads: ThreadPoolExecutor) -> None:
        self._schemes = schemes
        self._threads = threads

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. Neither a refusal nor silence can be told from a message that arrived."""
        scheme = scheme_of(outgoing.page.address)
        if scheme not in self._schemes:
            return Receipt(Outcome.PERMANENT_CONFIG, f"{scheme} may not be paged through Apprise: it is not in TOCSIN_APPRISE_SCHEMES")
        service = _service(outgoing.page.address, seconds)
        if service is None:
            return Receipt(Outcome.PERMANENT_TARGET, f"Apprise does not understand the rest of the {scheme} address")
        under_way = self._threads.submit(_hand_over, service, outgoing)
        try:
            async with asyncio.timeout(seconds):
                taken = await asyncio.shield(asyncio.wrap_future(under_way))
        except TimeoutError:
            if under_way.cancel():
                return Receipt(Outcome.TRANSIENT, f"not handed over: {AT_ONCE} others wait for Apprise")
            return Receipt(Outcome.UNKNOWN, f"Apprise has not answered within {seconds:.0f} s")
        if taken:
            return Receipt(Outcome.ACCEPTED, f"{scheme} has it, says Apprise", f"apprise {idempotency_key}")
        return Receipt(Outcome.UNKNOWN, f"Apprise could not hand it to {scheme}, and does not say why")


# Apprise is imported where it is used: most installations do not use it, and it is large.
def _service(address: str, seconds: float) -> "NotifyBase | None":
    """What can be paged at an address; None if Apprise does not understand it."""
    from apprise import Apprise, AppriseAsset, NotifyBase, OverflowMode, PersistentStoreMode

    asset = AppriseAsset(app_id="Tocsin", async_mode=False, secure_logging=True, storage_mode=PersistentStoreMode.MEMORY)
    service = Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if not isinstance(service, NotifyBase):
        return None
    service.socket_connect_timeout = min(CONNECT_SECONDS, seconds)
    service.socket_read_timeout = seconds
    service.overflow_mode = OverflowMode.TRUNCATE
    return service


def _hand_over(service: "NotifyBase", outgoing: Outgoing) -> bool:
    """Runs in a thread, and waits there."""
    from apprise import NotifyFormat, NotifyType

    kind = NotifyType.FAILURE if outgoing.page.kind is Kind.SUMMONS else NotifyType.INFO
    return bool(service.notify(title=outgoing.page.subject, body=text(outgoing), notify_type=kind, body_format=NotifyFormat.TEXT))


def text(outgoing: Outgoing) -> str:
    """What the page says, with its links."""
    links = ((outgoing.yes, outgoing.acknowledge_url), (outgoing.no, outgoing.escalate_url), ("Incident", outgoing.incident_url))
    remarks = (state_line(outgoing.incident), RESENT if outgoing.page.resent_after_unknown else "")
    return "\n".join([*(f"{title}: {url}" for title, url in links if url), "", outgoing.page.body, *filter(None, remarks)]).strip()


def scheme_of(address: str) -> str:
    """The service that an address is of."""
    return address.partition("://")[0].lower()


def address_flaw(address: str) -> str:
    """What is wrong with an address; empty if nothing is. Whether Apprise understands it shows when it is used."""
    if _ADDRESS.fullmatch(address) is None:
        return "must be an Apprise URL such as pover://user@token, in ASCII and without spaces"
    return ""


@asynccontextmanager
async def open_apprise(settings: AppriseSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """Apprise, if it may reach anything."""
    schemes = frozenset(scheme.strip().lower() for scheme in settings.apprise_schemes.split(",") if scheme.strip())
    if not schemes:
        yield (Account("apprise", Off("Apprise is off: TOCSIN_APPRISE_SCHEMES names no service")),)
        return
    # Its warnings say what a receipt says too.
    logging.getLogger("apprise").setLevel(logging.ERROR)
    threads = ThreadPoolExecutor(AT_ONCE, "apprise")
    try:
        yield (Account("apprise", AppriseChannel(schemes, threads)),)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


KIND = ChannelKind(Channel.APPRISE, "Apprise", address_flaw, open_apprise, host=scheme_of, best_effort=True)
