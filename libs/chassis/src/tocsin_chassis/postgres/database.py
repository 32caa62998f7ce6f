"""Transactions: state and its facts leave together, or not at all."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString, TypeVar

import psycopg
from google.protobuf.message import Message
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import args_row, class_row, scalar_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tocsin_chassis.postgres import outbox
from tocsin_chassis.postgres.arrays import write_arrays_quickly
from tocsin_chassis.postgres.columns import write_columns
from tocsin_kernel.clock import Clock, FollowingClock
from tocsin_kernel.errors import Invalid, Overloaded, Stale, Unavailable
from tocsin_kernel.ids import Ids, RandomIds

Row = TypeVar("Row")
Params = Sequence[object] | Mapping[str, object]

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
# The pool waits twice as long after each try, without an end: after 40 s without a database it would find it 21 s late. So it gives up
# early; the next transaction makes it try anew, and one comes every two seconds at least (the health check).
RECONNECT_SECONDS = 2.0
# A planner without fresh statistics would rather read everything and sort it, for every page of a list again.
READING = (
    b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan;"
    b" SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off"
)
# One message. Planning for the values at hand, as Postgres likes to where they are few, costs more than most of these statements.
# A plan that was made while a table was empty would read all of it for ever after, however much comes into it.
PLANNED_ONCE = b"BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
# The filters of a list that are not given are conditions that are always met. A plan for whatever is given could use no index of theirs,
# and would be kept as soon as it looked no worse on average: after lists without a filter it did.
PLANNED_ANEW = b"BEGIN; SET LOCAL plan_cache_mode = force_custom_plan"

# How the driver and the database call it.
NUL = ("NUL", "0x00")


class DatabaseBusy(Overloaded):
    reason = "DATABASE_BUSY"
    message = "too many requests for the database; try again"


class DatabaseUnavailable(Unavailable):
    reason = "DATABASE_UNAVAILABLE"
    message = "the database does not answer; nothing was changed, try again"


class TookTooLong(Overloaded):
    reason = "TOOK_TOO_LONG"
    message = "it would take longer than a statement may; ask for less"


class UnstorableText(Invalid):
    reason = "UNSTORABLE_TEXT"

    def __init__(self) -> None:
        super().__init__(field="request", detail="text may not hold the NUL character; remove it")


class Contended(Stale):
    reason = "CONTENDED"
    message = "another request changed the same thing at the same time; try again"


class Tx:
    """One transaction. Parameters are a sequence for %s, or a mapping for %(name)s."""

    def __init__(self, connection: AsyncConnection[Any], ids: Ids, clock: Clock) -> None:
        self.connection = connection
        self._cursor = connection.cursor()
        self._ids = ids
        self._clock = clock
        self._facts: list[outbox.OutboxRow] = []
        self._after_commit: list[Callable[[], None]] = []
        self._after_rollback: list[Callable[[], None]] = []
        self._read: dict[str, Any] = {}

    async def one(self, row: type[Row], sql: LiteralString, params: Params = ()) -> Row:
        """Exactly one row as `row`, whose fields are the columns. Raises LookupError if there is none."""
        found = await self.maybe(row, sql, params)
        if found is None:
            raise LookupError(f"no row for {row.__name__}")
        return found

    async def maybe(self, row: type[Row], sql: LiteralString, params: Params = ()) -> Row | None:
        """One row as `row`, or None."""
        cursor = await self._run(class_row(row), sql, params)
        found: Row | None = await cursor.fetchone()
        return found

    async def many(self, row: type[Row], sql: LiteralString, params: Params = ()) -> list[Row]:
        """All rows as `row`."""
        return await (await self._run(class_row(row), sql, params)).fetchall()

    async def each(self, make: Callable[..., Row], sql: LiteralString, params: Params = ()) -> list[Row]:
        """Of every row what `make` makes of its columns, in their order."""
        return await (await self._run(args_row(make), sql, params)).fetchall()

    async def value(self, kind: type[Row], sql: LiteralString, params: Params = ()) -> Row | None:
        """The first column of the first row, or None if there is no row (or the column is null)."""
        cursor = await self._run(scalar_row, sql, params)
        found: Row | None = await cursor.fetchone()
        return found

    async def values(self, kind: type[Row], sql: LiteralString, params: Params = ()) -> list[Row]:
        """The first column of every row."""
        return await (await self._run(scalar_row, sql, params)).fetchall()

    async def execute(self, sql: LiteralString, params: Params = ()) -> int:
        """Run one statement; returns how many rows it touched."""
        return (await self._run(tuple_row, sql, params)).rowcount

    async def execute_many(self, sql: LiteralString, rows: Iterable[Params]) -> None:
        """Run one statement for every row, in one round trip; in none if there is no row."""
        rows = list(rows)
        if len(rows) < 2:  # without the pipeline, which costs more than it saves
            for row in rows:
                await self.execute(sql, row)
            return
        async with self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.executemany(sql, rows)

    async def _run(self, rows: Any, sql: LiteralString, params: Params) -> AsyncCursor[Any]:
        """All statements of a transaction share a cursor: making one costs as much as a small statement."""
        self._cursor.row_factory = rows
        return await self._cursor.execute(sql, params)

    async def execute_set(self, sql: LiteralString, rows: Sequence[Sequence[object]]) -> int:
        """Run one statement for all rows at once: each %s is a column of them, as an array for unnest(). Returns how many it touched."""
        return await self.execute(sql, [list(column) for column in zip(*rows, strict=True)]) if rows else 0

    async def read_once(self, what: str, read: Callable[[], Awaitable[Row]]) -> Row:
        """What `read` answers, asked once in this transaction; for what all that is done in it may see as it was at one moment."""
        if what not in self._read:
            self._read[what] = await read()
        found: Row = self._read[what]
        return found

    def note(self, what: str, known: object) -> None:
        """From now on `read_once` answers with this: somebody learned it by the way."""
        self._read[what] = known

    def emit(self, fact: Message, *, aggregate: str, version: int) -> None:
        """Tell a fact once this transaction is committed. `aggregate` is the id in its subject, `version` that of the aggregate."""
        self._facts.append(outbox.row(self._ids.new(), fact, aggregate, version, self._clock.now()))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once this transaction is committed; a hint (it is lost if the process dies), never the only way."""
        self._after_commit.append(callback)

    def after_rollback(self, callback: Callable[[], None]) -> None:
        """Call back if this transaction, or the savepoint around this call, did not get through, or may not have."""
        self._after_rollback.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone (facts and callbacks too), and the transaction can go on."""
        facts, callbacks, undone = len(self._facts), len(self._after_commit), len(self._after_rollback)
        try:
            async with self.connection.transaction():
                yield
        except BaseException:
            del self._facts[facts:]
            del self._after_commit[callbacks:]
            self._read.clear()
            self._undo(undone)
            raise

    def _undo(self, start: int = 0) -> None:
        undone = self._after_rollback[start:]
        del self._after_rollback[start:]
        for callback in undone:
            callback()


class Database:
    """The pool of one service. Also says when facts wait to be published, and gives them to `hand_over`, if somebody has set it.

    `clock` follows the database's. Facts are told at its time too, unless `told_by` is another: in tests that of the whole service.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool["_Connection"],
        url: str,
        service: str,
        clock: FollowingClock,
        ids: Ids,
        told_by: Clock | None = None,
    ) -> None:
        self.url = url
        self.service = service
        self.clock = clock
        self.facts_wait = asyncio.Event()
        self.hand_over: Callable[[list[outbox.OutboxRow]], None] | None = None
        self._pool = pool
        self._ids = ids
        self._told_by = told_by or clock
        # How many connections had failed when the database answered last.
        self._failed_before = 0

    @asynccontextmanager
    async def transaction(self, *, plans_once: bool = False, plans_anew: bool = False) -> AsyncIterator[Tx]:
        """Begin, yield, commit. Raises Stale when the same rows were contended, Overloaded or Unavailable when there is no connection.

        `plans_once`: what it asks is planned once for whatever values, for statements that are run all the time and always in one way.
        `plans_anew`: it is planned for the values at hand each time, for lists with filters of which few are given.
        """
        async with self._connection() as connection:
            tx = Tx(connection, self._ids, self._told_by)
            try:
                beginning = PLANNED_ONCE if plans_once else PLANNED_ANEW if plans_anew else None
                async with _begun(connection, beginning) if beginning else connection.transaction():
                    yield tx
                    if tx._facts:
                        await outbox.insert(connection, tx._facts)
            except BaseException:
                tx._undo()
                raise
        if tx._facts:
            if self.hand_over is not None:
                self.hand_over(tx._facts)
            self.facts_wait.set()
        for callback in tx._after_commit:
            callback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A transaction that changes nothing and sees all as it was at one moment. Lists are read along an index that has their order."""
        async with self._connection() as connection, _begun(connection, READING):
            yield Tx(connection, self._ids, self._told_by)

    async def ask(self, sql: LiteralString, params: Params = ()) -> tuple[Any, ...]:
        """The one row that a single question answers, without a transaction around it. Raises Overloaded or Unavailable."""
        async with self._connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(sql, params)
            row = await cursor.fetchone()
        if row is None:
            raise LookupError("no row")
        return row

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["_Connection"]:
        """A connection of the pool; what the driver raises becomes an error of ours."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise (DatabaseBusy() if self._saturated() else DatabaseUnavailable()) from error
        except psycopg.DataError as error:
            if any(name in str(error) for name in NUL):
                raise UnstorableText() from error
            raise
        except psycopg.OperationalError as error:
            # Class 40: deadlock, serialization failure. The driver has a separate class for each, beside one another.
            if (error.sqlstate or "").startswith("40"):
                raise Contended() from error
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise TookTooLong() from error
            log.warning("the database connection failed", exc_info=True)
            raise DatabaseUnavailable() from error

    def new_id(self) -> str:
        """A new UUIDv7."""
        return self._ids.new()

    def _saturated(self) -> bool:
        """All connections are taken, and none has failed since the database answered last: it is busy, not away."""
        stats = self._pool.get_stats()
        return stats.get("pool_size", 0) >= self._pool.max_size and stats.get("connections_errors", 0) == self._failed_before

    async def ping(self) -> None:
        """Ask the database for the time, and set the clock by it. Raises Unavailable."""
        (instant,) = await self.ask("SELECT clock_timestamp()")
        self.clock.follow(instant)
        self._failed_before = self._pool.get_stats().get("connections_errors", 0)


class _Connection(AsyncConnection[Any]):
    """A connection that knows when it was last used (monotonic seconds)."""

    used_at = 0.0


@asynccontextmanager
async def _begun(connection: _Connection, beginning: bytes) -> AsyncIterator[None]:
    """A transaction; how its statements are planned is said with its beginning, in one message."""
    await connection.execute(beginning, prepare=False)
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # what was wrong is told, and a connection that is lost has rolled back
            await connection.rollback()
        raise
    await connection.commit()


async def _configure(connection: AsyncConnection[Any]) -> None:
    write_arrays_quickly(connection)
    write_columns(connection)


async def _check_if_idle(connection: _Connection) -> None:
    """Ask a connection that has not been used for a while whether it still works.

    One that was just used needs no question before each transaction; if its server dies at that moment, the transaction fails
    as it would in its middle, and is repeated by whoever began it.
    """
    now = time.monotonic()
    if now - connection.used_at > IDLE_SECONDS:
        await AsyncConnectionPool.check_connection(connection)
    connection.used_at = now


@asynccontextmanager
async def postgres(
    url: str,
    service: str,
    *,
    clock: FollowingClock | None = None,
    ids: Ids | None = None,
    size: int = 8,
    told_by: Clock | None = None,
) -> AsyncIterator[Database]:
    """Open the pool; close it at the end. Waits for the database at first use, not here."""
    pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
        url,
        connection_class=_Connection,
        min_size=1,
        max_size=size,
        open=False,
        timeout=4.0,
        max_lifetime=1800,
        reconnect_timeout=RECONNECT_SECONDS,
        check=_check_if_idle,
        configure=_configure,
        kwargs={
            # Transactions are begun and ended by hand; a question alone needs none.
            "autocommit": True,
            "application_name": f"tocsin-{service}",
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "tcp_user_timeout": 10000,
            "options": "-c idle_in_transaction_session_timeout=20s -c timezone=UTC",
        },
    )
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    await pool.open()
    try:
        yield Database(pool, url, service, clock or FollowingClock(), ids or RandomIds(), told_by)
    finally:
        await pool.close(timeout=5)
