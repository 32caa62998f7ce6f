"""The machinery's own tables."""

from datetime import timedelta

from tocsin_chassis.postgres import retention
from tocsin_chassis.postgres.database import postgres


async def test_partitions_are_made_ahead_and_dropped_when_old(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_triage"), "triage") as database:
        now = database.clock.now()
        async with database.transaction() as tx:
            await retention.maintain(tx, now)
            await retention.maintain(tx, now)
        async with database.transaction() as tx:
            await retention.maintain(tx, now + timedelta(days=30))
            names = await tx.values(
                str, "SELECT relname FROM pg_class WHERE relispartition AND relnamespace = current_schema()::regnamespace"
            )
    assert f"outbox_{now:%Y%m%d}" not in names
    assert f"outbox_{now + timedelta(days=31):%Y%m%d}" in names
    assert "outbox_default" in names
