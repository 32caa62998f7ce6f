"""Who of a service lives, as the others see it."""

from tocsin_chassis.postgres.database import postgres
from tocsin_chassis.postgres.presence import not_seen, presence
from tocsin_testkit.world import World, eventually

NOBODY = 7


async def test_a_process_is_seen_as_long_as_it_has_its_connection_and_again_once_it_has_another_one(world: World) -> None:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_triage"), "triage") as database:

        async def missing(number: int) -> set[int]:
            async with database.transaction() as tx:
                return await not_seen(tx, [number, NOBODY])

        async with presence(database) as shown:

            async def is_seen() -> bool:
                return shown.number == shown.own

            async def is_hidden() -> bool:
                return shown.number == 0

            await eventually(is_seen, what="it to be seen")
            assert await missing(shown.own) == {NOBODY}
            async with world.without_database("triage"):
                await eventually(is_hidden, what="it to notice that nobody sees it")
            await eventually(is_seen, what="it to be seen again")
            assert await missing(shown.own) == {NOBODY}

        async def is_missing() -> bool:
            return await missing(shown.own) == {shown.own, NOBODY}

        await eventually(is_missing, what="its lock to go with it")
