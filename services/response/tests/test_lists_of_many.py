"""Lists of runs and tasks look at few rows, however many there are and however rare those are that are wanted."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest_asyncio

from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_response.command import store as tasks
from tocsin_response.playbook import run_store as runs

MANY = 3_000
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
ID = "lpad(number::text, 32, '0')::uuid"
FILL = f"""
INSERT INTO run (id, incident_id, playbook, playbook_version, state, dry_run, simulated, priority, started_by, reason, variables,
                 ended_count, explanation, started_at, changed_at, version)
SELECT {ID}, lpad((number / 5)::text, 32, '0')::uuid, 'book-' || number % 3, 1,
       CASE WHEN number IN (7, 8) THEN 'FAILED' ELSE 'SUCCEEDED' END,
       false, false, 0, '', '', '{{}}', 0, '', now(), now(), 1 FROM generate_series(1, {MANY}) AS number;
INSERT INTO incident_task (id, incident_id, title, description, state, phase, owner, role, due_at, source, source_id, created_by,
                           created_at, closed_by, result, version)
SELECT {ID}, {ID}, '', '', CASE WHEN number IN (7, 8) THEN 'OPEN' ELSE 'COMPLETED' END, 1, '', '',
       now() + number * interval '1 minute', '', '', '', now(), '', '', 1 FROM generate_series(1, {MANY}) AS number;
ANALYZE run, incident_task
"""


@pytest_asyncio.fixture
async def database(world) -> AsyncIterator[Database]:
    world.rewrite("response", FILL)
    async with postgres(world.servers.postgres_url(world.database, "tocsin_response"), "response") as opened:
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def test_those_that_are_wanted_are_found_among_few(database, monkeypatch) -> None:
    said: list[tuple[Any, Any]] = []
    run = Tx._run

    async def noted(tx: Tx, rows: Any, sql: Any, params: Any) -> Any:
        said.append((sql, params))
        return await run(tx, rows, sql, params)

    async def numbers(find: Callable[[Tx], Coroutine[Any, Any, Any]]) -> list[int]:
        """Those that are found. Fails if many more were looked at."""
        said.clear()
        async with database.transaction(plans_anew=True) as tx:
            with monkeypatch.context() as patched:
                patched.setattr(Tx, "_run", noted)
                found = await find(tx)
            [(sql, params)] = said
            [plan] = await tx.value(list, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + sql, params) or []
        scans = [node for node in nodes(plan["Plan"]) if "Relation Name" in node]
        assert sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans) < 100, json.dumps(plan)
        return [int(each.id.replace("-", "")) for each in found]

    for _ in range(12):  # so often that the database could have a plan for whatever is wanted
        assert await numbers(lambda tx: runs.list_runs(tx, None, "", [], LAST, 2)) == [MANY, MANY - 1]
    incident = f"{1:032d}"
    assert await numbers(lambda tx: runs.list_runs(tx, incident, "", [], LAST, 2)) == [9, 8]
    assert await numbers(lambda tx: runs.list_runs(tx, None, "", ["FAILED", "CANCELLED"], LAST, 2)) == [8, 7]
    assert await numbers(lambda tx: runs.list_runs(tx, None, "book-1", ["FAILED"], LAST, 2)) == [7]
    assert await numbers(lambda tx: runs.list_runs(tx, None, "", ["PAUSED"], LAST, 2)) == []
    assert await numbers(lambda tx: tasks.list_tasks(tx, "", "", False, None, 2, None)) == [7, 8]
    assert await numbers(lambda tx: tasks.list_tasks(tx, "", "", True, None, 2, None)) == [1, 2]
