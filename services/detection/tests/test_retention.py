"""What has ended is forgotten a day at a time, and never what is still open."""

from datetime import UTC, datetime, timedelta

import pytest
from detection_words import signal
from msgspec.structs import replace

from tocsin_chassis.postgres import retention
from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_chassis.postgres.retention import DAYS_AHEAD, Daily
from tocsin_detection import store
from tocsin_detection.alert import Alert, observe
from tocsin_detection.strays import Strays
from tocsin_kernel.ids import RandomIds

KEPT_DAYS = 90
TABLES = (Daily("resolved_alert", "resolved_at", KEPT_DAYS), Daily("alert_log", "at", KEPT_DAYS))
DAY = timedelta(days=1)


class Calendar:
    """A clock that stands at noon of a day."""

    def __init__(self, now: datetime) -> None:
        self._now = now.replace(hour=12, minute=0, second=0, microsecond=0)

    def now(self) -> datetime:
        return self._now

    def forward(self, days: int) -> None:
        self._now += days * DAY


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


@pytest.fixture
def calendar() -> Calendar:
    return Calendar(datetime.now(UTC))


async def maintain(database: Database, now: datetime) -> set[str]:
    """The partitions there are after the daily work."""
    async with database.transaction() as tx:
        await retention.maintain(tx, now, TABLES)
        query = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        return set(await tx.values(str, query))


async def ended(tx: Tx, name: str, at: datetime) -> Alert:
    """An alert that opened and ended at this instant, with a line in its log."""
    opened = observe(None, signal(name), at, RandomIds()).alert
    assert opened is not None
    alert = replace(opened, told=True, resolved_at=at, resolve_reason="RESOLVED_BY_SENDER")
    await store.insert_resolved(tx, [alert])
    await store.append_log(tx, [store.LogEntry(alert.id, at, "RESOLVED", "its sender says that it is over")])
    return alert


async def partition_of(tx: Tx, alert: Alert) -> str | None:
    return await tx.value(str, "SELECT tableoid::regclass::text FROM resolved_alert WHERE id = %s", (alert.id,))


async def test_what_has_ended_is_dropped_by_the_day_and_what_is_open_stays(database: Database, calendar: Calendar) -> None:
    await maintain(database, calendar.now())
    first = calendar.now()
    async with database.transaction() as tx:
        old = await ended(tx, "old", first)
        [still_open] = [observe(None, signal("still open"), first, RandomIds()).alert]
        assert still_open is not None
        await store.insert_alerts(tx, [still_open])
        assert await partition_of(tx, old) == f"resolved_alert_{first:%Y%m%d}"
    calendar.forward(1)
    await maintain(database, calendar.now())
    async with database.transaction() as tx:
        young = await ended(tx, "young", calendar.now())
    calendar.forward(KEPT_DAYS - 1)
    assert f"resolved_alert_{first:%Y%m%d}" in await maintain(database, calendar.now())
    calendar.forward(1)
    partitions = await maintain(database, calendar.now())
    gone = {f"{table}_{first:%Y%m%d}" for table in ("resolved_alert", "alert_log")}
    ahead = {f"{table}_{calendar.now() + days * DAY:%Y%m%d}" for table in ("resolved_alert", "alert_log") for days in range(DAYS_AHEAD + 1)}
    assert gone.isdisjoint(partitions) and ahead <= partitions
    async with database.transaction() as tx:
        assert await store.find_alert(tx, old.id) is None
        assert [entry.decision for entry in await store.log_of(tx, young, 10)] == ["OPENED", "RESOLVED"]
        kept = await store.find_alert(tx, still_open.id)
    assert kept is not None and kept.open


async def test_what_comes_on_a_day_without_a_partition_is_kept_counted_and_forgotten_in_its_time(
    database: Database, calendar: Calendar
) -> None:
    await maintain(database, calendar.now())
    strays = Strays(database, calendar, KEPT_DAYS)
    assert await strays.look() == store.StrayRows(0, 0)
    calendar.forward(DAYS_AHEAD + 10)  # nobody has made partitions for days
    async with database.transaction() as tx:
        late = await ended(tx, "late", calendar.now())
        assert await partition_of(tx, late) == "resolved_alert_default"
    assert await strays.look() == store.StrayRows(1, 1)
    partitions = await maintain(database, calendar.now())
    assert f"resolved_alert_{calendar.now():%Y%m%d}" not in partitions  # its rows lie in the default already
    calendar.forward(1)
    assert f"resolved_alert_{calendar.now():%Y%m%d}" in await maintain(database, calendar.now())
    calendar.forward(KEPT_DAYS - 1)
    assert await strays.look() == store.StrayRows(1, 1)
    calendar.forward(1)
    assert await strays.look() == store.StrayRows(0, 0)
