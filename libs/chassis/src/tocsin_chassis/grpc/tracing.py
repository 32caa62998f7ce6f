"""One span for each RPC on each side, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Histogram

from tocsin_chassis.grpc.wrapping import Around, Call
from tocsin_chassis.telemetry import Spanned, trace_context

duration = Histogram("tocsin_rpc_server_seconds", "duration of RPCs handled", ["method", "code"])

UNTRACED = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class Tracing(Around):
    """A server span that continues the caller's trace; ended with the mapped status also when the call is cancelled or abandoned."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        if call.method.startswith(UNTRACED):
            yield
            return
        began = asyncio.get_running_loop().time()
        code = "OK"
        with Spanned(call.method.lstrip("/"), SpanKind.SERVER, trace_context(call.metadata)) as span:
            try:
                yield
            except BaseException as error:
                code = _code(call, error)
                span.set_status(Status(StatusCode.ERROR, code))
                raise
            finally:
                span.set_attribute("rpc.system", "grpc")
                span.set_attribute("rpc.grpc.status", code)
                duration.labels(call.method, code).observe(asyncio.get_running_loop().time() - began)


def _code(call: Call, error: BaseException) -> str:
    """The status as the caller will see it: set by the error interceptor inside, or a cancellation."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "CANCELLED"
    number = call.context.code()
    found = number if isinstance(number, grpc.StatusCode) else next((code for code in grpc.StatusCode if code.value[0] == number), None)
    return found.name if found is not None else "INTERNAL"
