"""The database that every test's database is a copy of: the schema of each service, with the partitions of these days."""

import asyncio
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from tocsin_chassis.postgres.database import Tx, postgres
from tocsin_chassis.postgres.migrations import migrate
from tocsin_chassis.postgres.retention import INBOX, OUTBOX, STREAM_DAYS, Daily, maintain
from tocsin_testkit.servers import SERVICES, Servers

TEMPLATE = "template_tocsin"


def make_template(servers: Servers) -> None:
    """Migrate what is installed into a database that nobody writes to afterwards."""
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(servers.postgres_url(TEMPLATE), autocommit=True) as connection:
        for service in SERVICES:
            role = sql.Identifier(f"tocsin_{service}")
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(service), role))
    for service in SERVICES:
        if importlib.util.find_spec(f"tocsin_{service}") is not None:
            migrate(servers.postgres_url(TEMPLATE, f"tocsin_{service}"), service)
            with ThreadPoolExecutor(1) as thread:  # pytest's own loop is none of our business
                thread.submit(asyncio.run, _make_partitions(servers.postgres_url(TEMPLATE, f"tocsin_{service}"), service)).result()


def copy_template(connection: psycopg.Connection, database: str) -> None:
    """A new database that is a copy of the template."""
    # Copying files takes a third of the time that writing every block through the log does, where nothing is flushed.
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    connection.execute(statement.format(sql.Identifier(database), sql.Identifier(TEMPLATE)))


def drop(connection: psycopg.Connection, database: str) -> None:
    """Drop a copy, and the connections to it."""
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


async def _make_partitions(url: str, service: str) -> None:
    """What a service makes in its first second; copied, they cost less than made anew in every test."""
    async with postgres(url, service) as database, database.transaction() as tx:
        await maintain(tx, datetime.now(UTC), await _own(tx))


async def _own(tx: Tx) -> list[Daily]:
    """The partitioned tables of a service beside those that every service has."""
    return await tx.many(
        Daily,
        """
        SELECT relname AS table, attname AS column, %s AS kept_days
        FROM pg_partitioned_table
        JOIN pg_class ON pg_class.oid = partrelid
        JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
        WHERE relnamespace = current_schema()::regnamespace AND relname <> ALL(%s)
        """,
        (STREAM_DAYS, [INBOX.table, OUTBOX.table]),
    )
