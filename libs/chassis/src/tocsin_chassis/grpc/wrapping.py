"""One way to put something around an RPC, whatever its kind: unary or stream, on either side."""

from collections.abc import AsyncIterator, Awaitable, Callable
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


class Around(aio.ServerInterceptor):  # type: ignore[misc]  # grpcio ships no types for it
    """An interceptor that does the same for all four kinds of RPC. Subclasses say what, by `around` and `inspect`."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """What happens before, after, and when the handler raises."""
        raise NotImplementedError

    def inspect(self, request: Message) -> None:
        """Look at each request message before the handler does; raise to refuse it."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            return handler
        metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}

        def call(context: Context) -> Call:
            return Call(details.method, metadata, context)

        return self._wrap(handler, call)

    def _wrap(self, handler: Any, call: Callable[[Context], Call]) -> Any:
        serialization = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            make = grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            return make(self._answering_many(inner, handler.request_streaming, call), **serialization)
        make_unary = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
        return make_unary(self._answering_once(inner, handler.request_streaming, call), **serialization)

    def _answering_once(self, inner: Any, request_streaming: bool, call: Callable[[Context], Call]) -> Any:
        async def behaviour(request: Any, context: Context) -> Any:
            async with self.around(call(context)):
                return await inner(self._inspected(request, request_streaming), context)

        return behaviour

    def _answering_many(self, inner: Any, request_streaming: bool, call: Callable[[Context], Call]) -> Any:
        async def behaviour(request: Any, context: Context) -> AsyncIterator[Any]:
            async with self.around(call(context)):
                responses = inner(self._inspected(request, request_streaming), context)
                try:
                    async for response in responses:
                        yield response
                finally:
                    # An abandoned stream must release what its handler holds now, not when the garbage is collected.
                    await responses.aclose()

        return behaviour

    def _inspected(self, request: Any, streaming: bool) -> Any:
        if not streaming:
            self.inspect(request)
            return request
        return self._inspected_stream(request)

    async def _inspected_stream(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self.inspect(request)
            yield request
