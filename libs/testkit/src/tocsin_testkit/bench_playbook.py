"""How fast runs of playbooks go, and what becomes of them when runners are killed: `python -m tocsin_testkit.bench_playbook [--kills N]`.

One response in a process of its own, on a durable PostgreSQL. The auditor counts what the outside world was asked for, by idempotency key.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
from tocsin.response.v1 import playbook_service_pb2 as pb

from tocsin_testkit.measuring import cpu_seconds, cpu_since, percentile, print_machine
from tocsin_testkit.playbook_bench import DATABASE, Bench, bench
from tocsin_testkit.playbook_kills import print_kills
from tocsin_testkit.playbook_stage import action, cacao, chain, step
from tocsin_testkit.servers import servers

LONG_CHAIN = 20
RUNS_OF_CHAINS = 100
VOTES = 60
WAITING = 2_000
APPROVALS = 10_000
SETTLING_SECONDS = 5.0

# So many copies of the newest run of a playbook that waits: its row, its step and its question, each with an id of its own.
COPIES: tuple[LiteralString, ...] = (
    """CREATE TEMPORARY TABLE copied AS SELECT run.id AS old, uuidv7() AS new
       FROM (SELECT id FROM run WHERE playbook = %(playbook)s AND state = 'RUNNING' ORDER BY id DESC LIMIT 1) AS run,
           generate_series(1, %(count)s)""",
    """INSERT INTO run (id, incident_id, parent, parent_path, playbook, playbook_version, state, dry_run, simulated, priority, started_by,
           reason, variables, ending, paused_at, ended_count, explanation, started_at, changed_at, ended_at, version)
       SELECT new, incident_id, parent, parent_path, playbook, playbook_version, state, dry_run, simulated, priority, started_by,
           reason, variables, ending, paused_at, ended_count, explanation, started_at, changed_at, ended_at, version
       FROM run JOIN copied ON copied.old = run.id""",
    """INSERT INTO step (run_id, path, seq, step_id, state, attempt, not_before, deadline, due_at, started_at, ended_at, explanation,
           record)
       SELECT new, path, seq, step_id, state, attempt, not_before, deadline, due_at, started_at, ended_at, explanation, record
       FROM step JOIN copied ON copied.old = step.run_id""",
    """INSERT INTO question (id, run_id, incident_id, playbook, path, step_name, kind, text, roles, quorum, requester, requester_counts,
           out_args, asked_at, expires_at, approved_on_timeout, state, ended_at, explanation, version)
       SELECT uuidv7(), new, incident_id, playbook, path, step_name, kind, text, roles, quorum, requester, requester_counts,
           out_args, asked_at, expires_at, approved_on_timeout, state, ended_at, explanation, version
       FROM question JOIN copied ON copied.old = question.run_id""",
)


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


async def print_memory(made: Bench) -> None:
    """Runs that wait for somebody to approve them are rows: response holds no more memory with very many of them than with few."""
    stage = made.stage()
    await stage.put(cacao({step("action", 10): action(options={"approval": {"ttl_seconds": 86400}})}), "asking")
    await stage.start("asking")
    few = await _restarted(made)
    url = made.world.servers.postgres_url(DATABASE, "tocsin_response")
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in COPIES:
            connection.execute(statement, {"count": APPROVALS, "playbook": "asking"})
    many = await _restarted(made)
    found = await made.stage().alice.AuditRuns(pb.AuditRunsRequest())
    print(
        f"{found.runs} runs under way, {APPROVALS} more of them waiting for approval: response has {many:.0f} MB after a restart and "
        f"{SETTLING_SECONDS:.0f} s of work, {few:.0f} MB without them; {len(found.stuck)} stuck"
    )


async def _restarted(made: Bench) -> float:
    """The memory of response (MB) some time after it was started again: every timer and audit of runs has looked at what there is."""
    made.response.kill()
    made.response.start()
    await made.ready()
    await made.stage().alice.AuditRuns(pb.AuditRunsRequest())
    await asyncio.sleep(SETTLING_SECONDS)
    return float(psutil.Process(made.response.process.pid).memory_info().rss / 2**20)


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


async def run(chosen: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="tocsin-playbooks-") as name, servers({"max_connections": "100"}) as started:
        async with bench(Path(name), started) as made:
            if not chosen.only_kills:
                await print_steps(made)
                await print_wakes(made)
            good = await print_kills(made, chosen.runs, chosen.kills, chosen.seed) if chosen.kills else True
            if not chosen.only_kills:
                await print_restart(made)
                await print_memory(made)
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
