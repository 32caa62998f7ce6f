"""Escalations start when an incident opens, move when nobody answers in time, and end when enough people have."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link
from tocsin.triage.v1.events_pb2 import (
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUnacknowledged,
    PrivacyChanged,
    SeverityChanged,
    TypeChanged,
)
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.privacy import note_privacy
from tocsin_chassis.telemetry import name_incident, trace_context, traceparent, tracer
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import decisions, store, timer_store, wire
from tocsin_response.escalation.acknowledgements import Acknowledgements
from tocsin_response.escalation.book import book
from tocsin_response.escalation.candidates import situation
from tocsin_response.escalation.escalation import Escalation, Place, State
from tocsin_response.escalation.keeping import Keeping
from tocsin_response.escalation.store import Claimed, Summons
from tocsin_response.escalation.timer_store import Firing
from tocsin_response.gap import store as gaps
from tocsin_response.glance.store import glance

log = logging.getLogger(__name__)

BATCH = 50
# A step that cannot be taken must not hold up those of other incidents.
AGAIN_AFTER = timedelta(seconds=60)

Opening = IncidentOpened | IncidentReopened | IncidentUnacknowledged
Change = IncidentAcknowledged | IncidentResolved | SeverityChanged | TypeChanged | PrivacyChanged


class Escalations:
    """The running escalations."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, acknowledgements: Acknowledgements) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._keeping = Keeping(clock, ids)
        self._acknowledgements = acknowledgements

    async def on_opening(self, tx: Tx, fact: Fact[Opening]) -> None:
        """Start, unless the incident is known to have been taken or closed since, or this opening has started one already."""
        latest, incident = await self._hear(tx, fact)
        if not wire.is_open(incident) or (latest is not None and latest.opened_version >= fact.version):
            return
        if latest is not None:
            latest = await self._save(tx, latest, decisions.stop(latest, "the incident was opened again"), incident)
        await self._start(tx, fact, latest, incident)

    async def on_change(self, tx: Tx, fact: Fact[Change]) -> None:
        """Remember the incident as it is now; the escalation stops when it is not open any more."""
        latest, incident = await self._hear(tx, fact)
        if latest is not None and latest.state is State.RUNNING and isinstance(fact.message, SeverityChanged):
            await store.update_severity(tx, incident.id, wire.severity(incident))

    async def step_on(self) -> int:
        """Take one step of every escalation whose time is up, the worst first; returns how many were."""
        done = 0
        while True:
            async with self._database.transaction() as tx:
                claimed = await store.claim_due(tx, self._clock.now(), BATCH)
                fired = [await self._time_out_or_postpone(tx, due) for due in claimed]
                await timer_store.insert_firings(tx, [firing for firing in fired if firing is not None])
            done += len(claimed)
            if len(claimed) < BATCH:
                return done

    async def of_incident(self, incident_id: str) -> tuple[list[Escalation], list[Summons], datetime | None]:
        """The escalations of an incident and their summonses, newest first, and until when its acknowledgement is good."""
        async with self._database.transaction() as tx:
            escalations = await store.list_escalations(tx, incident_id)
            summonses = await store.list_summonses(tx, [escalation.id for escalation in escalations])
            return escalations, summonses, next(iter(await timer_store.timers_of(tx, incident_id)), None)

    async def _hear(self, tx: Tx, fact: Fact[Opening | Change]) -> tuple[Escalation | None, Incident]:
        """The latest escalation (as it is after what is known now) and the newest that is known of the incident."""
        heard = fact.message.incident
        name_incident(heard.id)
        await note_privacy(tx, [heard])
        copy = await store.remember_incident(tx, heard.id, fact.version, heard.SerializeToString())
        if copy.fresh:
            return None, heard
        incident = Incident.FromString(copy.incident)
        latest = await store.load_latest(tx, heard.id)
        if latest is None:
            return None, incident
        if fact.version == copy.version:
            await self._acknowledgements.follow(tx, latest.policy, incident, fact.occurred_at)
        if wire.is_open(incident):
            return latest, incident
        return await self._save(tx, latest, _after(latest, incident), incident), incident

    async def _start(self, tx: Tx, fact: Fact[Opening], latest: Escalation | None, incident: Incident) -> None:
        now, severity = self._clock.now(), wire.severity(incident)
        known = await book(tx, now)
        policy = known.to_run(known.named(incident.escalation_policy, incident.team), incident.team, severity, now)
        about_gap = latest.about_gap if latest is not None else await _about_gap(tx, fact.message, now)
        fresh = Escalation(
            id=self._ids.new(),
            incident_id=incident.id,
            policy=replace(policy, every_channel=True) if isinstance(fact.message, IncidentUnacknowledged) else policy,
            state=State.RUNNING,
            step=0,
            round=0,
            due_at=now,
            started_at=now,
            stop_reason="",
            version=latest.version + 1 if latest is not None else 1,
            opened_version=fact.version,
            about_gap=about_gap,
        )
        around = await situation(tx, known, fresh, severity, now, Place(0, 0))
        decision = decisions.start(fresh, incident.escalation_policy, around)
        await self._keeping.begin(tx, decision, incident, traceparent())

    async def _time_out_or_postpone(self, tx: Tx, due: Claimed) -> Firing | None:
        try:
            async with tx.savepoint():
                return await self._time_out(tx, due)
        except Exception:  # whatever is wrong with this one, the timers of all others go on
            log.exception("the step of escalation %s cannot be taken and is tried again in a minute", due.escalation.id)
            await store.postpone(tx, due.escalation.id, self._clock.now() + AGAIN_AFTER)
            return None

    async def _time_out(self, tx: Tx, due: Claimed) -> Firing:
        """A timer begins a trace of its own, linked to the one in which the incident opened."""
        before, incident = due.escalation, Incident.FromString(due.incident)
        opened = trace.get_current_span(trace_context({"traceparent": due.traceparent})).get_span_context()
        links = [Link(opened)] if opened.is_valid else []
        with tracer.start_as_current_span("escalation step timed out", context=Context(), links=links):
            name_incident(before.incident_id)
            now = self._clock.now()
            around = await situation(tx, await book(tx, now), before, wire.severity(incident), now)
            after = await self._save(tx, before, decisions.time_out(before, around), incident)
        return Firing(before.id, after.version, after.step, after.round, before.due_at, now, after.due_at)

    async def _save(self, tx: Tx, before: Escalation, decision: Decision[Escalation], incident: Incident) -> Escalation:
        await self._keeping.save(tx, before, decision, incident)
        return decision.state


def _after(latest: Escalation, incident: Incident) -> Decision[Escalation]:
    """What becomes of the escalation of an incident that is not open."""
    why = wire.why_not_open(incident)
    if wire.is_acknowledged(incident):
        return decisions.acknowledge(latest, incident.acknowledged_by, why)
    return decisions.stop(latest, why)


async def _about_gap(tx: Tx, opening: Opening, now: datetime) -> bool:
    """Whether the incident was opened by an alert about a coverage gap: it must not lead to another one."""
    if not isinstance(opening, IncidentOpened) or not opening.HasField("alert"):
        return False
    if not (await glance(tx, now)).gaps:
        return False
    return await gaps.is_about_gap(tx, opening.alert.alert_id, opening.alert.title)
