"""One way to put something around an RPC, whatever its kind: unary or stream, on either side."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc import aio

Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """An RPC that is being handled: its full method ("/package.Service/Method"), its metadata, its context."""

    method: str
    metadata: dict[str, str]
    context: Context


# What answers a call with one message, or with many. The request is a message, or a stream of them.
Once = Callable[[Any, Call], Awaitable[Any]]
Many = Callable[[Any, Call], AsyncIterator[Any]]


class Around:
    """Does the same for all four kinds of RPC. Subclasses say what, by those of `admit`, `inspect` and `around` that they need."""

    def admit(self, call: Call) -> None:
        """Raise to refuse a call before anything of it is looked at."""

    def inspect(self, request: Message) -> None:
        """Look at each request message before the handler does; raise to refuse it."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """What happens before, after, and when the handler raises. Whoever defines this uses neither of the others."""
        raise NotImplementedError

    def once(self, inner: Once, streams_in: bool) -> Once:
        """The same handler with this around it."""
        if type(self).around is not Around.around:

            async def surrounded(request: Any, call: Call) -> Any:
                async with self.around(call):
                    return await inner(request, call)

            return surrounded

        def inspected(request: Any, call: Call) -> Awaitable[Any]:
            self.admit(call)
            return inner(self._inspected(request, streams_in), call)

        return inspected

    def many(self, inner: Many, streams_in: bool) -> Many:
        """The same handler with this around it."""
        if type(self).around is not Around.around:

            async def surrounded(request: Any, call: Call) -> AsyncIterator[Any]:
                async with self.around(call):
                    async for response in released(inner(request, call)):
                        yield response

            return surrounded

        def inspected(request: Any, call: Call) -> AsyncIterator[Any]:
            self.admit(call)
            return inner(self._inspected(request, streams_in), call)

        return inspected

    def _inspected(self, request: Any, streams_in: bool) -> Any:
        if streams_in:
            return self._inspected_stream(request)
        self.inspect(request)
        return request

    async def _inspected_stream(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self.inspect(request)
            yield request


class Interceptor(aio.ServerInterceptor):  # type: ignore[misc]  # grpcio ships no types for it
    """Puts all of `arounds`, the first outermost, around every handler. Each handler is wrapped once, when it is first called."""

    def __init__(self, arounds: Sequence[Around]) -> None:
        self.arounds = arounds
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(details)
        if handler is not None:
            handler = self._wrapped[details.method] = self._wrap(handler, details.method)
        return handler

    def _wrap(self, handler: Any, method: str) -> Any:
        serialization = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        streams_in = handler.request_streaming
        if handler.response_streaming:
            make = grpc.stream_stream_rpc_method_handler if streams_in else grpc.unary_stream_rpc_method_handler
            return make(self._many(handler.stream_stream if streams_in else handler.unary_stream, streams_in, method), **serialization)
        make_unary = grpc.stream_unary_rpc_method_handler if streams_in else grpc.unary_unary_rpc_method_handler
        return make_unary(self._once(handler.stream_unary if streams_in else handler.unary_unary, streams_in, method), **serialization)

    def _once(self, inner: Any, streams_in: bool, method: str) -> Any:
        def handler(request: Any, call: Call) -> Any:
            return inner(request, call.context)

        answer: Once = handler
        for around in reversed(self.arounds):
            answer = around.once(answer, streams_in)

        async def behaviour(request: Any, context: Context) -> Any:
            return await answer(request, Call(method, _metadata(context), context))

        return behaviour

    def _many(self, inner: Any, streams_in: bool, method: str) -> Any:
        def handler(request: Any, call: Call) -> Any:
            return inner(request, call.context)

        answer: Many = handler
        for around in reversed(self.arounds):
            answer = around.many(answer, streams_in)

        async def behaviour(request: Any, context: Context) -> AsyncIterator[Any]:
            async for response in released(answer(request, Call(method, _metadata(context), context))):
                yield response

        return behaviour


def _metadata(context: Context) -> dict[str, str]:
    """The texts among a call's metadata."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def released(responses: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The responses; an abandoned stream releases what its handler holds now, not when the garbage is collected."""
    try:
        async for response in responses:
            yield response
    finally:
        await responses.aclose()  # type: ignore[attr-defined]  # an async generator, as grpcio wants it
