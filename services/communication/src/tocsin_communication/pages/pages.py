"""Makes pages and keeps them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import traceparent
from tocsin_communication.answers.links import Links
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages import message, store
from tocsin_communication.pages.delivery import Stop, verdict
from tocsin_communication.pages.page import LEASE, Kind, Page, State
from tocsin_communication.pages.reach import UNREACHABLE, Unreachable, planned_pages, reach_of
from tocsin_communication.pages.telling import emit
from tocsin_communication.rules.personal import Matter, Planned, Urgency
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids


class Pages:
    """Every page begins here, and is kept. `wake` tells the sender that pages wait."""

    def __init__(self, clock: Clock, ids: Ids, links: Links, channels: Channels, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._ids = ids
        self._links = links
        self._channels = channels
        self._wake = wake

    async def direct(self, tx: Tx, sender: str, responder: str, said: str, incident_id: str) -> list[Page]:
        """Page a responder now, on every contact method. An answer to one of the pages stops the others. Raises Unreachable."""
        now = self._clock.now()
        reach = (await reach_of(tx, [responder], now))[responder]
        if not reach.methods:
            raise Unreachable(responder=reach.responder)
        incident = await incident_store.incident(tx, incident_id) if incident_id else None
        text = message.direct(sender, said, incident)
        reason = "; ".join(filter(None, [f"asked by {sender}", reach.why]))
        ask_id = self._ids.new()
        pages = [
            await self.linked(
                tx,
                replace(
                    self.page(Kind.DIRECT, Planned(method, now, ""), text, reason, incident),
                    incident_id=incident_id,
                    ask_id=ask_id,
                    turn=incident.turn if incident is not None else 0,
                    queue=incident.service if incident is not None else f"asked by {sender}",
                    delegated_from=reach.delegated_from,
                ),
            )
            for method in reach.methods
        ]
        await self.keep(tx, [Decision(page) for page in pages])
        return pages

    async def alone(self, tx: Tx, kind: Kind, method: ContactMethod, text: message.Text, reason: str) -> Page:
        """A test or a confirmation over one contact method, now."""
        page = await self.linked(tx, self.page(kind, Planned(method, self._clock.now(), ""), text, reason, None))
        await self.keep(tx, [Decision(page)])
        return page

    async def notice(
        self,
        tx: Tx,
        kind: Kind,
        responder: str,
        text: message.Text,
        reason: str,
        urgency: Urgency = Urgency.LOW,
        incident: Incident | None = None,
    ) -> None:
        """Tell a responder something that asks for no answer, over the contact method that they want first for that. Nobody is woken for
        it unless it is urgent, and delegations do not concern it. What belongs to an incident is told however it goes with that."""
        now = self._clock.now()
        reach = (await reach_of(tx, [responder], now))[responder]
        if reach.delegated_from or not reach.methods:
            return
        first = planned_pages(reach, Matter(urgency), now)[0]
        page = self.page(kind, first, text, reason, incident)
        await self.keep(tx, [Decision(replace(page, urgency=urgency, opening=None))])

    async def keep(self, tx: Tx, made: Sequence[Decision[Page]]) -> None:
        """Keep new pages and tell of what has ended already."""
        if not made:
            return
        await store.insert_pages(tx, [decision.state for decision in made], LEASE)
        for decision in made:
            emit(tx, decision, self._clock.now())
        if any(decision.state.state is State.PENDING for decision in made):
            tx.after_commit(self._wake)

    async def linked(self, tx: Tx, page: Page) -> Page:
        """The page with a link to answer by."""
        return replace(page, token_hash=await self._links.hash_of(tx, page.id))

    def page(self, kind: Kind, planned: Planned, text: message.Text, reason: str, incident: Incident | None) -> Page:
        """A page that nobody keeps yet."""
        method = planned.method
        account = self._channels.account(method.channel)
        return Page(
            id=self._ids.new(),
            kind=kind,
            incident_id=incident.id if incident else "",
            opening=incident.opened_at if incident else None,
            responder=method.responder,
            contact_method=method.name,
            channel=method.channel,
            address=method.address,
            provider=provider(method.channel, method.address, account),
            account=account,
            queue=(incident.service or incident.id) if incident else "",
            reason="; ".join(filter(None, [reason, planned.why])),
            subject=text.subject,
            body=text.body,
            created_at=self._clock.now(),
            due_at=planned.at,
            attempt_at=planned.at,
            traceparent=traceparent(),
        )


def judged(page: Page, incident: Incident | None) -> Decision[Page]:
    """A new page: unreachable, already pointless, or waiting."""
    match verdict(page, incident):
        case Stop(reason):
            decision = page.cancel(reason)
        case _ if page.channel is Channel.NONE:
            decision = page.fail(UNREACHABLE.format(responder=page.responder))
        case _:
            return Decision(page)
    return replace(decision, state=replace(decision.state, version=page.version))
