"""Calls to other services: with a deadline, a token and the trace."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio
from opentelemetry.trace import SpanKind, Status, StatusCode

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.grpc.deadlines import remaining
from tocsin_chassis.telemetry import Spanned, traceparent

DEFAULT_SECONDS = 5.0
OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
]


@asynccontextmanager
async def channel(address: str, identity: Identity) -> AsyncIterator[aio.Channel]:
    """A channel to another service, calling as `identity`. It connects when it is first used."""
    async with aio.insecure_channel(address, options=OPTIONS, interceptors=[_Outgoing(identity)]) as opened:
        yield opened


class _Outgoing(aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # grpcio ships no types for it
    """The client side of a unary call. Services call each other by unary calls only."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: aio.ClientCallDetails, request: Any) -> Any:
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        with Spanned(method.lstrip("/"), SpanKind.CLIENT) as span:
            metadata = aio.Metadata(*(details.metadata or ()))
            metadata.add("authorization", f"Bearer {self._identity.token()}")
            if current := traceparent():
                metadata.add("traceparent", current)
            timeout = remaining(details.timeout or DEFAULT_SECONDS)
            call = await continuation(
                aio.ClientCallDetails(details.method, timeout, metadata, details.credentials, details.wait_for_ready), request
            )
            try:
                # Awaited here, so that the span covers the whole call also when it is cancelled.
                return await call
            except grpc.RpcError as error:
                span.set_status(Status(StatusCode.ERROR, error.code().name if isinstance(error, aio.AioRpcError) else "UNKNOWN"))
                raise
