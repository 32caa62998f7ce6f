"""Summonses: whom response asks, and the pages that this makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident, trace_context, tracer
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.incidents.incidents import Incidents
from tocsin_communication.pages import message, store
from tocsin_communication.pages.page import Kind, Page, State
from tocsin_communication.pages.pages import Pages, judged
from tocsin_communication.pages.reach import Reach, nowhere, planned_pages, reach_of, reach_of_contact
from tocsin_communication.pages.telling import tell
from tocsin_communication.rules.personal import Matter, Urgency
from tocsin_communication.sending.departures import Departures, Leaving
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision


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


class Summonses:
    """Pages responders because response wants them now. A page leaves at once if there is a place."""

    def __init__(self, clock: Clock, pages: Pages, incidents: Incidents, departures: Departures) -> None:
        self._clock = clock
        self._pages = pages
        self._incidents = incidents
        self._departures = departures

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
            made += [self._leaving(tx, judged(page, incident), incident) for page in pages]
        await self._pages.keep(tx, made)

    async def _heard(self, tx: Tx, heard: Sequence[Incident]) -> dict[str, Incident]:
        """The newest copies of these incidents, each looked at once."""
        newest: dict[str, Incident] = {}
        for incident in heard:
            if incident.id not in newest or newest[incident.id].version < incident.version:
                newest[incident.id] = incident
        return {incident.id: await self._incidents.hear(tx, incident) for incident in newest.values()}

    async def _reaches(self, tx: Tx, asked: Sequence[Asked]) -> list[Reach]:
        """How each of them is reached; everybody who is asked at the same instant is looked up in one go."""
        found: dict[tuple[str, datetime], Reach] = {}
        for at in dict.fromkeys(each.at for each in asked if not each.contact):
            names = list(dict.fromkeys(each.responder for each in asked if each.at == at and not each.contact))
            found |= {(name, at): reach for name, reach in (await reach_of(tx, names, at)).items()}
        return [await reach_of_contact(tx, each.contact) if each.contact else found[each.responder, each.at] for each in asked]

    async def _summons(self, tx: Tx, summoned: Summoned, known: Incident, reach: Reach) -> list[Page]:
        """The pages of one summons."""
        heard, asked = summoned.heard, summoned.asked
        explanation = "; ".join(filter(None, [asked.explanation, reach.why]))
        text = message.summons(heard.as_told_to(reach.responder), explanation)
        matter = Matter(asked.urgency, heard.service, heard.severity)
        planned = planned_pages(reach, matter, asked.at, every_channel=asked.every_channel)
        return [
            await self._pages.linked(tx, _asked(self._pages.page(Kind.SUMMONS, page, text, explanation, heard), asked, known, reach))
            for page in planned
        ] or [_asked(self._pages.page(Kind.SUMMONS, nowhere(reach, asked.at), text, explanation, heard), asked, known, reach)]

    async def escalation_ended(self, tx: Tx, escalation_id: str, incident_id: str) -> None:
        """Nobody is asked any more: what was to be answered though somebody had acknowledged is not."""
        for page in await store.lock_standing(tx, escalation_id, incident_id):
            await tell(tx, page.cancel("the escalation has ended"), self._clock.now())

    def _leaving(self, tx: Tx, decision: Decision[Page], incident: Incident) -> Decision[Page]:
        """A page that is due leaves with this commit if there is a place; what else there is stays as it is."""
        page = decision.state
        due = page.state is State.PENDING and page.attempt_at <= self._clock.now()
        if not due or not self._departures.reserve(tx, page):
            return decision
        leaving = Leaving(page.begin(self._departures.presence.number), incident)
        tx.after_commit(lambda: self._departures.depart(leaving))
        return replace(decision, state=leaving.page)


def _trace(summoned: Summoned) -> Context:
    return trace_context({"traceparent": summoned.traceparent})


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
