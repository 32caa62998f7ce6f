"""What people do to an escalation: take the next step now, ask somebody else or somebody more, stop it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import decisions, store, timer_store, wire
from tocsin_response.escalation.acknowledgements import Acknowledgements
from tocsin_response.escalation.book import Book, book
from tocsin_response.escalation.candidates import around_target, exists, roster_of, situation
from tocsin_response.escalation.decisions import REASSIGNED
from tocsin_response.escalation.definition import PLATFORM_DELAY, Policy, Step, Target
from tocsin_response.escalation.escalation import Escalation, Place, State
from tocsin_response.escalation.keeping import Keeping
from tocsin_response.escalation.store import Summons
from tocsin_response.escalation.timer_store import Firing


class EscalationNotFound(NotFound):
    reason = "ESCALATION_NOT_FOUND"
    message = "incident {incident} has no escalation: there is no such incident, or it has not been heard of yet"


class PolicyNotFound(NotFound):
    reason = "ESCALATION_POLICY_NOT_FOUND"
    message = "there is no escalation policy {policy}"


class TargetNotFound(NotFound):
    reason = "TARGET_NOT_FOUND"
    message = "there is no {target}"


class SummonsNotFound(NotFound):
    reason = "SUMMONS_NOT_FOUND"
    message = "there is no summons {summons}"


class IncidentClosed(Conflict):
    reason = "INCIDENT_CLOSED"
    message = "the incident is resolved; nobody is asked about it any more. Reopen it if it is not over"


class IncidentNotAcknowledged(Conflict):
    reason = "INCIDENT_NOT_ACKNOWLEDGED"
    message = "nobody has the incident; acknowledge it"


class NobodyToAsk(Conflict):
    reason = "NOBODY_TO_ASK"
    message = "there is nobody behind {target} at the moment"


class NotAskedFor(Conflict):
    reason = "NOT_ASKED_FOR"
    message = "{responder} was asked by a step; acknowledge the incident instead of answering"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants, of which incident, and why."""

    incident_id: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """The escalation of an incident, both locked."""

    escalation: Escalation
    incident: Incident

    @property
    def taken_by(self) -> str:
        return self.incident.acknowledged_by if wire.is_acknowledged(self.incident) else ""


Decide = Callable[[Tx, _Subject, datetime], Awaitable[Decision[Escalation]]]


class ByHand:
    """Commands take the caller's transaction, in which a repeat of the request is recognised."""

    def __init__(self, clock: Clock, ids: Ids, acknowledgements: Acknowledgements) -> None:
        self._clock = clock
        self._keeping = Keeping(clock, ids)
        self._acknowledgements = acknowledgements

    async def escalate(self, tx: Tx, wish: Wish, number: int | None) -> tuple[Escalation, list[Summons]]:
        """Take a step (None: the next one) now. Raises EscalationNotFound, IncidentClosed, Invalid."""

        async def decide(tx: Tx, subject: _Subject, now: datetime) -> Decision[Escalation]:
            before = subject.escalation
            if number is not None and number >= len(before.policy.steps):
                raise Invalid(field="step_number", detail=f"{before.policy} has {len(before.policy.steps)} steps")
            place = Place(number, before.round) if number is not None else decisions.place_by_hand(before)
            around = await situation(tx, await book(tx, now), before, wire.severity(subject.incident), now, place)
            return decisions.escalate(before, number, subject.taken_by, (wish.by, wish.why), around)

        return await self._redirect(tx, wish, decide)

    async def give_up(self, tx: Tx, wish: Wish) -> None:
        """Somebody who was asked cannot come: take the next step, if they were asked by the present one and it is still open."""
        subject = await self._subject(tx, wish.incident_id)
        running = subject.escalation
        asked = await store.list_summonses(tx, [running.id])
        waited_for = any(
            (each.responder, each.step, each.round) == (wish.by, running.step, running.round) and not subject.taken_by for each in asked
        )
        if waited_for and running.state is State.RUNNING:
            await self.escalate(tx, wish, None)

    async def reassign(self, tx: Tx, wish: Wish, to: Target | str) -> tuple[Escalation, list[Summons]]:
        """Ask a target, or by the policy with this name. Raises EscalationNotFound, PolicyNotFound, TargetNotFound, NobodyToAsk …"""

        async def decide(tx: Tx, subject: _Subject, now: datetime) -> Decision[Escalation]:
            known = await book(tx, now)
            goal = _goal(known, to, subject, now)
            then = replace(subject.escalation, policy=goal if isinstance(goal, Policy) else _only(goal))
            around = await situation(tx, known, then, wire.severity(subject.incident), now, Place(0, 0))
            return decisions.reassign(subject.escalation, goal, subject.taken_by, (wish.by, wish.why), around)

        return await self._redirect(tx, wish, decide)

    async def add(self, tx: Tx, wish: Wish, target: Target) -> list[Summons]:
        """Ask somebody more. Raises EscalationNotFound, IncidentClosed, TargetNotFound, NobodyToAsk."""

        async def decide(tx: Tx, subject: _Subject, now: datetime) -> Decision[Escalation]:
            known, severity = await book(tx, now), wire.severity(subject.incident)
            _somebody(known, target, severity, now)
            around = await around_target(tx, known, target, severity, now)
            return decisions.add(subject.escalation, target, (wish.by, wish.why), around)

        subject = await self._subject(tx, wish.incident_id)
        decision = await decide(tx, subject, self._clock.now())
        return await self._keeping.save(tx, subject.escalation, decision, subject.incident)

    async def answer(self, tx: Tx, summons_id: str, answer: str, reason: str) -> Summons:
        """Whether the responder comes. Raises SummonsNotFound, NotAskedFor."""
        found = await store.lock_summons(tx, summons_id)
        if found is None:
            raise SummonsNotFound(summons=summons_id)
        before, incident_id = found
        name_incident(incident_id)
        if before.step >= 0:
            raise NotAskedFor(responder=before.responder or before.contact)
        if (before.answer, before.answer_reason) == (answer, reason):
            return before
        after = replace(before, answer=answer, answer_reason=reason, answered_at=self._clock.now())
        await store.save_answer(tx, after)
        tx.emit(wire.answered(after, incident_id), aggregate=incident_id, version=0)
        return after

    async def stop(self, tx: Tx, wish: Wish) -> Escalation:
        """Ask nobody else. Raises EscalationNotFound."""
        subject = await self._subject(tx, wish.incident_id, closed_too=True)
        decision = decisions.stop(subject.escalation, f"stopped by {wish.by}: {wish.why}")
        await self._keeping.save(tx, subject.escalation, decision, subject.incident)
        return decision.state

    async def confirm(self, tx: Tx, incident_id: str) -> datetime | None:
        """Somebody is still at it; returns until when that is good. Raises EscalationNotFound, IncidentNotAcknowledged."""
        subject = await self._subject(tx, incident_id, closed_too=True)
        if not subject.taken_by:
            raise IncidentNotAcknowledged()
        await self._acknowledgements.follow(tx, subject.escalation.policy, subject.incident, self._clock.now())
        return next(iter(await timer_store.timers_of(tx, incident_id)), None)

    async def _redirect(self, tx: Tx, wish: Wish, decide: Decide) -> tuple[Escalation, list[Summons]]:
        subject, now = await self._subject(tx, wish.incident_id), self._clock.now()
        decision = await decide(tx, subject, now)
        summonses = await self._keeping.save(tx, subject.escalation, decision, subject.incident)
        after = decision.state
        await timer_store.insert_firings(tx, [Firing(after.id, after.version, after.step, after.round, None, now, after.due_at)])
        return after, summonses

    async def _subject(self, tx: Tx, incident_id: str, *, closed_too: bool = False) -> _Subject:
        """In the order in which facts lock them too."""
        name_incident(incident_id)
        copy = await store.lock_copy(tx, incident_id)
        latest = await store.load_latest(tx, incident_id) if copy is not None else None
        if copy is None or latest is None:
            raise EscalationNotFound(incident=incident_id)
        incident = Incident.FromString(copy.incident)
        if wire.is_closed(incident) and not closed_too:
            raise IncidentClosed()
        return _Subject(latest, incident)


def _goal(known: Book, to: Target | str, subject: _Subject, now: datetime) -> Policy | Target:
    """Raises PolicyNotFound, TargetNotFound, NobodyToAsk."""
    if isinstance(to, Target):
        _somebody(known, to, wire.severity(subject.incident), now)
        return to
    policy = known.named(to, subject.incident.team)
    if policy is None:
        raise PolicyNotFound(policy=to)
    return policy


def _only(target: Target) -> Policy:
    return Policy(REASSIGNED, (Step((target,), PLATFORM_DELAY, REASSIGNED),), 0)


def _somebody(known: Book, target: Target, severity: int, now: datetime) -> None:
    """Raises TargetNotFound, NobodyToAsk where the target stands for nobody."""
    if not exists(known, target):
        raise TargetNotFound(target=target)
    if not roster_of(known, (target,), now, severity)[target]:
        raise NobodyToAsk(target=target)
