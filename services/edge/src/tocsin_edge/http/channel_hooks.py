"""What the providers of channels tell us: delivery reports, buttons, replies. Handed to communication as it came, byte by byte."""

import asyncio
import logging

from google.rpc import code_pb2
from prometheus_client import Counter
from tocsin.communication.v1.communication_service_pb2 import ReceiveInboundRequest, ReceiveInboundResponse

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import tracer
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Receive, Scope, Send
from tocsin_edge.http.room import Full, Room
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

PREFIX = "/hooks/channels/"
RECEIVE = "/tocsin.communication.v1.CommunicationService/ReceiveInbound"
LIMIT = 1024 * 1024
SECONDS = 8.0
LONGEST_PATH = 2_000
LONGEST_QUERY = 8_000
MOST_AT_ONCE = 256
MOST_BYTES_AT_ONCE = 32 * LIMIT
RETRY = [(b"retry-after", b"2")]
# What belongs to the line or to our own pages, not to the request.
KEPT_BACK = (b"cookie", b"connection", b"transfer-encoding", b"te", b"upgrade", b"keep-alive", b"proxy-authorization")
# What only the edge may say in an answer.
OWN_HEADERS = ("content-length", "content-type", "set-cookie", "connection", "transfer-encoding")

received = Counter("tocsin_channel_hooks_total", "requests of providers of channels, by kind and HTTP status", ["kind", "status"])


class ChannelHooks:
    """The doors of the providers: /hooks/channels/<kind>/<rest>. Whether a request is genuine is for communication to say."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._room = Room(MOST_AT_ONCE, MOST_BYTES_AT_ONCE)

    async def receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of a provider."""
        kind, slash, below = scope["raw_path"].decode("latin-1").removeprefix(PREFIX).partition("/")
        with tracer.start_as_current_span(f"channel hook {kind[:20]}") as span:
            status, content, headers = await self._answer(kind, slash + below, scope, receive)
            span.set_attribute("http.response.status_code", status)
        received.labels(kind if status not in (400, 404) else "unknown", str(status)).inc()
        content_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), "")
        await asgi.answer(
            send, status, content_type, content, [field for field in headers if field[0].decode("latin-1") not in OWN_HEADERS]
        )

    async def _answer(self, kind: str, path: str, scope: Scope, receive: Receive) -> tuple[int, bytes, asgi.Headers]:
        query = scope["query_string"].decode("latin-1")
        if len(path) > LONGEST_PATH or len(query) > LONGEST_QUERY:
            return 414, b"the address is too long\n", []
        try:
            async with asyncio.timeout(SECONDS):
                body = await asgi.body(scope, receive, LIMIT)
                request = ReceiveInboundRequest(
                    kind=kind, method=scope["method"], path=path, query=query, headers=_passed(scope), body=body
                )
                with self._room.taken(len(body)):
                    packed = await self._upstream.call(RECEIVE, request.SerializeToString(), SECONDS)
        except asgi.TooLarge:
            return 413, b"the body is larger than 1 MiB\n", []
        except asgi.Unreadable as error:
            return 400, f"{error}\n".encode(), []
        except (TimeoutError, Full):
            return 503, b"not taken; send it again\n", RETRY
        except asgi.Gone:
            raise
        except Exception as error:  # whatever it was, the provider must hear that it should come again, or that it is wrong
            return _told(error)
        answer = ReceiveInboundResponse.FromString(packed)
        return (
            answer.status,
            answer.body,
            [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()],
        )


def _passed(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name not in KEPT_BACK}


def _told(error: Exception) -> tuple[int, bytes, asgi.Headers]:
    status = to_status(error)
    if status.code in (code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND):
        return 404, b"nobody is expected to call here\n", []
    log.warning("a request of a provider could not be handed over; it was told to come again: %s", error)
    return 503, b"not taken; send it again\n", RETRY
