"""The gRPC server of a service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tocsin_chassis.grpc.authentication import Authentication
from tocsin_chassis.grpc.authorization import Authorization, rules
from tocsin_chassis.grpc.caller import TrustedKeys
from tocsin_chassis.grpc.deadlines import Deadlines
from tocsin_chassis.grpc.errors import Errors
from tocsin_chassis.grpc.naming import Things
from tocsin_chassis.grpc.privacy import NO_THINGS, Hidden, Privacy, nothing_hidden
from tocsin_chassis.grpc.tracing import Tracing
from tocsin_chassis.grpc.validation import Validation
from tocsin_chassis.grpc.wrapping import Around, Interceptor

LONGEST_CALL_SECONDS = 30.0

OPTIONS = [
    # Without this a second server on the same port would silently share its traffic.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
]


@dataclass(frozen=True, slots=True)
class Served:
    """A servicer, the generated function that adds it to a server, and its descriptor."""

    servicer: Any
    add: Callable[[Any, aio.Server], None]
    descriptor: ServiceDescriptor


def arounds(served: Sequence[Served], keys: TrustedKeys, hidden: Hidden = nothing_hidden, things: Things = NO_THINGS) -> list[Around]:
    """What is around every handler, the outermost first: errors inside tracing, so that spans see the status, the rest inside errors."""
    descriptors = [item.descriptor for item in served]
    streaming = frozenset(
        f"/{service.full_name}/{method.name}"
        for service in descriptors
        for method in service.methods
        if method.server_streaming or method.client_streaming
    ) | {"/grpc.health.v1.Health/Watch", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}
    return [
        Tracing(),
        Errors(),
        Deadlines(LONGEST_CALL_SECONDS, streaming),
        Authentication(keys),
        Authorization(rules(descriptors)),
        Validation(),
        Privacy(hidden, things),
    ]


class GrpcServer:
    """Serves, says how healthy it is, describes itself."""

    def __init__(self, served: Sequence[Served], keys: TrustedKeys, hidden: Hidden = nothing_hidden, things: Things = NO_THINGS) -> None:
        self._server = aio.server(interceptors=[Interceptor(arounds(served, keys, hidden, things))], options=OPTIONS)
        self._health = health.aio.HealthServicer()
        self._names = [item.descriptor.full_name for item in served]
        for item in served:
            item.add(item.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)

    async def start(self, listen: str) -> int:
        """Listen at host:port; returns the port. Raises RuntimeError if it is taken."""
        port = self._server.add_insecure_port(listen)
        await self._server.start()
        return port

    async def report(self, healthy: bool) -> None:
        """Say whether calls would succeed now."""
        status = health_pb2.HealthCheckResponse.SERVING if healthy else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give running ones `grace` seconds, then cancel them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
