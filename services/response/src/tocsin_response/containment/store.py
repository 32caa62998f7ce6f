"""Measures in the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.containment.measure import Measure, State, TargetKind, Verification

MEASURES_DUE = "SELECT min(until) FROM measure WHERE state = 'IN_FORCE'"
LOOKS_DUE = "SELECT min(next_look_at) FROM measure WHERE next_look_at IS NOT NULL AND state = 'IN_FORCE'"
# Every read of whole measures begins so.
MEASURES: LiteralString = """SELECT id::text, coalesce(incident_id::text, '') AS incident_id, action, connector, target_kind, target,
    reason, applied_by, applied_at, until, state, verified_at, reversible, coalesce(run_id::text, '') AS run_id, step_path, prior_state,
    coalesce(assignment_id::text, '') AS assignment_id, simulated, coalesce(undo_run_id::text, '') AS undo_run_id, lifted_by, lifted_at,
    decision, kept, trouble, verification, finding, next_look_at, looks, missed, version FROM measure"""
AWAITED_DUE = "SELECT min(applied_at) FROM measure WHERE verification = 'AWAITED'"


@dataclass(frozen=True, slots=True)
class _MeasureRow:
    id: str
    incident_id: str
    action: str
    connector: str
    target_kind: int
    target: str
    reason: str
    applied_by: str
    applied_at: datetime
    until: datetime | None
    state: str
    verified_at: datetime | None
    reversible: bool
    run_id: str
    step_path: str
    prior_state: dict[str, Any] | None
    assignment_id: str
    simulated: bool
    undo_run_id: str
    lifted_by: str
    lifted_at: datetime | None
    decision: str
    kept: bool
    trouble: str
    verification: str
    finding: str
    next_look_at: datetime | None
    looks: int
    missed: int
    version: int

    def to_domain(self) -> Measure:
        return Measure(
            id=self.id,
            incident_id=self.incident_id,
            action=self.action,
            connector=self.connector,
            target_kind=TargetKind(self.target_kind),
            target=self.target,
            reason=self.reason,
            applied_by=self.applied_by,
            applied_at=self.applied_at,
            until=self.until,
            state=State[self.state],
            verified_at=self.verified_at,
            reversible=self.reversible,
            run_id=self.run_id,
            step_path=self.step_path,
            prior_state=self.prior_state,
            assignment_id=self.assignment_id,
            simulated=self.simulated,
            undo_run_id=self.undo_run_id,
            lifted_by=self.lifted_by,
            lifted_at=self.lifted_at,
            decision=self.decision,
            kept=self.kept,
            trouble=self.trouble,
            verification=Verification[self.verification],
            finding=self.finding,
            next_look_at=self.next_look_at,
            looks=self.looks,
            missed=self.missed,
            version=self.version,
        )


async def insert_measure(tx: Tx, measure: Measure) -> bool:
    """Keep it; False if the same step took it already."""
    return bool(
        await tx.execute(
            """INSERT INTO measure (id, incident_id, action, connector, target_kind, target, reason, applied_by, applied_at, until, state,
                   verified_at, reversible, run_id, step_path, prior_state, assignment_id, simulated, lifted_by, decision, kept, trouble,
                   verification, finding, next_look_at, version)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT DO NOTHING""",
            (
                measure.id,
                measure.incident_id or None,
                measure.action,
                measure.connector,
                int(measure.target_kind),
                measure.target,
                measure.reason,
                measure.applied_by,
                measure.applied_at,
                measure.until,
                measure.state.name,
                measure.verified_at,
                measure.reversible,
                measure.run_id or None,
                measure.step_path,
                _json(measure.prior_state),
                measure.assignment_id or None,
                measure.simulated,
                measure.lifted_by,
                measure.decision,
                measure.kept,
                measure.trouble,
                measure.verification.name,
                measure.finding,
                measure.next_look_at,
                measure.version,
            ),
        )
    )


async def save_measure(tx: Tx, measure: Measure) -> None:
    await tx.execute(
        """UPDATE measure SET until = %s, state = %s, verified_at = %s, undo_run_id = %s, lifted_by = %s, lifted_at = %s, decision = %s,
               kept = %s, trouble = %s, verification = %s, finding = %s, next_look_at = %s, looks = %s, missed = %s,
               version = %s WHERE id = %s""",
        (
            measure.until,
            measure.state.name,
            measure.verified_at,
            measure.undo_run_id or None,
            measure.lifted_by,
            measure.lifted_at,
            measure.decision,
            measure.kept,
            measure.trouble,
            measure.verification.name,
            measure.finding,
            measure.next_look_at,
            measure.looks,
            measure.missed,
            measure.version,
            measure.id,
        ),
    )


async def load_measure(tx: Tx, measure_id: str) -> Measure | None:
    """Lock the measure for the rest of the transaction."""
    row = await tx.maybe(
        _MeasureRow,
        MEASURES + " WHERE id = %s FOR UPDATE",
        (measure_id,),
    )
    return row.to_domain() if row is not None else None


async def of_run(tx: Tx, run_id: str, action: str, target: str) -> list[Measure]:
    """What a run did at a target and is not lifted; locked for the rest of the transaction."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES + " WHERE run_id = %s AND action = %s AND target = %s AND state <> 'LIFTED' ORDER BY measure.id FOR UPDATE",
        (run_id, action, target),
    )
    return [row.to_domain() for row in rows]


async def of_target(tx: Tx, incident_id: str, action: str, target: str, *, simulated: bool) -> list[Measure]:
    """What was done at a target for an incident and is not lifted; locked for the rest of the transaction."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES
        + """ WHERE incident_id = %s AND action = %s AND target = %s AND simulated = %s AND state <> 'LIFTED'
           ORDER BY measure.id FOR UPDATE""",
        (incident_id, action, target, simulated),
    )
    return [row.to_domain() for row in rows]


async def of_assignment(tx: Tx, assignment_id: str) -> list[Measure]:
    """The measure that an assignment took; locked for the rest of the transaction."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES + " WHERE assignment_id = %s ORDER BY measure.id FOR UPDATE",
        (assignment_id,),
    )
    return [row.to_domain() for row in rows]


async def awaited_of_run(tx: Tx, run_id: str) -> list[Measure]:
    """What a run only had taken on; locked for the rest of the transaction."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES + " WHERE run_id = %s AND verification = 'AWAITED' ORDER BY measure.id FOR UPDATE",
        (run_id,),
    )
    return [row.to_domain() for row in rows]


async def awaited_runs(tx: Tx, limit: int) -> list[str]:
    return await tx.values(
        str, "SELECT DISTINCT run_id::text FROM measure WHERE verification = 'AWAITED' AND run_id IS NOT NULL LIMIT %s", (limit,)
    )


async def claim_expired(tx: Tx, now: datetime, limit: int) -> list[Measure]:
    """Measures whose time is up, which no other process is at."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES + " WHERE state = 'IN_FORCE' AND until <= %s ORDER BY until LIMIT %s FOR UPDATE SKIP LOCKED",
        (now, limit),
    )
    return [row.to_domain() for row in rows]


async def claim_looks(tx: Tx, now: datetime, limit: int) -> list[Measure]:
    """Measures that are to be looked at now, which no other process is at."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES
        + """ WHERE next_look_at <= %s AND state = 'IN_FORCE' AND (until IS NULL OR until > %s)
           ORDER BY next_look_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, now, limit),
    )
    return [row.to_domain() for row in rows]


async def list_measures(tx: Tx, incident_id: str | None, in_force_only: bool, before: str | None, limit: int) -> list[Measure]:
    """Newest first, those of one incident (None: of all), before an id."""
    rows = await tx.many(
        _MeasureRow,
        MEASURES
        + """ WHERE (%(incident)s::uuid IS NULL OR incident_id = %(incident)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
               AND (NOT %(open)s OR state <> 'LIFTED')
           ORDER BY measure.id DESC LIMIT %(limit)s""",
        {"incident": incident_id, "before": before, "open": in_force_only, "limit": limit},
    )
    return [row.to_domain() for row in rows]


def _json(plain: Any) -> Jsonb | None:
    return Jsonb(dict(plain)) if plain is not None else None
