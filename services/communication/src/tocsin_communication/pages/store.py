"""Pages, as rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.page import Kind, Page, State
from tocsin_communication.rules.personal import Urgency

# Ids follow the clock of the process that makes them: a little room for one that goes differently.
CLOCKS_DIFFER = timedelta(minutes=5)

SELECT_PAGE: LiteralString = """SELECT page.id::text, page.kind, page.incident_id, page.opening, page.turn, page.summons_id,
    page.responder, page.contact_method, page.channel, page.address, page.provider, page.state, page.state_reason, page.reason,
    page.subject, page.body,
    page.attempts, page.outcome_unknown, page.resent_after_unknown, page.provider_id, page.created_at, page.due_at, page.attempt_at,
    page.sent_at, page.delivered_at, page.version, page.traceparent, page.fence, page.token_hash, page.used_at,
    page.urgency, page.queue, page.ask_id, page.escalation_id, page.stands, page.account, page.failures, page.unknown_account,
    page.receipt_due_at, page.bundle_id::text, page.delegated_from, page.seen_at
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
    urgency: str
    queue: str
    ask_id: str
    escalation_id: str
    stands: bool
    account: str
    failures: int
    unknown_account: str
    receipt_due_at: datetime | None
    bundle_id: str | None
    delegated_from: str
    seen_at: datetime | None

    def to_domain(self) -> Page:
        values = {name: getattr(self, name) for name in self.__slots__}
        enums = {"kind": Kind(self.kind), "channel": Channel(self.channel), "state": State(self.state), "urgency": Urgency(self.urgency)}
        return Page(**{**values, **enums})


@dataclass(frozen=True, slots=True)
class Told:
    """A contact method over which a summons went out, or may have."""

    responder: str
    contact_method: str
    channel: str
    address: str
    provider: str


SAVED = (
    "id", "fence", "state", "state_reason", "provider_id", "sent_at", "delivered_at", "attempt_at", "outcome_unknown", "version",
    "attempts", "account", "provider", "failures", "unknown_account", "resent_after_unknown", "receipt_due_at",
)  # fmt: skip
"""What an attempt changes of a page."""


async def insert_pages(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Keep new pages, those that leave at once under a lease. One that tells of a turn that its contact method was told of already
    is left out."""
    await tx.execute_many(
        """INSERT INTO page (id, kind, incident_id, opening, turn, summons_id, responder, contact_method, channel, address, provider,
               state, state_reason, reason, subject, body, created_at, due_at, attempt_at, version, traceparent, token_hash,
               attempts, fence, urgency, queue, ask_id, escalation_id, stands, account, delegated_from, sender, lease_until)
           VALUES (%(id)s, %(kind)s, %(incident_id)s, %(opening)s, %(turn)s, %(summons_id)s, %(responder)s, %(contact_method)s, %(channel)s,
               %(address)s, %(provider)s, %(state)s, %(state_reason)s, %(reason)s, %(subject)s, %(body)s, %(created_at)s, %(due_at)s,
               %(attempt_at)s, %(version)s, %(traceparent)s, %(token_hash)s, %(attempts)s, %(fence)s,
               %(urgency)s, %(queue)s, %(ask_id)s, %(escalation_id)s, %(stands)s, %(account)s, %(delegated_from)s, %(sender)s,
               CASE WHEN %(state)s = 'SENDING' THEN clock_timestamp() + %(lease)s END)
           ON CONFLICT (incident_id, turn, kind, contact_method) WHERE kind IN ('TAKEN', 'RESOLVED') DO NOTHING""",
        [{"lease": lease, **{name: getattr(page, name) for name in page.__slots__}} for page in pages],
    )


async def save_all(tx: Tx, pages: Sequence[Page]) -> set[str]:
    """Keep what became of pages; returns the ids of those for which no other attempt was begun since."""
    return set(
        await tx.values(
            str,
            """UPDATE page SET state = done.state, state_reason = done.state_reason, provider_id = done.provider_id, sent_at = done.sent_at,
                   delivered_at = done.delivered_at, attempt_at = done.attempt_at, outcome_unknown = done.outcome_unknown,
                   version = done.version, attempts = done.attempts, account = done.account, provider = done.provider,
                   failures = done.failures, unknown_account = done.unknown_account, resent_after_unknown = done.resent_after_unknown,
                   receipt_due_at = done.receipt_due_at, lease_until = NULL
               FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                       %s::timestamptz[], %s::boolean[], %s::bigint[], %s::integer[], %s::text[], %s::text[], %s::integer[], %s::text[],
                       %s::boolean[], %s::timestamptz[])
                   AS done (id, fence, state, state_reason, provider_id, sent_at, delivered_at, attempt_at, outcome_unknown, version,
                       attempts, account, provider, failures, unknown_account, resent_after_unknown, receipt_due_at)
               WHERE page.id = done.id AND page.fence = done.fence RETURNING page.id::text""",
            [[getattr(page, name) for page in pages] for name in SAVED],
        )
    )


async def lock_standing(tx: Tx, escalation_id: str, incident_id: str) -> list[Page]:
    """The pages of an escalation that wait though somebody has acknowledged, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE incident_id = %s AND escalation_id = %s AND stands AND state = 'PENDING' ORDER BY page.id FOR UPDATE",
        (incident_id, escalation_id),
    )
    return [row.to_domain() for row in rows]


async def lock_pending(tx: Tx, incident_id: str, kinds: Sequence[Kind]) -> list[Page]:
    """The pages of these kinds about an incident that wait, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE incident_id = %s AND state = 'PENDING' AND kind = ANY(%s) ORDER BY page.id FOR UPDATE",
        (incident_id, [kind.value for kind in kinds]),
    )
    return [row.to_domain() for row in rows]


async def told(tx: Tx, incident: Incident, edited: Collection[Channel]) -> list[Told]:
    """Whoever was summoned since the incident opened, by the contact methods over which the summons went out or may have; without
    the channels whose messages are edited instead."""
    return await tx.many(
        Told,
        """SELECT DISTINCT ON (contact_method) responder, contact_method, channel, address, provider FROM page
           WHERE incident_id = %s AND opening = %s AND kind = 'SUMMONS'
               AND (state IN ('SENT', 'DELIVERED') OR outcome_unknown OR bundle_id IS NOT NULL) AND NOT channel = ANY(%s)
           ORDER BY contact_method, id DESC""",
        (incident.id, incident.opened_at, [channel.value for channel in edited]),
    )


async def pages_by_id(tx: Tx, ids: Sequence[str]) -> list[Page]:
    """These pages."""
    rows = await tx.many(PageRow, SELECT_PAGE + " WHERE id = ANY(%s::uuid[])", (list(ids),))
    return [row.to_domain() for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which pages a list is to hold; what is empty admits all."""

    incident_id: str = ""
    responder: str = ""
    contact_method: str = ""
    channels: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    made_from: datetime | None = None
    made_before: datetime | None = None


async def list_pages(tx: Tx, wanted: Wanted, before: UUID | None, limit: int) -> list[Page]:
    """Pages older than `before`, newest first."""
    filters: LiteralString = " WHERE (%(before)s::uuid IS NULL OR page.id < %(before)s)"
    if wanted.incident_id:
        filters += " AND incident_id = %(incident_id)s"
    if wanted.responder:
        filters += " AND responder = %(responder)s"
    if wanted.contact_method:
        filters += " AND contact_method = %(contact_method)s"
    if wanted.channels:
        filters += " AND channel = ANY(%(channels)s)"
    if wanted.states:
        filters += " AND state = ANY(%(states)s)"
    if wanted.made_from:
        filters += " AND created_at >= %(made_from)s AND page.id >= %(least)s::uuid"
    if wanted.made_before:
        filters += " AND created_at < %(made_before)s AND page.id < %(above)s::uuid"
    values = {name: getattr(wanted, name) for name in wanted.__slots__}
    lists = {"channels": list(wanted.channels), "states": list(wanted.states)}
    least = least_id(wanted.made_from, -CLOCKS_DIFFER) if wanted.made_from else None
    above = least_id(wanted.made_before, CLOCKS_DIFFER) if wanted.made_before else None
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + filters + " ORDER BY page.id DESC LIMIT %(limit)s",
        {**values, **lists, "before": before, "limit": limit, "least": least, "above": above},
    )
    return [row.to_domain() for row in rows]


def least_id(at: datetime, later: timedelta = timedelta(0)) -> str:
    """The least id that something made so much later than an instant can have."""
    return str(UUID(int=max(0, int((at.timestamp() + later.total_seconds()) * 1000)) << 80))
