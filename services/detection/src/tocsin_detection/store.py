"""The only place with SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import Alert
from tocsin_detection.integration import Integration

MOST_SINGLE_LOCKS = 256


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One decision about an alert."""

    alert_id: str
    at: datetime
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list holds; None: any. `before` is the (opened_at, id) that the page starts after."""

    open: bool | None
    integration: str | None
    labels: Mapping[str, str]
    before: tuple[datetime, str] | None
    limit: int


async def lock_things(tx: Tx, integration: str, fingerprints: Sequence[str]) -> None:
    """Let nobody else decide about these things until the transaction ends, whether alerts about them are open or not.

    Taken in one order, so that overlapping reports wait for each other and never deadlock. A report about very many things locks
    all of its integration instead, because the database has room for only so many locks.
    """
    if len(fingerprints) > MOST_SINGLE_LOCKS:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.' || %s, 1))", (integration,))
        return
    await tx.execute(
        """SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '.' || %s, 1)), pg_advisory_xact_lock(thing.key)
           FROM (SELECT DISTINCT hashtextextended(current_schema() || '.' || %s || '/' || fingerprint, 2) AS key
                 FROM unnest(%s::text[]) AS given (fingerprint) ORDER BY key) AS thing""",
        (integration, integration, fingerprints),
    )


async def lock_open_alerts(tx: Tx, integration: str, fingerprints: Sequence[str]) -> list[Alert]:
    """Lock the open alerts about these things.

    One look-up in the index for each thing: asked for all at once, a planner without fresh statistics reads every open alert.
    """
    return await tx.many(
        Alert,
        """SELECT found.* FROM unnest(%s::text[]) AS thing (fingerprint), LATERAL (
               SELECT id::text AS id, integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
                   sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason,
                   occurrences, version
               FROM alert WHERE integration = %s AND fingerprint = thing.fingerprint AND resolved_at IS NULL LIMIT 1 FOR UPDATE
           ) AS found""",
        (fingerprints, integration),
    )


async def lock_overdue_alerts(tx: Tx, now: datetime, heard_since: datetime, limit: int) -> list[Alert]:
    """Lock some open alerts whose end has passed and that had a signal since `heard_since`. Those locked by another are left to it."""
    return await tx.many(
        Alert,
        """SELECT id::text AS id, integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
               sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason,
               occurrences, version
           FROM alert
           WHERE resolved_at IS NULL AND ends_at <= %s AND last_signal_at >= %s ORDER BY ends_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, heard_since, limit),
    )


async def lock_alert(tx: Tx, alert_id: str) -> Alert | None:
    """Lock one alert."""
    return await tx.maybe(
        Alert,
        """SELECT id::text AS id, integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
               sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason,
               occurrences, version
           FROM alert WHERE id = %s FOR UPDATE""",
        (alert_id,),
    )


async def find_alert(tx: Tx, alert_id: str) -> Alert | None:
    return await tx.maybe(
        Alert,
        """SELECT id::text AS id, integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
               sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason,
               occurrences, version
           FROM alert WHERE id = %s""",
        (alert_id,),
    )


async def list_alerts(tx: Tx, wanted: Wanted) -> list[Alert]:
    """Newest first."""
    opened_at, alert_id = wanted.before or (None, None)
    return await tx.many(
        Alert,
        """SELECT id::text AS id, integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
               sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason,
               occurrences, version
           FROM alert
           WHERE (%(open)s::boolean IS NULL OR (resolved_at IS NULL) = %(open)s::boolean)
             AND (%(integration)s::text IS NULL OR integration = %(integration)s::text)
             AND (%(labels)s::jsonb IS NULL OR labels @> %(labels)s::jsonb)
             AND (%(id)s::uuid IS NULL OR (opened_at, id) < (%(opened_at)s::timestamptz, %(id)s::uuid))
           ORDER BY opened_at DESC, id DESC LIMIT %(limit)s""",
        {
            "open": wanted.open,
            "integration": wanted.integration,
            "labels": json.dumps(dict(wanted.labels)) if wanted.labels else None,
            "opened_at": opened_at,
            "id": alert_id,
            "limit": wanted.limit,
        },
    )


async def insert_alerts(tx: Tx, alerts: Sequence[Alert]) -> int:
    """Write new alerts; returns how many. Fewer than given: another request has just opened an alert about the same thing."""
    return await tx.execute(
        """INSERT INTO alert (id, integration, fingerprint, title, description, labels, annotations, source_url,
               sender_severity, sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at,
               resolved_at, resolve_reason, occurrences, version)
           SELECT id, integration, fingerprint, title, description, labels, annotations, source_url,
               sender_severity, sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at,
               resolved_at, resolve_reason, occurrences, version
           FROM json_populate_recordset(NULL::alert, %s) AS given ORDER BY fingerprint
           ON CONFLICT (integration, fingerprint) WHERE resolved_at IS NULL DO NOTHING""",
        (_records(alerts),),
    )


async def update_alerts(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write everything that can change of alerts that are locked."""
    await tx.execute(
        """UPDATE alert SET (title, description, labels, annotations, source_url, sender_severity, sender_service, starts_at, ends_at,
               ends_by_timeout, last_signal_at, resolved_at, resolve_reason, occurrences, version)
             = (given.title, given.description, given.labels, given.annotations, given.source_url, given.sender_severity,
               given.sender_service, given.starts_at, given.ends_at, given.ends_by_timeout, given.last_signal_at, given.resolved_at,
               given.resolve_reason, given.occurrences, given.version)
           FROM json_populate_recordset(NULL::alert, %s) AS given WHERE alert.id = given.id""",
        (_records(alerts),),
    )


async def count_repeats(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write only what a repeat moves of alerts that are locked: the count, the end, and when it was."""
    await tx.execute(
        """UPDATE alert SET occurrences = given.occurrences, ends_at = given.ends_at, ends_by_timeout = given.ends_by_timeout,
               last_signal_at = given.last_signal_at
           FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[], %s::boolean[], %s::timestamptz[])
               AS given (id, occurrences, ends_at, ends_by_timeout, last_signal_at)
           WHERE alert.id = given.id""",
        (
            [alert.id for alert in alerts],
            [alert.occurrences for alert in alerts],
            [alert.ends_at for alert in alerts],
            [alert.ends_by_timeout for alert in alerts],
            [alert.last_signal_at for alert in alerts],
        ),
    )


async def append_log(tx: Tx, entries: Sequence[LogEntry]) -> None:
    """Note what was decided."""
    await tx.execute(
        """INSERT INTO alert_log (alert_id, at, decision, reason)
           SELECT alert_id, at, decision, reason FROM json_populate_recordset(NULL::alert_log, %s)""",
        (json.dumps([_log_record(entry) for entry in entries], separators=(",", ":")),),
    )


async def log_of(tx: Tx, alert_id: str, limit: int) -> list[LogEntry]:
    """The newest decisions about an alert, oldest first."""
    return await tx.many(
        LogEntry,
        """SELECT alert_id::text AS alert_id, at, decision, reason
           FROM (SELECT * FROM alert_log WHERE alert_id = %s ORDER BY position DESC LIMIT %s) AS newest ORDER BY position""",
        (alert_id, limit),
    )


async def integration_by_key(tx: Tx, key_hash: bytes) -> Integration | None:
    return await tx.maybe(
        Integration,
        "SELECT name, kind, service, description, created_at, last_report_at FROM integration WHERE key_hash = %s",
        (key_hash,),
    )


async def integrations(tx: Tx) -> list[Integration]:
    """All, by name."""
    return await tx.many(Integration, "SELECT name, kind, service, description, created_at, last_report_at FROM integration ORDER BY name")


async def lock_integrations(tx: Tx) -> list[Integration]:
    """All, by name; nobody else changes any until the transaction ends."""
    await tx.execute("LOCK TABLE integration IN SHARE ROW EXCLUSIVE MODE")
    return await integrations(tx)


async def save_integration(tx: Tx, integration: Integration) -> None:
    """Make it, or give it this kind, service and description; its key stays."""
    await tx.execute(
        """INSERT INTO integration (name, kind, service, description, created_at) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, service = excluded.service, description = excluded.description""",
        (integration.name, integration.kind, integration.service, integration.description, integration.created_at),
    )


async def delete_integration(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM integration WHERE name = %s", (name,))


async def replace_key(tx: Tx, name: str, key_hash: bytes) -> Integration | None:
    """Give an integration another key; None if there is no such integration."""
    return await tx.maybe(
        Integration,
        """UPDATE integration SET key_hash = %s WHERE name = %s
           RETURNING name, kind, service, description, created_at, last_report_at""",
        (key_hash, name),
    )


async def note_reports(tx: Tx, heard: Mapping[str, datetime]) -> None:
    """Note when integrations, by name, last had a report."""
    await tx.execute(
        """UPDATE integration SET last_report_at = greatest(last_report_at, heard.at)
           FROM unnest(%s::text[], %s::timestamptz[]) AS heard (name, at) WHERE integration.name = heard.name""",
        (list(heard), list(heard.values())),
    )


def _records(alerts: Sequence[Alert]) -> str:
    """The alerts as one JSON document: one parameter costs a fraction of an array for every column."""
    return json.dumps([_record(alert) for alert in alerts], separators=(",", ":"))


def _log_record(entry: LogEntry) -> dict[str, object]:
    return {"alert_id": entry.alert_id, "at": entry.at.isoformat(), "decision": entry.decision, "reason": entry.reason}


def _record(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "integration": alert.integration,
        "fingerprint": alert.fingerprint,
        "title": alert.title,
        "description": alert.description,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "source_url": alert.source_url,
        "sender_severity": alert.sender_severity,
        "sender_service": alert.sender_service,
        "starts_at": alert.starts_at.isoformat(),
        "ends_at": alert.ends_at.isoformat() if alert.ends_at else None,
        "ends_by_timeout": alert.ends_by_timeout,
        "opened_at": alert.opened_at.isoformat(),
        "last_signal_at": alert.last_signal_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "resolve_reason": alert.resolve_reason,
        "occurrences": alert.occurrences,
        "version": alert.version,
    }
