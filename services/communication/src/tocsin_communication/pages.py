"""Makes pages, and drops those that are not needed any more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident, trace_context, traceparent, tracer
from tocsin_communication import message, store, wire
from tocsin_communication.answers import store as answers
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.delivery import Stop, verdict
from tocsin_communication.departures import Departures, Leaving
from tocsin_communication.edits import store as edits
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import Links
from tocsin_communication.page import LEASE, Kind, Page, State
from tocsin_communication.rules.delegation import LONGEST_CHAIN
from tocsin_communication.rules.personal import Matter, PersonalRules, Planned, Urgency, plan
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict
from tocsin_kernel.ids import Ids

UNREACHABLE = "{responder} has no contact method"
# Which waiting pages a state of the incident makes pointless; those about an earlier turn fall to the delivery rules.
POINTLESS = {
    IncidentState.OPEN: (Kind.TAKEN, Kind.RESOLVED),
    IncidentState.ACKNOWLEDGED: (Kind.SUMMONS, Kind.DIRECT, Kind.TAKEN, Kind.RESOLVED),
    IncidentState.RESOLVED: (Kind.SUMMONS, Kind.DIRECT, Kind.TAKEN),
}


class Unreachable(Conflict):
    reason = "RESPONDER_UNREACHABLE"
    message = "{responder} has no contact method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom response asks, and how. `contact`: over this contact method alone. `stands`: though somebody has acknowledged.
    `every_channel`: at once over all of them, whatever the responder's rules say."""

    responder: str
    summons_id: str
    explanation: str
    at: datetime
    escalation_id: str = ""
    urgency: Urgency = Urgency.HIGH
    contact: str = ""
    stands: bool = False
    every_channel: bool = False


@dataclass(frozen=True, slots=True)
class Summoned:
    """A summons as it was heard: with the incident as response knew it, and the trace that it belongs to."""

    heard: Incident
    asked: Asked
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """How somebody is reached: who gets the pages in the end, how, and why it is not the one who was asked (empty if it is)."""

    responder: str
    methods: tuple[ContactMethod, ...]
    rules: PersonalRules | None
    delegated_from: str = ""
    why: str = ""


class Pages:
    """Every page begins here. `wake` tells the sender that pages wait; a summons leaves at once if there is a place."""

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        links: Links,
        channels: Channels,
        departures: Departures,
        wake: Callable[[], None],
        wake_editor: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._links = links
        self._channels = channels
        self._departures = departures
        self._wake = wake
        self._wake_editor = wake_editor

    async def summon(self, tx: Tx, summonses: Sequence[Summoned]) -> None:
        """Page responders as they want to be paged. One who has no contact method gets one that failed, so that somebody hears of it."""
        known = await self._heard(tx, [summoned.heard for summoned in summonses])
        reaches = await self._reaches(tx, [summoned.asked for summoned in summonses])
        made: list[Decision[Page]] = []
        for summoned, reach in zip(summonses, reaches, strict=True):
            incident = known[summoned.heard.id]
            with tracer.start_as_current_span("handle ResponderSummoned", context=_trace(summoned), kind=SpanKind.CONSUMER):
                name_incident(incident.id)
                pages = await self._summons(tx, summoned, incident, reach)
            made += [self._leaving(tx, _judged(page, incident), incident) for page in pages]
        await self._keep(tx, made)

    async def _heard(self, tx: Tx, heard: Sequence[Incident]) -> dict[str, Incident]:
        """The newest copies of these incidents, each looked at once."""
        newest: dict[str, Incident] = {}
        for incident in heard:
            if incident.id not in newest or newest[incident.id].version < incident.version:
                newest[incident.id] = incident
        return {incident.id: await self.hear(tx, incident) for incident in newest.values()}

    async def _reaches(self, tx: Tx, asked: Sequence[Asked]) -> list[Reach]:
        """How each of them is reached; everybody who is asked at the same instant is looked up in one go."""
        found: dict[tuple[str, datetime], Reach] = {}
        for at in dict.fromkeys(each.at for each in asked if not each.contact):
            names = list(dict.fromkeys(each.responder for each in asked if each.at == at and not each.contact))
            found |= {(name, at): reach for name, reach in (await self.reach(tx, names, at)).items()}
        return [await self._reach_of_contact(tx, each.contact) if each.contact else found[each.responder, each.at] for each in asked]

    async def _summons(self, tx: Tx, summoned: Summoned, known: Incident, reach: Reach) -> list[Page]:
        """The pages of one summons."""
        heard, asked = summoned.heard, summoned.asked
        explanation = "; ".join(filter(None, [asked.explanation, reach.why]))
        text = message.summons(heard.as_told_to(reach.responder), explanation)
        matter = Matter(asked.urgency, heard.service, heard.severity)
        planned = planned_pages(reach, matter, asked.at, every_channel=asked.every_channel)
        return [
            await self._linked(tx, _asked(self._page(Kind.SUMMONS, page, text, explanation, heard), asked, known, reach))
            for page in planned
        ] or [_asked(self._page(Kind.SUMMONS, _nowhere(reach, asked.at), text, explanation, heard), asked, known, reach)]

    async def direct(self, tx: Tx, sender: str, responder: str, said: str, incident_id: str) -> list[Page]:
        """Page a responder now, on every contact method. An answer to one of the pages stops the others. Raises Unreachable."""
        now = self._clock.now()
        reach = (await self.reach(tx, [responder], now))[responder]
        if not reach.methods:
            raise Unreachable(responder=reach.responder)
        incident = await store.incident(tx, incident_id) if incident_id else None
        text = message.direct(sender, said, incident)
        reason = "; ".join(filter(None, [f"asked by {sender}", reach.why]))
        ask_id = self._ids.new()
        pages = [
            await self._linked(
                tx,
                replace(
                    self._page(Kind.DIRECT, Planned(method, now, ""), text, reason, incident),
                    incident_id=incident_id,
                    ask_id=ask_id,
                    turn=incident.turn if incident is not None else 0,
                    queue=incident.service if incident is not None else f"asked by {sender}",
                    delegated_from=reach.delegated_from,
                ),
            )
            for method in reach.methods
        ]
        await self._keep(tx, [Decision(page) for page in pages])
        return pages

    async def seek(self, tx: Tx, question: message.Question, responders: Sequence[str], heard: Incident | None) -> None:
        """Ask responders what a run waits for, as urgently as for an incident. One who answers is not asked again on other channels."""
        now = self._clock.now()
        incident = await self.hear(tx, heard) if heard is not None else None
        reaches = await self.reach(tx, list(responders), now)
        kind = Kind.APPROVAL if question.approval else Kind.MANUAL
        pages: list[Page] = []
        for name in responders:
            reach = reaches[name]
            text = message.approval(question, incident.as_told_to(reach.responder) if incident is not None else None)
            matter = Matter(service=incident.service, severity=incident.severity) if incident is not None else Matter()
            ask_id = self._ids.new()
            for planned in planned_pages(reach, matter, now) or [_nowhere(reach, now)]:
                made = self._page(kind, planned, text, reach.why or "a run of a playbook asks", incident)
                page = replace(made, ask_id=ask_id, summons_id=question.id, delegated_from=reach.delegated_from)
                pages.append(await self._linked(tx, page) if question.approval else page)
        await self._keep(tx, [_judged(page, incident) for page in pages])

    async def question_over(self, tx: Tx, question_id: str, how: str) -> None:
        """Nobody needs to answer any more: what has not left does not leave, and links say so."""
        for page in await answers.close_question(tx, question_id, how, self._clock.now()):
            await tell(tx, page.cancel(how), self._clock.now())

    async def alone(self, tx: Tx, kind: Kind, method: ContactMethod, text: message.Text, reason: str) -> Page:
        """A test or a confirmation over one contact method, now."""
        page = await self._linked(tx, self._page(kind, Planned(method, self._clock.now(), ""), text, reason, None))
        await self._keep(tx, [Decision(page)])
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
        reach = (await self.reach(tx, [responder], now))[responder]
        if reach.delegated_from or not reach.methods:
            return
        first = planned_pages(reach, Matter(urgency), now)[0]
        page = self._page(kind, first, text, reason, incident)
        await self._keep(tx, [Decision(replace(page, urgency=urgency, opening=None))])

    async def bundle(self, tx: Tx, members: Sequence[Page], incidents: Sequence[Incident]) -> Page:
        """One page that tells several which wait for the same contact method. They end here; the bundle is kept as waiting."""
        first = members[0]
        method = ContactMethod(first.contact_method, first.responder, first.channel, first.address)
        reason = f"{len(members)} pages told together: {first.responder} gets no more one by one"
        made = self._page(
            Kind.BUNDLE,
            Planned(method, self._clock.now(), ""),
            message.bundle([incident.as_told_to(first.responder) for incident in incidents]),
            reason,
            None,
        )
        urgent = any(member.urgency is Urgency.HIGH for member in members)
        page = await self._linked(tx, replace(made, queue=first.queue, urgency=Urgency.HIGH if urgent else Urgency.LOW))
        await store.insert_pages(tx, [page], LEASE)
        for member in members:
            await tell(tx, member.cancel(f"told together with {len(members) - 1} others"), self._clock.now())
        await store.told_together(tx, page.id, [member.id for member in members])
        return page

    async def reach(self, tx: Tx, responders: Sequence[str], at: datetime) -> dict[str, Reach]:
        """How these responders are reached at this instant, delegations followed to their end."""
        ends: dict[str, str] = {name: name for name in responders}
        whys: dict[str, list[str]] = {name: [] for name in responders}
        rows: dict[str, list[store.ReachRow]] = {}
        for _ in range(LONGEST_CHAIN):
            wanted = sorted({end for end in ends.values() if end not in rows})
            if not wanted:
                break
            rows |= await store.reach_of(tx, wanted, at)
            for name, end in ends.items():
                to = rows[end][0].delegated_to if end in wanted else None
                if to is not None:
                    why = f": {rows[end][0].delegation_reason}" if rows[end][0].delegation_reason else ""
                    whys[name].append(f"{end}'s pages go to {to}{why}")
                    ends[name] = to
        return {name: _reach(name, ends[name], rows.get(ends[name], []), whys[name]) for name in responders}

    async def _reach_of_contact(self, tx: Tx, name: str) -> Reach:
        """One contact method that was asked for by its name: a room, a program."""
        method = await store.method(tx, name)
        return Reach(method.responder, (replace(method, delay=None),), None) if method is not None else Reach(name, (), None)

    async def hear(self, tx: Tx, heard: Incident) -> Incident:
        """Keep the copy of the incident if it is newer. Where its state or taker is new, drop what waits and tell who was told.

        Returns the newest copy.
        """
        if await store.keep_new(tx, [heard.following(None)]):
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
        """Those of these copies that are to be heard of one by one, as they are newer than what is kept.

        Of incidents that are new and open nothing but the copy is to be kept. That is done for all at once and soon over: a summons
        that brings the same incident along would wait for it.
        """
        versions = await store.versions(tx, [incident.id for incident in heard])
        opened = {incident.id: incident for incident in reversed(heard) if incident.id not in versions}
        opened = {incident.id: incident for incident in opened.values() if incident.state is IncidentState.OPEN}
        kept = await store.keep_new(tx, [opened[incident_id].following(None) for incident_id in sorted(opened)])
        versions.update({incident_id: opened[incident_id].version for incident_id in kept})
        return [incident for incident in heard if versions.get(incident.id, -1) < incident.version]

    async def _go_on(self, tx: Tx, incident: Incident) -> None:
        """Its state or taker is new."""
        await self._drop(tx, incident)
        await self.follow_up(tx, incident)

    async def escalation_ended(self, tx: Tx, escalation_id: str, incident_id: str) -> None:
        """Nobody is asked any more: what was to be answered though somebody had acknowledged is not."""
        for page in await store.lock_standing(tx, escalation_id, incident_id):
            await tell(tx, page.cancel("the escalation has ended"), self._clock.now())

    async def follow_up(self, tx: Tx, incident: Incident) -> None:
        """Tell everybody who was summoned that the incident is taken or over; once each, however often this is called."""
        kind = {IncidentState.ACKNOWLEDGED: Kind.TAKEN, IncidentState.RESOLVED: Kind.RESOLVED}.get(incident.state)
        if kind is None:
            return
        if self._channels.edited:
            await edits.ask(tx, incident, self._channels.edited, self._clock.now())
            tx.after_commit(self._wake_editor)
        pages = [
            self._following(kind, incident, _same(told))
            for told in await store.told(tx, incident, self._channels.edited)
            if kind is Kind.RESOLVED or told.responder != incident.acknowledged_by
        ]
        await self._keep(tx, [Decision(page) for page in pages])

    async def follow_up_by_message(self, tx: Tx, page: Page, incident: Incident) -> None:
        """Tell whoever got this page by a message of its own, because the one they have cannot be edited."""
        kind = Kind.RESOLVED if incident.state is IncidentState.RESOLVED else Kind.TAKEN
        method = ContactMethod(page.contact_method, page.responder, page.channel, page.address)
        await self._keep(tx, [Decision(self._following(kind, incident, method))])

    def _following(self, kind: Kind, incident: Incident, method: ContactMethod) -> Page:
        text = message.follow_up(kind, incident.as_told_to(method.responder))
        return replace(self._page(kind, Planned(method, self._clock.now(), ""), text, text.subject, incident), turn=incident.turn)

    async def _drop(self, tx: Tx, incident: Incident) -> None:
        for page in await store.lock_pending(tx, incident.id, POINTLESS[incident.state]):
            match verdict(page, incident):
                case Stop(reason):
                    await tell(tx, page.cancel(reason), self._clock.now())
                case _:
                    pass

    async def _keep(self, tx: Tx, made: list[Decision[Page]]) -> None:
        if not made:
            return
        await store.insert_pages(tx, [decision.state for decision in made], LEASE)
        for decision in made:
            emit(tx, decision, self._clock.now())
        if any(decision.state.state is State.PENDING for decision in made):
            tx.after_commit(self._wake)

    def _leaving(self, tx: Tx, decision: Decision[Page], incident: Incident) -> Decision[Page]:
        """A page that is due leaves with this commit if there is a place; what else there is stays as it is."""
        page = decision.state
        due = page.state is State.PENDING and page.attempt_at <= self._clock.now()
        if not due or not self._departures.reserve(tx, page):
            return decision
        begun = page.begin()
        tx.after_commit(lambda: self._departures.depart(Leaving(begun, incident)))
        return replace(decision, state=begun)

    async def _linked(self, tx: Tx, page: Page) -> Page:
        return replace(page, token_hash=await self._links.hash_of(tx, page.id))

    def _page(self, kind: Kind, planned: Planned, text: message.Text, reason: str, incident: Incident | None) -> Page:
        method = planned.method
        account = self._channels.ways(method.channel).accounts[0]
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


def _trace(summoned: Summoned) -> Context:
    return trace_context({"traceparent": summoned.traceparent})


def planned_pages(reach: Reach, matter: Matter, at: datetime, *, every_channel: bool = False) -> list[Planned]:
    """The pages of a summons: by the responder's rules, or at once over everything there is."""
    if every_channel:
        return [Planned(method, at, "on every channel at once") for method in reach.methods]
    return plan(reach.methods, reach.rules, matter, at)


def _reach(asked: str, responder: str, rows: Sequence[store.ReachRow], whys: Sequence[str]) -> Reach:
    methods = tuple(
        ContactMethod(row.name, responder, Channel(row.channel), row.address, row.delay)
        for row in rows
        if row.name is not None and row.channel is not None and row.address is not None
    )
    rules = wire.to_rules(rows[0].rules) if rows and rows[0].rules is not None else None
    return Reach(responder, methods, rules, asked if asked != responder else "", "; ".join(whys))


def _asked(page: Page, asked: Asked, known: Incident, reach: Reach) -> Page:
    return replace(
        page,
        summons_id=asked.summons_id,
        ask_id=asked.summons_id,
        escalation_id=asked.escalation_id,
        stands=asked.stands,
        urgency=asked.urgency,
        turn=known.turn,
        delegated_from=reach.delegated_from,
    )


def _nowhere(reach: Reach, at: datetime) -> Planned:
    return Planned(ContactMethod("", reach.responder, Channel.NONE, ""), at, "")


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


async def tell(tx: Tx, decision: Decision[Page], at: datetime) -> None:
    """Keep what became of a page, and tell others. If another attempt was begun since, nothing is told."""
    if await store.save_all(tx, [decision.state]):
        emit(tx, decision, at)


def emit(tx: Tx, decision: Decision[Page], at: datetime) -> None:
    """Tell what became of a page."""
    page = decision.state
    for told in decision.facts:
        tx.emit(wire.fact_of(told, page, at), aggregate=page.incident_id or page.id, version=page.version)
