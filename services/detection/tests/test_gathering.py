"""Reports that come at once are kept together, and nobody can tell."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime

import pytest
from detection_words import NOON, signal
from opentelemetry import trace

from tocsin_chassis.postgres.database import Database, postgres
from tocsin_detection.alert import Decision, Verdict
from tocsin_detection.gathering import MOST_TOGETHER, TRANSACTIONS_AT_ONCE, Gathering
from tocsin_detection.integration import RateLimit, key_hash
from tocsin_detection.integrations import Integrations
from tocsin_detection.noise.judge import NothingHolds
from tocsin_detection.observer import Observer, Origins
from tocsin_detection.rate import Rates
from tocsin_detection.repeats import Repeats
from tocsin_detection.signal import Signal
from tocsin_detection.signals import Signals, Submission
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import RandomIds


class Desk:
    """Keeps what comes when it is told to, and remembers what came together."""

    def __init__(self) -> None:
        self.together: list[list[str]] = []
        self.opens = asyncio.Event()

    async def keep(self, signals: Sequence[Signal], now: datetime, origins: Origins) -> Sequence[Decision]:
        names = [item.fingerprint for item in signals]
        self.together.append(names)
        await self.opens.wait()
        if "bad" in names:
            raise ValueError(names)
        return [Decision(Verdict.IGNORED, name, None) for name in names]


async def kept(gathering: Gathering, *names: str) -> list[str]:
    return [decision.reason for decision in await gathering.keep([signal(name) for name in names], NOON)]


async def begun(gathering: Gathering, *reports: tuple[str, ...]) -> list["asyncio.Task[list[str]]"]:
    tasks = [asyncio.create_task(kept(gathering, *names)) for names in reports]
    await asyncio.sleep(0)
    return tasks


BUSY = [(f"first-{number}",) for number in range(TRANSACTIONS_AT_ONCE)]


async def test_what_waits_is_kept_together_and_each_hears_of_its_own() -> None:
    desk = Desk()
    tasks = await begun(Gathering(desk.keep), *BUSY, ("a", "b"), ("c",), ("d", "e"))
    desk.opens.set()
    assert (await asyncio.gather(*tasks))[len(BUSY) :] == [["a", "b"], ["c"], ["d", "e"]]
    assert desk.together == [*map(list, BUSY), ["a", "b", "c", "d", "e"]]


async def test_reports_about_the_same_thing_come_one_after_the_other() -> None:
    desk = Desk()
    tasks = await begun(Gathering(desk.keep), *BUSY, ("a",), ("b",), ("a", "c"), ("d",))
    desk.opens.set()
    await asyncio.gather(*tasks)
    assert desk.together[len(BUSY) :] == [["a", "b"], ["a", "c", "d"]]


async def test_no_more_are_kept_together_than_can_be_locked_one_by_one() -> None:
    desk = Desk()
    reports = [tuple(f"{report}-{number}" for number in range(MOST_TOGETHER // 2 - 1)) for report in range(3)]
    tasks = await begun(Gathering(desk.keep), *BUSY, *reports)
    desk.opens.set()
    await asyncio.gather(*tasks)
    assert [len(names) for names in desk.together[len(BUSY) :]] == [MOST_TOGETHER - 2, MOST_TOGETHER // 2 - 1]


async def test_one_that_fails_does_not_fail_the_others() -> None:
    desk = Desk()
    tasks = await begun(Gathering(desk.keep), *BUSY, ("a",), ("bad",), ("b",))
    desk.opens.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[len(BUSY)] == ["a"] and found[-1] == ["b"] and isinstance(found[-2], ValueError)


async def test_whoever_does_not_wait_any_more_is_left_out_and_nobody_waits_for_ever() -> None:
    desk = Desk()
    gathering = Gathering(desk.keep)
    tasks = await begun(gathering, *BUSY, ("a",), ("b",))
    tasks[0].cancel()
    tasks[-2].cancel()
    await asyncio.sleep(0)
    desk.opens.set()
    assert await tasks[-1] == ["b"]
    assert desk.together[len(BUSY) :] == [["b"]]
    assert await kept(gathering, "c") == ["c"]


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


async def test_what_was_reported_together_goes_on_with_the_trace_of_its_own_report(database: Database) -> None:
    clock, ids, repeats = ManualClock(NOON), RandomIds(), Repeats(database)
    signals = Signals(
        database,
        Observer(NothingHolds(), repeats, ids),
        repeats,
        Integrations(database, None, clock, ids),
        Rates(RateLimit(1_000, 1_000)),
        clock,
    )
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO integration (name, kind, key_hash, created_at) VALUES ('door', 'webhook', %s, %s)", (key_hash("key"), NOON)
        )

    async def report(number: int) -> None:
        span = trace.NonRecordingSpan(trace.SpanContext(number, 1, is_remote=True, trace_flags=trace.TraceFlags(1)))
        with trace.use_span(span):
            await signals.report(Submission("key", "webhook", "POST", "/", json.dumps({"title": f"{number}", "key": f"{number}"}).encode()))

    await asyncio.gather(*(report(number) for number in range(1, 31)))
    async with database.transaction() as tx:
        told = await tx.values(
            str, "SELECT fingerprint || ' ' || split_part(traceparent, '-', 2) FROM outbox JOIN alert ON subject LIKE '%%' || alert.id"
        )
    assert sorted(told) == sorted(f"{number} {number:032x}" for number in range(1, 31))
