"""Lists of pages look at few pages, however many there are and however rare those are that are wanted."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_communication.pages import store
from tocsin_communication.pages.store import Wanted

FIRST = datetime(2026, 11, 23, 7, tzinfo=UTC)
MANY = 3_000
ANY = Wanted()
FILL = """
INSERT INTO page (id, kind, incident_id, summons_id, responder, contact_method, channel, address, provider, state, state_reason, reason,
                  subject, body, created_at, due_at, attempt_at)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(number::text, 12, '0'))::uuid,
       'SUMMONS', '', '', 'person-' || number %% 40, CASE number WHEN 7 THEN 'rare-mail' ELSE 'mail-' || number %% 40 END,
       CASE WHEN number IN (8, 9) THEN 'VOICE' WHEN number %% 2 = 0 THEN 'SMS' ELSE 'EMAIL' END, '', '',
       CASE WHEN number IN (9, 10) THEN 'FAILED' ELSE 'DELIVERED' END, '', '', '', '', at, at, at
FROM (SELECT number, %s + number * interval '1 minute' AS at FROM generate_series(1, %s) AS number) AS made
"""


@pytest_asyncio.fixture
async def database(world) -> AsyncIterator[Database]:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_communication"), "communication") as opened:
        async with opened.transaction() as tx:
            await tx.execute(FILL, (FIRST, MANY))
            await tx.execute("ANALYZE page")
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

    async def numbers(tx: Tx, wanted: Wanted) -> Sequence[int]:
        """Those that are found, by how many minutes after the first they were made. Fails if many more were looked at."""
        said.clear()
        with monkeypatch.context() as patched:
            patched.setattr(Tx, "_run", noted)
            found = await store.list_pages(tx, wanted, None, 20)
        [(sql, params)] = said
        [plan] = await tx.value(list, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + sql, params) or []
        looked_at = sum(
            node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes(plan["Plan"]) if "Relation Name" in node
        )
        assert looked_at < 200, json.dumps(plan)
        return [round((page.created_at - FIRST) / timedelta(minutes=1)) for page in found]

    async with database.transaction() as tx:
        assert await numbers(tx, replace(ANY, channels=("VOICE",))) == [9, 8]
        assert await numbers(tx, replace(ANY, channels=("SLACK",))) == []
        assert await numbers(tx, replace(ANY, states=("FAILED", "SUPPRESSED"))) == [10, 9]
        assert await numbers(tx, replace(ANY, states=("FAILED",), channels=("VOICE", "EMAIL"))) == [9]
        assert await numbers(tx, replace(ANY, contact_method="rare-mail")) == [7]
        assert await numbers(tx, replace(ANY, made_before=FIRST + timedelta(minutes=3))) == [2, 1]
        assert await numbers(tx, replace(ANY, made_from=FIRST + timedelta(minutes=MANY - 1))) == [MANY, MANY - 1]
        assert await numbers(tx, replace(ANY, channels=("SMS",))) == list(range(MANY, MANY - 40, -2))


@pytest.mark.parametrize("at", [datetime.min, datetime.max])
def test_any_instant_has_a_least_id(at: datetime) -> None:
    for later in (-store.CLOCKS_DIFFER, store.CLOCKS_DIFFER):
        assert store.least_id(at.replace(tzinfo=UTC), later)
