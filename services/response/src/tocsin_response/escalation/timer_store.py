"""When steps were taken, whose turn it is, and until when acknowledgements are good, in the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation.round_robin import Cursor

ACKNOWLEDGEMENTS_DUE = "SELECT min(due_at) FROM acknowledge_timer"


@dataclass(frozen=True, slots=True)
class Firing:
    """A step that was taken after the first; `due_at` is None if a person wanted it."""

    escalation_id: str
    version: int
    step: int
    round: int
    due_at: datetime | None
    fired_at: datetime
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class AcknowledgeTimer:
    """Until when an acknowledgement is good."""

    incident_id: str
    acknowledged_by: str
    after: timedelta
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Expiring(AcknowledgeTimer):
    """One whose time is up, with the newest that was heard of its incident."""

    incident: bytes


@dataclass(frozen=True, slots=True)
class _CursorRow:
    key: str
    last: str
    ring: list[str]


async def insert_firings(tx: Tx, firings: Iterable[Firing]) -> None:
    await tx.execute_set(
        """INSERT INTO escalation_firing (escalation_id, version, step, round, due_at, fired_at, next_due_at)
           SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::integer[], %s::integer[], %s::timestamptz[], %s::timestamptz[],
               %s::timestamptz[])""",
        [(each.escalation_id, each.version, each.step, each.round, each.due_at, each.fired_at, each.next_due_at) for each in firings],
    )


async def lock_cursors(tx: Tx, keys: Iterable[str]) -> dict[str, Cursor]:
    """Whose turn it was last, by key; locked for the rest of the transaction, always in the same order. One that is new begins."""
    rows = await tx.many(
        _CursorRow,
        """INSERT INTO round_robin AS known (key, last, ring) SELECT key, '', '{}' FROM unnest(%s::text[]) AS key ORDER BY key
           ON CONFLICT (key) DO UPDATE SET last = known.last RETURNING key, last, ring""",
        (sorted(set(keys)),),
    )
    return {row.key: Cursor(row.last, tuple(row.ring)) for row in rows}


async def load_cursors(tx: Tx, keys: Iterable[str]) -> dict[str, Cursor]:
    """The same, only to look."""
    rows = await tx.many(_CursorRow, "SELECT key, last, ring FROM round_robin WHERE key = ANY(%s)", (list(keys),))
    return {row.key: Cursor(row.last, tuple(row.ring)) for row in rows}


async def save_cursor(tx: Tx, key: str, cursor: Cursor) -> None:
    await tx.execute("UPDATE round_robin SET last = %s, ring = %s WHERE key = %s", (cursor.last, list(cursor.ring), key))


async def set_timer(tx: Tx, timer: AcknowledgeTimer) -> None:
    """The time of the incident's acknowledgement begins, or begins anew."""
    await tx.execute(
        """INSERT INTO acknowledge_timer (incident_id, acknowledged_by, after, due_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (incident_id) DO UPDATE SET acknowledged_by = excluded.acknowledged_by, after = excluded.after,
               due_at = excluded.due_at""",
        (timer.incident_id, timer.acknowledged_by, timer.after, timer.due_at),
    )


async def clear_timer(tx: Tx, incident_id: str) -> None:
    await tx.execute("DELETE FROM acknowledge_timer WHERE incident_id = %s", (incident_id,))


async def timers_of(tx: Tx, incident_id: str) -> list[datetime]:
    """When the acknowledgement of this incident runs out, if it does."""
    return await tx.values(datetime, "SELECT due_at FROM acknowledge_timer WHERE incident_id = %s", (incident_id,))


async def take_expired(tx: Tx, now: datetime, limit: int) -> list[Expiring]:
    """The timers whose time is up, which no other process is at; they are gone then."""
    return await tx.many(
        Expiring,
        """WITH due AS (
               SELECT incident_id FROM acknowledge_timer WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
           )
           DELETE FROM acknowledge_timer AS t USING due, incident_copy AS i WHERE t.incident_id = due.incident_id AND i.id = t.incident_id
           RETURNING t.incident_id::text, t.acknowledged_by, t.after, t.due_at, i.incident""",
        (now, limit),
    )
