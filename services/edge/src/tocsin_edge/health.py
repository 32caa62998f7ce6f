"""How every part of the platform is, and how to mend it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.postgres.database import Database

SECONDS = 2.0
POSTGRES_REMEDY = "see whether PostgreSQL runs, whether its disk is full, and what its log says"
NATS_REMEDY = "see whether nats-server runs, whether its JetStream store is full, and what its log says"


class Checks(Protocol):
    """Asks a service for its health."""

    async def check(self, service: str, request: bytes, timeout: float) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One part; `remedy` is empty where it is healthy."""

    name: str
    healthy: bool
    detail: str
    remedy: str = ""


class Unwell(Exception):
    """It answers, and says that it cannot do its work."""


class Health:
    """Asks all parts at once."""

    def __init__(self, database: Database, bus: EventBus, services: tuple[str, ...], checks: Checks) -> None:
        self._database = database
        self._bus = bus
        self._services = services
        self._checks = checks

    async def examine(self) -> list[Condition]:
        """The services first, then what they stand on. Never raises; takes at most two seconds."""
        return list(
            await asyncio.gather(
                *(self._examine(name, self._ask(name), _remedy(name)) for name in self._services),
                self._examine("postgres", self._database.ping(), POSTGRES_REMEDY),
                self._examine("nats", self._bus.ping(), NATS_REMEDY),
            )
        )

    async def _ask(self, service: str) -> None:
        answer = HealthCheckResponse.FromString(await self._checks.check(service, HealthCheckRequest().SerializeToString(), SECONDS))
        if answer.status != HealthCheckResponse.SERVING:
            raise Unwell("it runs, but its database or the bus does not answer it")

    async def _examine(self, name: str, question: Awaitable[object], remedy: str) -> Condition:
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(question, SECONDS)
        except Unwell as error:
            return Condition(name, False, str(error), "mend postgres and nats first; it recovers by itself")
        except Exception:
            return Condition(name, False, "it does not answer", remedy)
        return Condition(name, True, f"answered in {(asyncio.get_running_loop().time() - began) * 1000:.0f} ms")


def _remedy(service: str) -> str:
    return f"start tocsin-{service}, or read its log for the reason why it stopped"
