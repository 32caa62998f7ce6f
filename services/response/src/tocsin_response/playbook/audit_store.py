"""Runs that nothing moves on, in the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class Stuck:
    """A run that is under way and has nothing that moves it on, or not in time."""

    run_id: str
    incident_id: str
    since: datetime
    text: str


async def count(tx: Tx) -> int:
    """How many runs are under way."""
    return await tx.value(int, "SELECT count(*) FROM run WHERE state IN ('RUNNING', 'PAUSED')") or 0


async def without_mover(tx: Tx, before: datetime, limit: int) -> list[Stuck]:
    """Those that run, and have neither a lease, nor work that a runner may take, nor a timer, nor an open question, nor a run as a part."""
    return await tx.many(
        Stuck,
        """SELECT run.id::text AS run_id, coalesce(run.incident_id::text, '') AS incident_id, run.changed_at AS since,
               'nothing moves it on: no lease, no work, no timer, no question' AS text
           FROM run WHERE run.state = 'RUNNING' AND run.changed_at < %s
               AND NOT EXISTS (SELECT FROM assignment AS a WHERE a.run_id = run.id AND a.state IN ('READY', 'LEASED'))
               AND NOT EXISTS (SELECT FROM step AS s WHERE s.run_id = run.id AND s.due_at IS NOT NULL)
               AND NOT EXISTS (SELECT FROM question AS q WHERE q.run_id = run.id AND q.state = 'OPEN')
               AND NOT EXISTS (SELECT FROM run AS part WHERE part.parent = run.id AND part.state IN ('RUNNING', 'PAUSED'))
           ORDER BY run.id LIMIT %s""",
        (before, limit),
    )


async def overdue(tx: Tx, before: datetime, limit: int) -> list[Stuck]:
    """Timers that should have fired, and leases that should have ended."""
    return await tx.many(
        Stuck,
        """SELECT run.id::text AS run_id, coalesce(run.incident_id::text, '') AS incident_id, late.since, late.text
           FROM (SELECT run_id, due_at AS since, 'the timer of step ' || path || ' did not fire' AS text FROM step WHERE due_at < %(before)s
                 UNION ALL
                 SELECT run_id, lease_until, 'the lease of step ' || path || ' did not end' FROM assignment
                 WHERE state = 'LEASED' AND lease_until < %(before)s) AS late JOIN run ON run.id = late.run_id
           WHERE run.state = 'RUNNING' ORDER BY late.since LIMIT %(limit)s""",
        {"before": before, "limit": limit},
    )


async def untaken(tx: Tx, before: datetime, limit: int) -> list[Stuck]:
    """Work that no runner takes."""
    return await tx.many(
        Stuck,
        """SELECT run.id::text AS run_id, coalesce(run.incident_id::text, '') AS incident_id, a.not_before AS since,
               'no runner takes step ' || a.path || ', which needs ' || coalesce(nullif(a.needs, ''), 'nothing special') AS text
           FROM assignment AS a JOIN run ON run.id = a.run_id
           WHERE a.state = 'READY' AND a.not_before < %s ORDER BY a.not_before LIMIT %s""",
        (before, limit),
    )


async def keep(tx: Tx, found: Sequence[Stuck], now: datetime) -> None:
    """Keep those that are not known."""
    await tx.execute_set(
        """INSERT INTO stuck_run (run_id, since, text, found_at)
           SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::timestamptz[]) ON CONFLICT DO NOTHING""",
        [(each.run_id, each.since, each.text, now) for each in found],
    )


async def lock_unreported(tx: Tx, limit: int) -> list[Stuck]:
    """What detection has not heard of, oldest first, which no other process is at."""
    return await tx.many(
        Stuck,
        """SELECT s.run_id::text, coalesce(run.incident_id::text, '') AS incident_id, s.since, s.text
           FROM stuck_run AS s JOIN run ON run.id = s.run_id WHERE s.alert_id IS NULL
           ORDER BY s.found_at, s.run_id LIMIT %s FOR UPDATE OF s SKIP LOCKED""",
        (limit,),
    )


async def accept(tx: Tx, reported: Iterable[Stuck], alert_id: str) -> None:
    """Detection has heard of these, by this alert."""
    await tx.execute_many(
        "UPDATE stuck_run SET alert_id = %s WHERE run_id = %s AND since = %s", [(alert_id, each.run_id, each.since) for each in reported]
    )
