"""The loop: lease what is ready, keep the leases alive, do the work, tell what came of it; stop without leaving anything half told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from tocsin.response.v1 import runner_service_pb2 as pb
from tocsin.response.v1.runner_service_pb2_grpc import RunnerServiceStub

from tocsin_kernel.clock import Clock
from tocsin_runner import wire
from tocsin_runner.assignment import Assignment, Document, Failed, LeaseLost, Outcome, State
from tocsin_runner.leases import Held, Leases
from tocsin_runner.reports import Reports
from tocsin_runner.work import Work

log = logging.getLogger(__name__)

WAIT_SECONDS = 10
RENEW_SECONDS = 5.0
CALL_SECONDS = 5.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
LAST_WORDS_SECONDS = 5.0
MOST_CLAIMED = 200
TELL_AGAIN_SECONDS = 300.0


class Runner:
    """One runner. Any number of them may serve one response."""

    def __init__(self, channel: aio.Channel, work: Work, clock: Clock, *, name: str, at_once: int, grace: float) -> None:
        """`at_once` is how many assignments are worked on together, `grace` how many seconds they have to end at a stop."""
        self._response = RunnerServiceStub(channel)
        self._work = work
        self._clock = clock
        self._name = name
        self._at_once = at_once
        self._grace = grace
        self._steady = asyncio.get_running_loop().time
        self._leases = Leases(self._steady)
        self._reports = Reports(self._response, self._leases)
        self._told: tuple[Mapping[str, list[str]], float] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end what is begun, or give it back."""
        telling = asyncio.create_task(self._reports.run())
        renewing = asyncio.create_task(self._renew())
        claiming = asyncio.create_task(self._claim())
        try:
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([stopped, claiming, renewing, telling], return_when=asyncio.FIRST_COMPLETED)
            for failed in (claiming, renewing, telling):
                if failed.done():
                    failed.result()
        finally:
            await _end([claiming])
            await self._finish()
            await _end([renewing, telling, stopped])

    async def _claim(self) -> None:
        pause = FIRST_PAUSE
        while True:
            free = self._at_once - len(self._leases)
            if free <= 0:
                self._leases.freed.clear()
                await self._leases.freed.wait()
                continue
            asked_at = self._steady()
            try:
                given = await self._response.ClaimSteps(self._wish(free), timeout=WAIT_SECONDS + CALL_SECONDS)
            except aio.AioRpcError as error:
                log.warning("response cannot be asked for work: %s", error.details())
                self._told = None
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            pause = FIRST_PAUSE
            for assignment in given.assignments:
                self._begin(assignment, max(asked_at, self._steady() - CALL_SECONDS))
            if not given.assignments and self._steady() - asked_at < FIRST_PAUSE:
                # Whoever answers at once with nothing would be asked all the time.
                await asyncio.sleep(FIRST_PAUSE)

    def _wish(self, free: int) -> pb.ClaimStepsRequest:
        has = self._work.capabilities
        return pb.ClaimStepsRequest(
            runner=self._name,
            most=min(free, MOST_CLAIMED),
            wait=Duration(seconds=WAIT_SECONDS),
            capabilities=has,
            connectors=[pb.ConnectorActions(connector=name, actions=can) for name, can in self._news().items() if name in has],
        )

    def _news(self) -> Mapping[str, list[str]]:
        """What the connectors can do, unless response was told just now."""
        now, can = self._steady(), self._work.connectors
        if self._told is not None and self._told[0] == can and now - self._told[1] < TELL_AGAIN_SECONDS:
            return {}
        self._told = (can, now)
        return can

    def _begin(self, given: pb.Assignment, asked_at: float) -> None:
        held = self._leases.take(given.lease, asked_at)
        if held is not None:
            held.work = asyncio.create_task(self._do(wire.assignment(given), held))

    async def _do(self, assignment: Assignment, held: Held) -> None:
        started_at = self._clock.now()
        try:
            outcome = await self._work.carry_out(assignment, self._keeper(held), lambda: self._leases.good(held))
        except LeaseLost:
            log.warning("the lease of a step was lost", extra={"run": assignment.run_id, "step": assignment.step_path})
            self._leases.drop(held)
        except asyncio.CancelledError:
            if held.stopped:
                self._tell(held, Outcome(State.FAILED, "stopped before anything was changed"), started_at)
            else:
                # Given back: another runner takes it.
                self._leases.drop(held)
        else:
            self._tell(held, outcome, started_at)

    def _tell(self, held: Held, outcome: Outcome, started_at: datetime) -> None:
        self._reports.add(held, wire.outcome(outcome, held.lease, started_at, self._clock.now()))

    def _keeper(self, held: Held) -> Callable[[Document], Awaitable[Document]]:
        async def keep(prior: Document) -> Document:
            request = pb.KeepPriorStateRequest(lease=held.lease, prior_state=wire.struct(prior))
            try:
                answer = await self._response.KeepPriorState(request, timeout=CALL_SECONDS)
            except aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.ABORTED:
                    raise LeaseLost() from error
                raise Failed(f"the prior state could not be kept, so nothing was changed: {error.details()}") from error
            return wire.document(answer.prior_state)

        return keep

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            leases = self._leases.leases()
            for start in range(0, len(leases), 500):
                await self._renew_some(leases[start : start + 500])

    async def _renew_some(self, leases: list[pb.Lease]) -> None:
        asked_at = self._steady()
        try:
            answer = await self._response.RenewLeases(pb.RenewLeasesRequest(leases=leases), timeout=CALL_SECONDS)
        except aio.AioRpcError as error:
            log.warning("leases could not be renewed: %s", error.details())
            return
        stop = set(answer.stop)
        self._leases.renewed([lease for lease in leases if lease.assignment_id not in stop], asked_at)
        for assignment_id in stop:
            self._leases.stop(assignment_id)

    async def _finish(self) -> None:
        """What is begun may end; what does not is stopped and given back. Then everything that ended is told."""
        working = self._leases.work()
        if working:
            log.info("ends %d assignments", len(working))
            await asyncio.wait(working, timeout=self._grace)
        begun = self._leases.leases()
        await _end(self._leases.work())
        # What ended is still to be told under its lease; what was stopped before anything left is nobody's.
        held = {lease.assignment_id for lease in self._leases.leases()}
        left = [lease for lease in begun if lease.assignment_id not in held]
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._reports.told()
        except TimeoutError:
            log.error("not all outcomes could be told; their steps are handed out again")
        try:
            await self._response.SayGoodbye(pb.SayGoodbyeRequest(runner=self._name, leases=left[:MOST_CLAIMED]), timeout=LAST_WORDS_SECONDS)
        except aio.AioRpcError as error:
            log.warning("response was not told of the stop, and finds out when the leases run out: %s", error.details())


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
