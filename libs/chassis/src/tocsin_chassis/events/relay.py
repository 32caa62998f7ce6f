"""The relay: publishes the outbox, one process at a time for each service."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge
from psycopg import AsyncConnection

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.fact import ID, OCCURRED_AT, TRACEPARENT, VERSION
from tocsin_chassis.postgres import outbox
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import trace_context, tracer

log = logging.getLogger(__name__)

BATCH = 500
IDLE_POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
PUBLISH_TIMEOUT_SECONDS = 5.0

published = Counter("tocsin_outbox_published_total", "facts published")
waiting = Gauge("tocsin_outbox_waiting", "facts that wait to be published, as last seen by the relay")


class Relay:
    """Publishes unpublished facts and marks them when JetStream has acknowledged them.

    A crash between the two publishes a fact twice; Nats-Msg-Id and the consumers' inbox drop the second.
    """

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._database = database
        self._bus = bus

    async def run(self) -> None:
        """Publish for ever. Waits while another process holds the lock; starts again after a lost connection."""
        while True:
            try:
                async with self._leadership() as connection:
                    await self._publish_for_ever(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("the relay lost its database connection: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    @asynccontextmanager
    async def _leadership(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection of its own that holds the service's relay lock; the lock goes with the connection."""
        connection = await AsyncConnection.connect(
            self._database.url, autocommit=True, application_name=f"tocsin-{self._database.service}-relay", connect_timeout=3
        )
        async with connection:
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext('relay:' || current_schema()))")
                row = await cursor.fetchone()
                if row and row[0]:
                    break
                await self._tell_the_leader(connection)
            await connection.execute(b"LISTEN " + f"relay_{self._database.service}".encode())
            yield connection

    async def _tell_the_leader(self, connection: AsyncConnection[Any]) -> None:
        """Another process publishes: pass on, at most every 10 ms and outside of any transaction, that facts wait."""
        try:
            await asyncio.wait_for(self._database.facts_wait.wait(), IDLE_POLL_SECONDS)
        except TimeoutError:
            return
        self._database.facts_wait.clear()
        await connection.execute("SELECT pg_notify(%s, '')", (f"relay_{self._database.service}",))
        await asyncio.sleep(0.01)

    async def _publish_for_ever(self, connection: AsyncConnection[Any]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear_other_processes(connection))
            while True:
                self._database.facts_wait.clear()
                rows = await self._read()
                waiting.set(len(rows))
                if rows and await self._publish(rows) < len(rows):
                    await asyncio.sleep(RETRY_SECONDS)
                elif len(rows) < BATCH:
                    await self._wait_for_facts()

    async def _hear_other_processes(self, connection: AsyncConnection[Any]) -> None:
        async for _ in connection.notifies():
            self._database.facts_wait.set()

    async def _wait_for_facts(self) -> None:
        try:
            await asyncio.wait_for(self._database.facts_wait.wait(), IDLE_POLL_SECONDS)
        except TimeoutError:
            pass

    async def _read(self) -> list[outbox.OutboxRow]:
        async with self._database.transaction() as tx:
            return await outbox.unpublished(tx.connection, BATCH)

    async def _publish(self, rows: list[outbox.OutboxRow]) -> int:
        """Publish all at once and mark those that were acknowledged; returns how many."""
        outcomes = await asyncio.gather(*(self._publish_one(row) for row in rows))
        done = [row for row, ok in zip(rows, outcomes, strict=True) if ok]
        if done:
            async with self._database.transaction() as tx:
                await outbox.mark_published(tx.connection, done)
            published.inc(len(done))
        return len(done)

    async def _publish_one(self, row: outbox.OutboxRow) -> bool:
        headers = {ID: str(row.id), VERSION: str(row.version)}
        if row.created_at is not None:
            headers[OCCURRED_AT] = row.created_at.isoformat()
        name = row.subject.split(".")[3]
        context = trace_context({TRACEPARENT: row.traceparent})
        with tracer.start_as_current_span(f"publish {name}", context=context, kind=SpanKind.PRODUCER) as span:
            if row.traceparent:
                own = span.get_span_context()
                headers[TRACEPARENT] = (
                    f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}" if own.is_valid else row.traceparent
                )
            try:
                await self._bus.jetstream.publish(row.subject, row.payload, headers=headers, timeout=PUBLISH_TIMEOUT_SECONDS)
            except Exception as error:  # every kind of failure has the same answer: it stays unpublished and is tried again
                span.set_status(trace.StatusCode.ERROR, str(error))
                log.warning("a fact could not be published yet: %s", error or type(error).__name__)
                return False
        return True
