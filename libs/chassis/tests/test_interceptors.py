"""Every kind of RPC goes through all that is around it, whatever becomes of it."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tocsin.access.v1.access_pb2 import Access, Role

from tocsin_chassis import telemetry
from tocsin_chassis.grpc.authentication import Authentication
from tocsin_chassis.grpc.authorization import Authorization
from tocsin_chassis.grpc.caller import Caller, Identity, TokenInvalid, TrustedKeys, caller
from tocsin_chassis.grpc.deadlines import Deadlines
from tocsin_chassis.grpc.errors import STATUS_DETAILS, Errors
from tocsin_chassis.grpc.server import Served, arounds
from tocsin_chassis.grpc.tracing import Tracing
from tocsin_chassis.grpc.validation import Validation
from tocsin_chassis.grpc.wrapping import Interceptor
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.errors import Conflict
from tocsin_testkit.world import eventually

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
SERVICE = "test.Service"


class Taken(Conflict):
    reason = "TAKEN"
    message = "{seat} is taken"


hanging: list[str] = []


async def answer(word: str) -> StringValue:
    if word == "refuse":
        raise Taken(seat="A1")
    if word == "break":
        raise KeyError("password=hunter2")
    if word == "hang":
        hanging.append(word)
        await asyncio.Event().wait()
    return StringValue(value=f"{word} by {caller().name}")


class Handlers:
    async def unary_unary(self, request, context):
        return await answer(request.value)

    async def unary_stream(self, request, context):
        yield await answer(request.value)

    async def stream_unary(self, requests, context):
        words = [request.value async for request in requests]
        return await answer(words[0])

    async def stream_stream(self, requests, context):
        async for request in requests:
            yield await answer(request.value)


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    return exporter


@pytest.fixture
async def port(keys, spans):
    methods = {f"/{SERVICE}/{kind}": Access(role=Role.ROLE_RESPONDER) for kind in KINDS}
    trusted = TrustedKeys.read(keys.folder / "trusted.jwks")
    chain = [Tracing(), Errors(), Deadlines(0.5, frozenset()), Authentication(trusted), Authorization(methods), Validation()]
    server = aio.server(interceptors=[Interceptor(chain)])
    make = {kind: getattr(grpc, f"{kind}_rpc_method_handler") for kind in KINDS}
    handlers = {
        kind: make[kind](getattr(Handlers(), kind), StringValue.FromString, StringValue.SerializeToString) for kind in (*KINDS,)
    } | {"unruled": make["unary_unary"](Handlers().unary_unary, StringValue.FromString, StringValue.SerializeToString)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


async def call(port, token, kind, word, timeout=5.0):
    """One call of any kind; returns the first answer."""
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        shape = "unary_unary" if kind == "unruled" else kind
        method = getattr(channel, shape)(f"/{SERVICE}/{kind}", StringValue.SerializeToString, StringValue.FromString)
        request = StringValue(value=word)
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        made = method(iter([request]) if shape.startswith("stream") else request, timeout=timeout, metadata=metadata)
        if shape.endswith("stream"):
            return [item async for item in made][0].value
        return (await made).value


@pytest.fixture
def alice(keys):
    return keys.identity("edge").token(Caller("alice", Role.ROLE_RESPONDER))


async def finished(spans):
    """The spans that have ended: the answer is with the caller a moment before."""
    for _ in range(500):
        if found := spans.get_finished_spans():
            return found
        await asyncio.sleep(0.01)
    return ()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_goes_well_leaves_one_span(port, alice, spans, kind):
    assert await call(port, alice, kind, "done") == "done by alice"
    [span] = await finished(spans)
    assert span.attributes["rpc.grpc.status"] == "OK"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_carries_its_reason_and_data(port, alice, spans, kind):
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, alice, kind, "refuse")
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert refused.value.details() == "A1 is taken"
    details = dict(refused.value.trailing_metadata())[STATUS_DETAILS]
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert (info.reason, info.metadata["seat"]) == ("TAKEN", "A1")
    [span] = await finished(spans)
    assert span.attributes["rpc.grpc.status"] == "FAILED_PRECONDITION"


@pytest.mark.parametrize("kind", KINDS)
async def test_what_breaks_is_told_to_nobody(port, alice, spans, kind):
    with pytest.raises(aio.AioRpcError) as broken:
        await call(port, alice, kind, "break")
    assert broken.value.code() == grpc.StatusCode.INTERNAL
    assert "hunter2" not in broken.value.details()
    assert len(await finished(spans)) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_without_an_end_is_ended(port, alice, spans, kind):
    with pytest.raises(aio.AioRpcError) as late:
        await call(port, alice, kind, "hang")
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    [span] = await finished(spans)
    assert span.attributes["rpc.grpc.status"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_abandoned_call_leaves_one_span(port, alice, spans, kind):
    hanging.clear()
    abandoned = asyncio.create_task(call(port, alice, kind, "hang"))

    async def begun():
        return hanging

    await eventually(begun)
    abandoned.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await abandoned

    async def ended():
        return spans.get_finished_spans()

    await eventually(ended)
    [span] = await finished(spans)
    assert span.attributes["rpc.grpc.status"] == "CANCELLED"


async def test_without_a_token_nothing_is_answered(port):
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, "", "unary_unary", "done")
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_lesser_role_is_refused_with_the_one_it_needs(port, keys):
    viewer = keys.identity("edge").token(Caller("victor", Role.ROLE_VIEWER))
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, viewer, "unary_unary", "done")
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "responder" in refused.value.details()


async def test_a_service_cannot_speak_for_a_person(port, keys):
    forged = keys.identity("triage").token(Caller("alice", Role.ROLE_ADMIN))
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, forged, "unary_unary", "done")
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_service_may_call_only_what_names_it(port, keys):
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, keys.identity("triage").token(), "unary_unary", "done")
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_method_without_a_rule_is_refused_to_all(port, keys):
    admin = keys.identity("edge").token(Caller("root", Role.ROLE_ADMIN))
    with pytest.raises(aio.AioRpcError) as refused:
        await call(port, admin, "unruled", "done")
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_the_order_of_what_is_around_every_handler(keys):
    served: list[Served] = []
    chain = arounds(served, TrustedKeys.read(keys.folder / "trusted.jwks"))
    assert [type(item).__name__ for item in chain] == [
        "Tracing",
        "Errors",
        "Deadlines",
        "Authentication",
        "Authorization",
        "Validation",
        "Privacy",
    ]


def test_a_token_is_minted_and_judged_by_the_clock_that_the_services_follow(keys):
    """Not by a machine's own, which may be hours off: such a service would refuse everybody, and be refused."""
    clock = ManualClock(datetime.now(UTC) + timedelta(hours=2))
    edge = Identity.read("edge", keys.folder / "edge.jwk", clock)
    trusted = TrustedKeys.read(keys.folder / "trusted.jwks", clock)
    alice = Caller("alice", Role.ROLE_RESPONDER)
    token = edge.token(alice)
    assert trusted.verify(token) == alice
    with pytest.raises(TokenInvalid):
        TrustedKeys.read(keys.folder / "trusted.jwks").verify(token)
    clock.forward(timedelta(hours=-2))  # its first answer of the database sets it right
    assert TrustedKeys.read(keys.folder / "trusted.jwks").verify(edge.token(alice)) == alice
    clock.forward(timedelta(minutes=6))
    with pytest.raises(TokenInvalid):
        trusted.verify(Identity.read("edge", keys.folder / "edge.jwk").token(alice))
