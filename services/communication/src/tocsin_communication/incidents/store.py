"""The copies of incidents, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.incidents.incident import Incident, IncidentState

# The service of the platform's checks of itself.
CHECKS = "tocsin-watchdog"


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """The copy of an incident as it is stored."""

    id: str
    version: int
    number: int
    title: str
    summary: str
    service: str
    severity: str
    state: str
    opened_at: datetime
    acknowledged_by: str
    resolve_reason: str
    turn: int
    private: bool

    def to_domain(self) -> Incident:
        values = {name: getattr(self, name) for name in self.__slots__}
        return Incident(**{**values, "state": IncidentState(self.state)})


@dataclass(frozen=True, slots=True)
class VersionRow:
    """How new the copy of an incident is."""

    id: str
    version: int


async def incident(tx: Tx, incident_id: str) -> Incident | None:
    """The copy, if there is one."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
               private
           FROM incident WHERE id = %s""",
        (incident_id,),
    )
    return row.to_domain() if row else None


async def lock_incident(tx: Tx, incident_id: str) -> Incident | None:
    """The copy, locked for the rest of the transaction, if there is one. Taken before any page of the incident is changed."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
               private
           FROM incident WHERE id = %s FOR NO KEY UPDATE""",
        (incident_id,),
    )
    return row.to_domain() if row else None


async def lock_incidents(tx: Tx, ids: Sequence[str]) -> dict[str, Incident]:
    """The copies that there are, locked as by `lock_incident`, by id."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
               private
           FROM incident WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE""",
        (list(ids),),
    )
    return {row.id: row.to_domain() for row in rows}


async def incidents(tx: Tx, ids: Sequence[str]) -> dict[str, Incident]:
    """The copies that there are, by id."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
               private
           FROM incident WHERE id = ANY(%s)""",
        (list(ids),),
    )
    return {row.id: row.to_domain() for row in rows}


async def versions(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """Which version of each incident is kept; those that nothing is kept of are left out."""
    rows = await tx.many(VersionRow, "SELECT id, version FROM incident WHERE id = ANY(%s)", (list(ids),))
    return {row.id: row.version for row in rows}


async def keep_new(tx: Tx, incidents: Sequence[Incident]) -> set[str]:
    """Keep the copies of those incidents of which there is none yet, in this order; returns the ids of these."""
    if not incidents:
        return set()
    return set(
        await tx.values(
            str,
            """INSERT INTO incident
                   (id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
                    private)
               SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                   %s::timestamptz[], %s::text[], %s::text[], %s::bigint[], %s::boolean[])
               ON CONFLICT (id) DO NOTHING RETURNING id""",
            [[getattr(incident, name) for incident in incidents] for name in Incident.__slots__],
        )
    )


async def keep_incident(tx: Tx, incident: Incident) -> bool:
    """Keep the copy; False if a copy that is as new or newer is kept already."""
    return (
        await tx.execute(
            """INSERT INTO incident
                   (id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn,
                    private)
               VALUES (%(id)s, %(version)s, %(number)s, %(title)s, %(summary)s, %(service)s, %(severity)s, %(state)s, %(opened_at)s,
                   %(acknowledged_by)s, %(resolve_reason)s, %(turn)s, %(private)s)
               ON CONFLICT (id) DO UPDATE SET version = excluded.version, number = excluded.number, title = excluded.title,
                   summary = excluded.summary, service = excluded.service, severity = excluded.severity, state = excluded.state,
                   acknowledged_by = excluded.acknowledged_by, resolve_reason = excluded.resolve_reason, turn = excluded.turn,
                   private = excluded.private,
                   first_told_at = CASE WHEN incident.opened_at = excluded.opened_at THEN incident.first_told_at END,
                   opened_at = excluded.opened_at
               WHERE incident.version < excluded.version""",
            {name: getattr(incident, name) for name in incident.__slots__},
        )
        > 0
    )


async def note_first_told(tx: Tx, told: Sequence[tuple[str, datetime]]) -> set[str]:
    """Providers have accepted summonses about these incidents; returns those for which it is the first one since they opened."""
    ids, instants = [incident_id for incident_id, _ in told], [at for _, at in told]
    return set(
        await tx.values(
            str,
            """UPDATE incident SET first_told_at = told.at FROM unnest(%s::text[], %s::timestamptz[]) AS told (id, at)
               WHERE incident.id = told.id AND first_told_at IS NULL RETURNING incident.id""",
            (ids, instants),
        )
    )


async def forget_checks(tx: Tx, before: datetime) -> None:
    """Forget the platform's checks that opened before this instant and are resolved, and the pages about them."""
    await tx.execute(
        """WITH ended AS (DELETE FROM incident WHERE service = %s AND state = 'RESOLVED' AND opened_at < %s RETURNING id),
                pages AS (DELETE FROM page USING ended WHERE page.incident_id = ended.id RETURNING page.id),
                threads AS (DELETE FROM thread USING ended WHERE thread.incident_id = ended.id),
                edits AS (DELETE FROM page_edit USING pages WHERE page_edit.page_id = pages.id)
           DELETE FROM page_attempt USING pages WHERE page_attempt.page_id = pages.id""",
        (CHECKS, before),
    )
