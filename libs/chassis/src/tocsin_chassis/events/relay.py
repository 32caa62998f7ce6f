"""The relay: publishes the outbox, one process at a time for each service."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from nats.js.api import PubAck
from prometheus_client import Counter, Gauge
from psycopg import AsyncConnection

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.fact import ID, OCCURRED_AT, TRACEPARENT, VERSION
from tocsin_chassis.events.turns import Turns
from tocsin_chassis.postgres import outbox
from tocsin_chassis.postgres.database import Database

log = logging.getLogger(__name__)

BATCH = 500
# So many are published before whose turn it is next is looked at anew.
AT_ONCE = 50
IDLE_POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
PUBLISH_TIMEOUT_SECONDS = 5.0
# Nobody waits for the mark of a published fact, so that many share one.
MARK_SECONDS = 0.25
# Whoever leads asks for something every second. One that stood still for so long, or whose machine is gone, leads no more.
SILENT_SECONDS = 15
# Facts of this process are handed over; more than so many of them are read from the table again when their turn comes.
MOST_HANDED_OVER = 4 * BATCH

published = Counter("tocsin_outbox_published_total", "facts published")
waiting = Gauge("tocsin_outbox_waiting", "facts that wait to be published, as last seen by the relay")


@dataclass(frozen=True, slots=True)
class _Publication:
    """A fact on its way, and its acknowledgement (None if it could not even be sent)."""

    row: outbox.OutboxRow
    acknowledgement: asyncio.Future[PubAck] | None


class _Waiting:
    """The facts to be published next. What this process commits is handed over; the table is asked for all else, by state.

    It is asked at the beginning, once a second, when another process has said that facts wait, and after a failure. Where many wait the
    aggregates take turns: the only fact of one does not wait for a thousand of others. Those of one aggregate stay in their order.
    """

    def __init__(self) -> None:
        self._read_at = 0.0
        self.start_over()

    def start_over(self) -> None:
        """The table holds everything that was handed over, and is asked soon."""
        self._turns = Turns[outbox.OutboxRow]()
        self._known: set[UUID] = set()
        self._just_read: set[UUID] = set()
        # What is handed over now comes after what the table holds.
        self._table_first = True
        self._left_to_the_table = False
        self.read_soon()

    def take_over(self, committed: list[outbox.OutboxRow]) -> None:
        """These were committed here, in this order."""
        if len(self._known) + len(committed) > MOST_HANDED_OVER:
            self._table_first = True
            self.read_soon()
        if self._table_first:
            self._left_to_the_table = True
        else:
            self._add([row for row in committed if row.id not in self._just_read])

    @property
    def count(self) -> int:
        """How many are known to wait."""
        return len(self._known)

    def read_soon(self) -> None:
        """The table may hold more than was handed over; whatever was handed over it holds too."""
        self._read_at = 0.0

    def seconds_to_wait(self, now: float) -> float:
        """Until there may be something to publish that nobody hands over."""
        return 0.0 if self._turns else max(0.0, self._read_at - now)

    async def next(self, reader: AsyncConnection[Any], now: float, published: list[outbox.OutboxRow]) -> list[outbox.OutboxRow]:
        """Not those that are `published` and not marked yet."""
        # What was too much to be handed over comes after what was.
        if now >= self._read_at and not (self._table_first and self._turns):
            self._left_to_the_table = False
            rows = await outbox.unpublished(reader, BATCH, published)
            self._just_read = {row.id for row in rows}
            added = self._add(rows)
            self._table_first = self._table_first and (len(rows) == BATCH or self._left_to_the_table)
            if not self._left_to_the_table and (not added or len(rows) < BATCH):
                self._read_at = now + IDLE_POLL_SECONDS
        taken = self._turns.take(AT_ONCE)
        self._known -= {row.id for row in taken}
        return taken

    def _add(self, rows: list[outbox.OutboxRow]) -> int:
        """How many of them were not known yet."""
        new = [row for row in rows if row.id not in self._known]
        self._known |= {row.id for row in new}
        for row in new:
            aggregate = row.subject.rpartition(".")[2]
            self._turns.add(row, aggregate, aggregate)
        return len(new)


class Relay:
    """Publishes unpublished facts and, a moment after JetStream has acknowledged them, marks them.

    A crash between the two publishes a fact twice; Nats-Msg-Id and the consumers' inbox drop the second.
    """

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._database = database
        self._bus = bus
        self._awaited: list[asyncio.Future[PubAck]] = []
        bus.line.on_loss(self._give_up)

    async def run(self) -> None:
        """Publish for ever. Waits while another process holds the lock; starts again after a lost connection."""
        while True:
            try:
                async with self._leadership() as reader, await self._connect("relay") as listener:
                    await listener.execute(b"LISTEN " + f"relay_{self._database.service}".encode())
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
        """The connection that holds the service's relay lock, and reads and marks facts; the lock goes with it.

        A mark that is lost in a crash is the crash between publishing and marking: no need to wait for the disk.
        """
        async with await self._connect("outbox", f"-c synchronous_commit=off -c idle_session_timeout={SILENT_SECONDS}s") as connection:
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext('relay:' || current_schema()))")
                row = await cursor.fetchone()
                if row and row[0]:
                    break
                await self._tell_the_leader(connection)
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
        pending = _Waiting()
        self._database.hand_over = pending.take_over
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear_other_processes(listener, pending))
                await self._publish_pending(reader, pending)
        finally:
            self._database.hand_over = None

    async def _publish_pending(self, reader: AsyncConnection[Any], pending: _Waiting) -> None:
        done: list[outbox.OutboxRow] = []
        mark_at = 0.0
        while True:
            self._database.facts_wait.clear()
            if done and (len(done) >= BATCH or self._time() >= mark_at):
                await outbox.mark_published(reader, done)
                done = []
            rows = await pending.next(reader, self._time(), done)
            waiting.set(pending.count + len(rows))
            acknowledged = await self._publish(rows)
            if acknowledged and not done:
                mark_at = self._time() + MARK_SECONDS
            done += acknowledged
            if len(acknowledged) < len(rows):
                pending.start_over()
                await self._wait_for_the_broker()
            elif rest := min(pending.seconds_to_wait(self._time()), max(0.0, mark_at - self._time()) if done else IDLE_POLL_SECONDS):
                await self._wait_for_facts(rest)

    def _give_up(self) -> None:
        """The line is lost: no acknowledgement comes over it any more, and who waits for one could not publish when it is back."""
        for acknowledgement in self._awaited:
            acknowledgement.cancel()

    async def _wait_for_the_broker(self) -> None:
        """Before what was not acknowledged is published again: at once if the line is back before that time."""
        if self._bus.line.is_up:
            await asyncio.sleep(RETRY_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._bus.line.up()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    async def _hear_other_processes(self, connection: AsyncConnection[Any], pending: _Waiting) -> None:
        async for _ in connection.notifies():
            pending.read_soon()
            self._database.facts_wait.set()

    async def _wait_for_facts(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._database.facts_wait.wait()

    async def _publish(self, rows: list[outbox.OutboxRow]) -> list[outbox.OutboxRow]:
        """Publish in this order, all before the first is acknowledged; returns those that were."""
        if not self._bus.line.is_up:
            return []
        self._awaited = []
        sent = [await self._send(row) for row in rows]
        if self._awaited:
            await asyncio.wait(self._awaited, timeout=PUBLISH_TIMEOUT_SECONDS)
        acknowledged = [one.row for one in sent if _is_acknowledged(one)]
        published.inc(len(acknowledged))
        return acknowledged

    async def _send(self, row: outbox.OutboxRow) -> _Publication:
        headers = {ID: str(row.id), VERSION: str(row.version), OCCURRED_AT: row.created_at.isoformat()}
        if row.traceparent:
            headers[TRACEPARENT] = row.traceparent
        try:
            acknowledgement = await self._bus.jetstream.publish_async(row.subject, row.payload, headers=headers)
            self._awaited.append(acknowledgement)
            return _Publication(row, acknowledgement)
        except Exception as error:  # every kind of failure has the same answer: it stays unpublished and is tried again
            _complain(error)
            return _Publication(row, None)


def _is_acknowledged(publication: _Publication) -> bool:
    """Whether the fact is on its stream."""
    acknowledgement = publication.acknowledgement
    if acknowledgement is None:
        return False
    if acknowledgement.cancelled() or acknowledgement.cancel():
        _complain(TimeoutError("no acknowledgement"))
        return False
    if (error := acknowledgement.exception()) is not None:
        _complain(error)
        return False
    return True


def _complain(error: BaseException) -> None:
    log.warning("a fact could not be published yet: %s", error or type(error).__name__)
