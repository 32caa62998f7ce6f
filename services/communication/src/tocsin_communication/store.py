"""The tables of communication: the only place with SQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.page import Kind, Page, State
from tocsin_communication.receipt import Thread
from tocsin_communication.rules.limits import Allowance
from tocsin_communication.rules.personal import Urgency

# The service of the platform's checks of itself.
CHECKS = "tocsin-watchdog"

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
class UnderWay:
    """What is being sent: by provider, and by queue at a provider; and how many places each of them has."""

    by_provider: Mapping[str, int]
    by_queue: Mapping[tuple[str, str], int]
    each_provider: int
    each_queue: int


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


@dataclass(frozen=True, slots=True)
class ReachRow:
    """A contact method of a responder, or none of it, with their rules and where their pages go instead."""

    responder: str
    rules: bytes | None
    delegated_to: str | None
    delegation_reason: str | None
    name: str | None
    channel: str | None
    address: str | None
    delay: timedelta | None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """How much may be sent over one kind of channel."""

    name: str
    counts: list[int]
    spans: list[timedelta]

    def to_domain(self) -> tuple[Allowance, ...]:
        return tuple(Allowance(count, span) for count, span in zip(self.counts, self.spans, strict=True))


@dataclass(frozen=True, slots=True)
class SentRow:
    """When a page went to a responder over a kind of channel, or is just going."""

    responder: str
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StopRow:
    """Why no page leaves."""

    reason: str
    stopped_by: str
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """What an attempt came to."""

    number: int
    at: datetime
    account: str
    outcome: str
    detail: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class RulesRow:
    """The personal rules of a responder, packed."""

    responder: str
    rules: bytes


SAVED = (
    "id", "fence", "state", "state_reason", "provider_id", "sent_at", "delivered_at", "attempt_at", "outcome_unknown", "version",
    "attempts", "account", "provider", "failures", "unknown_account", "resent_after_unknown", "receipt_due_at",
)  # fmt: skip
"""What an attempt changes of a page."""


# Contact methods


async def reach_of(tx: Tx, responders: Sequence[str], at: datetime) -> dict[str, list[ReachRow]]:
    """How to reach these responders, by name of the contact method: for each one row at least, whose fields are empty where there is
    nothing."""
    rows = await tx.many(
        ReachRow,
        """SELECT asked.name AS responder, coalesce(by_hand.rules, personal.rules) AS rules, away.to_responder AS delegated_to,
                  away.reason AS delegation_reason,
                  method.name, method.channel, method.address, method.delay
           FROM unnest(%(responders)s::text[]) AS asked (name)
           LEFT JOIN personal_rules AS personal ON personal.responder = asked.name
           LEFT JOIN rules_by_hand AS by_hand ON by_hand.responder = asked.name
           LEFT JOIN LATERAL (
               SELECT to_responder, reason FROM delegation
               WHERE from_responder = asked.name AND ends_at > %(at)s AND starts_at <= %(at)s AND (ended_at IS NULL OR ended_at > %(at)s)
               ORDER BY id DESC LIMIT 1
           ) AS away ON true
           LEFT JOIN contact_method AS method ON method.responder = asked.name
           ORDER BY asked.name, method.name""",
        {"responders": list(responders), "at": at},
    )
    found: dict[str, list[ReachRow]] = {}
    for row in rows:
        found.setdefault(row.responder, []).append(row)
    return found


async def method(tx: Tx, name: str) -> ContactMethod | None:
    """One contact method."""
    row = await tx.maybe(MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE name = %s", (name,))
    return row.to_domain() if row else None


async def methods_of(tx: Tx, responder: str) -> list[ContactMethod]:
    """How to reach a responder, by name."""
    rows = await tx.many(
        MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE responder = %s ORDER BY name", (responder,)
    )
    return [row.to_domain() for row in rows]


async def all_methods(tx: Tx) -> list[ContactMethod]:
    """Every contact method that files hold, by name."""
    rows = await tx.many(MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE added_by = '' ORDER BY name")
    return [row.to_domain() for row in rows]


async def lock_methods(tx: Tx) -> None:
    """One configuration at a time; pages go on being made meanwhile."""
    await tx.execute("LOCK TABLE contact_method IN SHARE ROW EXCLUSIVE MODE")


async def save_methods(tx: Tx, methods: Sequence[ContactMethod]) -> None:
    """Make or replace these: files hold them from now on."""
    await tx.execute_many(
        """INSERT INTO contact_method (name, responder, channel, address, delay) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET responder = excluded.responder, channel = excluded.channel, address = excluded.address,
               delay = excluded.delay, added_by = ''""",
        [(method.name, method.responder, method.channel.value, method.address, method.delay) for method in methods],
    )


async def delete_methods(tx: Tx, names: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM contact_method WHERE name = ANY(%s)", (list(names),))


async def all_rules(tx: Tx) -> list[RulesRow]:
    """The personal rules that files hold, by name."""
    return await tx.many(RulesRow, "SELECT responder, rules FROM personal_rules ORDER BY responder")


async def save_rules(tx: Tx, rules: Sequence[tuple[str, bytes]]) -> None:
    """Make or replace these."""
    await tx.execute_many(
        """INSERT INTO personal_rules (responder, rules) VALUES (%s, %s)
           ON CONFLICT (responder) DO UPDATE SET rules = excluded.rules""",
        list(rules),
    )


async def delete_rules(tx: Tx, responders: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM personal_rules WHERE responder = ANY(%s)", (list(responders),))


async def limits(tx: Tx) -> dict[str, tuple[Allowance, ...]]:
    """The limits that were given, by kind of channel."""
    rows = await tx.many(LimitRow, "SELECT name, counts, spans FROM page_limit ORDER BY name")
    return {row.name: row.to_domain() for row in rows}


async def save_limits(tx: Tx, given: Sequence[tuple[str, tuple[Allowance, ...]]]) -> None:
    """Make or replace these."""
    await tx.execute_many(
        """INSERT INTO page_limit (name, counts, spans) VALUES (%s, %s::integer[], %s::interval[])
           ON CONFLICT (name) DO UPDATE SET counts = excluded.counts, spans = excluded.spans""",
        [(name, [each.count for each in allowances], [each.within for each in allowances]) for name, allowances in given],
    )


async def delete_limits(tx: Tx, names: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM page_limit WHERE name = ANY(%s)", (list(names),))


# The switch


async def stop(tx: Tx) -> StopRow | None:
    """Why no page leaves; None while pages leave."""
    return await tx.maybe(StopRow, "SELECT reason, stopped_by, stopped_at FROM paging_stop")


async def stop_paging(tx: Tx, reason: str, by: str, at: datetime) -> bool:
    """No page leaves any more; False if that was so before."""
    return (
        await tx.execute(
            "INSERT INTO paging_stop (reason, stopped_by, stopped_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (reason, by, at)
        )
        > 0
    )


async def resume_paging(tx: Tx) -> bool:
    """Pages leave again; False if they did before."""
    return await tx.execute("DELETE FROM paging_stop") > 0


async def count_waiting(tx: Tx, now: datetime) -> int:
    """How many pages wait and are due."""
    return await tx.value(int, "SELECT count(*)::int FROM page WHERE state = 'PENDING' AND attempt_at <= %s", (now,)) or 0


# Incidents


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


# Pages


async def insert_pages(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Keep new pages, those that leave at once under a lease. One that tells of a turn that its contact method was told of already
    is left out."""
    await tx.execute_many(
        """INSERT INTO page (id, kind, incident_id, opening, turn, summons_id, responder, contact_method, channel, address, provider,
               state, state_reason, reason, subject, body, created_at, due_at, attempt_at, version, traceparent, token_hash,
               attempts, fence, urgency, queue, ask_id, escalation_id, stands, account, delegated_from, lease_until)
           VALUES (%(id)s, %(kind)s, %(incident_id)s, %(opening)s, %(turn)s, %(summons_id)s, %(responder)s, %(contact_method)s, %(channel)s,
               %(address)s, %(provider)s, %(state)s, %(state_reason)s, %(reason)s, %(subject)s, %(body)s, %(created_at)s, %(due_at)s,
               %(attempt_at)s, %(version)s, %(traceparent)s, %(token_hash)s, %(attempts)s, %(fence)s,
               %(urgency)s, %(queue)s, %(ask_id)s, %(escalation_id)s, %(stands)s, %(account)s, %(delegated_from)s,
               CASE WHEN %(state)s = 'SENDING' THEN clock_timestamp() + %(lease)s END)
           ON CONFLICT (incident_id, turn, kind, contact_method) WHERE kind IN ('TAKEN', 'RESOLVED') DO NOTHING""",
        [{"lease": lease, **{name: getattr(page, name) for name in page.__slots__}} for page in pages],
    )


async def claim(tx: Tx, now: datetime, under_way: UnderWay, most: int) -> list[Page]:
    """Pages whose time has come, or whose attempt was left unfinished, locked. Whoever asks for an answer comes first, then what is
    urgent, then whose turn it is: queues take turns, so that the first page of another service does not wait for a storm to end.

    At most `most`, and no more for one provider, and for one queue at it, than there are places, those `under_way` counted. None while
    paging is stopped.
    """
    rows = await tx.many(
        PageRow,
        SELECT_PAGE  # noqa: S608 - both parts are literals
        + """
            JOIN (
                SELECT waiting.id, rank, turn, low, coalesce(busy.under_way, 0)
                    + row_number() OVER (PARTITION BY waiting.provider ORDER BY rank, low, turn, attempt_at, id) AS place
                FROM (
                    SELECT due.id, due.provider, due.attempt_at, due.rank, due.low, coalesce(held.under_way, 0)
                        + row_number() OVER (PARTITION BY due.provider, due.queue ORDER BY rank, low, attempt_at, id) AS turn
                    FROM (
                        SELECT id, provider, queue, attempt_at, urgency = 'LOW' AS low,
                            CASE WHEN kind IN ('TAKEN', 'RESOLVED') THEN 1 ELSE 0 END AS rank
                        FROM page WHERE state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now()
                    ) AS due
                    LEFT JOIN unnest(%(queue_providers)s::text[], %(queues)s::text[], %(queue_counts)s::int[])
                        AS held (provider, queue, under_way) ON held.provider = due.provider AND held.queue = due.queue
                ) AS waiting
                LEFT JOIN unnest(%(providers)s::text[], %(counts)s::int[]) AS busy (provider, under_way)
                    ON busy.provider = waiting.provider
                WHERE turn <= %(each_queue)s
            ) AS next ON next.id = page.id
            WHERE place <= %(each)s AND NOT EXISTS (SELECT FROM paging_stop)
                AND (state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now())
            ORDER BY rank, low, turn, attempt_at, page.id LIMIT %(most)s FOR UPDATE OF page SKIP LOCKED""",
        {
            "providers": list(under_way.by_provider),
            "counts": list(under_way.by_provider.values()),
            "queue_providers": [provider for provider, _ in under_way.by_queue],
            "queues": [queue for _, queue in under_way.by_queue],
            "queue_counts": list(under_way.by_queue.values()),
            "each": under_way.each_provider,
            "each_queue": under_way.each_queue,
            "now": now,
            "most": most,
        },
    )
    return [row.to_domain() for row in rows]


async def sent_to(tx: Tx, responders: Sequence[str], oldest: str, since: datetime, without: Sequence[str]) -> list[SentRow]:
    """What went to these responders since then or is just going, in the order of time; `oldest` is the least id that such a page can
    have. `without` these pages."""
    return await tx.many(
        SentRow,
        """SELECT responder, channel, coalesce(sent_at, attempt_at) AS at FROM page
           WHERE responder = ANY(%s) AND id > %s::uuid AND (sent_at > %s OR state = 'SENDING') AND channel <> 'NONE'
               AND id <> ALL(%s::uuid[])
           ORDER BY 3""",
        (list(responders), oldest, since, list(without)),
    )


async def lock_due_of(tx: Tx, responder: str, contact_method: str, oldest: str, now: datetime, limit: int) -> list[Page]:
    """The summonses to a responder over one contact method that wait and are due, locked, the oldest first."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE
        + """ WHERE responder = %s AND id > %s::uuid AND contact_method = %s AND kind = 'SUMMONS' AND state = 'PENDING' AND attempt_at <= %s
              ORDER BY page.id LIMIT %s FOR UPDATE SKIP LOCKED""",
        (responder, oldest, contact_method, now, limit),
    )
    return [row.to_domain() for row in rows]


async def postpone(tx: Tx, ids: Sequence[str], until: datetime, reason: str) -> None:
    """These wait until then."""
    await tx.execute(
        "UPDATE page SET attempt_at = %s, state_reason = %s, version = version + 1 WHERE id = ANY(%s::uuid[]) AND state = 'PENDING'",
        (until, reason, list(ids)),
    )


async def told_together(tx: Tx, bundle_id: str, ids: Sequence[str]) -> None:
    """These are told by that bundle."""
    await tx.execute("UPDATE page SET bundle_id = %s::uuid WHERE id = ANY(%s::uuid[])", (bundle_id, list(ids)))


async def members(tx: Tx, bundle_ids: Sequence[str]) -> list[Page]:
    """The pages that these bundles tell together."""
    rows = await tx.many(PageRow, SELECT_PAGE + " WHERE bundle_id = ANY(%s::uuid[]) ORDER BY page.id", (list(bundle_ids),))
    return [row.to_domain() for row in rows]


async def pull_forward(tx: Tx, page: Page, now: datetime) -> int:
    """The next page of the same request to the same responder leaves now; how many did."""
    return await tx.execute(
        """UPDATE page SET attempt_at = %(now)s, state_reason = 'at once: another contact method failed', version = version + 1
           WHERE incident_id = %(incident)s AND responder = %(responder)s AND ask_id = %(ask)s AND state = 'PENDING' AND attempts = 0
               AND urgency = 'HIGH' AND attempt_at = (
                   SELECT min(attempt_at) FROM page WHERE incident_id = %(incident)s AND responder = %(responder)s AND ask_id = %(ask)s
                       AND state = 'PENDING' AND attempts = 0 AND attempt_at > %(now)s)""",
        {"now": now, "incident": page.incident_id, "responder": page.responder, "ask": page.ask_id},
    )


async def lock_unreceipted(tx: Tx, now: datetime, limit: int) -> list[Page]:
    """Pages whose receipt should have come, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + """ WHERE receipt_due_at <= %s AND state = 'SENT' ORDER BY receipt_due_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, limit),
    )
    return [row.to_domain() for row in rows]


async def receipt_not_awaited(tx: Tx, page_id: str) -> None:
    """No receipt is waited for any more."""
    await tx.execute("UPDATE page SET receipt_due_at = NULL WHERE id = %s::uuid", (page_id,))


async def lock_standing(tx: Tx, escalation_id: str, incident_id: str) -> list[Page]:
    """The pages of an escalation that wait though somebody has acknowledged, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE incident_id = %s AND escalation_id = %s AND stands AND state = 'PENDING' ORDER BY page.id FOR UPDATE",
        (incident_id, escalation_id),
    )
    return [row.to_domain() for row in rows]


async def begin(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Note that these are being handed over. The lease is technical time, by the database's own clock."""
    await tx.execute(
        """UPDATE page SET state = 'SENDING', state_reason = '', attempts = attempts + 1, fence = page.fence + 1, version = version + 1,
               outcome_unknown = begun.unknown, resent_after_unknown = begun.unknown, account = begun.account,
               provider = begun.provider, lease_until = clock_timestamp() + %s
           FROM unnest(%s::uuid[], %s::boolean[], %s::text[], %s::text[]) AS begun (id, unknown, account, provider)
           WHERE page.id = begun.id""",
        (lease, *([getattr(page, name) for page in pages] for name in ("id", "outcome_unknown", "account", "provider"))),
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


async def note_attempts(tx: Tx, attempts: Sequence[tuple[str, int, datetime, str, str, str, str]]) -> None:
    """Keep what attempts came to: (page, number, at, account, outcome, detail, provider's id)."""
    await tx.execute_many(
        """INSERT INTO page_attempt (page_id, number, at, account, outcome, detail, provider_id)
           VALUES (%s::uuid, %s, %s, %s, %s, %s, %s)""",
        list(attempts),
    )


async def attempts_of(tx: Tx, page_id: str) -> list[AttemptRow]:
    """What the attempts of a page came to, the first one first."""
    return await tx.many(
        AttemptRow,
        """SELECT number, at, account, outcome, detail, provider_id FROM page_attempt WHERE page_id = %s::uuid ORDER BY id LIMIT 200""",
        (page_id,),
    )


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


async def page_by_link(tx: Tx, token_hash: bytes) -> Page | None:
    """The page whose reply link it is."""
    row = await tx.maybe(PageRow, SELECT_PAGE + " WHERE token_hash = %s", (token_hash,))
    return row.to_domain() if row else None


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
        filters += " AND created_at < %(made_before)s"
    values = {name: getattr(wanted, name) for name in wanted.__slots__}
    lists = {"channels": list(wanted.channels), "states": list(wanted.states)}
    # Ids follow the clock of the process that makes them: a little room for one that goes differently.
    least = least_id(wanted.made_from - timedelta(minutes=5)) if wanted.made_from else None
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + filters + " ORDER BY page.id DESC LIMIT %(limit)s",
        {**values, **lists, "before": before, "limit": limit, "least": least},
    )
    return [row.to_domain() for row in rows]


def least_id(at: datetime) -> str:
    """The least id that something made at this instant can have."""
    return str(UUID(int=max(0, int(at.timestamp() * 1000)) << 80))


# Threads


async def thread(tx: Tx, page: Page) -> str:
    """The message that those about the page's incident hang from at its address; empty if none is known."""
    return (
        await tx.value(
            str,
            "SELECT root FROM thread WHERE incident_id = %s AND channel = %s AND address = %s",
            (page.incident_id, page.channel.value, page.address),
        )
        or ""
    )


async def keep_threads(tx: Tx, begun: Iterable[tuple[Page, Thread]]) -> None:
    """Keep what threads hang from. Of two that began at once the first counts; one that is gone gives way to what came instead of it."""
    await tx.execute_many(
        """INSERT INTO thread (incident_id, channel, address, root) VALUES (%s, %s, %s, %s)
           ON CONFLICT (incident_id, channel, address) DO UPDATE SET root = excluded.root WHERE thread.root = %s""",
        # Always in the same order: two processes that keep the same ones do not wait for each other.
        sorted((page.incident_id, page.channel.value, page.address, thread.root, thread.instead_of) for page, thread in begun),
    )


# The secret of reply links


async def reply_secret(tx: Tx, candidate: str) -> str:
    """The secret that all reply links come from; `candidate` becomes it if there is none yet."""
    found = await tx.value(str, "SELECT secret FROM reply_secret")
    if found is None:
        await tx.execute("INSERT INTO reply_secret (secret) VALUES (%s) ON CONFLICT DO NOTHING", (candidate,))
        found = await tx.value(str, "SELECT secret FROM reply_secret")
    assert found is not None
    return found


# The platform's checks of itself


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
