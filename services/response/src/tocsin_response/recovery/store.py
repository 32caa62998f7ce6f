"""Recovery watches and the titles of incidents' alerts in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.containment.measure import TargetKind
from tocsin_response.recovery.watch import Indicator, Watch

REOPENINGS_DUE = "SELECT min(due_at) FROM recovery_watch"


@dataclass(frozen=True, slots=True)
class _WatchRow:
    incident_id: str
    incident_number: int
    service: str
    title: str
    until: datetime
    set_by: str
    set_at: datetime
    recurred_at: datetime | None
    recurrence: str
    recurred_in: str

    def to_domain(self) -> Watch:
        return Watch(
            self.incident_id,
            self.incident_number,
            self.service,
            self.title,
            self.until,
            self.set_by,
            self.set_at,
            (),
            self.recurred_at,
            self.recurrence,
            self.recurred_in,
        )


@dataclass(frozen=True, slots=True)
class _IndicatorRow:
    incident_id: str
    kind: int
    value: str


@dataclass(frozen=True, slots=True)
class Reopening:
    """An incident that came back and is to be opened again."""

    incident_id: str
    recurrence: str
    recurred_at: datetime


async def keep_title(tx: Tx, incident_id: str, title: str) -> None:
    """An alert with this title belongs to the incident."""
    await tx.execute("INSERT INTO incident_title (incident_id, title) VALUES (%s, %s) ON CONFLICT DO NOTHING", (incident_id, title))


async def titles_of(tx: Tx, incident_id: str) -> list[str]:
    """The titles of its alerts."""
    return await tx.values(str, "SELECT title FROM incident_title WHERE incident_id = %s ORDER BY title LIMIT 500", (incident_id,))


async def put_watch(tx: Tx, watch: Watch) -> None:
    """Keep it in place of the incident's last one."""
    await tx.execute("DELETE FROM recovery_watch WHERE incident_id = %s", (watch.incident_id,))
    await tx.execute(
        """INSERT INTO recovery_watch (incident_id, incident_number, service, title, until, set_by, set_at, recurrence)
           VALUES (%s, %s, %s, %s, %s, %s, %s, '')""",
        (watch.incident_id, watch.incident_number, watch.service, watch.title, watch.until, watch.set_by, watch.set_at),
    )
    await tx.execute_set(
        "INSERT INTO recovery_indicator (incident_id, kind, value) SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::text[])",
        [(watch.incident_id, int(each.kind), each.value) for each in watch.indicators],
    )


async def end_watch(tx: Tx, incident_id: str, now: datetime) -> None:
    await tx.execute("UPDATE recovery_watch SET until = %s WHERE incident_id = %s AND until > %s", (now, incident_id, now))


async def matching(tx: Tx, now: datetime, words: Sequence[str], title: str, limit: int) -> list[Watch]:
    """The watches that look out for one of these words or this alert's title, with only the indicators that match; locked."""
    found = await tx.many(
        _IndicatorRow,
        """SELECT w.incident_id::text, i.kind, i.value FROM recovery_watch AS w JOIN recovery_indicator AS i USING (incident_id)
           WHERE w.recurred_at IS NULL AND w.until > %(now)s
               AND (i.kind <> 0 AND i.value = ANY(%(words)s) OR i.kind = 0 AND i.value = %(title)s)
           ORDER BY w.incident_id LIMIT %(limit)s FOR UPDATE OF w""",
        {"now": now, "words": list(words), "title": title, "limit": limit},
    )
    return _together(await load_watches(tx, sorted({row.incident_id for row in found})), found) if found else []


async def load_watches(tx: Tx, incident_ids: Sequence[str]) -> list[Watch]:
    """The watches of these incidents, without their indicators."""
    rows = await tx.many(
        _WatchRow,
        """SELECT incident_id::text, incident_number, service, title, until, set_by, set_at, recurred_at, recurrence,
               coalesce(recurred_in::text, '') AS recurred_in FROM recovery_watch WHERE incident_id = ANY(%s::uuid[])""",
        (list(incident_ids),),
    )
    return [row.to_domain() for row in rows]


async def list_watches(tx: Tx, now: datetime, limit: int) -> list[Watch]:
    """Those that look out now, by their end, with all indicators."""
    ids = await tx.values(
        str,
        "SELECT incident_id::text FROM recovery_watch WHERE recurred_at IS NULL AND until > %s ORDER BY until LIMIT %s",
        (now, limit),
    )
    return await with_indicators(tx, ids)


async def with_indicators(tx: Tx, incident_ids: Sequence[str]) -> list[Watch]:
    """These watches by their end, with all indicators."""
    found = await tx.many(
        _IndicatorRow,
        "SELECT incident_id::text, kind, value FROM recovery_indicator WHERE incident_id = ANY(%s::uuid[]) ORDER BY kind, value",
        (list(incident_ids),),
    )
    return sorted(_together(await load_watches(tx, incident_ids), found), key=lambda watch: watch.until)


async def save_recurrence(tx: Tx, watch: Watch) -> None:
    """It came back, and is to be opened again at once."""
    await tx.execute(
        "UPDATE recovery_watch SET recurred_at = %s, recurrence = %s, recurred_in = %s, due_at = %s WHERE incident_id = %s",
        (watch.recurred_at, watch.recurrence, watch.recurred_in or None, watch.recurred_at, watch.incident_id),
    )


async def claim_reopenings(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[Reopening]:
    """Incidents to open again, which no other process is at; they come again at `again_at` unless that is settled."""
    return await tx.many(
        Reopening,
        """UPDATE recovery_watch SET due_at = %s WHERE incident_id IN (
               SELECT incident_id FROM recovery_watch WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
           ) RETURNING incident_id::text, recurrence, recurred_at""",
        (again_at, now, limit),
    )


async def settle_reopening(tx: Tx, incident_id: str, now: datetime) -> None:
    await tx.execute("UPDATE recovery_watch SET due_at = NULL, reopened_at = %s WHERE incident_id = %s", (now, incident_id))


def _together(watches: Sequence[Watch], found: Sequence[_IndicatorRow]) -> list[Watch]:
    return [
        replace(
            watch,
            indicators=tuple(Indicator(TargetKind(row.kind), row.value) for row in found if row.incident_id == watch.incident_id),
        )
        for watch in watches
    ]
