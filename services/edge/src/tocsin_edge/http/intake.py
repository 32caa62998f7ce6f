"""Reports of monitoring systems: finds the key, hands the body over as it came, gives back the answer the sender expects."""

import base64
import binascii
import json
import logging

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace import Status as SpanStatus
from prometheus_client import Counter
from tocsin.detection.v1.detection_service_pb2 import SubmitReportRequest, SubmitReportResponse

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import tracer
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Receive, Scope, Send
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

SUBMIT = "/tocsin.detection.v1.DetectionService/SubmitReport"
ALERTMANAGER = "alertmanager"
WEBHOOK = "webhook"
LIMIT = 1024 * 1024
SECONDS = 10.0
RETRY_AFTER = (b"retry-after", b"2")
LONGEST_KEY = 200
LONGEST_PATH = 2_000
# Formats read these; secrets stay here.
PASSED_HEADERS = (b"content-type", b"user-agent")
PASSED_PREFIXES = (b"x-", b"webhook-", b"ce-")

received = Counter("tocsin_reports_received_total", "reports of monitoring systems, by kind and HTTP status", ["kind", "status"])


class Intake:
    """The doors of the monitors. `kind_of` says which paths are theirs."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def receive(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        """One report: answered when what was valid in it is kept, or refused in a way that makes the sender repeat it."""
        with tracer.start_as_current_span(f"report {kind}", kind=SpanKind.SERVER) as span:
            status, content_type, content, headers = await self._answer(kind, scope, receive)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(SpanStatus(StatusCode.ERROR))
        received.labels(kind, str(status)).inc()
        await asgi.answer(send, status, content_type, content, headers)

    async def _answer(self, kind: str, scope: Scope, receive: Receive) -> tuple[int, str, bytes, asgi.Headers]:
        inner, key = _inside(kind, scope["path"])
        key = _shown_key(asgi.header(scope, b"authorization")) or key
        if not key or len(key) > LONGEST_KEY:
            return _refusal(401, "send the integration's key as 'Authorization: Bearer …', as Basic password, or in the path")
        try:
            content = await asgi.body(scope, receive, LIMIT)
        except asgi.TooLarge:
            return _refusal(413, "the body is larger than 1 MiB; send smaller batches")
        except asgi.Unreadable as error:
            return _refusal(400, str(error))
        request = SubmitReportRequest(
            integration_key=key, kind=kind, method=scope["method"], path=inner[:LONGEST_PATH], headers=_passed(scope), body=content
        )
        try:
            packed = await self._upstream.call(SUBMIT, request.SerializeToString(), SECONDS)
        except Exception as error:  # whatever it was, the sender must hear that it should repeat, or why not
            return _failed(to_status(error), error)
        answer = SubmitReportResponse.FromString(packed)
        return answer.status, answer.content_type, answer.body, []


def kind_of(path: str) -> str:
    """The kind of integration whose door a path is; empty if it is none."""
    if path.endswith("/api/v2/alerts") or "/api/v2/alerts/" in path or path.endswith("/api/v1/alerts"):
        return ALERTMANAGER
    if path == "/webhook" or path.startswith("/webhook/"):
        return WEBHOOK
    return ""


def _inside(kind: str, path: str) -> tuple[str, str]:
    """The path below the integration's address, and the key where the path holds one."""
    if kind == ALERTMANAGER:
        prefix, _, rest = path.partition("/api/v")
        return f"/api/v{rest}", prefix.rpartition("/")[2]
    return "/", path.removeprefix("/webhook").strip("/")


def _shown_key(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _passed(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in PASSED_HEADERS or name.startswith(PASSED_PREFIXES)
    }


def _failed(status: Status, error: Exception) -> tuple[int, str, bytes, asgi.Headers]:
    if status.code == code_pb2.UNAUTHENTICATED:
        return _refusal(401, status.message)
    if status.code == code_pb2.INVALID_ARGUMENT:
        return _refusal(400, status.message)
    log.warning("a report could not be handed over; its sender was told to repeat it: %s", error)
    return _refusal(503, "not accepted; nothing is lost, send it again")


def _refusal(status: int, why: str) -> tuple[int, str, bytes, asgi.Headers]:
    headers: asgi.Headers = []
    if status == 503:
        headers.append(RETRY_AFTER)
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tocsin"'))
    return status, "application/json", json.dumps({"error": why}).encode(), headers
