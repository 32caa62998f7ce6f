"""The lifecycle of a service: what it serves, consumes and does from time to time; start, health, graceful stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, LiteralString, Protocol

import psycopg
from google.protobuf.descriptor import ServiceDescriptor

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.consumer import Consumer, Handlers, Patience, Together, by_source
from tocsin_chassis.events.hearing import Hearing
from tocsin_chassis.events.relay import Relay
from tocsin_chassis.grpc.caller import TrustedKeys
from tocsin_chassis.grpc.naming import Thing
from tocsin_chassis.grpc.server import GrpcServer, Served
from tocsin_chassis.postgres import retention
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.privacy import hidden_from, hidden_things
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError, NotFound

log = logging.getLogger(__name__)

HEALTH_SECONDS = 2.0
RETENTION_SECONDS = 3600.0
STOP_GRACE_SECONDS = 5.0


class Server(Protocol):
    """What listens for a service: its gRPC server, or the doors of the edge."""

    async def start(self, listen: str) -> int:
        """Listen at host:port; returns the port."""
        ...

    async def report(self, healthy: bool) -> None:
        """Say whether calls would succeed now."""
        ...

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give running ones `grace` seconds, then cancel them."""
        ...


@dataclass(slots=True)
class _Tick:
    name: str
    every: float
    task: Callable[[], Awaitable[object]]
    due: LiteralString = ""
    after_hearing: bool = False
    is_due: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class App:
    """One service, composed. Built by a fluent chain in the service's app.py, then run."""

    name: str
    database: Database
    bus: EventBus
    keys: TrustedKeys
    listen: str
    clock: Clock
    port: int = 0
    hearing: Hearing = field(init=False)
    _server: Server | None = None
    _served: list[Served] = field(default_factory=list)
    _things: dict[str, Thing] = field(default_factory=dict)
    _consumers: list[Consumer] = field(default_factory=list)
    _ticks: list[_Tick] = field(default_factory=list)
    _background: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = field(default_factory=list)
    _seals_again: list[Callable[[], Awaitable[int]]] = field(default_factory=list)
    _checks: list[tuple[str, Callable[[], Awaitable[object]]]] = field(default_factory=list)
    _partitions: list[retention.Daily] = field(default_factory=list)
    _stopping: bool = False
    _knows_the_time: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.bus.line)

    def serves(self, servicer: Any, add: Callable[[Any, Any], None], descriptor: ServiceDescriptor) -> "App":
        """Serve a gRPC service."""
        self._served.append(Served(servicer, add, descriptor))
        return self

    def hides(self, field: str, source: LiteralString, absent: Callable[[str], NotFound]) -> "App":
        """Requests name by this field what `source` has, a table with `id` and `incident_id`.

        Whoever may not know of its incident is told `absent`, before anything is done.
        """

        async def hidden(reader: str, ids: Collection[str]) -> dict[str, str]:
            async with self.database.transaction() as tx:
                return await hidden_things(tx, source, reader, ids)

        self._things[field] = Thing(hidden, absent)
        return self

    def listens(self, server: Server) -> "App":
        """Listen by this server instead of one that serves what `serves` was given."""
        self._server = server
        return self

    def consumes(self, handlers: Handlers | Together, patience: Patience | None = None) -> "App":
        """Handle facts of other services, by type: `async def handler(tx, fact)`; or all that have arrived together."""
        for source, group in by_source(handlers).items():
            self._consumers.append(Consumer(self.database, self.bus, self.name, source, group, patience, self.hearing))
        return self

    def ticks(
        self, name: str, every: float, task: Callable[[], Awaitable[object]], due: LiteralString = "", *, after_hearing: bool = False
    ) -> "App":
        """Do `task` every so many seconds; what it raises is logged, and it goes on.

        With `due`, a query of the earliest time that something waits for, it is done only when that has come; all ticks ask together.
        `after_hearing`: it asks somebody, so at the start and after the broker was away it waits for what was said meanwhile.
        """
        self._ticks.append(_Tick(name, every, task, due, after_hearing))
        return self

    def runs(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> "App":
        """Run `work` in the background until the service stops; if it fails it is logged and started again."""
        self._background.append((name, work))
        return self

    def seals(self, again: Callable[[], Awaitable[int]]) -> "App":
        """`again` seals the secrets of this service under the newest key, and says how many rows it touched."""
        self._seals_again.append(again)
        return self

    async def seal_again(self) -> int:
        """Seal all secrets of this service under the newest key; says how many rows it touched."""
        return sum([await again() for again in self._seals_again])

    def needs(self, name: str, check: Callable[[], Awaitable[object]]) -> "App":
        """The service is healthy only while `check` raises nothing."""
        self._checks.append((name, check))
        return self

    def partitions(self, *tables: retention.Daily) -> "App":
        """Keep the daily partitions of these tables, beside those that every service has."""
        self._partitions.extend(tables)
        return self

    @property
    def consumers(self) -> list[Consumer]:
        """The consumers, for handling dead letters again."""
        return self._consumers

    @asynccontextmanager
    async def running(self) -> AsyncIterator["App"]:
        """Everything runs inside; `port` is the gRPC port. At the end it stops gracefully: calls first, then the rest."""
        server = self._server or GrpcServer(self._served, self.keys, self._hidden, self._things)
        work = [
            self._restarted("relay", Relay(self.database, self.bus).run),
            *(self._restarted(consumer.name, consumer.run) for consumer in self._consumers),
            *(self._repeat(tick) for tick in self._ticks),
            *([self._restarted("timers", self._ask_what_is_due)] if any(tick.due for tick in self._ticks) else []),
            *(self._restarted(name, run) for name, run in self._background),
            self._repeat(_Tick("retention", RETENTION_SECONDS, self._retain)),
            self._watch_health(server),
        ]
        await self._ask_the_time()
        self.port = await server.start(self.listen)
        self.hearing.begin()
        tasks = [asyncio.create_task(item) for item in work]
        log.info("%s listens at port %d", self.name, self.port)
        try:
            yield self
        finally:
            await server.stop(STOP_GRACE_SECONDS)
            self._stopping = True
            await _end(tasks)

    async def run_until_signal(self) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with self.running():
            await stop.wait()
            log.info("%s stops", self.name)

    async def _restarted(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopping:
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                log.error("%s failed and starts again", name, exc_info=error)
            await asyncio.sleep(1.0)

    async def _ask_the_time(self) -> None:
        """Set the clock by the database's before anything is judged by it; a database that is away is asked again by the health check."""
        with suppress(DomainError, psycopg.Error, OSError):
            await asyncio.wait_for(self.database.ping(), 4.0)
            self._knows_the_time.set()

    async def _repeat(self, tick: _Tick) -> None:
        """No timer is judged by this machine's own clock, which may be wrong."""
        await self._knows_the_time.wait()
        while True:
            if tick.due:
                await tick.is_due.wait()
                tick.is_due.clear()
            if tick.after_hearing:
                await self.hearing.wait()
            try:
                await tick.task()
            except (DomainError, psycopg.Error, OSError) as error:
                log.warning("%s is tried again later: %s", tick.name, error)
            except Exception as error:
                log.error("%s failed and is tried again later", tick.name, exc_info=error)
            await asyncio.sleep(tick.every)

    async def _ask_what_is_due(self) -> None:
        """Timers are rows, and nearly always none of them is due: one question for all, as often as the most hurried wants it."""
        await self._knows_the_time.wait()
        asking = [tick for tick in self._ticks if tick.due]
        question = "SELECT " + ", ".join("(" + tick.due + ")" for tick in asking)
        every = min(tick.every for tick in asking)
        while True:
            earliest = await self.database.ask(question)
            for tick, at in zip(asking, earliest, strict=True):
                if at is not None and at <= self.clock.now():
                    tick.is_due.set()
            await asyncio.sleep(every)

    async def _hidden(self, reader: str, incidents: Collection[str]) -> set[str]:
        async with self.database.transaction() as tx:
            return await hidden_from(tx, reader, incidents)

    async def _retain(self) -> None:
        async with self.database.transaction() as tx:
            await retention.maintain(tx, self.database.clock.now(), self._partitions)

    async def _watch_health(self, server: Server) -> None:
        checks = [("postgres", self.database.ping), ("nats", self.bus.ping), *self._checks]
        was_healthy: bool | None = None
        while True:
            outcomes = await asyncio.gather(*(asyncio.wait_for(check(), 4.0) for _, check in checks), return_exceptions=True)
            if not isinstance(outcomes[0], BaseException):
                self._knows_the_time.set()
            failed = [name for (name, _), outcome in zip(checks, outcomes, strict=True) if isinstance(outcome, BaseException)]
            if (not failed) != was_healthy:
                log.info("%s is healthy", self.name) if not failed else log.warning("%s is not healthy: %s", self.name, ", ".join(failed))
                was_healthy = not failed
            await server.report(not failed)
            await asyncio.sleep(HEALTH_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel, and cancel again what went on: a library can swallow a cancellation, or turn it into another error."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)
