"""What the auditor compares, and what it found, in the database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation.audit import Finding, Fired, Recorded


@dataclass(frozen=True, slots=True)
class Report:
    """A finding that detection has not heard of."""

    id: str
    kind: str
    incident_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Unescalated:
    """The newest that was heard of an incident that has no escalation."""

    id: str
    incident: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """An acknowledgement that has run out."""

    incident_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class _FiredRow:
    escalation_id: str
    step: int
    round: int
    due_at: datetime | None
    fired_at: datetime
    next_due_at: datetime | None


async def load_begun(tx: Tx, since: datetime, after: str, limit: int) -> list[Recorded]:
    """A page of the escalations that began since then, by id; `after` is the last one of the page before."""
    records = await tx.many(
        Recorded,
        """SELECT id::text AS escalation_id, incident_id::text, state = 'RUNNING' AS running, step, due_at, first_due_at, ended_at
           FROM escalation WHERE started_at >= %s AND id > %s ORDER BY id LIMIT %s""",
        (since, after, limit),
    )
    return await _with_firings(tx, records)


async def load_overdue(tx: Tx, before: datetime, begun_before: datetime, limit: int) -> list[Recorded]:
    """Those that began earlier, run, and were due before."""
    records = await tx.many(
        Recorded,
        """SELECT id::text AS escalation_id, incident_id::text, true AS running, step, due_at, first_due_at, ended_at
           FROM escalation WHERE state = 'RUNNING' AND due_at < %s AND started_at < %s ORDER BY due_at LIMIT %s""",
        (before, begun_before, limit),
    )
    return records


async def load_unescalated(tx: Tx, since_id: str, limit: int) -> list[Unescalated]:
    """Incidents from this id on (ids grow with time) that have no escalation."""
    return await tx.many(
        Unescalated,
        """SELECT i.id::text, i.incident FROM incident_copy AS i
           WHERE i.id >= %s AND NOT EXISTS (SELECT FROM escalation AS e WHERE e.incident_id = i.id) ORDER BY i.id LIMIT %s""",
        (since_id, limit),
    )


async def load_waiting(tx: Tx, before: datetime, limit: int) -> list[Waiting]:
    """Acknowledgements that ran out before then."""
    return await tx.many(
        Waiting,
        "SELECT incident_id::text, due_at FROM acknowledge_timer WHERE due_at < %s ORDER BY due_at LIMIT %s",
        (before, limit),
    )


async def keep_findings(tx: Tx, found: Sequence[tuple[str, Finding]], now: datetime) -> None:
    """Keep those, each with its id, that are not known."""
    await tx.execute_set(
        """INSERT INTO audit_finding (id, kind, incident_id, escalation_id, due_at, text, found_at)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::timestamptz[])
           ON CONFLICT DO NOTHING""",
        [
            (finding_id, each.flaw.value, each.incident_id, each.escalation_id or None, each.due_at, each.text, now)
            for finding_id, each in found
        ],
    )


async def lock_unreported(tx: Tx, limit: int) -> list[Report]:
    """What detection has not heard of, oldest first, which no other process is at."""
    return await tx.many(
        Report,
        """SELECT id::text, kind, incident_id::text, text FROM audit_finding WHERE alert_id IS NULL
           ORDER BY found_at, audit_finding.id LIMIT %s FOR UPDATE SKIP LOCKED""",
        (limit,),
    )


async def accept(tx: Tx, ids: Iterable[str], alert_id: str) -> None:
    """Detection has heard of these, by this alert."""
    await tx.execute("UPDATE audit_finding SET alert_id = %s WHERE id = ANY(%s::uuid[])", (alert_id, list(ids)))


async def _with_firings(tx: Tx, records: list[Recorded]) -> list[Recorded]:
    fired: dict[str, list[Fired]] = defaultdict(list)
    rows = await tx.many(
        _FiredRow,
        """SELECT escalation_id::text, step, round, due_at, fired_at, next_due_at FROM escalation_firing
           WHERE escalation_id = ANY(%s::uuid[]) ORDER BY escalation_firing.escalation_id, version""",
        ([record.escalation_id for record in records],),
    )
    for row in rows:
        fired[row.escalation_id].append(Fired(row.step, row.round, row.due_at, row.fired_at, row.next_due_at))
    return [
        Recorded(
            each.escalation_id,
            each.incident_id,
            each.running,
            each.step,
            each.due_at,
            each.first_due_at,
            each.ended_at,
            tuple(fired[each.escalation_id]),
        )
        for each in records
    ]
