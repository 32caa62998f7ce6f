"""The connection to NATS."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from tocsin_chassis.events.line import Line

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventBus:
    """A connection and its JetStream."""

    connection: Client
    jetstream: JetStreamContext
    line: Line = field(default_factory=Line)

    async def ping(self) -> None:
        """Ask JetStream, not only the socket: a full disk answers the socket and loses messages. Raises on silence."""
        await self.jetstream.account_info()


@asynccontextmanager
async def event_bus(url: str, name: str) -> AsyncIterator[EventBus]:
    """Connect, waiting for the server as long as it takes; close at the end.

    Closed with flush and close, never drain: a drain waits for its whole timeout where a pull is outstanding.
    """

    line = Line()

    async def on_error(error: Exception) -> None:
        log.debug("nats: %s", error)

    async def on_disconnect() -> None:
        log.warning("nats: disconnected")
        line.lost()

    async def on_reconnect() -> None:
        log.info("nats: connected again")
        line.returned()

    connection = await nats.connect(
        url,
        name=f"tocsin-{name}",
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        drain_timeout=2,
        pending_size=8 * 1024 * 1024,
    )
    try:
        yield EventBus(connection, connection.jetstream(timeout=5), line)
    finally:
        if connection.is_connected:
            await connection.flush(timeout=2)
        await connection.close()
