"""The tables of communication: the only place with SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.page import Kind, Page, State

_SELECT_PAGE: LiteralString = """SELECT page.id::text, page.kind, page.incident_id, page.opening, page.turn, page.summons_id,
    page.responder, page.contact_method, page.channel, page.address, page.provider, page.state, page.state_reason, page.reason,
    page.subject, page.body,
    page.attempts, page.outcome_unknown, page.resent_after_unknown, page.provider_id, page.created_at, page.due_at, page.attempt_at,
    page.sent_at, page.delivered_at, page.version, page.traceparent, page.fence, page.token_hash, page.used_at
    FROM page"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A page as it is stored."""

    id: str
    kind: str
    incident_id: str
    opening: datetime | None
    turn: int
    summons_id: str
    responder: str
    contact_method: str
    channel: str
    address: str
    provider: str
    state: str
    state_reason: str
    reason: str
    subject: str
    body: str
    attempts: int
    outcome_unknown: bool
    resent_after_unknown: bool
    provider_id: str
    created_at: datetime
    due_at: datetime
    attempt_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    version: int
    traceparent: str
    fence: int
    token_hash: bytes | None
    used_at: datetime | None

    def to_domain(self) -> Page:
        values = {name: getattr(self, name) for name in self.__slots__}
        return Page(**{**values, "kind": Kind(self.kind), "channel": Channel(self.channel), "state": State(self.state)})


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

    def to_domain(self) -> Incident:
        values = {name: getattr(self, name) for name in self.__slots__}
        return Incident(**{**values, "state": IncidentState(self.state)})


@dataclass(frozen=True, slots=True)
class VersionRow:
    """How new the copy of an incident is."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A contact method as it is stored."""

    name: str
    responder: str
    channel: str
    address: str
    delay: timedelta | None

    def to_domain(self) -> ContactMethod:
        return ContactMethod(self.name, self.responder, Channel(self.channel), self.address, self.delay)


@dataclass(frozen=True, slots=True)
class Told:
    """A contact method over which a summons went out, or may have."""

    responder: str
    contact_method: str
    channel: str
    address: str
    provider: str


# Contact methods


async def methods_of(tx: Tx, responder: str) -> list[ContactMethod]:
    """How to reach a responder, by name."""
    rows = await tx.many(
        MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE responder = %s ORDER BY name", (responder,)
    )
    return [row.to_domain() for row in rows]


async def all_methods(tx: Tx) -> list[ContactMethod]:
    """Every contact method, by name."""
    rows = await tx.many(MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method ORDER BY name")
    return [row.to_domain() for row in rows]


async def lock_methods(tx: Tx) -> None:
    """One configuration at a time; pages go on being made meanwhile."""
    await tx.execute("LOCK TABLE contact_method IN SHARE ROW EXCLUSIVE MODE")


async def save_methods(tx: Tx, methods: Sequence[ContactMethod]) -> None:
    """Make or replace these."""
    await tx.execute_many(
        """INSERT INTO contact_method (name, responder, channel, address, delay) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET responder = excluded.responder, channel = excluded.channel, address = excluded.address,
               delay = excluded.delay""",
        [(method.name, method.responder, method.channel.value, method.address, method.delay) for method in methods],
    )


async def delete_methods(tx: Tx, names: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM contact_method WHERE name = ANY(%s)", (list(names),))


# Incidents


async def incident(tx: Tx, incident_id: str) -> Incident | None:
    """The copy, if there is one."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn
           FROM incident WHERE id = %s""",
        (incident_id,),
    )
    return row.to_domain() if row else None


async def lock_incident(tx: Tx, incident_id: str) -> Incident | None:
    """The copy, locked for the rest of the transaction, if there is one. Taken before any page of the incident is changed."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn
           FROM incident WHERE id = %s FOR NO KEY UPDATE""",
        (incident_id,),
    )
    return row.to_domain() if row else None


async def lock_incidents(tx: Tx, ids: Sequence[str]) -> dict[str, Incident]:
    """The copies that there are, locked as by `lock_incident`, by id."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn
           FROM incident WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE""",
        (list(ids),),
    )
    return {row.id: row.to_domain() for row in rows}


async def incidents(tx: Tx, ids: Sequence[str]) -> dict[str, Incident]:
    """The copies that there are, by id."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn
           FROM incident WHERE id = ANY(%s)""",
        (list(ids),),
    )
    return {row.id: row.to_domain() for row in rows}


async def versions(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """Which version of each incident is kept; those that nothing is kept of are left out."""
    rows = await tx.many(VersionRow, "SELECT id, version FROM incident WHERE id = ANY(%s)", (list(ids),))
    return {row.id: row.version for row in rows}


async def keep_first(tx: Tx, incident: Incident) -> bool:
    """Keep the copy if there is none of this incident yet; False if there is."""
    return (
        await tx.execute(
            """INSERT INTO incident
                   (id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn)
               VALUES (%(id)s, %(version)s, %(number)s, %(title)s, %(summary)s, %(service)s, %(severity)s, %(state)s, %(opened_at)s,
                   %(acknowledged_by)s, %(resolve_reason)s, %(turn)s)
               ON CONFLICT (id) DO NOTHING""",
            {name: getattr(incident, name) for name in incident.__slots__},
        )
        > 0
    )


async def keep_incident(tx: Tx, incident: Incident) -> bool:
    """Keep the copy; False if a copy that is as new or newer is kept already."""
    return (
        await tx.execute(
            """INSERT INTO incident
                   (id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by, resolve_reason, turn)
               VALUES (%(id)s, %(version)s, %(number)s, %(title)s, %(summary)s, %(service)s, %(severity)s, %(state)s, %(opened_at)s,
                   %(acknowledged_by)s, %(resolve_reason)s, %(turn)s)
               ON CONFLICT (id) DO UPDATE SET version = excluded.version, number = excluded.number, title = excluded.title,
                   summary = excluded.summary, service = excluded.service, severity = excluded.severity, state = excluded.state,
                   acknowledged_by = excluded.acknowledged_by, resolve_reason = excluded.resolve_reason, turn = excluded.turn,
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


# Pages


async def insert_pages(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Keep new pages, those that leave at once under a lease. One that tells of a turn that its contact method was told of already
    is left out."""
    await tx.execute_many(
        """INSERT INTO page (id, kind, incident_id, opening, turn, summons_id, responder, contact_method, channel, address, provider,
               state, state_reason, reason, subject, body, created_at, due_at, attempt_at, version, traceparent, token_hash,
               attempts, fence, lease_until)
           VALUES (%(id)s, %(kind)s, %(incident_id)s, %(opening)s, %(turn)s, %(summons_id)s, %(responder)s, %(contact_method)s, %(channel)s,
               %(address)s, %(provider)s, %(state)s, %(state_reason)s, %(reason)s, %(subject)s, %(body)s, %(created_at)s, %(due_at)s,
               %(attempt_at)s, %(version)s, %(traceparent)s, %(token_hash)s, %(attempts)s, %(fence)s,
               CASE WHEN %(state)s = 'SENDING' THEN clock_timestamp() + %(lease)s END)
           ON CONFLICT (incident_id, turn, kind, contact_method) WHERE kind IN ('TAKEN', 'RESOLVED') DO NOTHING""",
        [{"lease": lease, **{name: getattr(page, name) for name in page.__slots__}} for page in pages],
    )


async def claim(tx: Tx, now: datetime, under_way: Mapping[str, int], each: int, most: int) -> list[Page]:
    """Pages whose time has come, or whose attempt was left unfinished, locked; summonses first, then the longest due.

    At most `most`, and no more than `each` for one provider, those `under_way` counted.
    """
    rows = await tx.many(
        PageRow,
        _SELECT_PAGE  # noqa: S608 - both parts are literals
        + """
            WHERE (state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now())
                AND id IN (
                    SELECT waiting.id FROM (
                        SELECT id, coalesce(busy.under_way, 0)
                            + row_number() OVER (PARTITION BY page.provider ORDER BY kind <> 'SUMMONS', attempt_at, id) AS place
                        FROM page
                        LEFT JOIN unnest(%(providers)s::text[], %(counts)s::int[]) AS busy (provider, under_way)
                            ON busy.provider = page.provider
                        WHERE state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now()
                    ) AS waiting
                    WHERE place <= %(each)s
                )
            ORDER BY kind <> 'SUMMONS', attempt_at, page.id LIMIT %(most)s FOR UPDATE OF page SKIP LOCKED""",
        {"providers": list(under_way), "counts": list(under_way.values()), "now": now, "each": each, "most": most},
    )
    return [row.to_domain() for row in rows]


async def begin(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Note that these are being handed over. The lease is technical time, by the database's own clock."""
    await tx.execute(
        """UPDATE page SET state = 'SENDING', state_reason = '', attempts = attempts + 1, fence = page.fence + 1, version = version + 1,
               outcome_unknown = begun.unknown, resent_after_unknown = begun.unknown, lease_until = clock_timestamp() + %s
           FROM unnest(%s::uuid[], %s::boolean[]) AS begun (id, unknown) WHERE page.id = begun.id""",
        (lease, [page.id for page in pages], [page.outcome_unknown for page in pages]),
    )


async def save_all(tx: Tx, pages: Sequence[Page]) -> set[str]:
    """Keep what became of pages; returns the ids of those for which no other attempt was begun since."""
    columns = ("id", "fence", "state", "state_reason", "provider_id", "sent_at", "delivered_at", "attempt_at", "outcome_unknown", "version")
    return set(
        await tx.values(
            str,
            """UPDATE page SET state = done.state, state_reason = done.state_reason, provider_id = done.provider_id, sent_at = done.sent_at,
                   delivered_at = done.delivered_at, attempt_at = done.attempt_at, outcome_unknown = done.outcome_unknown,
                   version = done.version, lease_until = NULL
               FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                       %s::timestamptz[], %s::boolean[], %s::bigint[])
                   AS done (id, fence, state, state_reason, provider_id, sent_at, delivered_at, attempt_at, outcome_unknown, version)
               WHERE page.id = done.id AND page.fence = done.fence RETURNING page.id::text""",
            [[getattr(page, name) for page in pages] for name in columns],
        )
    )


async def lock_pending(tx: Tx, incident_id: str, kinds: Sequence[Kind]) -> list[Page]:
    """The pages of these kinds about an incident that wait, locked."""
    rows = await tx.many(
        PageRow,
        _SELECT_PAGE + " WHERE incident_id = %s AND state = 'PENDING' AND kind = ANY(%s) ORDER BY page.id FOR UPDATE",
        (incident_id, [kind.value for kind in kinds]),
    )
    return [row.to_domain() for row in rows]


async def told(tx: Tx, incident: Incident) -> list[Told]:
    """Whoever was summoned since the incident opened, by the contact methods over which the summons went out or may have."""
    return await tx.many(
        Told,
        """SELECT DISTINCT ON (contact_method) responder, contact_method, channel, address, provider FROM page
           WHERE incident_id = %s AND opening = %s AND kind = 'SUMMONS' AND (state IN ('SENT', 'DELIVERED') OR outcome_unknown)
           ORDER BY contact_method, id DESC""",
        (incident.id, incident.opened_at),
    )


async def page_by_link(tx: Tx, token_hash: bytes) -> Page | None:
    """The page whose reply link it is."""
    row = await tx.maybe(PageRow, _SELECT_PAGE + " WHERE token_hash = %s", (token_hash,))
    return row.to_domain() if row else None


async def use_link(tx: Tx, page_id: str, at: datetime) -> bool:
    """Use the reply link; False if it was used before."""
    return await tx.execute("UPDATE page SET used_at = %s WHERE id = %s AND used_at IS NULL", (at, page_id)) > 0


async def list_pages(tx: Tx, incident_id: str, responder: str, before: UUID | None, limit: int) -> list[Page]:
    """Pages older than `before`, newest first; an empty filter admits all."""
    filters: LiteralString = " WHERE (%(before)s::uuid IS NULL OR page.id < %(before)s)"
    if incident_id:
        filters += " AND incident_id = %(incident_id)s"
    if responder:
        filters += " AND responder = %(responder)s"
    rows = await tx.many(
        PageRow,
        _SELECT_PAGE + filters + " ORDER BY page.id DESC LIMIT %(limit)s",
        {"before": before, "incident_id": incident_id, "responder": responder, "limit": limit},
    )
    return [row.to_domain() for row in rows]


# The secret of reply links


async def reply_secret(tx: Tx, candidate: str) -> str:
    """The secret that all reply links come from; `candidate` becomes it if there is none yet."""
    found = await tx.value(str, "SELECT secret FROM reply_secret")
    if found is None:
        await tx.execute("INSERT INTO reply_secret (secret) VALUES (%s) ON CONFLICT DO NOTHING", (candidate,))
        found = await tx.value(str, "SELECT secret FROM reply_secret")
    assert found is not None
    return found
