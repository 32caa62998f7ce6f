"""Escalations start when an incident opens, move when nobody answers in time, and end when somebody does."""

from collections.abc import Iterable
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link
from tocsin.triage.v1.events_pb2 import (
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    SeverityChanged,
)
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import name_incident, trace_context, traceparent, tracer
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import policy, store, wire
from tocsin_response.escalation.policies import policies
from tocsin_response.escalation.policy import PLATFORM, Escalation, Exhausted, GapFound, Kind, Policy, Roster, State, Summoned, Target
from tocsin_response.escalation.roster import People, roster
from tocsin_response.escalation.store import Claimed, Summons
from tocsin_response.gap import store as gaps
from tocsin_response.oncall import store as oncall
from tocsin_response.oncall.rota import Rota, rota

BATCH = 50
LONGEST_TITLE = 1024

Opening = IncidentOpened | IncidentReopened
Change = IncidentAcknowledged | IncidentResolved | SeverityChanged


class Escalations:
    """The running escalations."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def on_opening(self, tx: Tx, fact: Fact[Opening]) -> None:
        """Start, unless the incident is known to have been taken or closed since, or this opening has started one already."""
        latest, incident = await self._hear(tx, fact)
        if not wire.is_open(incident) or (latest is not None and latest.opened_version >= fact.version):
            return
        if latest is not None:
            await self._save(tx, policy.stop(latest, "the incident was opened again"), incident)
        await self._start(tx, fact, latest, incident)

    async def on_change(self, tx: Tx, fact: Fact[Change]) -> None:
        """Remember the incident as it is now; the escalation stops when it is not open any more."""
        await self._hear(tx, fact)

    async def step_on(self) -> int:
        """Take one step of every escalation whose time is up, longest overdue first; returns how many were."""
        done = 0
        while True:
            async with self._database.transaction() as tx:
                claimed = await store.claim_due(tx, self._clock.now(), BATCH)
                for due in claimed:
                    await self._time_out(tx, due)
            done += len(claimed)
            if len(claimed) < BATCH:
                return done

    async def of_incident(self, incident_id: str) -> tuple[list[Escalation], list[Summons]]:
        """The escalations of an incident and their summonses, newest first."""
        async with self._database.transaction() as tx:
            escalations = await store.list_escalations(tx, incident_id)
            return escalations, await store.list_summonses(tx, [escalation.id for escalation in escalations])

    async def _hear(self, tx: Tx, fact: Fact[Opening | Change]) -> tuple[Escalation | None, Incident]:
        """The latest escalation (stopped, if the incident is not open) and the newest that is known of the incident."""
        heard = fact.message.incident
        name_incident(heard.id)
        copy = await store.remember_incident(tx, heard.id, fact.version, heard.SerializeToString())
        if copy.fresh:
            return None, heard
        incident = Incident.FromString(copy.incident)
        latest = await store.load_latest(tx, heard.id)
        if latest is not None and not wire.is_open(incident):
            await self._save(tx, policy.stop(latest, wire.why_not_open(incident)), incident)
        return latest, incident

    async def _start(self, tx: Tx, fact: Fact[Opening], latest: Escalation | None, incident: Incident) -> None:
        now = self._clock.now()
        current = await _current(tx, now)
        chosen = await _policy(tx, current, incident.escalation_policy)
        about_gap = latest.about_gap if latest is not None else await _about_gap(tx, fact.message)
        fresh = Escalation(
            id=self._ids.new(),
            incident_id=incident.id,
            policy=chosen,
            state=State.RUNNING,
            step=0,
            round=0,
            due_at=now,
            started_at=now,
            stop_reason="",
            version=_version_after(latest),
            opened_version=fact.version,
            about_gap=about_gap,
        )
        candidates = await _roster(tx, current, policy.targets_of(fresh), now)
        decision = policy.start(fresh, incident.escalation_policy, candidates, now)
        await store.insert_escalation(tx, decision.state, traceparent())
        await self._tell(tx, decision, incident)

    async def _time_out(self, tx: Tx, due: Claimed) -> None:
        """A timer begins a trace of its own, linked to the one in which the incident opened."""
        opened = trace.get_current_span(trace_context({"traceparent": due.traceparent})).get_span_context()
        links = [Link(opened)] if opened.is_valid else []
        with tracer.start_as_current_span("escalation step timed out", context=Context(), links=links):
            name_incident(due.escalation.incident_id)
            now = self._clock.now()
            candidates = await _roster(tx, await _current(tx, now), policy.targets_of(due.escalation), now)
            await self._save(tx, policy.time_out(due.escalation, candidates, now), Incident.FromString(due.incident))

    async def _save(self, tx: Tx, decision: Decision[Escalation], incident: Incident) -> None:
        if decision.facts:
            await store.update_escalation(tx, decision.state)
            await self._tell(tx, decision, incident)

    async def _tell(self, tx: Tx, decision: Decision[Escalation], incident: Incident) -> None:
        """Keep what the decision's facts say, and emit them."""
        escalation, now = decision.state, self._clock.now()
        summonses: list[Summons] = []
        for fact in decision.facts:
            match fact:
                case Summoned():
                    summonses.append(self._summons(escalation, fact, now))
                    message = wire.summoned(summonses[-1], incident)
                case GapFound():
                    await self._report(tx, escalation, fact, now)
                    message = wire.gap_found(escalation, fact, now)
                case Exhausted():
                    message = wire.exhausted(escalation, now)
                case policy.Stopped():
                    message = wire.stopped(escalation, now)
                case _:
                    message = wire.started(escalation)
            tx.emit(message, aggregate=escalation.incident_id, version=escalation.version)
        if summonses:
            await store.insert_summonses(tx, summonses)

    def _summons(self, escalation: Escalation, summoned: Summoned, now: datetime) -> Summons:
        return Summons(
            id=self._ids.new(),
            escalation_id=escalation.id,
            responder=summoned.responder,
            step=escalation.step,
            round=escalation.round,
            reason=summoned.reason.value,
            explanation=summoned.explanation,
            at=now,
            late_by=summoned.late_by,
        )

    async def _report(self, tx: Tx, escalation: Escalation, gap: GapFound, now: datetime) -> None:
        if gap.alerting:
            title = gap.title[:LONGEST_TITLE]
            report = gaps.GapReport(self._ids.new(), escalation.incident_id, gap.gap, title, gap.description, 0)
            await gaps.insert_report(tx, report, escalation.id, now)


def _version_after(latest: Escalation | None) -> int:
    """A running escalation that is replaced takes one version to stop."""
    if latest is None:
        return 1
    return latest.version + (2 if latest.state is State.RUNNING else 1)


async def _policy(tx: Tx, current: Rota, name: str) -> Policy:
    return (await policies(tx, current.revision)).get(name) or policy.PLATFORM_POLICY


async def _about_gap(tx: Tx, opening: Opening) -> bool:
    """Whether the incident was opened by an alert about a coverage gap: it must not lead to another one."""
    if not isinstance(opening, IncidentOpened) or not opening.HasField("alert"):
        return False
    if not await tx.read_once("gaps", lambda: gaps.any_report(tx)):
        return False
    return await gaps.is_about_gap(tx, opening.alert.alert_id, opening.alert.title)


async def _current(tx: Tx, now: datetime) -> Rota:
    """All schedules, teams and people: asked for once where many incidents open together."""
    return await tx.read_once("rota", lambda: rota(tx, now))


async def _roster(tx: Tx, current: Rota, targets: Iterable[Target], now: datetime) -> Roster:
    """Whom these targets stand for now."""
    wanted = tuple(targets)
    duties = {
        name: duty
        for name in _names(wanted, Kind.SCHEDULE)
        if (kept := current.kept.get(name)) is not None
        for duty in kept.duties_at(now)[:1]
    }
    teams = {name: current.known.teams[name] for name in _names(wanted, Kind.TEAM) if name in current.known.teams}
    fallback = await tx.read_once("fallback", lambda: oncall.load_fallback(tx)) if PLATFORM in wanted else ()
    return roster(wanted, People(current.people, teams, duties, fallback))


def _names(targets: Iterable[Target], kind: Kind) -> list[str]:
    return [target.name for target in targets if target.kind is kind]
