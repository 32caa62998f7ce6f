"""What is said again word for word costs no write, and nothing that it says is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from detection_words import NOON, request, signal
from msgspec.structs import replace

from tocsin_chassis.postgres.database import postgres
from tocsin_detection import store
from tocsin_detection.alert import Alert, end_silently, observe
from tocsin_detection.intake import alertmanager
from tocsin_detection.repeats import Repeats
from tocsin_kernel.ids import RandomIds

MINUTE = timedelta(minutes=1)
SAID = {"labels": {"alertname": "disk"}, "startsAt": NOON.isoformat(), "endsAt": (NOON + 4 * MINUTE).isoformat()}


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


@pytest.fixture
async def repeats(database):
    kept = Repeats(database)
    async with hearing(kept):
        yield kept


@asynccontextmanager
async def hearing(repeats: Repeats) -> AsyncIterator[None]:
    """The time while it hears other processes."""
    listening = asyncio.create_task(repeats.run())
    while not repeats.hears_others:
        await asyncio.sleep(0.01)
    yield
    listening.cancel()
    await asyncio.wait([listening])


def opened(told: bool = True) -> Alert:
    decision = observe(None, signal(ends_at=NOON + 4 * MINUTE), NOON, RandomIds())
    assert decision.alert is not None
    return replace(decision.alert, told=told)


def said(statement: dict[str, object], at: datetime = NOON) -> tuple[bytes, datetime]:
    """What is known again of a statement, and its end."""
    [sent] = alertmanager.statements(request("alertmanager", [statement]))
    found = alertmanager.said(sent, at)
    assert found is not None
    return found


def repeat(repeats: Repeats, statement: dict[str, object], after: timedelta) -> bool:
    return repeats.is_repeat("door", *said(statement, NOON + after), NOON + after)


async def test_the_same_words_with_another_end_are_a_repeat_while_the_stored_end_is_far_ahead(repeats: Repeats) -> None:
    digest, _ = said(SAID)
    alert = opened()
    repeats.remember([(digest, alert)])
    later = {**SAID, "endsAt": (NOON + 5 * MINUTE).isoformat()}
    assert repeat(repeats, later, MINUTE)
    assert repeats.since_written(alert.id) == 1
    much_later = {**SAID, "endsAt": (NOON + 7 * MINUTE).isoformat()}
    assert not repeat(repeats, much_later, 3 * MINUTE)


async def test_other_words_an_end_and_an_alert_that_changed_are_no_repeats(repeats: Repeats) -> None:
    digest, _ = said(SAID)
    alert = opened()
    repeats.remember([(digest, alert)])
    assert not repeat(repeats, {**SAID, "annotations": {"summary": "worse"}}, MINUTE)
    assert not repeat(repeats, {**SAID, "endsAt": NOON.isoformat()}, MINUTE)
    repeats.changed([alert.id])
    assert not repeat(repeats, SAID, MINUTE)


async def test_what_is_held_back_by_a_rule_is_looked_at_every_time(repeats: Repeats) -> None:
    digest, _ = said(SAID)
    repeats.remember([(digest, opened(told=False))])
    assert not repeat(repeats, SAID, MINUTE)


async def test_an_ended_alert_is_not_remembered(repeats: Repeats) -> None:
    digest, _ = said(SAID)
    repeats.remember([(digest, end_silently(opened(), NOON + 5 * MINUTE).alert)])
    assert not repeat(repeats, SAID, MINUTE)


async def test_another_process_that_changes_an_alert_is_heard(database, repeats: Repeats) -> None:
    digest, _ = said(SAID)
    alert = opened()
    repeats.remember([(digest, alert)])
    other = Repeats(database)
    async with hearing(other):
        other.changed([alert.id])
        await asyncio.sleep(0.3)
    assert not repeat(repeats, SAID, MINUTE)


async def test_nothing_is_a_repeat_while_other_processes_cannot_be_heard(database) -> None:
    digest, _ = said(SAID)
    deaf = Repeats(database)
    deaf.remember([(digest, opened())])
    assert not repeat(deaf, SAID, MINUTE)


async def occurrences(database, alert: Alert) -> tuple[int, datetime | None]:
    async with database.transaction() as tx:
        found = await store.find_alert(tx, alert.id)
    assert found is not None
    return found.occurrences, found.ends_at


async def stored(database, repeats: Repeats) -> Alert:
    alert = opened()
    async with database.transaction() as tx:
        await store.insert_alerts(tx, [alert])
    repeats.remember([(said(SAID)[0], alert)])
    return alert


async def test_counts_wait_until_the_stored_end_comes_nearer_or_half_a_minute(database, repeats: Repeats) -> None:
    alert = await stored(database, repeats)
    assert repeat(repeats, {**SAID, "endsAt": (NOON + 4.2 * MINUTE).isoformat()}, 0.2 * MINUTE)
    await repeats.write(NOON + 0.2 * MINUTE)
    assert await occurrences(database, alert) == (1, alert.ends_at)
    await repeats.write(NOON + 0.7 * MINUTE)
    assert await occurrences(database, alert) == (2, NOON + 4.2 * MINUTE)
    assert repeat(repeats, {**SAID, "endsAt": (NOON + 6 * MINUTE).isoformat()}, 2 * MINUTE)
    await repeats.write(NOON + 2 * MINUTE)
    assert await occurrences(database, alert) == (3, NOON + 6 * MINUTE)


async def test_a_process_that_stops_writes_all_counts(database, repeats: Repeats) -> None:
    alert = await stored(database, repeats)
    assert repeat(repeats, SAID, 0.1 * MINUTE)
    await repeats.write_all()
    assert (await occurrences(database, alert))[0] == 2
    await repeats.write_all()
    assert (await occurrences(database, alert))[0] == 2


async def test_counts_that_somebody_took_and_did_not_write_are_counted_later(database, repeats: Repeats) -> None:
    alert = await stored(database, repeats)
    assert repeat(repeats, SAID, 0.1 * MINUTE)
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            assert repeats.caught_up(tx, [alert])[0].occurrences == 2
            raise ZeroDivisionError
    async with database.transaction() as tx:
        assert repeats.caught_up(tx, [alert])[0].occurrences == 2
        repeats.unwritten([alert.id])
    assert repeats.since_written(alert.id) == 1
    await repeats.write_all()
    assert (await occurrences(database, alert))[0] == 2


async def test_what_was_planned_while_nothing_was_open_does_not_read_every_alert_of_a_flood(world, database) -> None:
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_detection"), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE alert")
    async with database.transaction(plans_once=True) as tx:
        assert await store.lock_open_alerts(tx, "door", ["thing"]) == []
        assert await tx.value(int, "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'alert'") == 0
