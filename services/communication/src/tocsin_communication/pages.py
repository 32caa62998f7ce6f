"""Makes pages, and drops those that are not needed any more."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident, traceparent
from tocsin_communication import message, store, wire
from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.delivery import Stop, verdict
from tocsin_communication.departures import Departures, Leaving
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import Links
from tocsin_communication.page import LEASE, Kind, Page, State, Told
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict
from tocsin_kernel.ids import Ids

UNREACHABLE = "{responder} has no contact method"
# Which waiting pages a state of the incident makes pointless; those about an earlier turn fall to the delivery rules.
POINTLESS = {
    IncidentState.OPEN: (Kind.TAKEN, Kind.RESOLVED),
    IncidentState.ACKNOWLEDGED: (Kind.SUMMONS, Kind.TAKEN, Kind.RESOLVED),
    IncidentState.RESOLVED: (Kind.SUMMONS, Kind.TAKEN),
}


class Unreachable(Conflict):
    reason = "RESPONDER_UNREACHABLE"
    message = "{responder} has no contact method"


class Pages:
    """Every page begins here. `wake` tells the sender that pages wait; a summons leaves at once if there is a place."""

    def __init__(self, clock: Clock, ids: Ids, links: Links, departures: Departures, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._ids = ids
        self._links = links
        self._departures = departures
        self._wake = wake

    async def summon(self, tx: Tx, heard: Incident, responder: str, summons_id: str, explanation: str, at: datetime) -> None:
        """Page a responder on every contact method. One who has none gets a page that failed, so that somebody hears of it."""
        name_incident(heard.id)
        known = await self.hear(tx, heard)
        text = message.summons(heard, explanation)
        methods = await store.methods_of(tx, responder)
        made = [
            await self._linked(tx, self._page(Kind.SUMMONS, method, text, explanation, heard, at, summons_id)) for method in methods
        ] or [self._unreachable(Kind.SUMMONS, responder, text, explanation, heard, at, summons_id)]
        judged = [_judged(page, known) for page in made]
        await self._keep(tx, [self._leaving(tx, decision, known) for decision in judged])

    async def direct(self, tx: Tx, sender: str, responder: str, said: str, incident_id: str) -> list[Page]:
        """Page a responder now, on every contact method. Raises Unreachable."""
        methods = await store.methods_of(tx, responder)
        if not methods:
            raise Unreachable(responder=responder)
        incident = await store.incident(tx, incident_id) if incident_id else None
        text = message.direct(sender, said, incident)
        now = self._clock.now()
        pages = [
            replace(
                self._page(Kind.DIRECT, replace(method, delay=None), text, f"asked by {sender}", incident, now), incident_id=incident_id
            )
            for method in methods
        ]
        await self._keep(tx, [Decision(page) for page in pages])
        return pages

    async def hear(self, tx: Tx, heard: Incident) -> Incident:
        """Keep the copy of the incident if it is newer. Where its state or taker is new, drop what waits and tell who was told.

        Returns the newest copy.
        """
        if await store.keep_first(tx, heard.following(None)):
            # Of an incident that is new and open nobody was told anything yet.
            if heard.state is not IncidentState.OPEN:
                await self._go_on(tx, heard.following(None))
            return heard.following(None)
        before = await store.incident(tx, heard.id)
        if before is not None and before.version >= heard.version:
            return before
        incident = heard.following(await store.lock_incident(tx, heard.id))
        if not await store.keep_incident(tx, incident):
            return await store.incident(tx, heard.id) or incident
        if incident.turn == incident.version:
            await self._go_on(tx, incident)
        return incident

    async def news(self, tx: Tx, heard: Sequence[Incident]) -> list[Incident]:
        """Those of these copies that are newer than what is kept."""
        versions = await store.versions(tx, [incident.id for incident in heard])
        return [incident for incident in heard if versions.get(incident.id, -1) < incident.version]

    async def _go_on(self, tx: Tx, incident: Incident) -> None:
        """Its state or taker is new."""
        await self._drop(tx, incident)
        await self.follow_up(tx, incident)

    async def follow_up(self, tx: Tx, incident: Incident) -> None:
        """Tell everybody who was summoned that the incident is taken or over; once each, however often this is called."""
        kind = {IncidentState.ACKNOWLEDGED: Kind.TAKEN, IncidentState.RESOLVED: Kind.RESOLVED}.get(incident.state)
        if kind is None:
            return
        text = message.follow_up(kind, incident)
        now = self._clock.now()
        pages = [
            replace(self._page(kind, _same(told), text, text.subject, incident, now), turn=incident.turn)
            for told in await store.told(tx, incident)
            if kind is Kind.RESOLVED or told.responder != incident.acknowledged_by
        ]
        await self._keep(tx, [Decision(page) for page in pages])

    async def _drop(self, tx: Tx, incident: Incident) -> None:
        for page in await store.lock_pending(tx, incident.id, POINTLESS[incident.state]):
            match verdict(page, incident):
                case Stop(reason):
                    await tell(tx, page.cancel(reason))
                case _:
                    pass

    async def _keep(self, tx: Tx, made: list[Decision[Page]]) -> None:
        if not made:
            return
        await store.insert_pages(tx, [decision.state for decision in made], LEASE)
        for decision in made:
            emit(tx, decision)
        if any(decision.state.state is State.PENDING for decision in made):
            tx.after_commit(self._wake)

    def _leaving(self, tx: Tx, decision: Decision[Page], incident: Incident) -> Decision[Page]:
        """A page that is due leaves with this commit if there is a place; what else there is stays as it is."""
        page = decision.state
        due = page.state is State.PENDING and page.attempt_at <= self._clock.now()
        if not due or not self._departures.reserve(tx, page.provider):
            return decision
        begun = page.begin()
        tx.after_commit(lambda: self._departures.depart(Leaving(begun, incident)))
        return replace(decision, state=begun)

    async def _linked(self, tx: Tx, page: Page) -> Page:
        return replace(page, token_hash=await self._links.hash_of(tx, page.id))

    def _page(
        self,
        kind: Kind,
        method: ContactMethod,
        text: message.Text,
        reason: str,
        incident: Incident | None,
        at: datetime,
        summons_id: str = "",
    ) -> Page:
        due_at = at + (method.delay or timedelta())
        return Page(
            id=self._ids.new(),
            kind=kind,
            incident_id=incident.id if incident else "",
            opening=incident.opened_at if incident else None,
            summons_id=summons_id,
            responder=method.responder,
            contact_method=method.name,
            channel=method.channel,
            address=method.address,
            provider=method.provider,
            reason=reason,
            subject=text.subject,
            body=text.body,
            created_at=self._clock.now(),
            due_at=due_at,
            attempt_at=due_at,
            traceparent=traceparent(),
        )

    def _unreachable(
        self, kind: Kind, responder: str, text: message.Text, reason: str, incident: Incident, at: datetime, summons_id: str
    ) -> Page:
        return self._page(kind, ContactMethod("", responder, Channel.NONE, ""), text, reason, incident, at, summons_id)


def _same(told: store.Told) -> ContactMethod:
    """The contact method as it was when the summons went out."""
    return ContactMethod(told.contact_method, told.responder, Channel(told.channel), told.address)


def _judged(page: Page, incident: Incident | None) -> Decision[Page]:
    """A new page: unreachable, already pointless, or waiting."""
    match verdict(page, incident):
        case Stop(reason):
            decision = page.cancel(reason)
        case _ if page.channel is Channel.NONE:
            decision = page.fail(UNREACHABLE.format(responder=page.responder))
        case _:
            return Decision(page)
    return replace(decision, state=replace(decision.state, version=page.version))


async def tell(tx: Tx, decision: Decision[Page]) -> None:
    """Keep what became of a page, and tell others. If another attempt was begun since, nothing is told."""
    if await store.save_all(tx, [decision.state]):
        emit(tx, decision)


def emit(tx: Tx, decision: Decision[Page]) -> None:
    """Tell what became of a page."""
    page = decision.state
    for told in decision.facts:
        tx.emit(wire.fact_of(Told(str(told)), page), aggregate=page.incident_id or page.id, version=page.version)
