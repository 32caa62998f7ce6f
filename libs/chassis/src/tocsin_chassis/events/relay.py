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
                async with self._leadership() as listener, await self._connect("outbox") as reader:
                    await self._publish_for_ever(listener, reader)
            except (psycopg.Error, OSError) as error:
                log.warning("the relay lost its database connection: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self, purpose: str) -> AsyncConnection[Any]:
        """A connection of the relay's own: it neither waits for the pool nor pays for a transaction around each statement."""
        name = f"tocsin-{self._database.service}-{purpose}"
        return await AsyncConnection.connect(
            self._database.url, autocommit=True, application_name=name, connect_timeout=3, options="-c timezone=UTC"
        )

    @asynccontextmanager
    async def _leadership(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection that holds the service's relay lock; the lock goes with the connection."""
        async with await self._connect("relay") as connection:
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

    async def _publish_for_ever(self, listener: AsyncConnection[Any], reader: AsyncConnection[Any]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear_other_processes(listener))
            done: list[outbox.OutboxRow] = []
            while True:
                self._database.facts_wait.clear()
                rows = await outbox.unpublished(reader, BATCH, done)
                waiting.set(len(rows))
                done = await self._publish(rows)
                if len(done) < len(rows):
                    await asyncio.sleep(RETRY_SECONDS)
                elif not rows:
                    await self._wait_for_facts()

    async def _hear_other_processes(self, connection: AsyncConnection[Any]) -> None:
        async for _ in connection.notifies():
            self._database.facts_wait.set()

    async def _wait_for_facts(self) -> None:
        try:
            await asyncio.wait_for(self._database.facts_wait.wait(), IDLE_POLL_SECONDS)
        except TimeoutError:
            pass

    async def _publish(self, rows: list[outbox.OutboxRow]) -> list[outbox.OutboxRow]:
        """Publish all at once; returns those that were acknowledged."""
        outcomes = await asyncio.gather(*(self._publish_one(row) for row in rows))
        published.inc(sum(outcomes))
        return [row for row, ok in zip(rows, outcomes, strict=True) if ok]

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
