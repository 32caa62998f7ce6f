"""The one use case in which every answer of a responder ends: link, button, reply, keypad, command line, console."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from tocsin.communication.v1.events_pb2 import ReplyReceived
from tocsin.triage.v1.triage_service_pb2 import AcknowledgeIncidentRequest, ResolveIncidentRequest

from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_communication import wire
from tocsin_communication.answers import store
from tocsin_communication.answers.spoken import Verb
from tocsin_communication.contacts import store as contacts_store
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.telling import tell
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict

if TYPE_CHECKING:  # the name is in the stubs only
    from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceAsyncStub


class NothingToAnswer(Conflict):
    reason = "NOTHING_TO_ANSWER"
    message = "this page asks for nothing: {kind}"


class QuestionOver(Conflict):
    reason = "QUESTION_OVER"
    message = "no answer is needed any more: {how}"


class NotAskedForLeave(Conflict):
    reason = "NOT_ASKED_FOR_LEAVE"
    message = "{by} is not among those who are asked; nothing was done"


class NotPassedOn(Conflict):
    reason = "NOT_PASSED_ON"
    message = "only a summons can be passed on to the next one"


DONE = {Verb.ACKNOWLEDGE: "{by} has answered", Verb.ESCALATE: "{by} passed it on", Verb.RESOLVE: "{by} resolved it"}


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer did, for people."""

    page: Page
    incidents: tuple[Incident, ...]
    effect: str


class Answers:
    """Takes answers. The incident is acknowledged before the page counts as answered: what is lost between the two can be repeated."""

    def __init__(self, database: Database, clock: Clock, triage: "TriageServiceAsyncStub") -> None:
        self._database = database
        self._clock = clock
        self._triage = triage

    async def answer(self, page: Page, verb: Verb, by: str) -> Answered:
        """Do what a responder says to a page. Safe to repeat.

        Raises NothingToAnswer, NotPassedOn, and what triage refuses.
        """
        match verb:
            case Verb.ACKNOWLEDGE:
                return await self._acknowledge(page, by)
            case Verb.ESCALATE:
                return await self._escalate(page, by)
            case Verb.RESOLVE:
                return await self._resolve(page, by)

    async def _acknowledge(self, page: Page, by: str) -> Answered:
        match page.kind:
            case Kind.APPROVAL:
                return await self._vote(page, by, approve=True)
            case Kind.SUMMONS | Kind.DIRECT:
                answered, incidents = [page], await self._incidents([page])
            case Kind.BUNDLE:
                answered, incidents = await self._told_together(page)
            case Kind.TEST | Kind.CONFIRMATION:
                return await self._confirm(page)
            case _:
                raise NothingToAnswer(kind=page.kind.value.lower())
        taken = [incident for incident in incidents if _to_take(page, incident)]
        for incident in taken:
            name_incident(incident.id)
            await self._triage.AcknowledgeIncident(
                AcknowledgeIncidentRequest(
                    request_id=f"reply:{page.id}" if page.kind is not Kind.BUNDLE else f"reply:{page.id}:{incident.id}",
                    incident_id=incident.id,
                    acknowledged_by=by,
                )
            )
        async with self._database.transaction() as tx:
            for each in answered:
                await self._answered(tx, each, by, Verb.ACKNOWLEDGE)
            if page.kind is Kind.BUNDLE:
                await store.mark_answered(tx, page, self._clock.now())
        return Answered(page, tuple(incidents), _effect(by, taken, incidents))

    async def _escalate(self, page: Page, by: str) -> Answered:
        if page.kind is Kind.APPROVAL:
            return await self._vote(page, by, approve=False)
        if page.kind is not Kind.SUMMONS:
            raise NotPassedOn()
        incidents = await self._incidents([page])
        if incidents and incidents[0].state is IncidentState.RESOLVED:
            return Answered(page, tuple(incidents), f"{_named(incidents)} is resolved; nobody else is asked.")
        async with self._database.transaction() as tx:

            async def work() -> Empty:
                await self._answered(tx, page, by, Verb.ESCALATE)
                return Empty()

            await inbox.once(tx, "PassOn", page.ask_id or page.id, Empty, work)
        return Answered(page, tuple(incidents), f"{_named(incidents)} is passed on; the next one is asked.")

    async def _vote(self, page: Page, by: str, *, approve: bool) -> Answered:
        """What somebody says to an approval that a run seeks: response counts it. In a place that several read each of them has a vote.

        Raises QuestionOver, NotAskedForLeave.
        """
        now, answer = self._clock.now(), "APPROVE" if approve else "DENY"
        async with self._database.transaction() as tx:
            if how := await store.how_closed(tx, page.summons_id):
                raise QuestionOver(how=how)
            if by != page.responder and not await store.is_asked(tx, page.summons_id, by):
                raise NotAskedForLeave(by=by)

            async def work() -> Empty:
                for each in await store.lock_waiting_asked(tx, page.summons_id, by):
                    await tell(tx, each.cancel(f"{by} has answered"), now)
                await store.mark_asked_answered(tx, page.summons_id, by, now)
                fact = ReplyReceived(
                    page_id=page.id,
                    responder=by,
                    incident_id=page.incident_id,
                    answer=answer,
                    at=wire.instant(now),
                    question_id=page.summons_id,
                )
                tx.emit(fact, aggregate=page.incident_id or page.id, version=page.version)
                return Empty()

            await inbox.once(tx, "Vote", f"{page.summons_id}:{by}:{answer}", Empty, work)
        return Answered(page, (), f"{'Approved' if approve else 'Denied'} by {by}.")

    async def _resolve(self, page: Page, by: str) -> Answered:
        """It is over: triage ends the incident first, as it does when somebody takes it."""
        incidents = await self._incidents([page])
        if page.kind not in (Kind.SUMMONS, Kind.DIRECT) or not incidents:
            raise NothingToAnswer(kind=page.kind.value.lower())
        [incident] = incidents
        if incident.state is IncidentState.RESOLVED:
            return Answered(page, (incident,), f"{_named(incidents)} is resolved already.")
        name_incident(incident.id)
        reason = f"resolved by {by} over {page.channel.value.lower()}"
        request_id = f"resolve:{page.id}:{incident.turn}"
        await self._triage.ResolveIncident(
            ResolveIncidentRequest(request_id=request_id, incident_id=incident.id, resolved_by=by, reason=reason)
        )
        async with self._database.transaction() as tx:

            async def work() -> Empty:
                await self._answered(tx, page, by, Verb.RESOLVE)
                return Empty()

            await inbox.once(tx, "Resolve", f"{page.id}:{incident.turn}", Empty, work)
        return Answered(page, (incident,), f"{_named(incidents)} is resolved by {by}.")

    async def _answered(self, tx: Tx, page: Page, by: str, verb: Verb) -> None:
        """Keep the answer, tell it, and stop what waits for the same responder on other channels."""
        now = self._clock.now()
        if verb is Verb.ACKNOWLEDGE and not await store.mark_answered(tx, page, now):
            return
        waiting = await (
            store.lock_waiting_about(tx, page.responder, page.incident_id) if page.incident_id else store.lock_waiting_of(tx, page.ask_id)
        )
        for each in waiting:
            await tell(tx, each.cancel(DONE[verb].format(by=by)), now)
        if verb is Verb.ACKNOWLEDGE and page.ask_id:
            await store.mark_others_answered(tx, page, now)
        fact = ReplyReceived(page_id=page.id, responder=by, incident_id=page.incident_id, answer=verb.value, at=wire.instant(now))
        tx.emit(fact, aggregate=page.incident_id or page.id, version=page.version)

    async def _confirm(self, page: Page) -> Answered:
        """Whoever has the link has the message: the contact method reaches them."""
        async with self._database.transaction() as tx:
            await store.mark_answered(tx, page, self._clock.now())
            await contacts_store.confirm(tx, page.contact_method, page.address, self._clock.now())
        return Answered(page, (), f"{page.contact_method} is confirmed.")

    async def _told_together(self, page: Page) -> tuple[list[Page], list[Incident]]:
        """The pages in a bundle, and those of their incidents that are not over."""
        async with self._database.transaction() as tx:
            members = await store.bundled(tx, page.id)
        incidents = await self._incidents(members)
        return members, [incident for incident in incidents if incident.state is not IncidentState.RESOLVED]

    async def _incidents(self, pages: Sequence[Page]) -> list[Incident]:
        ids = list(dict.fromkeys(page.incident_id for page in pages if page.incident_id))
        if not ids:
            return []
        async with self._database.transaction() as tx:
            found = await incident_store.incidents(tx, ids)
        return [found[incident_id] for incident_id in ids if incident_id in found]


def _to_take(page: Page, incident: Incident) -> bool:
    """A direct question is answered without taking the incident from whoever has it."""
    return page.kind is not Kind.DIRECT or incident.state is IncidentState.OPEN


def _effect(by: str, taken: Sequence[Incident], incidents: Sequence[Incident]) -> str:
    if taken:
        return f"{_named(taken)} acknowledged by {by}."
    return f"Answered: {_named(incidents)}." if incidents else "Answered."


def _named(incidents: Sequence[Incident]) -> str:
    return (
        ", ".join(f"#{incident.number} {incident.title}" if len(incidents) == 1 else f"#{incident.number}" for incident in incidents)
        or "It"
    )


def reply_code(page: Page, incident: Incident | None) -> str:
    """The short number that a responder answers with: the incident's, or four digits from the page's id where it is about none.

    An approval has five of its own: whoever takes the incident does not approve anything by that.
    """
    if page.kind is Kind.APPROVAL:
        return str(10000 + int(page.ask_id.replace("-", "")[-8:] or "0", 16) % 90000)
    if incident is not None and incident.number:
        return str(incident.number)
    return str(1000 + int(page.ask_id.replace("-", "")[-6:] or "0", 16) % 9000) if page.ask_id else ""
