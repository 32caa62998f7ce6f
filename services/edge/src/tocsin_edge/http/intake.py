"""Reports of monitoring systems: finds the key, hands the request over as it came, gives back the answer the sender expects."""

import asyncio
import logging
import math
import time
from uuid import UUID

from google.rpc import code_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace import Status as SpanStatus
from prometheus_client import Counter
from tocsin.detection.v1.detection_service_pb2 import SubmitReportRequest

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import Spanned, trace_id
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Receive, Scope, Send
from tocsin_edge.http.doors_of_senders import Door, Refusal, door_of, key_in, refusal, shown_key
from tocsin_edge.http.handover import SECONDS, Handover, ReportRefused
from tocsin_edge.http.room import Full, Room
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

LIMIT = 1024 * 1024
MOST_AT_ONCE = 1_024
MOST_BYTES_AT_ONCE = 128 * LIMIT
RETRY_SECONDS = 2
LONGEST_KEY = 200
LONGEST_PATH = 2_000
LONGEST_QUERY = 8_000
LONGEST_METHOD = 10
# Formats read these; secrets stay here.
PASSED_HEADERS = (b"content-type", b"user-agent", b"accept", b"accept-encoding", b"request-id")
PASSED_PREFIXES = (b"x-", b"webhook-", b"ce-", b"sentry-")
SECRET_HEADERS = (b"x-tocsin-key", b"x-routing-key")
TOO_FAST = "INTEGRATION_TOO_FAST"

received = Counter("tocsin_reports_received_total", "reports of monitoring systems, by kind and HTTP status", ["kind", "status"])


class Intake:
    """The doors of the monitors. `door` says which requests are theirs."""

    def __init__(self, upstream: Upstream, room: Room) -> None:
        self._handover = Handover(upstream)
        self._room = room

    @staticmethod
    def door(scope: Scope) -> Door | None:
        """The sender's door that a request came to; None if it is none."""
        return door_of(_path(scope), shown_key(dict(scope["headers"])))

    async def receive(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        """One report: answered when what was valid in it is kept, or refused in a way that makes the sender repeat it."""
        began = time.monotonic()
        with Spanned(f"report {door.kind}", SpanKind.SERVER) as span:
            try:
                status, content_type, content, headers = await self._answer(door, scope, receive)
            except _Refused as refused:
                said = refusal(door.kind, refused.status, refused.why, str(UUID(trace_id() or "0" * 32)), time.monotonic() - began)
                status, content_type, content, headers = said.status, "application/json", said.body, _headers(said, refused)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(SpanStatus(StatusCode.ERROR))
        received.labels(door.kind, str(status)).inc()
        await asgi.answer(send, status, content_type, content, headers)

    async def _answer(self, door: Door, scope: Scope, receive: Receive) -> tuple[int, str, bytes, asgi.Headers]:
        request = _request(door, scope, await _body(scope, receive))
        try:
            with self._room.taken(len(request.body)):
                return await self._submit(request)
        except Full as error:
            raise _Refused(503, "too many reports at once; nothing is lost, send it again") from error

    async def _submit(self, request: SubmitReportRequest) -> tuple[int, str, bytes, asgi.Headers]:
        try:
            answer = await self._handover.submit(request)
        except ReportRefused as refused:
            raise _told(refused.status, refused) from refused
        except Exception as error:  # whatever it was, the sender must hear that it should repeat, or why not
            raise _told(to_status(error), error) from error
        headers = [(header.name.lower().encode("latin-1"), header.value.encode("latin-1", "replace")) for header in answer.headers]
        return answer.status, answer.content_type, answer.body, headers


class _Refused(Exception):
    """Why a request is not accepted, and what its headers tell the sender about the next try."""

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers or ({"Retry-After": str(RETRY_SECONDS)} if status == 503 else {})


async def _body(scope: Scope, receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(SECONDS):
            return await asgi.body(scope, receive, LIMIT)
    except TimeoutError as error:
        raise _Refused(503, f"the body did not arrive within {SECONDS:.0f} s; send it again") from error
    except asgi.TooLarge as error:
        raise _Refused(413, "the body is larger than 1 MiB; send smaller batches") from error
    except asgi.Unreadable as error:
        raise _Refused(400, str(error)) from error


def _request(door: Door, scope: Scope, body: bytes) -> SubmitReportRequest:
    """The request as it goes to detection. Raises _Refused."""
    key = door.key or (key_in(body) if door.key_in_body else "")
    if not key or len(key) > LONGEST_KEY:
        raise _Refused(401, _how_to_show(door))
    query = scope["query_string"].decode("latin-1")
    if len(door.below) > LONGEST_PATH or len(query) > LONGEST_QUERY:
        raise _Refused(414, f"the address is too long: at most {LONGEST_PATH} characters of path and {LONGEST_QUERY} of query are read")
    if len(scope["method"]) > LONGEST_METHOD:
        raise _Refused(405, "the method is not one of HTTP's")
    return SubmitReportRequest(
        integration_key=key, kind=door.kind, method=scope["method"], path=door.below, headers=_passed(scope), body=body, query=query
    )


def _how_to_show(door: Door) -> str:
    match door.kind:
        case "pagerduty":
            return "'routing_key' is missing or blank: send the integration's key in it (for v1 in 'service_key')"
        case "opsgenie":
            return "send the integration's key as 'Authorization: GenieKey …'"
        case _:
            return "send the integration's key as 'Authorization: Bearer …', as Basic password, as 'X-Tocsin-Key', or in the path"


def _path(scope: Scope) -> str:
    """The path as it came: a name in it may hold a slash, percent-encoded."""
    return str(scope["raw_path"].decode("latin-1"))


def _passed(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if (name in PASSED_HEADERS or name.startswith(PASSED_PREFIXES)) and name not in SECRET_HEADERS
    }


def _told(status: Status, error: Exception) -> _Refused:
    """What detection's refusal means for the sender."""
    match status.code:
        case code_pb2.UNAUTHENTICATED:
            return _Refused(401, status.message)
        case code_pb2.INVALID_ARGUMENT:
            return _Refused(400, status.message)
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.reason == TOO_FAST:
            return _Refused(429, status.message, _pace(info.metadata["retry_after"], info.metadata["limit"], info.metadata["remaining"]))
    log.warning("a report could not be handed over; its sender was told to repeat it: %s", error)
    return _Refused(503, "not accepted; nothing is lost, send it again")


def _pace(seconds: str, limit: str, remaining: str) -> dict[str, str]:
    """When a sender that was too fast may go on, in whole seconds."""
    wait = str(max(1, math.ceil(float(seconds))))
    return {"Retry-After": wait, "X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": wait}


def _headers(said: Refusal, refused: _Refused) -> asgi.Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in {**said.headers, **refused.headers}.items()]
