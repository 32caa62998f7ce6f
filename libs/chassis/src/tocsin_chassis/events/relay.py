"""The relay: publishes the outbox, one process at a time for each service."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from nats.js.api import PubAck
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge
from psycopg import AsyncConnection

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.fact import ID, OCCURRED_AT, TRACEPARENT, VERSION
from tocsin_chassis.postgres import outbox
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import trace_context, traceparent_of, tracer

log = logging.getLogger(__name__)

BATCH = 500
IDLE_POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
PUBLISH_TIMEOUT_SECONDS = 5.0
# Nobody waits for the mark of a published fact, so that many share one.
MARK_SECONDS = 0.1

published = Counter("tocsin_outbox_published_total", "facts published")
waiting = Gauge("tocsin_outbox_waiting", "facts that wait to be published, as last seen by the relay")


@dataclass(frozen=True, slots=True)
class _Publication:
    """A fact on its way: its acknowledgement (None if it could not even be sent) and the span that lasts until then."""

    row: outbox.OutboxRow
    acknowledgement: asyncio.Future[PubAck] | None
    span: trace.Span


class Relay:
    """Publishes unpublished facts and, a moment after JetStream has acknowledged them, marks them.

    A crash between the two publishes a fact twice; Nats-Msg-Id and the consumers' inbox drop the second.
    """

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._database = database
        self._bus = bus

    async def run(self) -> None:
        """Publish for ever. Waits while another process holds the lock; starts again after a lost connection."""
        while True:
            try:
                # A mark that is lost in a crash is the crash between publishing and marking: no need to wait for the disk.
                async with self._leadership() as listener, await self._connect("outbox", "-c synchronous_commit=off") as reader:
                    await self._publish_for_ever(listener, reader)
            except (psycopg.Error, OSError) as error:
                log.warning("the relay lost its database connection: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self, purpose: str, options: str = "") -> AsyncConnection[Any]:
        """A connection of the relay's own: it neither waits for the pool nor pays for a transaction around each statement."""
        name = f"tocsin-{self._database.service}-{purpose}"
        return await AsyncConnection.connect(
            self._database.url, autocommit=True, application_name=name, connect_timeout=3, options=f"-c timezone=UTC {options}"
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
            mark_at = 0.0
            while True:
                self._database.facts_wait.clear()
                if done and (len(done) >= BATCH or self._time() >= mark_at):
                    await outbox.mark_published(reader, done)
                    done = []
                rows = await outbox.unpublished(reader, BATCH, done)
                waiting.set(len(rows))
                acknowledged = await self._publish(rows)
                if acknowledged and not done:
                    mark_at = self._time() + MARK_SECONDS
                done += acknowledged
                if len(acknowledged) < len(rows):
                    await asyncio.sleep(RETRY_SECONDS)
                elif len(rows) < BATCH:
                    await self._wait_for_facts(max(0.0, mark_at - self._time()) if done else IDLE_POLL_SECONDS)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    async def _hear_other_processes(self, connection: AsyncConnection[Any]) -> None:
        async for _ in connection.notifies():
            self._database.facts_wait.set()

    async def _wait_for_facts(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._database.facts_wait.wait(), seconds)
        except TimeoutError:
            pass

    async def _publish(self, rows: list[outbox.OutboxRow]) -> list[outbox.OutboxRow]:
        """Publish in this order, all before the first is acknowledged; returns those that were."""
        sent = [await self._send(row) for row in rows]
        awaited = [one.acknowledgement for one in sent if one.acknowledgement is not None]
        if awaited:
            await asyncio.wait(awaited, timeout=PUBLISH_TIMEOUT_SECONDS)
        acknowledged = [one.row for one in sent if _is_acknowledged(one)]
        published.inc(len(acknowledged))
        return acknowledged

    async def _send(self, row: outbox.OutboxRow) -> _Publication:
        headers = {ID: str(row.id), VERSION: str(row.version)}
        if row.created_at is not None:
            headers[OCCURRED_AT] = row.created_at.isoformat()
        name = row.subject.split(".")[3]
        span = tracer.start_span(f"publish {name}", context=trace_context({TRACEPARENT: row.traceparent}), kind=SpanKind.PRODUCER)
        if row.traceparent:
            headers[TRACEPARENT] = traceparent_of(span) or row.traceparent
        try:
            return _Publication(row, await self._bus.jetstream.publish_async(row.subject, row.payload, headers=headers), span)
        except Exception as error:  # every kind of failure has the same answer: it stays unpublished and is tried again
            _fail(span, error)
            return _Publication(row, None, span)


def _is_acknowledged(publication: _Publication) -> bool:
    """Whether the fact is on its stream; ends its span."""
    acknowledgement = publication.acknowledgement
    if acknowledgement is None:
        return False
    if acknowledgement.cancelled() or acknowledgement.cancel():
        _fail(publication.span, TimeoutError("no acknowledgement"))
        return False
    if (error := acknowledgement.exception()) is not None:
        _fail(publication.span, error)
        return False
    publication.span.end()
    return True


def _fail(span: trace.Span, error: BaseException) -> None:
    log.warning("a fact could not be published yet: %s", error or type(error).__name__)
    span.set_status(trace.StatusCode.ERROR, str(error))
    span.end()
