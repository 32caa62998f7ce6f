"""Hands reports over to detection: those of one sender that come while others of it are on their way go on together."""

import asyncio
from collections import deque
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from tocsin.detection.v1.detection_service_pb2 import (
    ReportOutcome,
    SubmitReportRequest,
    SubmitReportResponse,
    SubmitReportsRequest,
    SubmitReportsResponse,
)

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import traceparent
from tocsin_edge.upstream import Upstream

SERVICE = "/tocsin.detection.v1.DetectionService"
SUBMIT, SUBMIT_MANY = f"{SERVICE}/SubmitReport", f"{SERVICE}/SubmitReports"
SECONDS = 10.0
# For each key. While one call is answered, the next can be read.
CALLS_AT_ONCE = 2
MOST_TOGETHER = 16
MOST_BYTES_TOGETHER = 2 * 1024 * 1024
# How long a report waits for others, where its sender has just sent several at once: a call costs more than handing a report on in it.
PAUSE_SECONDS = 0.02
# Detection looked at none of the reports: it does not know the call, or one of them breaks a rule.
NOT_LOOKED_AT = (code_pb2.UNIMPLEMENTED, code_pb2.INVALID_ARGUMENT)


class ReportRefused(Exception):
    """Detection refused a report; `status` says why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


@dataclass(slots=True)
class _Waiting:
    report: SubmitReportRequest
    traceparent: str
    context: Context
    answer: "asyncio.Future[SubmitReportResponse]"


@dataclass(slots=True)
class _Queue:
    """What is on its way for one key, and what waits. `last` is how many went on together the last time."""

    calls: int = 0
    going_on: int = 0
    last: int = 1
    waiting: deque[_Waiting] = field(default_factory=deque)
    pause: asyncio.TimerHandle | None = None

    def is_worth_a_call(self, reports: int) -> bool:
        """Whether there are as many as are on their way: so each of two calls carries half of a flood."""
        return reports >= (self.going_on or (self.last + 1) // 2)

    def begin(self, reports: int) -> None:
        """A call begins."""
        self.calls += 1
        self.going_on += reports
        self.last = reports
        self.hurry()

    def hurry(self) -> None:
        """Wait for nothing any more."""
        if self.pause is not None:
            self.pause.cancel()
            self.pause = None

    def end(self, reports: int) -> None:
        """A call has ended."""
        self.calls -= 1
        self.going_on -= reports


class Handover:
    """Hands reports over, so that a flood costs few calls. One by one they go on at once."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, report: SubmitReportRequest) -> SubmitReportResponse:
        """Detection's answer. Raises ReportRefused, TimeoutError, and what a call raises."""
        sender = (report.kind, report.integration_key)
        queue = self._queues.setdefault(sender, _Queue())
        if queue.calls < CALLS_AT_ONCE and not queue.waiting and queue.is_worth_a_call(1):
            queue.begin(1)
            try:
                return await self._alone(report)
            finally:
                queue.end(1)
                self._go_on(sender, queue)
        waiting = _Waiting(report, traceparent(), copy_context(), asyncio.get_running_loop().create_future())
        queue.waiting.append(waiting)
        self._go_on(sender, queue)
        async with asyncio.timeout(SECONDS):
            return await waiting.answer

    def _go_on(self, sender: tuple[str, str], queue: _Queue) -> None:
        """Begin the next call if there is room for one and it is worth it, or after a pause. Who sends nothing any more is forgotten."""
        if queue.calls == CALLS_AT_ONCE:
            return
        if queue.is_worth_a_call(len(queue.waiting)):
            self._begin(sender, queue)
        elif queue.waiting or (queue.last > 1 and not queue.calls):
            if queue.pause is None:
                queue.pause = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._paused, sender, queue)
        elif not queue.calls:
            queue.hurry()
            del self._queues[sender]

    def _paused(self, sender: tuple[str, str], queue: _Queue) -> None:
        """No more have come: what waits goes on."""
        queue.pause = None
        self._begin(sender, queue)

    def _begin(self, sender: tuple[str, str], queue: _Queue) -> None:
        """Begin a call with all that fits into it. Who waited may have gone meanwhile."""
        together = _fitting(queue.waiting)
        if together:
            queue.begin(len(together))
            task = asyncio.get_running_loop().create_task(self._together(sender, queue, together), context=together[0].context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            queue.last = 1
        self._go_on(sender, queue)

    async def _together(self, sender: tuple[str, str], queue: _Queue, together: list[_Waiting]) -> None:
        try:
            if len(together) == 1:
                _tell(together[0], await self._alone(together[0].report))
                return
            for waiting, outcome in zip(together, await self._many(together), strict=True):
                _tell(waiting, ReportRefused(Status.FromString(outcome.refusal)) if outcome.refusal else outcome.answer)
        except Exception as error:
            if to_status(error).code in NOT_LOOKED_AT and len(together) > 1:
                await asyncio.gather(*(self._by_itself(waiting) for waiting in together))
                return
            for waiting in together:
                _tell(waiting, error)
        finally:
            for waiting in together:
                waiting.answer.cancel()
            queue.end(len(together))
            self._go_on(sender, queue)

    async def _alone(self, report: SubmitReportRequest) -> SubmitReportResponse:
        return SubmitReportResponse.FromString(await self._upstream.call(SUBMIT, report.SerializeToString(), SECONDS))

    async def _many(self, together: list[_Waiting]) -> list[ReportOutcome]:
        request = SubmitReportsRequest()
        for waiting in together:
            request.reports.add(report=waiting.report, traceparent=waiting.traceparent)
        packed = await self._upstream.call(SUBMIT_MANY, request.SerializeToString(), SECONDS)
        return list(SubmitReportsResponse.FromString(packed).outcomes)

    async def _by_itself(self, waiting: _Waiting) -> None:
        try:
            _tell(waiting, await self._alone(waiting.report))
        except Exception as error:
            _tell(waiting, error)


def _tell(waiting: _Waiting, what: SubmitReportResponse | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(what, Exception):
        waiting.answer.set_exception(what)
    else:
        waiting.answer.set_result(what)


def _fitting(queue: deque[_Waiting]) -> list[_Waiting]:
    """The first that wait, as many as go together; those whose senders have gone are left out."""
    found: list[_Waiting] = []
    size = 0
    while queue and len(found) < MOST_TOGETHER:
        waiting = queue[0]
        if not waiting.answer.done():
            size += len(waiting.report.body)
            if found and size > MOST_BYTES_TOGETHER:
                break
            found.append(waiting)
        queue.popleft()
    return found
