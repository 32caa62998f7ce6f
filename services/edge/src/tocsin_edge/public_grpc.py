"""The public gRPC address: every method of every public service, as bytes; health; reflection for those who are signed in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc.status_pb2 import Status
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tocsin_chassis.grpc.errors import STATUS_DETAILS
from tocsin_chassis.grpc.server import OPTIONS
from tocsin_chassis.grpc.wrapping import Around, Call, Context, Interceptor
from tocsin_edge.contracts import Method
from tocsin_edge.door import Door, Knock, Refused, secret_of

REFLECTION = "/grpc.reflection."


class PublicGrpc:
    """The gRPC server of the door."""

    def __init__(self, door: Door, methods: dict[str, Method]) -> None:
        names = sorted({method.service for method in methods.values()})
        self._names = ["", *names]
        self._health = health.aio.HealthServicer()
        self._server = aio.server(interceptors=[_OfReflection([_ReadersOnly(door)])], options=OPTIONS)
        self._server.add_generic_rpc_handlers((_Handlers(door, methods),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)

    async def start(self, listen: str) -> int:
        """Listen at host:port; returns the port. Raises RuntimeError if it is taken."""
        port: int = self._server.add_insecure_port(listen)
        await self._server.start()
        return port

    async def report(self, healthy: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if healthy else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)


class _Handlers(grpc.GenericRpcHandler):
    """Finds the method by its path. Without serializers messages stay the bytes that came."""

    def __init__(self, door: Door, methods: dict[str, Method]) -> None:
        self._handlers = {path: _handler(door, method) for path, method in methods.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method)


def _handler(door: Door, method: Method) -> Any:
    async def unary(request: bytes, context: Context) -> bytes:
        try:
            return await door.unary(_knock(method, context), request)
        except Refused as refused:
            await _abort(context, refused.status)
            raise

    async def stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        responses: Any = door.stream(_knock(method, context), requests)
        try:
            async for response in responses:
                yield response
        except Refused as refused:
            await _abort(context, refused.status)
        finally:
            await responses.aclose()

    # On the wire all kinds of streaming are the same; so is what is done with them here.
    return grpc.stream_stream_rpc_method_handler(stream) if method.streams else grpc.unary_unary_rpc_method_handler(unary)


def _knock(method: Method, context: Context) -> Knock:
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return Knock(method, secret_of(metadata), metadata.get("traceparent", ""), context.time_remaining())


async def _abort(context: Context, status: Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    await context.abort(code, status.message, trailing_metadata=((STATUS_DETAILS, status.SerializeToString()),))


class _ReadersOnly(Around):
    """Reflection tells what can be called: to those who may read."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        try:
            await self._door.admit_reader(secret_of(call.metadata))
        except Refused as refused:
            await _abort(call.context, refused.status)
        yield


class _OfReflection(Interceptor):
    """The door's own methods ask who comes by themselves."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        if not details.method.startswith(REFLECTION):
            return await continuation(details)
        return await super().intercept_service(continuation, details)
