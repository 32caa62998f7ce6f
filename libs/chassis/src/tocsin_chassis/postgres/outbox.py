"""The outbox: facts wait here, in the state's own transaction, until they are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from psycopg import AsyncConnection
from psycopg.rows import class_row

from tocsin_chassis.telemetry import traceparent


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A fact to publish. `id` becomes Nats-Msg-Id: publishing twice counts once."""

    id: UUID
    subject: str
    payload: bytes
    version: int
    traceparent: str
    created_at: datetime


def row(fact_id: str, fact: Message, aggregate: str, version: int, at: datetime) -> OutboxRow:
    """The fact as a row; its subject is its full name and its aggregate."""
    subject = f"{fact.DESCRIPTOR.full_name}.{aggregate}"
    return OutboxRow(UUID(fact_id), subject, fact.SerializeToString(), version, traceparent(), at)


async def insert(connection: AsyncConnection[Any], rows: list[OutboxRow]) -> None:
    """Write the rows in one statement, in the caller's transaction."""
    await connection.execute(
        """INSERT INTO outbox (id, subject, payload, version, traceparent, created_at)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::bigint[], %s::text[], %s::timestamptz[])""",
        (
            [row.id for row in rows],
            [row.subject for row in rows],
            [row.payload for row in rows],
            [row.version for row in rows],
            [row.traceparent for row in rows],
            [row.created_at for row in rows],
        ),
    )


async def unpublished(connection: AsyncConnection[Any], limit: int, published: Sequence[OutboxRow] = ()) -> list[OutboxRow]:
    """The oldest rows that wait, without those that are `published` and not marked yet.

    Read by state, never by position: a late commit has a lower id.
    """
    async with connection.cursor(row_factory=class_row(OutboxRow)) as cursor:
        await cursor.execute(
            """SELECT id, subject, payload, version, traceparent, created_at FROM outbox
               WHERE published_at IS NULL AND id <> ALL (%s::uuid[]) ORDER BY id LIMIT %s""",
            ([row.id for row in published], limit),
        )
        return await cursor.fetchall()


async def mark_published(connection: AsyncConnection[Any], published: Sequence[OutboxRow]) -> None:
    """Note that these are on their stream. The creation time lets Postgres look into the right partition."""
    await connection.execute(
        """UPDATE outbox SET published_at = clock_timestamp()
           FROM unnest(%s::uuid[], %s::timestamptz[]) AS published (id, created_at)
           WHERE outbox.id = published.id AND outbox.created_at = published.created_at""",
        ([row.id for row in published], [row.created_at for row in published]),
    )


async def count_unpublished(connection: AsyncConnection[Any]) -> int:
    """How many facts wait."""
    cursor = await connection.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL")
    found = await cursor.fetchone()
    return int(found[0]) if found else 0
