"""Outcomes on their way to response: in batches, again and again until they were heard."""

import asyncio
import logging
from typing import TYPE_CHECKING

import grpc
from grpc import aio
from tocsin.response.v1 import runner_service_pb2 as pb

from tocsin_runner.leases import Held, Leases

if TYPE_CHECKING:
    from tocsin.response.v1.runner_service_pb2_grpc import RunnerServiceAsyncStub

log = logging.getLogger(__name__)

MOST = 200
MOST_BYTES = 3 * 1024 * 1024
SECONDS = 10.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
# Telling the same again would be refused again.
UNUSABLE = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)


class Reports:
    """What is to be told. A lease stays held, and is renewed, until its outcome was heard."""

    def __init__(self, response: "RunnerServiceAsyncStub", leases: Leases) -> None:
        self._response = response
        self._leases = leases
        self._waiting: list[tuple[Held, pb.Outcome]] = []
        self._most = MOST
        self._news = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()

    def add(self, held: Held, outcome: pb.Outcome) -> None:
        """Tell this."""
        self._waiting.append((held, outcome))
        self._told.clear()
        self._news.set()

    async def run(self) -> None:
        """Tell what there is to be told, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self._news.wait()
            if await self._tell_some():
                pause = FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    async def told(self) -> None:
        """Wait until everything was heard."""
        await self._told.wait()

    async def _tell_some(self) -> bool:
        batch = self._batch()
        try:
            answer = await self._response.ReportOutcomes(
                pb.ReportOutcomesRequest(outcomes=[outcome for _, outcome in batch]), timeout=SECONDS
            )
        except aio.AioRpcError as error:
            log.warning("outcomes are told again later: %s", error.details())
            if error.code() in UNUSABLE:
                self._make_smaller(batch)
            return False
        if answer.refused:
            log.warning("outcomes were refused, their leases were lost", extra={"assignments": ", ".join(answer.refused)})
        self._drop(batch)
        self._most = MOST
        return True

    def _make_smaller(self, batch: list[tuple[Held, pb.Outcome]]) -> None:
        """One of these cannot be taken. One alone is told without what it brought: how it went matters most."""
        self._most = 1
        if len(batch) > 1:
            return
        _, outcome = batch[0]
        if outcome.findings:
            del outcome.findings[:]
        elif outcome.variables or outcome.HasField("undo_token"):
            outcome.variables.clear()
            outcome.ClearField("undo_token")
        else:
            log.error("an outcome cannot be told, and is left out", extra={"assignment": outcome.lease.assignment_id})
            self._drop(batch)

    def _drop(self, batch: list[tuple[Held, pb.Outcome]]) -> None:
        for held, _ in batch:
            self._leases.drop(held)
        del self._waiting[: len(batch)]
        if not self._waiting:
            self._news.clear()
            self._told.set()

    def _batch(self) -> list[tuple[Held, pb.Outcome]]:
        batch: list[tuple[Held, pb.Outcome]] = []
        size = 0
        for held, outcome in self._waiting[: self._most]:
            size += outcome.ByteSize()
            if batch and size > MOST_BYTES:
                break
            batch.append((held, outcome))
        return batch
