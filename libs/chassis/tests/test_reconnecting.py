"""A database that was away is found again soon after it is back, however long that took."""

import pytest

from tocsin_chassis.events.consumer import again_after
from tocsin_chassis.postgres import database as databases
from tocsin_chassis.postgres.database import Database, DatabaseBusy, DatabaseUnavailable, postgres
from tocsin_kernel.errors import Unavailable
from tocsin_testkit.world import World, eventually


async def answers(database: Database) -> bool:
    try:
        await database.ping()
    except Unavailable:
        return False
    return True


async def test_a_pool_that_has_given_up_tries_anew_for_the_next_transaction(world: World, monkeypatch) -> None:
    monkeypatch.setattr(databases, "RECONNECT_SECONDS", 0.1)
    given_up: list[None] = []
    pools: list[databases.AsyncConnectionPool] = []
    pool = databases.AsyncConnectionPool

    def told(*arguments, **options):
        pools.append(pool(*arguments, **options, reconnect_failed=lambda _: given_up.append(None)))
        return pools[-1]

    monkeypatch.setattr(databases, "AsyncConnectionPool", told)
    monkeypatch.setattr(told, "check_connection", pool.check_connection, raising=False)
    async with postgres(world.servers.postgres_url(world.database, "tocsin_triage"), "triage", size=2) as database:
        assert await answers(database)
        async with world.without_database("triage"):
            assert not await answers(database)
            await eventually(lambda: _gave_up(given_up), what="the pool to give up")
        await eventually(lambda: answers(database), what="the database to be found again")
        assert pools[0].get_stats()["connections_errors"] > 0
        async with database.transaction(), database.transaction():
            pools[0].timeout = 0.1
            with pytest.raises(DatabaseBusy):
                await database.ping()


async def _gave_up(given_up: list[None]) -> bool:
    return bool(given_up)


@pytest.mark.parametrize("deliveries", [1, 4, 8, 1000])
def test_a_fact_that_waited_for_the_database_is_handled_soon_after_it_is_back(deliveries: int) -> None:
    assert 0.5 <= again_after(DatabaseUnavailable(), deliveries) <= 4.0
    assert again_after(DatabaseUnavailable(), deliveries) <= again_after(ValueError("a fault of our own"), deliveries) <= 60.0
