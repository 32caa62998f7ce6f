"""How fast runs of playbooks go, and what becomes of them when runners are killed: `python -m tocsin_testkit.bench_playbook [--kills N]`.

One response in a process of its own, on a durable PostgreSQL. The auditor counts what the outside world was asked for, by idempotency key.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.playbook_pb2 import Run
from uvicorn import Config, Server

from tocsin_chassis.postgres.migrations import migrate
from tocsin_standalone.platform import serves
from tocsin_standalone.ports import free_port
from tocsin_testkit.measuring import cpu_seconds, cpu_since, percentile, print_machine
from tocsin_testkit.playbook_stage import END, TARGET, Stage, action, cacao, chain, step
from tocsin_testkit.servers import SERVICES, Servers, servers
from tocsin_testkit.world import RUNNER, Keys, World, empty_streams

DATABASE = "playbooks"
LONG_CHAIN = 20
RUNS_OF_CHAINS = 100
VOTES = 60
WAITING = 2_000
STEPS_OF_KILLED = 5
RUNNERS = 3


class Process:
    """A program that is started again after it was killed."""

    def __init__(self, code: str, environment: dict[str, str], log: Path) -> None:
        self._command = [sys.executable, "-c", code]
        self._environment = {**os.environ, **environment}
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Bench:
    """The response, and whoever calls it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.port = free_port()
        self.response = Process(
            "import sys; from tocsin_response.app import main; sys.argv = ['tocsin-response', 'serve']; main()",
            {
                "TOCSIN_POSTGRES_URL": world.servers.postgres_url(DATABASE, "tocsin_response"),
                "TOCSIN_NATS_URL": world.servers.nats_url,
                "TOCSIN_GRPC_LISTEN": f"127.0.0.1:{self.port}",
                "TOCSIN_SIGNING_KEY_FILE": str(world.keys.folder / "response.jwk"),
                "TOCSIN_TRUSTED_KEYS_FILE": str(world.keys.folder / "trusted.jwks"),
                "TOCSIN_EVIDENCE_FOLDER": str(folder / "evidence"),
                "TOCSIN_LOG_LEVEL": "warning",
            },
            folder / "response.log",
        )

    def stage(self) -> Stage:
        """Whoever calls it. The tokens of one are good for five minutes."""
        return Stage(self.world, self.port)

    async def ready(self) -> None:
        while not await asyncio.to_thread(serves, f"127.0.0.1:{self.port}"):
            if self.response.process.poll() is not None:
                raise RuntimeError((self.folder / "response.log").read_text()[-2000:])
            await asyncio.sleep(0.02)

    def processes(self) -> list[psutil.Process]:
        me = psutil.Process()
        return [me, *me.children(recursive=True)]


@asynccontextmanager
async def bench(folder: Path, started: Servers) -> AsyncIterator[Bench]:
    with psycopg.connect(started.postgres_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(started.postgres_url(DATABASE), autocommit=True) as connection:
        for service in SERVICES:
            role = sql.Identifier(f"tocsin_{service}")
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(service), role))
    await asyncio.to_thread(migrate, started.postgres_url(DATABASE, "tocsin_response"), "response")
    async with empty_streams(started) as jetstream:
        made = Bench(World(started, DATABASE, Keys(folder), jetstream), folder)
        try:
            await made.ready()
            yield made
        finally:
            made.response.kill()


async def print_steps(made: Bench) -> None:
    """Chains of steps, claimed and reported in batches by one caller that does nothing in between."""
    stage = made.stage()
    await stage.put(chain(LONG_CHAIN), "chain")
    for _ in range(RUNS_OF_CHAINS):
        await stage.start("chain")
    processes = made.processes()
    before, began, count = cpu_seconds(processes), time.monotonic(), 0
    while given := await stage.claim(most=200, wait=2.0):
        await stage.report(*given)
        count += len(given)
        if count >= LONG_CHAIN * RUNS_OF_CHAINS:
            break
    wall = time.monotonic() - began
    used = {name: seconds for name, seconds in cpu_since(before, processes).items() if seconds > 0.05}
    said = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(used.items()))
    total = sum(used.values())
    print(
        f"{count} steps in {wall:.1f} s: {count / wall:.0f} steps/s; CPU {total:.1f} s ({said}) = {count / total:.0f} steps per CPU second"
    )


async def print_wakes(made: Bench) -> None:
    """From the vote to the step in a runner's hands."""
    stage, bob, took = made.stage(), made.stage().person("bob"), list[float]()
    await stage.put(cacao({step("action", 10): action(options={"approval": {}})}), "asking")
    for _ in range(VOTES):
        run = await stage.start("asking")
        question = await stage.question(run)
        waiting = asyncio.create_task(stage.claim(wait=9.0))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await bob.VoteApproval(pb.VoteApprovalRequest(question_id=question.id, approve=True))
        given = await waiting
        took.append(1000 * (time.monotonic() - began))
        await stage.report(*given)
    print(
        f"wake after an approval: p50 {percentile(took, 50):.0f} ms, p95 {percentile(took, 95):.0f} ms, max {max(took):.0f} ms of {VOTES}"
    )


async def print_restart(made: Bench) -> None:
    """Runs that wait, half of them for people and half for a timer that is over while the response is away."""
    stage = made.stage()
    await stage.put(cacao({step("action", 10): action(options={"approval": {"ttl_seconds": 86400}})}), "asking")
    await stage.put(cacao({step("action", 10): action(delay=240_000)}), "waiting")
    for _ in range(WAITING // 2):
        await asyncio.gather(stage.start("asking"), stage.start("waiting"))
    memory = psutil.Process(made.response.process.pid).memory_info().rss / 2**20
    made.response.kill()
    with psycopg.connect(made.world.servers.postgres_url(DATABASE, "tocsin_response"), autocommit=True) as connection:
        statement = """UPDATE step SET due_at = now(), not_before = now(), record = jsonb_set(record, '{not_before}', to_jsonb(now()::text))
                       WHERE due_at IS NOT NULL AND record->>'waiting_for' = 'delay'"""
        connection.execute(statement)
    cpu = time.process_time()
    began = time.monotonic()
    made.response.start()
    await made.ready()
    up = time.monotonic() - began
    stage, count = made.stage(), 0
    while count < WAITING // 2:
        given = await stage.claim(most=200, wait=5.0)
        if not given:
            break
        count += len(given)
    live = time.monotonic() - began
    used = sum(psutil.Process(made.response.process.pid).cpu_times()[:2])
    found = await stage.alice.AuditRuns(pb.AuditRunsRequest())
    print(
        f"{WAITING} waiting runs ({memory:.0f} MB before): answers {up:.1f} s after its start, all {count} timers fired and handed out "
        f"after {live:.1f} s (CPU {used:.1f} s of response, {time.process_time() - cpu:.1f} s here); {found.runs} runs under way, "
        f"{len(found.stuck)} stuck"
    )


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
        made = action(follows[name], number=number)
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
        f"{often[1]} done once, {often[2]} twice, {more} more often as they were hit again; "
        f"{len(beyond)} more often than handed out, {len(doubled)} twice though never taken over"
    )
    return good and len(ended) == runs and set(states) == {"STATE_SUCCEEDED"} and not beyond and not doubled


async def _kill(outside: Outside, runners: list[Process], kills: int, chance: random.Random) -> int:
    """Kill one after the other, each time once something was done: whoever just began has nothing to lose yet."""
    for _ in range(kills):
        seen = len(outside.done)
        await _until(lambda seen=seen: len(outside.done) > seen, 60.0)
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


async def run(chosen: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="tocsin-playbooks-") as name, servers({"max_connections": "100"}) as started:
        async with bench(Path(name), started) as made:
            if not chosen.only_kills:
                await print_steps(made)
                await print_wakes(made)
            good = await print_kills(made, chosen.runs, chosen.kills, chosen.seed) if chosen.kills else True
            if not chosen.only_kills:
                await print_restart(made)
            return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how often a runner is killed; 0: never")
    parser.add_argument("--runs", type=int, default=200, help="how many runs go on meanwhile")
    parser.add_argument("--only-kills", action="store_true", help="measure nothing else")
    parser.add_argument("--seed", type=int, default=20261128, help="decides whom and when")
    chosen = parser.parse_args()
    print_machine()
    sys.exit(0 if asyncio.run(run(chosen)) else 1)


if __name__ == "__main__":
    main()
