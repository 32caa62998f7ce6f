"""Lists show what their filters mean, page after page, however rare it is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from detection_words import NOON, signal

from tocsin_chassis.postgres.database import postgres
from tocsin_detection import store
from tocsin_detection.alert import Alert, observe
from tocsin_detection.noise.matcher import all_match, labels_of, read_all
from tocsin_detection.store import Wanted
from tocsin_kernel.ids import RandomIds

SECOND = timedelta(seconds=1)
PAGE = 7


def alerts() -> list[Alert]:
    ids = RandomIds()
    found = []
    for number in range(60):
        labels = {"alertname": f"fill{number % 3}", "instance": f"host-{number}", **({"rare": "Düse\n"} if number % 20 == 3 else {})}
        said = signal(fingerprint=str(number), title=f"Disk {number}", labels=labels, service=f"s{number % 5}", severity="critical")
        decision = observe(None, said, NOON + number * SECOND, ids)
        assert decision.alert is not None
        alert = replace(decision.alert, told=number % 4 != 0)
        found.append(replace(alert, resolved_at=NOON + timedelta(hours=1)) if number % 6 == 5 else alert)
    return found


@pytest.fixture
async def tx(world, monkeypatch):
    monkeypatch.setattr(store, "LOOKED_AT_FIRST", 8)
    url = world.servers.postgres_url(world.database, "tocsin_detection")
    async with postgres(url, "detection") as database, database.transaction() as opened:
        yield opened


async def pages(tx, wanted: Wanted) -> list[str]:
    found: list[Alert] = []
    while True:
        page = await store.list_alerts(tx, wanted)
        found += page
        if len(page) < wanted.limit:
            return [alert.id for alert in found]
        wanted = replace(wanted, before=(page[-1].opened_at, page[-1].id))


@pytest.mark.parametrize("opened", [True, False, None])
async def test_every_filter_finds_what_it_means(tx, opened: bool | None) -> None:
    there = alerts()
    await store.insert_alerts(tx, [alert for alert in there if alert.open])
    await store.insert_resolved(tx, [alert for alert in there if not alert.open])
    newest = [alert for alert in reversed(there) if opened is None or alert.open is opened]

    async def finds(**filters: object) -> list[str]:
        return await pages(tx, Wanted(open=opened, limit=PAGE, **filters))  # type: ignore[arg-type]

    for written in (
        'alertname=~"fill[01]"',
        'alertname!~"fill.*"',
        'instance=~"host-[0-9]*3"',
        r'instance=~"host-\\d\\b"',
        'instance=~"(?i)HOST-(1|2|3.)"',
        'rare=~"D.se.*"',
        'rare=~"D.se[^a]*"',
        "rare!=x",
        "rare=",
        'rare!~".+"',
        'service=~"s[34]",instance!~"host-.*9"',
        "severity=critical,alertname=fill2",
        'fingerprint=~"4.?"',
    ):
        matchers = read_all([written])
        assert await finds(matchers=matchers) == [alert.id for alert in newest if all_match(matchers, labels_of(alert))], written
    assert await finds() == [alert.id for alert in newest]
    assert await finds(text="dISK 1") == [alert.id for alert in newest if "Disk 1" in alert.title]
    assert await finds(text="nothing like that") == []
    assert await finds(service="s2", labels={"alertname": "fill1"}) == [
        alert.id for alert in newest if alert.sender_service == "s2" and alert.labels["alertname"] == "fill1"
    ]
    assert await finds(held=True) == [alert.id for alert in newest if alert.open and not alert.told]


async def test_usual_lists_are_read_along_an_index(tx, monkeypatch) -> None:
    """However many are open: neither a look at all of them, nor a sort."""
    [first, *_] = alerts()
    many = [
        replace(
            first,
            id=RandomIds().new(),
            fingerprint=f"f{number}",
            opened_at=NOON + number * SECOND,
            told=number % 3 > 0,
            sender_service=f"s{number % 9}",
        )
        for number in range(4_000)
    ]
    await store.insert_alerts(tx, many)
    await tx.execute("ANALYZE alert")
    asked: list[tuple[str, object]] = []
    found = store._alerts

    async def noted(tx, sql, params):
        asked.append((sql, params))
        return await found(tx, sql, params)

    monkeypatch.setattr(store, "_alerts", noted)
    page = (NOON + 2_000 * SECOND, many[2_000].id)
    for filters in (
        {},
        {"held": True},
        {"service": "s3"},
        {"before": page},
        {"held": True, "before": page},
        {"service": "s3", "before": page},
    ):
        asked.clear()
        assert len(await store.list_alerts(tx, Wanted(open=True, limit=PAGE, **filters))) == PAGE
        [(sql, params)] = asked
        plan = "\n".join(await tx.values(str, "EXPLAIN " + sql, params))
        assert "Index Scan" in plan and "Seq Scan" not in plan and "Sort" not in plan, f"{filters}:\n{plan}"
