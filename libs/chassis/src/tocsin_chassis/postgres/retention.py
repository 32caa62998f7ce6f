"""Daily partitions: made ahead of time, dropped when the streams have forgotten their facts too."""

from datetime import date, datetime, timedelta

from psycopg import sql

from tocsin_chassis.postgres.database import Tx

STREAM_DAYS = 7
DAYS_AHEAD = 3
KEPT_DAYS = STREAM_DAYS + 1
# In the order in which a consumer's transaction touches them, so that the two never wait for each other.
PARTITIONED = ("inbox", "outbox")


async def maintain(tx: Tx, now: datetime) -> None:
    """Make the partitions of the coming days, drop the old ones, and forget old replies. Safe to run by several at once."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('retention:' || current_schema()))")
    today = now.date()
    for table in PARTITIONED:
        existing = set(
            await tx.values(str, "SELECT relname FROM pg_class WHERE relispartition AND relnamespace = current_schema()::regnamespace")
        )
        for offset in range(-1, DAYS_AHEAD + 1):
            await _make(tx, table, today + timedelta(days=offset), existing)
        for name in existing:
            if _is_older(name, table, today - timedelta(days=KEPT_DAYS)):
                await tx.connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    await tx.execute("DELETE FROM rpc_reply WHERE created_at < now() - interval '8 days'")


async def _make(tx: Tx, table: str, day: date, existing: set[str]) -> None:
    name = f"{table}_{day:%Y%m%d}"
    if name in existing or await _default_holds(tx, table, day):
        return
    statement = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
    bounds = sql.Literal(f"{day}"), sql.Literal(f"{day + timedelta(days=1)}")
    await tx.connection.execute(statement.format(sql.Identifier(name), sql.Identifier(table), *bounds))


async def _default_holds(tx: Tx, table: str, day: date) -> bool:
    """A day whose rows already lie in the default partition stays there: a partition for it would be refused."""
    column = "created_at" if table == "outbox" else "occurred_on"
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} >= %s AND {} < %s)")
    identifiers = sql.Identifier(f"{table}_default"), sql.Identifier(column), sql.Identifier(column)
    cursor = await tx.connection.execute(query.format(*identifiers), (day, day + timedelta(days=1)))
    found = await cursor.fetchone()
    return bool(found and found[0])


def _is_older(name: str, table: str, limit: date) -> bool:
    prefix, _, suffix = name.rpartition("_")
    return prefix == table and suffix.isdigit() and datetime.strptime(suffix, "%Y%m%d").date() < limit
