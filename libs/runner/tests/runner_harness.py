"""A response that hands out steps by the real contract over real gRPC, and a runner against it."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from joserfc.jwk import OKPKey
from tocsin.response.v1 import runner_service_pb2 as pb
from tocsin.response.v1 import runner_service_pb2_grpc

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.grpc.channel import channel
from tocsin_kernel.clock import ManualClock
from tocsin_runner.runner import Runner

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


class Response(runner_service_pb2_grpc.RunnerServiceServicer):
    """Hands out what `give` was told, and keeps what it is told."""

    def __init__(self):
        self.ready: asyncio.Queue = asyncio.Queue()
        self.outcomes: dict[str, pb.Outcome] = {}
        self.priors: dict[str, dict] = {}
        self.told = asyncio.Event()
        self.renewals = []
        self.claims = []
        self.goodbyes = []
        self.stop = set()
        self.lost = set()
        self.deaf = 0
        self.picky = set()
        self.count = 0

    def give(self, command, *, seconds=30.0, **more):
        """Put an assignment out; returns its id."""
        self.count += 1
        name = str(UUID(int=self.count))
        given = pb.Assignment(
            lease=pb.Lease(assignment_id=name, fence=more.pop("fence", 1)),
            run_id="run",
            step_path="action--1",
            attempt=1,
            idempotency_key=more.pop("key", f"key-{self.count}"),
            verb=more.pop("verb", pb.Assignment.VERB_EXECUTE),
            look_first=more.pop("look_first", False),
            command=struct(command),
            variables={name: pb.Variable(type=kind, value=value) for name, (kind, value) in more.pop("variables", {}).items()},
            out_args=more.pop("out_args", ()),
            timeout=duration(seconds),
            simulated=more.pop("simulated", False),
        )
        for field, value in more.items():
            getattr(given, field).CopyFrom(struct(value))
        self.ready.put_nowait(given)
        return name

    async def ClaimSteps(self, request, context):
        self.claims.append(request)
        given = []
        try:
            async with asyncio.timeout(min(request.wait.ToTimedelta().total_seconds(), 0.3)):
                given.append(await self.ready.get())
        except TimeoutError:
            pass
        while given and len(given) < request.most and not self.ready.empty():
            given.append(self.ready.get_nowait())
        return pb.ClaimStepsResponse(assignments=given)

    async def RenewLeases(self, request, context):
        self.renewals.extend(lease.assignment_id for lease in request.leases)
        until = Timestamp()
        until.FromDatetime(datetime.now(UTC) + timedelta(seconds=15))
        return pb.RenewLeasesResponse(lease_until=until, stop=[name for name in self.stop if name in self.renewals])

    async def SayGoodbye(self, request, context):
        self.goodbyes.append([lease.assignment_id for lease in request.leases])
        return pb.SayGoodbyeResponse()

    async def KeepPriorState(self, request, context):
        if request.lease.assignment_id in self.lost:
            await context.abort(grpc.StatusCode.ABORTED, "LEASE_LOST")
        kept = self.priors.setdefault(request.lease.assignment_id, MessageToDict(request.prior_state))
        return pb.KeepPriorStateResponse(prior_state=struct(kept))

    async def ReportOutcomes(self, request, context):
        if self.deaf:
            self.deaf -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "response is starting")
        if any(outcome.findings and outcome.lease.assignment_id in self.picky for outcome in request.outcomes):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "findings: they are too much")
        for outcome in request.outcomes:
            self.outcomes.setdefault(outcome.lease.assignment_id, outcome)
        self.told.set()
        return pb.ReportOutcomesResponse()

    async def outcome(self, name, within=20.0):
        """What came of an assignment."""
        deadline = time.monotonic() + within
        while name not in self.outcomes:
            self.told.clear()
            await asyncio.wait_for(self.told.wait(), deadline - time.monotonic())
        return self.outcomes[name]


def struct(value):
    made = Struct()
    made.update(value)
    return made


def duration(seconds):
    made = Duration()
    made.FromTimedelta(timedelta(seconds=seconds))
    return made


@asynccontextmanager
async def serving():
    """A response at a port of its own: (response, address)."""
    response = Response()
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    runner_service_pb2_grpc.add_RunnerServiceServicer_to_server(response, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield response, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def running(address, work, *, at_once=8, grace=5.0):
    """A runner at work; ends gracefully."""
    identity = Identity("runner", OKPKey.generate_key("Ed25519", {"kid": "runner"}))
    stop = asyncio.Event()
    async with channel(address, identity) as response:
        runner = Runner(response, work, ManualClock(NOON), name="test", at_once=at_once, grace=grace)
        task = asyncio.create_task(runner.run(stop))
        try:
            yield runner
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)


async def until(condition, within=20.0):
    """Wait until it is so."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
