"""The only place with SQL."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from tocsin_chassis.postgres.database import Tx
from tocsin_review.figures import Instants

# The service whose incidents are the platform's checks of itself: on their timelines for a while, in no figure and no review.
CHECKS = "tocsin-watchdog"


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A line to write; it has an incident, or an alert, as text or None."""

    id: str
    incident_id: str | None
    alert_id: str | None
    at: datetime
    rank: int
    fact: str
    source: str
    summary: str
    actor: str
    reason: str
    trace_id: str
    in_draft: bool
    service: str


@dataclass(frozen=True, slots=True)
class EntryRow:
    id: str
    at: datetime
    rank: int
    fact: str
    source: str
    summary: str
    actor: str
    reason: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """What is known of an incident; `latest` is a tocsin.triage.v1.Incident."""

    id: str
    service: str
    severity: int
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    latest: bytes
    version: int


@dataclass(frozen=True, slots=True)
class PageRow:
    """What is known of a page."""

    id: str
    incident_id: str
    kind: int
    responder: str
    contact_method: str
    channel: int
    state: int
    state_reason: str
    resent_after_unknown: bool
    created_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    pages_sent: int
    responders_paged: int


@dataclass(frozen=True, slots=True)
class ReviewRow:
    id: str
    incident_id: str
    markdown: str
    drafted_at: datetime


@dataclass(frozen=True, slots=True)
class Means:
    """Means over incidents. No service and no severity: over all."""

    service: str | None
    severity: int | None
    incidents: int
    acknowledged: int
    resolved: int
    time_to_acknowledge: timedelta | None
    time_to_resolve: timedelta | None


Row = TypeVar("Row")
Position = tuple[datetime, int, str]
SUMMONS = 1
# How long before an incident opened something may have led to it: what was done to its service, and what was done to all of the platform.
SERVICE_LEAD = timedelta(hours=6)
PLATFORM_LEAD = timedelta(hours=1)


# Facts come in


async def add_entries(tx: Tx, entries: Sequence[NewEntry]) -> None:
    await tx.execute_set(
        """INSERT INTO timeline (id, incident_id, alert_id, at, rank, fact, source, summary, actor, reason, trace_id, in_draft,
               service)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::smallint[], %s::text[], %s::text[],
               %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::text[])
           ON CONFLICT (id) DO NOTHING""",
        [_values(entry) for entry in entries],
    )


async def note_incidents(tx: Tx, incidents: Iterable[IncidentRow]) -> None:
    """Whatever the order of the facts: the first opening and acknowledgement, and the rest as of the newest version."""
    for rows in _rounds(incidents, lambda incident: incident.id):
        await tx.execute_set(
            """INSERT INTO incident AS known (id, service, severity, opened_at, acknowledged_at, resolved_at, latest, version)
               SELECT * FROM unnest(%s::uuid[], %s::text[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
                   %s::bytea[], %s::bigint[])
               ON CONFLICT (id) DO UPDATE SET
                   opened_at = least(known.opened_at, excluded.opened_at),
                   acknowledged_at = least(known.acknowledged_at, excluded.acknowledged_at),
                   service = CASE WHEN excluded.version > known.version THEN excluded.service ELSE known.service END,
                   severity = CASE WHEN excluded.version > known.version THEN excluded.severity ELSE known.severity END,
                   resolved_at = CASE WHEN excluded.version > known.version THEN excluded.resolved_at ELSE known.resolved_at END,
                   latest = CASE WHEN excluded.version > known.version THEN excluded.latest ELSE known.latest END,
                   version = greatest(known.version, excluded.version)""",
            [_values(row) for row in rows],
        )


async def note_gathered(tx: Tx, gathered: Sequence[tuple[str, str, bool]]) -> None:
    """Alerts, the incidents that gather them, and whether they opened them."""
    await tx.execute_set(
        """INSERT INTO gathered_alert (alert_id, incident_id, first) SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::boolean[])
           ON CONFLICT (alert_id) DO NOTHING""",
        gathered,
    )


async def note_alert_starts(tx: Tx, starts: Iterable[tuple[str, datetime]]) -> None:
    for rows in _rounds(starts, lambda start: start[0]):
        await tx.execute_set(
            """INSERT INTO alert_start AS known (alert_id, starts_at) SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])
               ON CONFLICT (alert_id) DO UPDATE SET starts_at = least(known.starts_at, excluded.starts_at)""",
            rows,
        )


async def note_pages(tx: Tx, pages: Iterable[PageRow]) -> None:
    """A page only comes further: what says less of it than is known changes nothing."""
    for rows in _rounds(pages, lambda page: page.id):
        await tx.execute_set(
            """INSERT INTO page AS known (id, incident_id, kind, responder, contact_method, channel, state, state_reason,
                   resent_after_unknown, created_at, sent_at, delivered_at, answered_at)
               SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::smallint[], %s::smallint[],
                   %s::text[], %s::boolean[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
               ON CONFLICT (id) DO UPDATE SET
                   kind = excluded.kind, responder = excluded.responder, contact_method = excluded.contact_method,
                   channel = excluded.channel, created_at = excluded.created_at,
                   state_reason = CASE WHEN excluded.state >= known.state THEN excluded.state_reason ELSE known.state_reason END,
                   state = greatest(known.state, excluded.state),
                   resent_after_unknown = known.resent_after_unknown OR excluded.resent_after_unknown,
                   sent_at = coalesce(excluded.sent_at, known.sent_at),
                   delivered_at = coalesce(excluded.delivered_at, known.delivered_at)""",
            [_values(row) for row in rows],
        )


async def note_answer(tx: Tx, page_id: str, incident_id: str, responder: str, at: datetime) -> None:
    await tx.execute(
        """INSERT INTO page AS known (id, incident_id, responder, answered_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (id) DO UPDATE SET answered_at = least(known.answered_at, excluded.answered_at)""",
        (page_id, incident_id, responder, at),
    )


def _values(row: NewEntry | IncidentRow | PageRow) -> list[object]:
    return [getattr(row, name) for name in row.__slots__]


def _rounds(rows: Iterable[Row], key: Callable[[Row], str]) -> list[list[Row]]:
    """The rows in groups in which each key comes once (a statement can change a row only once), in the order of the keys.

    The order of the rows with one key stays; that of the keys keeps two transactions from waiting for each other.
    """
    rounds: list[list[Row]] = []
    seen: Counter[str] = Counter()
    for row in sorted(rows, key=key):
        if seen[key(row)] == len(rounds):
            rounds.append([])
        rounds[seen[key(row)]].append(row)
        seen[key(row)] += 1
    return rounds


# What is known of one incident


async def timeline(tx: Tx, incident_id: str, after: Position | None, limit: int) -> list[EntryRow]:
    """Oldest first. All parts come from an index in this order; those about services as far as they fall into the incident's time."""
    at, rank, entry_id = after or (None, None, None)
    return await tx.many(
        EntryRow,
        """SELECT id::text AS id, at, rank, fact, source, summary, actor, reason, trace_id FROM (
               SELECT * FROM timeline WHERE incident_id = %(incident)s
               UNION ALL
               SELECT timeline.* FROM gathered_alert JOIN timeline USING (alert_id) WHERE gathered_alert.incident_id = %(incident)s
               UNION ALL
               SELECT timeline.* FROM incident JOIN timeline ON timeline.service = incident.service AND timeline.service <> ''
               WHERE incident.id = %(incident)s AND timeline.at <= coalesce(incident.resolved_at, 'infinity')
                 AND timeline.at >= incident.opened_at - %(service_lead)s::interval
               UNION ALL
               SELECT timeline.* FROM incident JOIN timeline ON timeline.service = '*'
               WHERE incident.id = %(incident)s AND timeline.at <= coalesce(incident.resolved_at, 'infinity')
                 AND timeline.at >= incident.opened_at - %(platform_lead)s::interval
           ) AS entry
           WHERE %(at)s::timestamptz IS NULL OR (at, rank, id) > (%(at)s::timestamptz, %(rank)s::smallint, %(id)s::uuid)
           ORDER BY at, rank, entry.id LIMIT %(limit)s""",
        {
            "incident": incident_id,
            "at": at,
            "rank": rank,
            "id": entry_id,
            "limit": limit,
            "service_lead": SERVICE_LEAD,
            "platform_lead": PLATFORM_LEAD,
        },
    )


async def incident(tx: Tx, incident_id: str) -> IncidentRow | None:
    return await tx.maybe(
        IncidentRow,
        """SELECT id::text AS id, service, severity, opened_at, acknowledged_at, resolved_at, latest, version
           FROM incident WHERE id = %s""",
        (incident_id,),
    )


async def instants(tx: Tx, incident_id: str) -> Instants | None:
    return await tx.maybe(
        Instants,
        """SELECT opened_at, acknowledged_at, resolved_at, alert_start.starts_at AS first_alert_at
           FROM incident
           LEFT JOIN gathered_alert ON gathered_alert.incident_id = incident.id AND gathered_alert.first
           LEFT JOIN alert_start USING (alert_id)
           WHERE incident.id = %s LIMIT 1""",
        (incident_id,),
    )


async def page_counts(tx: Tx, incident_id: str) -> Counts:
    return await tx.one(
        Counts,
        """SELECT count(*) AS pages_sent, count(DISTINCT responder) AS responders_paged FROM page
           WHERE incident_id = %s AND kind = %s AND sent_at IS NOT NULL""",
        (incident_id, SUMMONS),
    )


async def pages(tx: Tx, incident_id: str) -> list[PageRow]:
    """In the order in which they were made; those of which only the answer is known are left out."""
    return await tx.many(
        PageRow,
        """SELECT id::text AS id, incident_id::text AS incident_id, kind, responder, contact_method, channel, state, state_reason,
               resent_after_unknown, created_at, sent_at, delivered_at, answered_at
           FROM page WHERE incident_id = %s AND kind <> 0 ORDER BY created_at, page.id""",
        (incident_id,),
    )


# Reviews


async def insert_review(tx: Tx, review: ReviewRow) -> bool:
    """False if the incident has one already."""
    inserted = await tx.execute(
        "INSERT INTO review (id, incident_id, markdown, drafted_at) VALUES (%s, %s, %s, %s) ON CONFLICT (incident_id) DO NOTHING",
        astuple(review),
    )
    return inserted > 0


async def save_draft(tx: Tx, incident_id: str, markdown: str, at: datetime) -> None:
    await tx.execute("UPDATE review SET markdown = %s, drafted_at = %s WHERE incident_id = %s", (markdown, at, incident_id))


async def review_of(tx: Tx, incident_id: str) -> ReviewRow | None:
    return await tx.maybe(
        ReviewRow,
        "SELECT id::text AS id, incident_id::text AS incident_id, markdown, drafted_at FROM review WHERE incident_id = %s",
        (incident_id,),
    )


async def outdated(tx: Tx, limit: int) -> list[str]:
    """The incidents that have a review, and lines that were not there when it was drafted."""
    return await tx.values(
        str,
        """SELECT incident_id::text FROM review JOIN (
               SELECT incident_id FROM timeline WHERE NOT in_draft AND incident_id IS NOT NULL
               UNION
               SELECT gathered_alert.incident_id FROM timeline JOIN gathered_alert USING (alert_id)
               WHERE NOT in_draft AND alert_id IS NOT NULL
           ) AS fresh USING (incident_id) LIMIT %s""",
        (limit,),
    )


async def lock_review(tx: Tx, incident_id: str) -> bool:
    """Lock the review for drafting; False if another process drafts it just now."""
    found = await tx.value(str, "SELECT id::text FROM review WHERE incident_id = %s FOR UPDATE SKIP LOCKED", (incident_id,))
    return found is not None


async def mark_drafted(tx: Tx, incident_id: str) -> None:
    """Before the lines are read: each that is marked here is seen by the reads after it, and one that comes later is not marked."""
    await tx.execute("UPDATE timeline SET in_draft = true WHERE NOT in_draft AND incident_id = %s", (incident_id,))
    await tx.execute(
        """UPDATE timeline SET in_draft = true FROM gathered_alert
           WHERE NOT in_draft AND timeline.alert_id = gathered_alert.alert_id AND gathered_alert.incident_id = %s""",
        (incident_id,),
    )


# Figures


async def means(tx: Tx, since: datetime, until: datetime | None, reader: str | None) -> list[Means]:
    """Over all incidents that opened in the range, by service, and by severity; without private ones that the reader may not know of."""
    return await tx.many(
        Means,
        """SELECT service, severity, count(*) AS incidents, count(acknowledged_at) AS acknowledged, count(resolved_at) AS resolved,
               avg(acknowledged_at - opened_at) AS time_to_acknowledge, avg(resolved_at - opened_at) AS time_to_resolve
           FROM incident WHERE service <> %(checks)s
             AND opened_at >= %(since)s AND (%(until)s::timestamptz IS NULL OR opened_at < %(until)s::timestamptz)
             AND (%(reader)s::text IS NULL OR NOT EXISTS (
                 SELECT FROM incident_privacy AS privacy
                 WHERE privacy.incident_id = incident.id AND privacy.private AND NOT %(reader)s::text = ANY(privacy.members)))
           GROUP BY GROUPING SETS ((), (service), (severity)) ORDER BY service COLLATE "C", severity""",
        {"since": since, "until": until, "checks": CHECKS, "reader": reader},
    )


# The platform's checks of itself


async def forget_checks(tx: Tx, before: datetime) -> None:
    """Forget everything about the platform's checks of itself that opened before this instant."""
    await tx.execute(
        """WITH old AS (SELECT id FROM incident WHERE service = %s AND opened_at < %s),
                alerts AS (DELETE FROM gathered_alert USING old WHERE incident_id = old.id RETURNING alert_id),
                starts AS (DELETE FROM alert_start USING alerts WHERE alert_start.alert_id = alerts.alert_id),
                lines AS (DELETE FROM timeline USING old WHERE incident_id = old.id),
                lines_of_alerts AS (DELETE FROM timeline USING alerts WHERE timeline.alert_id = alerts.alert_id),
                pages AS (DELETE FROM page USING old WHERE incident_id = old.id)
           DELETE FROM incident USING old WHERE incident.id = old.id""",
        (CHECKS, before),
    )


async def note_custody_heads(tx: Tx, heads: Sequence[tuple[int, str, bytes]]) -> None:
    """Keep signed heads of response's custody ledger: size, root and message."""
    await tx.execute_set(
        """INSERT INTO custody_head (size, root, head) SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[])
           ON CONFLICT DO NOTHING""",
        heads,
    )


async def custody_heads(tx: Tx, below: tuple[int, str] | None, limit: int) -> list[bytes]:
    """Signed heads as messages, newest first."""
    return await tx.values(
        bytes,
        """SELECT head FROM custody_head WHERE %(size)s::bigint IS NULL OR (size, root) < (%(size)s, %(root)s)
           ORDER BY size DESC, root DESC LIMIT %(limit)s""",
        {"size": below[0] if below else None, "root": below[1] if below else "", "limit": limit},
    )
