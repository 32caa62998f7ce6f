"""Runners that are killed again and again while runs go on. The auditor counts what the outside world was asked for, by idempotency key."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.playbook_pb2 import Run
from uvicorn import Config, Server

from tocsin_standalone.ports import free_port
from tocsin_testkit.playbook_bench import Bench, Process
from tocsin_testkit.playbook_stage import END, TARGET, Stage, action, cacao, step
from tocsin_testkit.world import RUNNER

STEPS_OF_KILLED = 5
RUNNERS = 3
# A lease that nobody gives back takes most of a minute to end.
LONGEST_PAUSE_SECONDS = 60.0


class Outside:
    """Whatever steps are done at: takes PUTs, and notes each with its key."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.done: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, request: Request) -> JSONResponse:
        self.done.append((request.headers.get("idempotency-key", ""), request.url.path))
        await self.gate.wait()
        await asyncio.sleep(0.03)
        return JSONResponse({"ok": True})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Outside"]:
        app = Starlette(routes=[Route("/{path:path}", self.take, methods=["PUT"])])
        server = Server(Config(app, port=self.port, log_level="error"))
        task = asyncio.create_task(server.serve())
        try:
            yield self
        finally:
            server.should_exit = True
            await task


def killed_playbook(port: int) -> str:
    """A few changes one after the other, two of them beside each other."""
    target = {"type": "http-api", "name": "outside", "address": {"url": [f"http://127.0.0.1:{port}"]}, "port": str(port)}
    ids = [step("action", 10 + number) for number in range(STEPS_OF_KILLED)]
    follows = {ids[0]: step("parallel", 5), ids[1]: END, ids[2]: END, ids[3]: ids[4], ids[4]: END}
    steps: dict[str, Any] = {}
    for number, name in enumerate(ids):
        made = action(follows[name], number=number, options={"on_unknown": "retry", "retry": {"attempts": 6, "backoff_seconds": 0}})
        made["commands"] = [{"type": "http-api", "command": f"PUT /step/{number} HTTP/1.1"}]
        steps[name] = made
    steps[step("parallel", 5)] = {"type": "parallel", "next_steps": [ids[1], ids[2]], "on_completion": ids[3]}
    return cacao(steps, target_definitions={TARGET: target})


async def print_kills(made: Bench, runs: int, kills: int, seed: int) -> bool:
    """Kill one of the runners again and again, then wait until all runs have ended."""
    chance, stage = random.Random(seed), made.stage()
    async with Outside(free_port()).serving() as outside:
        await stage.put(killed_playbook(outside.port), "killed")
        runners = [_runner(made, number, outside.port) for number in range(RUNNERS)]
        try:
            ids = [(await stage.start("killed")).id for _ in range(runs)]
            began = time.monotonic()
            killed = await _kill(outside, runners, kills, chance)
            ended = await _all_ended(made, ids)
            wall = time.monotonic() - began
            good = await _zombie(made, made.stage(), outside, runners)
        finally:
            for each in runners:
                each.kill()
    handed = {work.idempotency_key: work.fence for run in ended for each in run.steps for work in each.work}
    times = Counter(key for key, _ in outside.done if key in handed)
    beyond = {key: count for key, count in times.items() if count > handed[key]}
    states = Counter(Run.State.Name(run.run.state) for run in ended)
    doubled = [key for key, count in times.items() if count > 1 and handed[key] == 1]
    often = Counter(times.values())
    more = sum(count for number, count in often.items() if number > 2)
    print(
        f"{killed} kills over {len(ended)} of {runs} runs in {wall:.0f} s (seed {seed}): {dict(states)}; {len(times)} steps: "
        f"{often[1]} done once, {often[2]} twice, {more} more often; "
        f"{len(beyond)} more often than handed out, {len(doubled)} twice though never taken over"
    )
    return good and len(ended) == runs and set(states) == {"STATE_SUCCEEDED"} and not (more or beyond or doubled)


async def _kill(outside: Outside, runners: list[Process], kills: int, chance: random.Random) -> int:
    """Kill one after the other, each time once something was done: whoever just began has nothing to lose yet.

    Returns how many were killed: fewer than asked for if all runs have ended before.
    """
    for killed in range(kills):
        seen = len(outside.done)
        await _until(lambda seen=seen: len(outside.done) > seen, LONGEST_PAUSE_SECONDS)
        if len(outside.done) == seen:
            return killed
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        victim = chance.choice(runners)
        victim.kill()
        victim.start()
    return kills


async def _zombie(made: Bench, stage: Stage, outside: Outside, runners: list[Process]) -> bool:
    """A runner falls asleep over a step for longer than its lease; another one does it; what the sleeper says then is refused."""
    for each in runners[1:]:
        each.kill()
    outside.gate.clear()
    run = await stage.start("killed")
    before = len(outside.done)
    await _until(lambda: len(outside.done) > before)
    runners[0].signal(signal.SIGSTOP)
    outside.gate.set()
    runners[1].start()
    [ended] = await _all_ended(made, [run.id])
    version = ended.run.version
    runners[0].signal(signal.SIGCONT)
    await asyncio.sleep(3.0)
    after = await stage.shown(run)
    first = after.steps[0].work[0]
    good = after.run.version == version and first.fence == 2 and after.run.state == Run.STATE_SUCCEEDED
    print(f"a runner slept through its lease: its step was handed out {first.fence} times, what it said afterwards changed nothing: {good}")
    return good


async def _until(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


async def _all_ended(made: Bench, ids: list[str], seconds: float = 600.0) -> list[pb.GetRunResponse]:
    deadline, ended, left = time.monotonic() + seconds, list[pb.GetRunResponse](), list(ids)
    stage, since = made.stage(), time.monotonic()
    while left and time.monotonic() < deadline:
        if time.monotonic() - since > 120.0:
            stage, since = made.stage(), time.monotonic()
        running = {each.id async for each in _under_way(stage)}
        for run_id in [each for each in left if each not in running]:
            ended.append(await stage.shown(Run(id=run_id)))
            left.remove(run_id)
        await asyncio.sleep(0.3)
    return ended


async def _under_way(stage: Stage) -> AsyncIterator[Run]:
    request = pb.ListRunsRequest(states=[Run.STATE_RUNNING, Run.STATE_PAUSED], page_size=500, playbook="killed")
    for each in (await stage.alice.ListRuns(request)).runs:
        yield each


def _runner(made: Bench, number: int, port: int) -> Process:
    return Process(
        "import sys; from tocsin_runner.__main__ import main; sys.argv = ['tocsin-runner', 'run']; sys.exit(main())",
        {
            "TOCSIN_RUNNER_RESPONSE": f"127.0.0.1:{made.port}",
            "TOCSIN_SIGNING_KEY_FILE": str(made.world.keys.folder / f"{RUNNER}.jwk"),
            "TOCSIN_RUNNER_NAME": f"runner {number}",
            "TOCSIN_RUNNER_AT_ONCE": "4",
            "TOCSIN_RUNNER_PRIVATE_HOSTS": f"127.0.0.1:{port}",
            "TOCSIN_LOG_LEVEL": "error",
        },
        made.folder / f"runner-{number}.log",
    )
