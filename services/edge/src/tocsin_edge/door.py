"""The one way in: every public call, by whichever protocol it came, is traced, admitted, bounded, passed on and written down here."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace import Status as SpanStatus
from tocsin.access.v1.access_pb2 import Access, Role
from tocsin.edge.v1.edge_service_pb2 import SignInResponse

from tocsin_chassis.grpc.authorization import require
from tocsin_chassis.grpc.caller import Caller, NotSignedIn
from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.grpc.tracing import duration
from tocsin_chassis.grpc.validation import validate
from tocsin_chassis.telemetry import trace_context, tracer
from tocsin_edge.accounts import Accounts
from tocsin_edge.audit import ANONYMOUS, OK, Audit
from tocsin_edge.contracts import EDGE, Method
from tocsin_edge.store import AuditRow
from tocsin_edge.upstream import Upstream
from tocsin_edge.visitor import Visitor
from tocsin_kernel.errors import Invalid

log = logging.getLogger(__name__)

LONGEST_CALL_SECONDS = 30.0
# What is left of the deadline for the way back.
MARGIN_SECONDS = 0.05
_READER = Access(role=Role.ROLE_VIEWER)


class Refused(Exception):
    """The answer is this status and nothing else."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Knock:
    """A call as it came: which method, the secret that was shown (empty: none), the caller's trace, seconds left (None: no limit)."""

    method: Method
    secret: str
    traceparent: str
    seconds: float | None


@dataclass(slots=True)
class _Visit:
    """A call that is under way: who makes it, once that is known, under which name it is written down, and what is written already."""

    visitor: Visitor | None = None
    name: str = ""
    begun: AuditRow | None = None


class Door:
    """Passes calls of other services' methods on as bytes, and handles the edge's own (`own` has a method for each, named like it)."""

    def __init__(self, accounts: Accounts, audit: Audit, upstream: Upstream, own: Any) -> None:
        self._accounts = accounts
        self._audit = audit
        self._upstream = upstream
        self._own = own

    async def unary(self, knock: Knock, request: bytes) -> bytes:
        """Raises Refused."""
        seconds = min(knock.seconds or LONGEST_CALL_SECONDS, LONGEST_CALL_SECONDS)
        async with self._visit(knock, request) as visit, asyncio.timeout(seconds):
            visitor = visit.visitor
            if knock.method.owner == EDGE:
                answer: Message = await getattr(self._own, knock.method.name)(_read(knock.method, request), visitor)
                if isinstance(answer, SignInResponse):
                    visit.name = answer.caller.name
                return answer.SerializeToString()
            who, opened = _caller(visitor), list[str]()
            answered = await self._upstream.call(knock.method.path, request, max(0.0, seconds - MARGIN_SECONDS), who, opened)
            for incident in opened:
                # Before the answer is given: what cannot be written down is not shown.
                await self._audit.opened(who.name, knock.method.path, incident)
            return answered

    async def stream(self, knock: Knock, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Raises Refused."""
        async with self._visit(knock, b"") as visit:
            responses = self._responses(knock, requests, visit.visitor)
            try:
                async for response in responses:
                    yield response
            finally:
                # What the stream holds is released now, not when the garbage is collected.
                await responses.aclose()

    async def admit_reader(self, secret: str) -> None:
        """Whoever may look around at all. Raises Refused."""
        try:
            require(_caller(await self._known(secret)), "reflection", _READER)
        except Exception as error:
            raise Refused(to_status(error)) from error

    async def _responses(self, knock: Knock, requests: AsyncIterator[bytes], visitor: Visitor | None) -> Any:
        if knock.method.owner != EDGE:
            async for answer in self._upstream.stream(knock.method.path, requests, knock.seconds, _caller(visitor)):
                yield answer
            return
        request = _read(knock.method, await anext(aiter(requests), b""))
        responses = getattr(self._own, knock.method.name)(request, visitor)
        try:
            async for message in responses:
                yield message.SerializeToString()
        finally:
            await responses.aclose()

    @asynccontextmanager
    async def _visit(self, knock: Knock, request: bytes) -> AsyncIterator[_Visit]:
        """The order of things: errors inside the span so that it sees the status; the entry in the log last."""
        visit = _Visit()
        outcome, began = OK, asyncio.get_running_loop().time()
        context = trace_context({"traceparent": knock.traceparent})
        with tracer.start_as_current_span(
            knock.method.path.lstrip("/"), context=context, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self._admit(knock, visit)
                if knock.method.changes_something and visit.name:
                    visit.begun = await self._audit.begin(visit.name, knock.method)
                yield visit
            except (asyncio.CancelledError, GeneratorExit):
                outcome = "CANCELLED"
                raise
            except Exception as error:
                status = error.status if isinstance(error, Refused) else _status(error, knock)
                outcome = code_pb2.Code.Name(status.code)
                raise Refused(status) from error
            finally:
                if outcome != OK:
                    span.set_status(SpanStatus(StatusCode.ERROR, outcome))
                span.set_attribute("rpc.grpc.status", outcome)
                duration.labels(knock.method.path, outcome).observe(asyncio.get_running_loop().time() - began)
                # Strangers whose call came to nothing could fill the log with whatever they like.
                if knock.method.changes_something and (visit.name or outcome == OK):
                    # Shielded: a caller that goes away does not stop what it did from being written down.
                    await asyncio.shield(self._audit.note(visit.name or ANONYMOUS, knock.method, outcome, request, visit.begun))

    async def _admit(self, knock: Knock, visit: _Visit) -> None:
        if knock.method.rule.anonymous:
            visit.visitor = await self._known_or_none(knock.secret)
        else:
            visit.visitor = await self._known(knock.secret)
        visit.name = visit.visitor.name if visit.visitor else ""
        if not knock.method.rule.anonymous:
            # A method for services only is refused here, before anybody behind is asked.
            require(_caller(visit.visitor), knock.method.path, knock.method.rule)

    async def _known(self, secret: str) -> Visitor:
        if not secret:
            raise NotSignedIn()
        return await self._accounts.admit(secret)

    async def _known_or_none(self, secret: str) -> Visitor | None:
        """A secret that no longer works is as good as none where none is needed."""
        try:
            return await self._known(secret)
        except NotSignedIn:
            return None
        except Exception as error:
            log.debug("an anonymous call came with a useless secret: %s", error)
            return None


def secret_of(headers: Mapping[str, str]) -> str:
    """The bearer secret; empty if there is none."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _caller(visitor: Visitor | None) -> Caller:
    return Caller(ANONYMOUS) if visitor is None else visitor.as_caller()


def _read(method: Method, request: bytes) -> Message:
    """The request of one of the edge's own methods. Raises Invalid."""
    try:
        message = method.request.FromString(request)
    except DecodeError as error:
        raise Invalid(field="", detail=f"the request is no {method.request.DESCRIPTOR.full_name}") from error
    validate(message)
    return message


def _status(error: Exception, knock: Knock) -> Status:
    status = to_status(error)
    if status.code == code_pb2.INTERNAL:
        log.error("%s failed", knock.method.path, exc_info=error)
    return status
