"""The SQL of alerts. Open ones lie in `alert`, resolved ones in `resolved_alert`, in a partition for each day."""

# Statements are put together from the lists of columns below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import orjson
from psycopg.errors import UniqueViolation

from tocsin_chassis.postgres.database import Contended, Tx
from tocsin_detection.alert import Alert
from tocsin_detection.alert_columns_store import GIVEN_ALERTS, WRITTEN, columns
from tocsin_detection.alert_rows import READ
from tocsin_detection.alert_rows import read_alerts as _alerts

MOST_SINGLE_LOCKS = 256

GIVEN: LiteralString = """given.integration, given.fingerprint, given.title, given.description, given.labels, given.annotations,
    given.source_url, given.sender_severity, given.sender_service, given.starts_at, given.ends_at, given.ends_by_timeout, given.opened_at,
    given.last_signal_at, given.resolved_at, given.resolve_reason, given.occurrences, given.version, given.tags, given.acknowledged_at,
    given.acknowledged_by, given.snoozed_until, given.told, given.holds, given.reconsider_at, given.sender_fields, given.open_reason"""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One decision about an alert, and who made it; empty: its sender or a rule."""

    alert_id: str
    at: datetime
    decision: str
    reason: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class StrayRows:
    """How many rows lie in no day's partition."""

    resolved_alerts: int
    log_entries: int


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


async def note_deliveries(tx: Tx, integration: str, ids: Collection[str], now: datetime) -> set[str]:
    """Note the sender's deliveries; returns those that had not come before."""
    new = await tx.values(
        str,
        """INSERT INTO delivery (integration, id, received_at) SELECT %s, id, %s FROM unnest(%s::text[]) AS given (id) ORDER BY id
           ON CONFLICT DO NOTHING RETURNING id""",
        (integration, now, sorted(ids)),
    )
    return set(new)


async def forget_deliveries(tx: Tx, before: datetime) -> None:
    await tx.execute("DELETE FROM delivery WHERE received_at < %s", (before,))


async def lock_open_alerts(tx: Tx, integration: str, fingerprints: Sequence[str]) -> list[Alert]:
    """Lock the open alerts about these things.

    One look-up in the index for each thing: asked for all at once, a planner without fresh statistics reads every open alert.
    """
    return await _alerts(
        tx,
        "SELECT found.* FROM unnest(%s::text[]) AS thing (fingerprint), LATERAL (SELECT "
        + READ
        + " FROM alert WHERE integration = %s AND fingerprint = thing.fingerprint LIMIT 1 FOR UPDATE) AS found",
        (fingerprints, integration),
    )


async def lock_overdue_alerts(tx: Tx, now: datetime, heard_since: datetime, limit: int) -> list[Alert]:
    """Lock some open alerts whose end has passed and that had a signal since `heard_since`. Those locked by another are left to it."""
    return await _alerts(
        tx,
        "SELECT " + READ + " FROM alert WHERE ends_at <= %s AND last_signal_at >= %s ORDER BY ends_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (now, heard_since, limit),
    )


async def lock_reconsidered_alerts(tx: Tx, now: datetime, limit: int) -> list[Alert]:
    """Lock some alerts whose holds are due to be judged again. Those locked by another are left to it."""
    return await _alerts(
        tx, "SELECT " + READ + " FROM alert WHERE reconsider_at <= %s ORDER BY reconsider_at LIMIT %s FOR UPDATE SKIP LOCKED", (now, limit)
    )


async def reconsider(tx: Tx, rules: Sequence[str], now: datetime) -> int:
    """Have the alerts judged again that these rules, by id or name, hold; returns how many. Not those of floods."""
    return await tx.execute(
        """UPDATE alert SET reconsider_at = %s
           FROM (SELECT DISTINCT held.id FROM unnest(%s::text[]) AS rule (name), LATERAL (
                     SELECT id FROM alert WHERE NOT told AND (holds -> 0 ->> 'kind') <> 'STORM'
                         AND holds @> jsonb_build_array(jsonb_build_object('rule', rule.name))
                 ) AS held) AS held
           WHERE alert.id = held.id""",
        (now, list(rules)),
    )


async def reconsider_floods(tx: Tx, storms: Sequence[str], now: datetime) -> int:
    """Have the alerts judged again that these storms, by id, hold back; returns how many. Reads all that are held."""
    return await tx.execute(
        """UPDATE alert SET reconsider_at = %s
           WHERE NOT told AND (holds -> 0 ->> 'kind') = 'STORM' AND (holds -> 0 ->> 'rule') = ANY(%s::text[])""",
        (now, list(storms)),
    )


async def lock_alert(tx: Tx, alert_id: str) -> Alert | None:
    """Lock one alert, open or resolved."""
    found = await _alerts(tx, "SELECT " + READ + " FROM alert WHERE id = %s FOR UPDATE", (alert_id,))
    # One that another transaction is just resolving has left this table when the lock is free.
    return found[0] if found else await _only(tx, "SELECT " + READ + " FROM resolved_alert WHERE id = %s FOR UPDATE", (alert_id,))


async def find_alert(tx: Tx, alert_id: str) -> Alert | None:
    """One alert, open or resolved."""
    return await _only(
        tx,
        "SELECT " + READ + " FROM alert WHERE id = %s UNION ALL SELECT " + READ + " FROM resolved_alert WHERE id = %s",
        (alert_id, alert_id),
    )


async def alert_by_tiny_id(tx: Tx, tiny_id: int) -> Alert | None:
    """One alert, open or resolved, by its small number."""
    return await _only(
        tx,
        "SELECT " + READ + " FROM alert WHERE tiny_id = %s UNION ALL SELECT " + READ + " FROM resolved_alert WHERE tiny_id = %s",
        (tiny_id, tiny_id),
    )


async def newest_of_thing(tx: Tx, integration: str, fingerprint: str) -> Alert | None:
    """The alert about a thing: the open one, or else the one that was resolved last."""
    found = await _only(tx, "SELECT " + READ + " FROM alert WHERE integration = %s AND fingerprint = %s", (integration, fingerprint))
    return found or await _only(
        tx,
        "SELECT " + READ + " FROM resolved_alert WHERE integration = %s AND fingerprint = %s ORDER BY resolved_at DESC LIMIT 1",
        (integration, fingerprint),
    )


async def count_alerts(tx: Tx, integration: str | None = None) -> int:
    """How many are open."""
    return (
        await tx.value(int, "SELECT count(*) FROM alert WHERE %(name)s::text IS NULL OR integration = %(name)s", {"name": integration}) or 0
    )


async def insert_alerts(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write new open alerts. Raises Contended: another request has just opened an alert about the same thing.

    Not ON CONFLICT, which writes every row in two steps: who reports about a thing has locked it.
    """
    if not alerts:
        return
    try:
        await tx.execute(
            "INSERT INTO alert (id, " + WRITTEN + ") SELECT id, " + WRITTEN + " FROM " + GIVEN_ALERTS + " AS given ORDER BY fingerprint",
            columns(alerts),
        )
    except UniqueViolation as error:
        raise Contended() from error


async def insert_resolved(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write alerts that had ended when they were first heard of."""
    if alerts:
        await tx.execute(
            "INSERT INTO resolved_alert (id, " + WRITTEN + ") SELECT id, " + WRITTEN + " FROM " + GIVEN_ALERTS + " AS given",
            columns(alerts),
        )


async def move_resolved(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Take alerts that are locked from the open ones to the resolved ones, as they are now."""
    if alerts:
        await tx.execute(
            "WITH given AS (SELECT * FROM " + GIVEN_ALERTS + "),"
            " gone AS (DELETE FROM alert USING given WHERE alert.id = given.id RETURNING alert.id, alert.tiny_id)"
            " INSERT INTO resolved_alert (id, tiny_id, " + WRITTEN + ")"
            " SELECT given.id, gone.tiny_id, " + GIVEN + " FROM given JOIN gone ON gone.id = given.id",
            columns(alerts),
        )


async def update_alerts(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write open alerts that are locked."""
    if alerts:
        await tx.execute(
            "UPDATE alert SET (" + WRITTEN + ") = (" + GIVEN + ") FROM " + GIVEN_ALERTS + " AS given WHERE alert.id = given.id",
            columns(alerts),
        )


async def look_again(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write only when held alerts, which are locked, are judged again."""
    if alerts:
        await tx.execute(
            """UPDATE alert SET reconsider_at = given.reconsider_at
               FROM json_to_recordset(%s) AS given (id uuid, reconsider_at timestamptz) WHERE alert.id = given.id""",
            (_document([{"id": alert.id, "reconsider_at": alert.reconsider_at} for alert in alerts]),),
        )


async def update_resolved(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write resolved alerts that are locked."""
    if alerts:
        await tx.execute(
            "UPDATE resolved_alert SET (" + WRITTEN + ") = (" + GIVEN + ") FROM " + GIVEN_ALERTS + " AS given"
            " WHERE resolved_alert.id = given.id AND resolved_alert.resolved_at = given.resolved_at",
            columns(alerts),
        )


async def delete_alert(tx: Tx, alert_id: str) -> None:
    """Forget an alert and its log."""
    await tx.execute("DELETE FROM alert WHERE id = %s", (alert_id,))
    await tx.execute("DELETE FROM resolved_alert WHERE id = %s", (alert_id,))
    await tx.execute("DELETE FROM alert_log WHERE alert_id = %s", (alert_id,))


async def count_repeats(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Write only what a repeat moves of alerts that are locked: the count, the end, and when it was."""
    if alerts:
        await tx.execute(
            """UPDATE alert SET occurrences = given.occurrences, ends_at = given.ends_at, ends_by_timeout = given.ends_by_timeout,
                   last_signal_at = given.last_signal_at
               FROM json_to_recordset(%s) AS given
                   (id uuid, occurrences bigint, ends_at timestamptz, ends_by_timeout boolean, last_signal_at timestamptz)
               WHERE alert.id = given.id""",
            (_document([_repeat(alert) for alert in alerts]),),
        )


async def add_repeats(tx: Tx, repeated: Sequence[object]) -> None:
    """Add what repeats moved, in one order for all; an alert that has ended meanwhile stays as it is. Fields: see repeats.Repeated."""
    await tx.execute(
        """WITH given AS MATERIALIZED (
               SELECT alert.id, given.ends_at, given.last_signal_at, given.occurrences
               FROM json_to_recordset(%s) AS given (id uuid, ends_at timestamptz, last_signal_at timestamptz, occurrences bigint)
               JOIN alert ON alert.id = given.id ORDER BY alert.id FOR UPDATE OF alert
           )
           UPDATE alert SET occurrences = alert.occurrences + given.occurrences, ends_at = greatest(alert.ends_at, given.ends_at),
               last_signal_at = greatest(alert.last_signal_at, given.last_signal_at)
           FROM given WHERE alert.id = given.id""",
        (orjson.dumps(repeated).decode(),),
    )


async def append_log(tx: Tx, entries: Sequence[LogEntry]) -> None:
    """Note what was decided."""
    if entries:
        await tx.execute(
            """INSERT INTO alert_log (alert_id, at, decision, reason, by)
               SELECT alert_id, at, decision, reason, by FROM json_populate_recordset(NULL::alert_log, %s)""",
            (_document([_log_record(entry) for entry in entries]),),
        )


async def forget_strays(tx: Tx, before: datetime) -> None:
    """Forget what is older and lies in no day's partition."""
    await tx.execute("DELETE FROM resolved_alert_default WHERE resolved_at < %s", (before,))
    await tx.execute("DELETE FROM alert_log_default WHERE at < %s", (before,))


async def count_strays(tx: Tx) -> StrayRows:
    return await tx.one(
        StrayRows,
        """SELECT (SELECT count(*) FROM resolved_alert_default) AS resolved_alerts,
               (SELECT count(*) FROM alert_log_default) AS log_entries""",
    )


async def log_of(tx: Tx, alert: Alert, limit: int) -> list[LogEntry]:
    """The newest decisions about an alert, oldest first; how it opened is the first of them."""
    later = await tx.many(
        LogEntry,
        """SELECT alert_id::text AS alert_id, at, decision, reason, by
           FROM (SELECT * FROM alert_log WHERE alert_id = %s AND at >= %s ORDER BY position DESC LIMIT %s) AS newest ORDER BY position""",
        (alert.id, alert.opened_at, limit),
    )
    opening = LogEntry(alert.id, alert.opened_at, "OPENED", alert.open_reason)
    # Alerts from before openings stood in the alert itself have theirs in the log.
    return [opening, *later] if alert.open_reason else later


async def _only(tx: Tx, sql: LiteralString, params: Sequence[object]) -> Alert | None:
    found = await _alerts(tx, sql, params)
    return found[0] if found else None


def _document(records: Sequence[Mapping[str, object]]) -> str:
    return orjson.dumps(records).decode()


def _log_record(entry: LogEntry) -> dict[str, object]:
    return {"alert_id": entry.alert_id, "at": entry.at, "decision": entry.decision, "reason": entry.reason, "by": entry.by}


def _repeat(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "occurrences": alert.occurrences,
        "ends_at": alert.ends_at,
        "ends_by_timeout": alert.ends_by_timeout,
        "last_signal_at": alert.last_signal_at,
    }
