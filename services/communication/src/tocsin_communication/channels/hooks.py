"""Requests of providers: found their driver, understood by it, taken event by event, answered in the provider's own way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from prometheus_client import Counter

from tocsin_communication.channels.channel import Account, Accounts, hook_name
from tocsin_communication.channels.inbound import BadRequest, BadSignature, HttpAnswer, InboundEvent, InboundRequest, NoInbound, Result
from tocsin_communication.contacts.contact import Channel

log = logging.getLogger(__name__)

PREFIX = "/hooks/channels/"
events_total = Counter("tocsin_channel_events_total", "events that providers told of, by channel and kind", ["channel", "event"])

Take = Callable[[Channel, InboundEvent], Awaitable[Result]]


class Hooks:
    """Takes what providers tell. `take` does what an event asks for, and may be called twice with the same one."""

    def __init__(self, channels: Mapping[Channel, Accounts], public_url: str, take: Take) -> None:
        self._named = {hook_name(channel): (channel, accounts) for channel, accounts in channels.items()}
        self._public_url = public_url.rstrip("/")
        self._take = take

    async def receive(self, kind: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One request. What is not genuine changes nothing, whatever it says."""
        if kind not in self._named:
            return _refused(404, "nobody is expected to call here")
        channel, accounts = self._named[kind]
        url = f"{self._public_url}{PREFIX}{kind}{path}" + (f"?{query}" if query else "")
        request = InboundRequest(method, url, path or "/", query, headers, body)
        try:
            found = await _account(accounts, path).driver.parse_inbound(request)
        except BadSignature as error:
            log.warning("a request to the %s hook is not genuine: %s", kind, error)
            return _refused(error.status, "the signature does not fit")
        except BadRequest as error:
            log.warning("a request to the %s hook cannot be understood: %s", kind, error)
            return _refused(400, "this cannot be understood")
        except NoInbound:
            return _refused(404, "nobody is expected to call here")
        results = [await self._taken(channel, event) for event in found.events]
        return found.finish(results) if found.finish is not None else found.answer

    async def listen(self) -> None:
        """Listen to every provider that tells things over a connection that we open; for ever, also if there is none."""
        listening = [
            account.listen(partial(self._taken, channel))
            for channel, accounts in self._named.values()
            for account in accounts
            if account.listen is not None
        ]
        await asyncio.gather(*listening, asyncio.Event().wait())

    async def _taken(self, channel: Channel, event: InboundEvent) -> Result:
        events_total.labels(channel.value.lower(), type(event).__name__).inc()
        return await self._take(channel, event)


def _account(accounts: Accounts, path: str) -> Account:
    """The account that the path names, otherwise the first."""
    first = path.lstrip("/").partition("/")[0]
    return next((account for account in accounts if account.name == first), accounts[0])


def _refused(status: int, why: str) -> HttpAnswer:
    return HttpAnswer(status, "text/plain", f"{why}\n".encode())
