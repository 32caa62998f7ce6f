"""Transactions that are planned once, questions without one, and ticks that run only when something waits for them."""

import pytest
from tocsin.triage.v1.events_pb2 import IncidentOpened

from tocsin_chassis.compose import foundation
from tocsin_chassis.postgres.database import postgres
from tocsin_chassis.settings import ServiceSettings
from tocsin_testkit.world import eventually

WAITING = "SELECT min(created_at) FROM rpc_reply WHERE method = 'waits'"


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_triage"), "triage") as opened:
        yield opened


async def keep(database, method):
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO rpc_reply (method, request_id) VALUES (%s, 'one')", (method,))


async def test_how_plans_are_made_holds_for_one_transaction_only(database):
    async with database.transaction(plans_once=True) as tx:
        assert await tx.value(str, "SHOW plan_cache_mode") == "force_generic_plan"
    async with database.transaction(plans_anew=True) as tx:
        assert await tx.value(str, "SHOW plan_cache_mode") == "force_custom_plan"
    async with database.transaction() as tx:
        assert await tx.value(str, "SHOW plan_cache_mode") == "auto"


async def test_what_fails_in_a_transaction_that_is_planned_once_is_undone_and_tells_nothing(database):
    undone = []
    with pytest.raises(RuntimeError):
        async with database.transaction(plans_once=True) as tx:
            await tx.execute("INSERT INTO rpc_reply (method, request_id) VALUES ('half', 'done')")
            tx.emit(IncidentOpened(), aggregate="i1", version=1)
            tx.after_rollback(lambda: undone.append(True))
            raise RuntimeError
    assert undone and not database.facts_wait.is_set()
    assert await database.ask("SELECT count(*) FROM rpc_reply WHERE method = 'half'") == (0,)
    async with database.transaction(plans_once=True) as tx:
        await tx.execute("INSERT INTO rpc_reply (method, request_id) VALUES ('whole', 'done')")
        async with tx.savepoint():
            tx.emit(IncidentOpened(), aggregate="i1", version=1)
    assert database.facts_wait.is_set()
    assert await database.ask("SELECT count(*) FROM rpc_reply WHERE method = 'whole'") == (1,)


async def test_a_tick_runs_only_when_something_waits_for_it(world):
    done, looked = [], []

    async def settle():
        async with base.database.transaction() as tx:
            done.append(await tx.execute("DELETE FROM rpc_reply WHERE method = 'waits'"))

    async def look():
        looked.append(True)

    async with foundation("triage", world.settings("triage", ServiceSettings)) as base:
        app = base.app.ticks("what waits", 0.02, settle, WAITING).ticks("anything", 0.02, look)
        async with app.running():
            await eventually(lambda: _as_many(looked, 3))
            assert not done
            await keep(base.database, "waits")
            await eventually(lambda: _as_many(done, 1))
    assert done[0] == 1


async def _as_many(found, count):
    return len(found) >= count
