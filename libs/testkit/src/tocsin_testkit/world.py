"""What one test gets: empty schemas and streams of every service on real servers, keys, and time in hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
import psycopg
from google.protobuf.message import Message
from grpc import aio
from joserfc.jwk import OKPKey
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import ServerError
from psycopg import sql

from tocsin_chassis.app import App
from tocsin_chassis.events.fact import ID, OCCURRED_AT, VERSION
from tocsin_chassis.events.streams import declare_stream, stream_of
from tocsin_chassis.grpc.caller import Caller, Identity
from tocsin_chassis.sealing import add_key
from tocsin_chassis.settings import Secret, ServiceSettings
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import uuid7
from tocsin_testkit.servers import SERVICES, Servers

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
MessageType = TypeVar("MessageType", bound=Message)

RUNNER = "runner"


class Keys:
    """One signing key for each service and for runners, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keys = {service: OKPKey.generate_key("Ed25519", parameters={"kid": service}) for service in (*SERVICES, RUNNER)}
        for service, key in keys.items():
            (folder / f"{service}.jwk").write_text(json.dumps(key.as_dict(private=True)))
        (folder / "trusted.jwks").write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys.values()]}))

    @property
    def sealing(self) -> Path:
        """The keys that seal secrets in databases."""
        file = self.folder / "sealing.jwks"
        if not file.exists():
            add_key(file)
        return file

    def identity(self, service: str) -> Identity:
        return Identity.read(service, self.folder / f"{service}.jwk")


class World:
    """Everything outside of the code under test that it needs, real and empty."""

    def __init__(self, servers: Servers, database: str, keys: Keys, jetstream: JetStreamContext) -> None:
        self.clock = ManualClock()
        self.servers = servers
        self.database = database
        self.keys = keys
        self.jetstream = jetstream
        self._messages: dict[tuple[str, int], RawStreamMsg] = {}

    def settings(self, service: str, kind: type[SettingsType], **extra: object) -> SettingsType:
        """The settings of a service in this world; `extra` overrides by field name."""
        own: dict[str, Any] = {
            "postgres_url": Secret(self.servers.postgres_url(self.database, f"tocsin_{service}")),
            "nats_url": Secret(self.servers.nats_url),
            "grpc_listen": "127.0.0.1:0",
            "signing_key_file": self.keys.folder / f"{service}.jwk",
            "trusted_keys_file": self.keys.folder / "trusted.jwks",
        }
        if "secrets_key_file" in kind.__dataclass_fields__:
            own["secrets_key_file"] = self.keys.sealing
        if "evidence_folder" in kind.__dataclass_fields__:
            own["evidence_folder"] = str(self.keys.folder / "evidence")
        return kind(**{**own, **extra})

    @asynccontextmanager
    async def running(self, app: AbstractAsyncContextManager[App]) -> AsyncIterator[App]:
        """Run a composed service."""
        async with AsyncExitStack() as stack:
            composed = await stack.enter_async_context(app)
            yield await stack.enter_async_context(composed.running())

    @asynccontextmanager
    async def without_database(self, service: str) -> AsyncIterator[None]:
        """The service loses its connections to the database and gets no other meanwhile."""
        name = sql.Identifier(self.database)
        async with await psycopg.AsyncConnection.connect(self.servers.postgres_url("postgres"), autocommit=True) as admin:
            await admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = %s",
                (self.database, f"tocsin_{service}"),
            )
            try:
                yield
            finally:
                await admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(name))

    @asynccontextmanager
    async def without_nats(self) -> AsyncIterator[None]:
        """NATS is killed, and started again at the end with what it had stored."""
        nats_server = self.servers.nats
        nats_server.kill()
        try:
            yield
        finally:
            nats_server.start()
            await self.eventually(self._bus_answers, what="the bus to answer again")

    async def _bus_answers(self) -> bool:
        try:
            await self.jetstream.account_info()
        except (NatsError, TimeoutError):
            return False
        return True

    def rewrite(self, service: str, statement: str) -> None:
        """Change a service's tables past every trigger and privilege, as only whoever owns the database server can."""
        with psycopg.connect(self.servers.postgres_url(self.database), autocommit=True) as connection:
            connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(service)))
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement.encode())

    def stub(self, stub: Callable[[Any], Any], app: App | int, caller: Caller) -> Any:
        """A stub that calls a running service (or a port) as `caller`: a person or key as the edge would say, a service as itself."""
        port = app if isinstance(app, int) else app.port
        identity = self.keys.identity(caller.service or "edge")
        return stub(_Authorized(aio.insecure_channel(f"127.0.0.1:{port}"), identity.token(caller)))

    async def publish(self, fact: Message, aggregate: str, version: int = 1) -> str:
        """Put a fact on its stream, as its owner would; returns its id."""
        fact_id = str(uuid7())
        headers = {ID: fact_id, VERSION: str(version), OCCURRED_AT: self.clock.now().isoformat()}
        await self.jetstream.publish(f"{fact.DESCRIPTOR.full_name}.{aggregate}", fact.SerializeToString(), headers=headers, timeout=5)
        return fact_id

    async def lose(self, service: str, source: str, count: int = 1) -> None:
        """A process of the service takes the next facts of another one and dies with them in hand."""
        taker = await self.jetstream.pull_subscribe_bind(f"{service}-{source}", stream_of(source))
        taken = await taker.fetch(count, timeout=15)
        await taker.unsubscribe()
        assert len(taken) == count

    async def facts(self, kind: type[MessageType], count: int = 1, within: float = 15.0) -> list[MessageType]:
        """All facts of a type so far, once there are at least `count`. Raises AssertionError when they do not come."""
        found: list[MessageType] = []

        async def enough() -> bool:
            found[:] = await self._read(kind)
            return len(found) >= count

        await self.eventually(enough, within, f"{count} × {kind.DESCRIPTOR.name}")
        return found

    async def _read(self, kind: type[MessageType]) -> list[MessageType]:
        stream = stream_of(kind.DESCRIPTOR.full_name.split(".")[1])
        info = await self.jetstream.stream_info(stream)
        messages = []
        for sequence in range(info.state.first_seq or 1, info.state.last_seq + 1):
            raw = await self._message(stream, sequence)
            if raw.subject and raw.subject.startswith(f"{kind.DESCRIPTOR.full_name}."):
                messages.append(kind.FromString(raw.data or b""))
        return messages

    async def _message(self, stream: str, sequence: int) -> RawStreamMsg:
        """What lies there, asked once: no message changes."""
        if (stream, sequence) not in self._messages:
            self._messages[stream, sequence] = await self.jetstream.get_msg(stream, sequence)
        return self._messages[stream, sequence]

    async def eventually(self, condition: Callable[[], Awaitable[object]], within: float = 15.0, what: str = "") -> None:
        """See `eventually`."""
        await eventually(condition, within, what)


async def eventually(condition: Callable[[], Awaitable[object]], within: float = 15.0, what: str = "") -> None:
    """Wait until `condition` is true (or stops raising AssertionError). Raises AssertionError after `within` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    problem: AssertionError | None = None
    while True:
        try:
            if await condition():
                return
        except AssertionError as error:
            problem = error
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within} s: {what or condition}") from problem
        await asyncio.sleep(0.02)


class _Authorized:
    """A channel whose unary and streaming calls carry a token."""

    def __init__(self, channel: aio.Channel, token: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)

    def __getattr__(self, kind: str) -> Any:
        make = getattr(self._channel, kind)

        def method(*arguments: Any, **options: Any) -> Any:
            call = make(*arguments, **options)

            def authorized(request: Any, *, timeout: float = 10.0, **more: Any) -> Any:
                return call(request, timeout=timeout, metadata=self._metadata, **more)

            return authorized

        return method


@asynccontextmanager
async def empty_streams(servers: Servers) -> AsyncIterator[JetStreamContext]:
    """Every service's stream, declared and empty; connection closed at the end."""
    connection = await nats.connect(servers.nats_url, reconnect_time_wait=0.1, max_reconnect_attempts=-1, error_cb=_nothing)
    jetstream = connection.jetstream(timeout=5)
    try:
        for info in await jetstream.streams_info():
            await jetstream.delete_stream(info.config.name or "")
        for service in SERVICES:
            await _declare_anew(jetstream, service)
        yield jetstream
    finally:
        await connection.close()


async def _nothing(error: Exception) -> None:
    """Tests that take the bus away say so themselves."""


async def _declare_anew(jetstream: JetStreamContext, service: str, attempts: int = 20) -> None:
    """Declare a stream whose name was deleted a moment ago: the server removes the old one's files afterwards."""
    for _ in range(attempts - 1):
        try:
            return await declare_stream(jetstream, service)
        except ServerError:
            await asyncio.sleep(0.1)
    await declare_stream(jetstream, service)
