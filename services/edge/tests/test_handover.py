"""Reports that come while others of their sender are on their way go on together, and each gets its own answer."""

import asyncio

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc import aio
from tocsin.detection.v1.detection_service_pb2 import (
    ReportOutcome,
    SubmitReportRequest,
    SubmitReportResponse,
    SubmitReportsRequest,
    SubmitReportsResponse,
)

from tocsin_edge.http import handover as handing_over
from tocsin_edge.http.handover import CALLS_AT_ONCE, MOST_BYTES_TOGETHER, MOST_TOGETHER, SUBMIT, SUBMIT_MANY, Handover, ReportRefused

REPORTS = 10


def report(body: str, key: str = "right") -> SubmitReportRequest:
    return SubmitReportRequest(integration_key=key, kind="webhook", method="POST", body=body.encode())


def refused(code: grpc.StatusCode) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), "refused")


class Detection:
    """Answers when it is let; a report that says "bad" is refused. `fails` is how calls of several end."""

    def __init__(self, fails: grpc.StatusCode | None = None) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.let = asyncio.Event()
        self._fails = fails

    async def call(self, path: str, request: bytes, timeout: float, on_behalf: object = None, opened: object = None) -> bytes:
        if path == SUBMIT:
            bodies = [SubmitReportRequest.FromString(request).body.decode()]
        else:
            assert path == SUBMIT_MANY
            bodies = [each.report.body.decode() for each in SubmitReportsRequest.FromString(request).reports]
        self.calls.append((path, bodies))
        await self.let.wait()
        if path == SUBMIT:
            return SubmitReportResponse(status=202, body=bodies[0].encode()).SerializeToString()
        if self._fails is not None:
            raise refused(self._fails)
        return SubmitReportsResponse(outcomes=[self._outcome(body) for body in bodies]).SerializeToString()

    @staticmethod
    def _outcome(body: str) -> ReportOutcome:
        if body == "bad":
            return ReportOutcome(refusal=Status(code=16, message="the key is unknown").SerializeToString())
        return ReportOutcome(answer=SubmitReportResponse(status=202, body=body.encode()))


async def sent(handover: Handover, detection: Detection, reports: list[SubmitReportRequest]) -> list[object]:
    """What became of reports that came all at once."""
    tasks = [asyncio.create_task(handover.submit(each)) for each in reports]
    await asyncio.sleep(0)
    detection.let.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [result.body.decode() if isinstance(result, SubmitReportResponse) else result for result in results]


async def test_each_of_many_gets_its_own_answer_and_they_cost_few_calls() -> None:
    detection = Detection()
    bodies = [str(number) for number in range(REPORTS)]
    assert await sent(Handover(detection), detection, [report(body) for body in bodies]) == bodies
    assert len(detection.calls) == CALLS_AT_ONCE + 1
    assert [body for _, together in detection.calls for body in together] == bodies


async def test_one_that_is_refused_costs_no_other() -> None:
    detection = Detection()
    became = await sent(Handover(detection), detection, [report(body) for body in ("a", "b", "c", "bad", "d")])
    why = became.pop(3)
    assert isinstance(why, ReportRefused) and (why.status.code, why.status.message) == (16, "the key is unknown")
    assert became == ["a", "b", "c", "d"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INVALID_ARGUMENT])
async def test_what_was_not_looked_at_together_goes_on_one_by_one(code: grpc.StatusCode) -> None:
    """A detection of the version before does not know the call."""
    detection = Detection(fails=code)
    bodies = [str(number) for number in range(REPORTS)]
    assert await sent(Handover(detection), detection, [report(body) for body in bodies]) == bodies


async def test_what_may_have_been_kept_is_not_sent_again_by_the_edge() -> None:
    """Its sender decides: it hears that it should repeat."""
    detection = Detection(fails=grpc.StatusCode.UNAVAILABLE)
    became = await sent(Handover(detection), detection, [report(str(number)) for number in range(REPORTS)])
    assert became[:CALLS_AT_ONCE] == ["0", "1"]
    assert all(isinstance(each, aio.AioRpcError) for each in became[CALLS_AT_ONCE:])
    assert sum(len(bodies) for _, bodies in detection.calls) == REPORTS


async def test_no_sender_waits_for_another_and_no_call_grows_without_end() -> None:
    detection = Detection()
    many = [report(str(number)) for number in range(CALLS_AT_ONCE + MOST_TOGETHER + 1)]
    large = [report("x" * (MOST_BYTES_TOGETHER // 2 - 1), "large") for _ in range(CALLS_AT_ONCE + 3)]
    assert len(await sent(Handover(detection), detection, [*many, *large, report("other", "other")])) == len(many) + len(large) + 1
    sizes = [len(bodies) for _, bodies in detection.calls]
    assert sizes[: 2 * CALLS_AT_ONCE + 1] == [1] * (2 * CALLS_AT_ONCE + 1)
    assert sorted(sizes[2 * CALLS_AT_ONCE + 1 :]) == [1, 1, 2, MOST_TOGETHER]


async def flooded(handover: Handover, detection: Detection, together: int) -> None:
    """The last call carried so many."""
    await sent(handover, detection, [report("flood") for _ in range(CALLS_AT_ONCE + together)])
    assert len(detection.calls[-1][1]) == together


async def test_after_a_call_of_many_half_as_many_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two calls take turns, each with half of what a flood has on its way."""
    monkeypatch.setattr(handing_over, "PAUSE_SECONDS", 3600.0)
    detection = Detection()
    handover = Handover(detection)
    await flooded(handover, detection, 6)
    assert await sent(handover, detection, [report(body) for body in "abc"]) == ["a", "b", "c"]
    assert detection.calls[-1] == (SUBMIT_MANY, ["a", "b", "c"])


async def test_if_they_do_not_come_what_is_there_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "PAUSE_SECONDS", 0.0)
    detection = Detection()
    handover = Handover(detection)
    await flooded(handover, detection, 6)
    assert await sent(handover, detection, [report("late")]) == ["late"]
    assert detection.calls[-1] == (SUBMIT, ["late"])


async def test_whoever_has_gone_is_not_handed_on() -> None:
    detection = Detection()
    handover = Handover(detection)
    tasks = [asyncio.create_task(handover.submit(report(str(number)))) for number in range(CALLS_AT_ONCE + 2)]
    await asyncio.sleep(0)
    tasks[-1].cancel()
    detection.let.set()
    await asyncio.wait(tasks)
    assert [body for _, bodies in detection.calls for body in bodies] == ["0", "1", "2"]
