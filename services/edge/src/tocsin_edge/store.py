"""All SQL of the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_edge.span import SpanRow
from tocsin_edge.visitor import Visitor


@dataclass(frozen=True, slots=True)
class AccountRow:
    name: str
    role: int


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    name: str
    role: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: UUID
    at: datetime
    caller: str
    method: str
    outcome: str
    trace_id: str


async def make_account(tx: Tx, name: str, role: int, now: datetime) -> None:
    """Make an account; one that exists stays as it is."""
    await tx.execute("INSERT INTO account (name, role, created_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (name, role, now))


async def save_link(tx: Tx, token_hash: bytes, account: str, expires_at: datetime) -> None:
    await tx.execute("INSERT INTO sign_in_link (token_hash, account, expires_at) VALUES (%s, %s, %s)", (token_hash, account, expires_at))


async def use_link(tx: Tx, token_hash: bytes, now: datetime) -> AccountRow | None:
    """Use a link up; None if it is unknown, used or too old."""
    return await tx.maybe(
        AccountRow,
        """UPDATE sign_in_link SET used_at = %(now)s FROM account
           WHERE account.name = sign_in_link.account AND token_hash = %(hash)s AND used_at IS NULL AND expires_at > %(now)s
           RETURNING account.name, account.role""",
        {"hash": token_hash, "now": now},
    )


async def save_session(tx: Tx, token_hash: bytes, account: str, now: datetime, expires_at: datetime) -> None:
    await tx.execute(
        "INSERT INTO session (token_hash, account, created_at, expires_at) VALUES (%s, %s, %s, %s)", (token_hash, account, now, expires_at)
    )


async def delete_session(tx: Tx, token_hash: bytes) -> None:
    await tx.execute("DELETE FROM session WHERE token_hash = %s", (token_hash,))


async def visitor_of(tx: Tx, credential: bytes) -> Visitor | None:
    """Whose secret has this hash, expired or not."""
    return await tx.maybe(
        Visitor,
        """SELECT name, role, true AS api_key, key_hash AS credential, expires_at FROM api_key WHERE key_hash = %(hash)s
           UNION ALL
           SELECT account.name, account.role, false, token_hash, expires_at
           FROM session JOIN account ON account.name = session.account WHERE token_hash = %(hash)s""",
        {"hash": credential},
    )


async def touch_api_key(tx: Tx, credential: bytes, now: datetime) -> None:
    """Note the use of a key, to the minute."""
    await tx.execute(
        """UPDATE api_key SET last_used_at = date_trunc('minute', %(now)s::timestamptz)
           WHERE key_hash = %(hash)s AND last_used_at IS DISTINCT FROM date_trunc('minute', %(now)s::timestamptz)""",
        {"hash": credential, "now": now},
    )


async def save_api_key(tx: Tx, name: str, key_hash: bytes, role: int, now: datetime, expires_at: datetime | None) -> bool:
    """False if the name is taken."""
    made = await tx.execute(
        "INSERT INTO api_key (name, key_hash, role, created_at, expires_at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING",
        (name, key_hash, role, now, expires_at),
    )
    return made == 1


async def delete_api_key(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM api_key WHERE name = %s", (name,))


async def api_keys(tx: Tx) -> list[ApiKeyRow]:
    return await tx.many(ApiKeyRow, "SELECT name, role, created_at, expires_at, last_used_at FROM api_key ORDER BY name")


async def forget_expired(tx: Tx, now: datetime) -> None:
    """Delete sessions and links whose time is over."""
    await tx.execute("DELETE FROM session WHERE expires_at <= %s", (now,))
    await tx.execute("DELETE FROM sign_in_link WHERE expires_at <= %s", (now,))


async def save_audit_entry(tx: Tx, entry: AuditRow) -> None:
    await tx.execute(
        "INSERT INTO audit_entry (id, at, caller, method, outcome, trace_id) VALUES (%s, %s, %s, %s, %s, %s)",
        (entry.id, entry.at, entry.caller, entry.method, entry.outcome, entry.trace_id),
    )


async def complete_audit_entry(tx: Tx, entry_id: UUID, outcome: str) -> None:
    """Say how a call ended."""
    await tx.execute("UPDATE audit_entry SET outcome = %s WHERE id = %s", (outcome, entry_id))


async def audit_entries(tx: Tx, before: UUID | None, limit: int) -> list[AuditRow]:
    """Newest first; ids are made in the order of time."""
    return await tx.many(
        AuditRow,
        """SELECT id, at, caller, method, outcome, trace_id FROM audit_entry
           WHERE %(before)s::uuid IS NULL OR id < %(before)s::uuid ORDER BY id DESC LIMIT %(limit)s""",
        {"before": before, "limit": limit},
    )


async def next_configuration_version(tx: Tx, service: str) -> int:
    version = await tx.value(
        int,
        """INSERT INTO configuration_version (service, version) VALUES (%s, 1)
           ON CONFLICT (service) DO UPDATE SET version = configuration_version.version + 1 RETURNING version""",
        (service,),
    )
    assert version is not None
    return version


async def save_spans(tx: Tx, spans: Sequence[SpanRow], received_at: datetime) -> None:
    """Keep spans; one that is kept already stays."""
    await tx.execute_set(
        """INSERT INTO span (trace_id, span_id, parent_span_id, name, service, kind, started_at, ended_at, error,
                             attributes, linked_trace_ids, incident_id, received_at)
           SELECT trace_id, span_id, parent_span_id, name, service, kind, started_at, ended_at, error,
                  attributes, string_to_array(linked_trace_ids, ' '), incident_id, received_at
           FROM unnest(%s::bytea[], %s::bytea[], %s::bytea[], %s::text[], %s::text[], %s::smallint[], %s::timestamptz[],
                       %s::timestamptz[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::timestamptz[])
               AS given (trace_id, span_id, parent_span_id, name, service, kind, started_at, ended_at, error,
                         attributes, linked_trace_ids, incident_id, received_at)
           ON CONFLICT DO NOTHING""",
        [
            (
                span.trace_id, span.span_id, span.parent_span_id, span.name, span.service, span.kind, span.started_at, span.ended_at,
                span.error, span.attributes, " ".join(span.linked_trace_ids), span.incident_id, received_at,
            )
            for span in spans
        ],
    )  # fmt: skip


async def spans_of(tx: Tx, incident_id: str, limit: int) -> list[SpanRow]:
    """All spans of every trace that names the incident, by their start."""
    return await tx.many(
        SpanRow,
        """SELECT trace_id, span_id, parent_span_id, name, service, kind, started_at, ended_at, error,
                  attributes::text AS attributes, linked_trace_ids, incident_id
           FROM span WHERE trace_id IN (SELECT trace_id FROM span WHERE incident_id = %s AND incident_id <> '')
           ORDER BY started_at, position LIMIT %s""",
        (incident_id, limit),
    )


async def forget_spans(tx: Tx, before: datetime, kept: int, batch: int) -> int:
    """Delete up to `batch` spans that came before a time, or lie deeper than `kept` below the newest; returns how many."""
    return await tx.execute(
        """DELETE FROM span WHERE position IN (
               SELECT position FROM span
               WHERE received_at < %(before)s OR position <= (SELECT max(position) FROM span) - %(kept)s
               ORDER BY position LIMIT %(batch)s)""",
        {"before": before, "kept": kept, "batch": batch},
    )
