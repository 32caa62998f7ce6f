"""Daily partitions: made ahead of time, dropped when the streams have forgotten their facts too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg import sql

from tocsin_chassis.postgres.database import Tx

STREAM_DAYS = 7
DAYS_AHEAD = 3
KEPT_DAYS = STREAM_DAYS + 1


@dataclass(frozen=True, slots=True)
class Daily:
    """A table that is partitioned by the day of `column`, and how many days its rows are kept."""

    table: str
    column: str
    kept_days: int


INBOX = Daily("inbox", "occurred_on", KEPT_DAYS)
OUTBOX = Daily("outbox", "created_at", KEPT_DAYS)


async def maintain(tx: Tx, now: datetime, own: Sequence[Daily] = ()) -> None:
    """Make the partitions of the coming days, drop the old ones, and forget old replies. Safe to run by several at once.

    `own` are the service's tables beside those that every service has. Each has a partition named <table>_default.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('retention:' || current_schema()))")
    today = now.date()
    existing = set(
        await tx.values(str, "SELECT relname FROM pg_class WHERE relispartition AND relnamespace = current_schema()::regnamespace")
    )
    # In the order in which transactions touch them, so that the two never wait for each other: facts leave last.
    for daily in (INBOX, *own, OUTBOX):
        for offset in range(-1, DAYS_AHEAD + 1):
            await _make(tx, daily, today + timedelta(days=offset), existing)
        for name in existing:
            if _is_older(name, daily.table, today - timedelta(days=daily.kept_days)):
                await tx.connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    await tx.execute("DELETE FROM rpc_reply WHERE created_at < now() - interval '8 days'")


async def _make(tx: Tx, daily: Daily, day: date, existing: set[str]) -> None:
    name = f"{daily.table}_{day:%Y%m%d}"
    if name in existing or await _default_holds(tx, daily, day):
        return
    statement = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
    bounds = sql.Literal(f"{day}"), sql.Literal(f"{day + timedelta(days=1)}")
    await tx.connection.execute(statement.format(sql.Identifier(name), sql.Identifier(daily.table), *bounds))


async def _default_holds(tx: Tx, daily: Daily, day: date) -> bool:
    """A day whose rows already lie in the default partition stays there: a partition for it would be refused."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} >= %s AND {} < %s)")
    column = sql.Identifier(daily.column)
    cursor = await tx.connection.execute(
        query.format(sql.Identifier(f"{daily.table}_default"), column, column), (day, day + timedelta(days=1))
    )
    found = await cursor.fetchone()
    return bool(found and found[0])


def _is_older(name: str, table: str, limit: date) -> bool:
    prefix, _, suffix = name.rpartition("_")
    return prefix == table and suffix.isdigit() and datetime.strptime(suffix, "%Y%m%d").date() < limit
