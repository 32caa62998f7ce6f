"""OTLP over HTTP, `POST /v1/traces`: the spans of the platform's own processes."""

import hmac
import logging

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Receive, Scope, Send
from tocsin_edge.spans import Spans
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

PATH = "/v1/traces"
LIMIT = 4 * 1024 * 1024
PROTOBUF = "application/x-protobuf"


class SpanReceiver:
    """Takes spans from whoever has the key; an empty key turns it off."""

    def __init__(self, spans: Spans, key: str) -> None:
        self._spans = spans
        self._key = key.encode()

    async def receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, why = await self._receive(scope, receive)
        if status == 200:
            await asgi.answer(send, 200, PROTOBUF, ExportTraceServiceResponse().SerializeToString())
        else:
            headers = [(b"retry-after", b"5")] if status == 503 else []
            await asgi.answer(send, status, "text/plain", f"{why}\n".encode(), headers)

    async def _receive(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        if not self._key:
            return 404, "this installation sends its spans elsewhere"
        shown = asgi.header(scope, b"authorization").encode("latin-1")
        if not hmac.compare_digest(shown, b"Bearer " + self._key):
            return 401, "send the span key as 'Authorization: Bearer …'"
        if asgi.header(scope, b"content-type").partition(";")[0] != PROTOBUF:
            return 415, f"send {PROTOBUF}"
        try:
            await self._spans.receive(ExportTraceServiceRequest.FromString(await asgi.body(scope, receive, LIMIT)))
        except asgi.TooLarge:
            return 413, "the body is larger than 4 MiB"
        except (asgi.Unreadable, DecodeError) as error:
            return 400, str(error)
        except DomainError as error:
            log.info("spans were refused for now: %s", error)
            return 503, str(error)
        return 200, ""
