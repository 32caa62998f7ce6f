"""Keeps what was decided about an escalation, and tells others."""

from datetime import datetime

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import store, timer_store, wire
from tocsin_response.escalation.escalation import (
    Counted,
    Escalation,
    Exhausted,
    GapFound,
    Redirected,
    Stopped,
    Summoned,
    TurnTaken,
)
from tocsin_response.escalation.store import Summons
from tocsin_response.gap import store as gaps

LONGEST_TITLE = 1024


class Keeping:
    """Runs in the transaction of whoever decided."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    async def save(self, tx: Tx, before: Escalation, decision: Decision[Escalation], incident: Incident) -> list[Summons]:
        """Write what changed, and tell it. Returns who was asked."""
        if decision.state == before:
            return []
        await store.update_escalation(tx, decision.state, self._clock.now())
        if decision.state.policy != before.policy:
            await store.replace_policy(tx, decision.state)
        return await self.tell(tx, decision, incident)

    async def begin(self, tx: Tx, decision: Decision[Escalation], incident: Incident, trace: str) -> None:
        """Write an escalation that starts, together with whom it asks, and tell it."""
        summonses = self._summonses(decision)
        await store.insert_escalation(tx, decision.state, wire.severity(incident), trace, summonses)
        await self._tell(tx, decision, incident, summonses)

    async def tell(self, tx: Tx, decision: Decision[Escalation], incident: Incident) -> list[Summons]:
        """Keep what the decision's facts say, and emit them."""
        summonses = self._summonses(decision)
        await self._tell(tx, decision, incident, summonses)
        if summonses:
            await store.insert_summonses(tx, summonses)
        return summonses

    async def _tell(self, tx: Tx, decision: Decision[Escalation], incident: Incident, summonses: list[Summons]) -> None:
        escalation, now, asked = decision.state, self._clock.now(), iter(summonses)
        for fact in decision.facts:
            match fact:
                case Summoned():
                    message = wire.summoned(next(asked), incident)
                case TurnTaken(key, cursor):
                    await timer_store.save_cursor(tx, key, cursor)
                    continue
                case GapFound():
                    await self._report(tx, escalation, fact, now)
                    message = wire.gap_found(escalation, fact, now)
                case Exhausted():
                    message = wire.exhausted(escalation, now)
                case Stopped():
                    message = wire.stopped(escalation, now)
                case Counted(by):
                    message = wire.counted(escalation, by)
                case Redirected():
                    message = wire.redirected(escalation, fact, now)
                case _:
                    message = wire.started(escalation)
            tx.emit(message, aggregate=escalation.incident_id, version=escalation.version)

    def _summonses(self, decision: Decision[Escalation]) -> list[Summons]:
        now = self._clock.now()
        return [self._summons(decision.state, fact, now) for fact in decision.facts if isinstance(fact, Summoned)]

    def _summons(self, escalation: Escalation, summoned: Summoned, now: datetime) -> Summons:
        return Summons(
            id=self._ids.new(),
            escalation_id=escalation.id,
            responder=summoned.responder,
            step=summoned.step,
            round=summoned.round,
            reason=summoned.reason.value,
            explanation=summoned.explanation,
            at=now,
            late_by=summoned.late_by,
            contact=summoned.contact,
            urgency=summoned.urgency.value,
            stands=summoned.stands,
            every_channel=summoned.every_channel,
        )

    async def _report(self, tx: Tx, escalation: Escalation, gap: GapFound, now: datetime) -> None:
        if gap.alerting:
            title = gap.title[:LONGEST_TITLE]
            report = gaps.GapReport(self._ids.new(), escalation.incident_id, gap.gap, title, gap.description, 0)
            await gaps.insert_report(tx, report, escalation.id, now)
