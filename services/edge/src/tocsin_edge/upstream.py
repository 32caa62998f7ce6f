"""Calls to the services behind the door: bytes in, bytes out, in the visitor's name or in the edge's own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import grpc
from grpc import aio
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from tocsin_chassis.grpc.caller import Caller, Identity
from tocsin_chassis.grpc.channel import OPTIONS
from tocsin_chassis.grpc.errors import STATUS_DETAILS
from tocsin_chassis.grpc.privacy import OPENED
from tocsin_chassis.telemetry import Spanned, traceparent
from tocsin_kernel.errors import Unavailable

# An answer to a sender's API may hold every open alert.
LARGEST_ANSWER = ("grpc.max_receive_message_length", 16 * 1024 * 1024)


class ServiceUnavailable(Unavailable):
    reason = "SERVICE_UNAVAILABLE"
    message = "{service} does not answer; try again"


class Upstream(Protocol):
    """What the rest of the edge needs of the services behind it."""

    async def call(
        self, path: str, request: bytes, timeout: float, on_behalf: Caller | None = None, opened: list[str] | None = None
    ) -> bytes:
        """One request, one answer. `timeout` in seconds; without `on_behalf` the edge itself calls.

        `opened` gets the private incidents that an administrator opened by it.

        Raises aio.AioRpcError with what the service answered, ServiceUnavailable when none came.
        """
        ...

    def stream(self, path: str, requests: AsyncIterator[bytes], timeout: float | None, on_behalf: Caller) -> AsyncIterator[bytes]:
        """Any number of either. On the wire all kinds of streaming look the same."""
        ...


class Services:
    """The channels to the other services. Implements Upstream."""

    def __init__(self, identity: Identity, channels: Mapping[str, aio.Channel]) -> None:
        self._identity = identity
        self._channels = channels
        self._calls: dict[tuple[str, str, bool], Any] = {}

    async def call(
        self, path: str, request: bytes, timeout: float, on_behalf: Caller | None = None, opened: list[str] | None = None
    ) -> bytes:
        service = path.split(".", 2)[1]
        with Spanned(path[1:], SpanKind.CLIENT) as span:
            call = self._method(service, path, False)(request, timeout=timeout, metadata=self._metadata(on_behalf))
            try:
                answer: bytes = await call
            except BaseException as error:
                _note(span, service, error)
                raise
            if opened is not None:
                opened += [str(value) for key, value in await call.trailing_metadata() or () if key == OPENED]
            return answer

    async def check(self, service: str, request: bytes, timeout: float) -> bytes:
        """Ask a service for its health, by the health protocol of gRPC."""
        check = self._method(service, "/grpc.health.v1.Health/Check", False)
        answer: bytes = await check(request, timeout=timeout, metadata=self._metadata(None))
        return answer

    async def stream(self, path: str, requests: AsyncIterator[bytes], timeout: float | None, on_behalf: Caller) -> AsyncIterator[bytes]:
        service = path.split(".", 2)[1]
        with Spanned(path[1:], SpanKind.CLIENT) as span:
            call = self._method(service, path, True)(requests, timeout=timeout, metadata=self._metadata(on_behalf))
            try:
                async for response in call:
                    yield response
            except BaseException as error:
                _note(span, service, error)
                raise
            finally:
                call.cancel()

    def _method(self, service: str, path: str, streams: bool) -> Any:
        key = (service, path, streams)
        if key not in self._calls:
            channel = self._channels[service]
            self._calls[key] = channel.stream_stream(path) if streams else channel.unary_unary(path)
        return self._calls[key]

    def _metadata(self, on_behalf: Caller | None) -> tuple[tuple[str, str], ...]:
        token = ("authorization", f"Bearer {self._identity.token(on_behalf)}")
        current = traceparent()
        return (token, ("traceparent", current)) if current else (token,)


@asynccontextmanager
async def services(addresses: Mapping[str, str], identity: Identity) -> AsyncIterator[Services]:
    """Channels to the services at these addresses. They connect when they are first used."""
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(aio.insecure_channel(address, options=[*OPTIONS, LARGEST_ANSWER]))
            for name, address in addresses.items()
        }
        yield Services(identity, channels)


def _note(span: Span, service: str, error: BaseException) -> None:
    """Write into the span how a call failed. Raises ServiceUnavailable where no answer came: the error itself tells the address."""
    span.set_status(Status(StatusCode.ERROR, error.code().name if isinstance(error, aio.AioRpcError) else type(error).__name__))
    if not isinstance(error, aio.AioRpcError) or error.code() != grpc.StatusCode.UNAVAILABLE:
        return
    if not any(key == STATUS_DETAILS for key, _ in error.trailing_metadata() or ()):
        raise ServiceUnavailable(service=service) from error
