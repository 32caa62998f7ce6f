"""Lists show what their filters mean, page after page, however rare it is; and no page looks at more than it may."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from detection_words import NOON, signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_detection import alert_list_store, store
from tocsin_detection.alert import CHECKS, Alert, observe
from tocsin_detection.alert_list_store import list_alerts
from tocsin_detection.listing import Look, Wanted, position, together
from tocsin_detection.noise.matcher import Matchers, all_match, labels_of, read_all
from tocsin_kernel.ids import RandomIds

SECOND = timedelta(seconds=1)
PAGE = 7
MATCHERS = (
    'alertname=~"fill[01]"',
    'alertname!~"fill.*"',
    'instance=~"host-[0-9]*3"',
    r'instance=~"host-\\d\\b"',
    'instance=~"(?i)HOST-(1|2|3.)"',
    'rare=~"D.se.*"',
    'rare=~"D.se[^a]*"',
    r'rare!~"\\bx"',
    "rare!=x",
    "rare=",
    'rare!~".+"',
    'service=~"s[34]",instance!~"host-.*9"',
    "severity=critical,alertname=fill2",
    "alertname=fill1",
    'alertname=~"fill1|fill2",instance!=host-7',
    'fingerprint=~"4.?"',
    "fingerprint=13",
)


def alerts() -> list[Alert]:
    """The oldest first; some opened at the same moment as others."""
    ids = RandomIds()
    found = []
    for number in range(60):
        labels = {"alertname": f"fill{number % 3}", "instance": f"host-{number}", **({"rare": "Düse\n"} if number % 20 == 3 else {})}
        said = signal(fingerprint=str(number), title=f"Disk {number}", labels=labels, service=f"s{number % 5}", severity="critical")
        decision = observe(
            None, structs.replace(said, integration=CHECKS if number % 17 == 9 else said.integration), NOON + number // 2 * SECOND, ids
        )
        assert decision.alert is not None
        alert = structs.replace(decision.alert, told=number % 4 != 0)
        found.append(structs.replace(alert, resolved_at=NOON + timedelta(hours=1)) if number % 6 == 5 else alert)
    return found


def meant(there: Sequence[Alert], wanted: Wanted) -> list[str]:
    """The whole list, by looking at every alert."""

    def fits(alert: Alert) -> bool:
        return (
            (wanted.open is None or alert.open is wanted.open)
            and (alert.integration == wanted.integration if wanted.integration else alert.integration != CHECKS)
            and wanted.labels.items() <= alert.labels.items()
            and wanted.service in (None, alert.sender_service)
            and wanted.severity in (None, alert.sender_severity)
            and wanted.held in (None, alert.open and not alert.told)
            and (wanted.text or "").lower() in alert.title.lower()
            and all_match(wanted.matchers, labels_of(alert))
        )

    return [alert.id for alert in sorted(there, key=position, reverse=True) if fits(alert)]


@pytest.fixture
async def database(world) -> Iterator[Database]:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


@pytest.fixture
async def filled(database) -> Sequence[Alert]:
    there = alerts()
    async with database.transaction() as tx:
        await store.insert_alerts(tx, [alert for alert in there if alert.open])
        await store.insert_resolved(tx, [alert for alert in there if not alert.open])
    return there


async def pages(tx: Tx, wanted: Wanted, most: int) -> list[Look]:
    found = [await list_alerts(tx, wanted, most)]
    while (until := found[-1].until) is not None:
        found.append(await list_alerts(tx, replace(wanted, before=until), most))
    return found


def any_of(*values: object) -> st.SearchStrategy[object]:
    """None three times of four: most lists have few filters."""
    return st.one_of(st.none(), st.none(), st.none(), st.sampled_from(values))


lists = st.builds(
    Wanted,
    open=st.sampled_from([True, False, None]),
    integration=any_of("door", CHECKS, "none"),
    labels=any_of({"alertname": "fill1"}, {"instance": "host-33"}, {"rare": "Düse\n"}, {"rare": "x"}).map(lambda labels: labels or {}),
    limit=st.integers(1, PAGE),
    service=any_of("s2", "none"),
    severity=any_of("critical", "minor"),
    held=any_of(True, False),
    text=any_of("dISK 1", "nothing like that"),
    matchers=st.lists(st.sampled_from(MATCHERS), max_size=2).map(read_all),
)


@given(wanted=lists, most=st.integers(4, 40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_pages_are_the_list_and_each_looks_at_so_many_only(database, filled, wanted: Wanted, most: int) -> None:
    """Whatever is wanted and however little a page may look at: page after page exactly what looking at everything finds, in order."""
    async with database.reading() as tx:
        looks = await pages(tx, wanted, most)
    assert [alert.id for look in looks for alert in look.found] == meant(filled, wanted)
    assert all(len(look.found) <= wanted.limit for look in looks)
    ends = [look.until for look in looks[:-1]]
    assert ends == sorted(ends, reverse=True) and len(set(ends)) == len(ends), "a page went on where another had been"


async def test_every_matcher_finds_what_it_means(database, filled) -> None:
    async with database.reading() as tx:
        for written in MATCHERS:
            wanted = Wanted(limit=PAGE, matchers=read_all([written]))
            found = [alert.id for look in await pages(tx, wanted, 50) for alert in look.found]
            assert found == meant(filled, wanted), written


def test_what_two_places_found_ends_where_one_of_them_stopped_looking() -> None:
    newest, newer, older, oldest = reversed(alerts()[:8:2])
    one, other = Look([newest, oldest]), Look([newer], position(newer))
    assert together([one, other], 9) == Look([newest, newer], position(newer))
    assert together([one, Look([newer, older])], 9) == Look([newest, newer, older, oldest])
    assert together([one, Look([newer, older])], 2) == Look([newest, newer], position(newer))
    assert together([one, Look([], position(newer))], 9) == Look([newest], position(newer))


MANY = 3_000
LOOKED_AT = 300


@pytest.fixture
async def many(database, monkeypatch) -> Sequence[Alert]:
    """Very many open alerts, and some resolved ones."""
    monkeypatch.setattr(alert_list_store, "LOOKED_AT_FIRST", 50)
    [first, *_] = alerts()
    ids = RandomIds()
    there = [
        structs.replace(
            first,
            id=ids.new(),
            fingerprint=f"f{number}",
            opened_at=NOON + number * SECOND,
            told=number % 3 > 0,
            sender_service=f"s{number % 9}",
            labels={"job": "node", "instance": f"host-{number}", "third": str(number % 30)},
        )
        for number in range(MANY)
    ]
    async with database.transaction() as tx:
        await store.insert_alerts(tx, there)
        await store.insert_resolved(
            tx, [structs.replace(alert, id=ids.new(), resolved_at=NOON + timedelta(days=1)) for alert in there[:50]]
        )
    return there


async def asked(database: Database, wanted: Wanted, monkeypatch) -> list[dict[str, object]]:
    """How the database went about each of a page's statements."""
    said: list[tuple[str, Sequence[object]]] = []
    run = Tx._run

    async def noted(tx: Tx, rows, sql, params):  # type: ignore[no-untyped-def]
        said.append((sql, params))
        return await run(tx, rows, sql, params)

    async with database.reading() as tx:
        with monkeypatch.context() as patched:
            patched.setattr(Tx, "_run", noted)
            await list_alerts(tx, wanted, LOOKED_AT)
        plans = [await tx.value(list, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + sql, params) for sql, params in said]
    return [plan[0]["Plan"] for plan in plans]


def nodes(plan) -> Iterator[dict[str, object]]:  # type: ignore[no-untyped-def]
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_looked_at(plan: dict[str, object]) -> int:
    """Of the table: what was taken and what was thrown away. What an index alone sorts out is not looked at."""
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"], json.dumps(plan)
    return int(
        sum(node["Actual Rows"] + sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck")) for node in scans)
    )


def matching(text: str) -> Matchers:
    return read_all([text])


@pytest.mark.parametrize("analyzed", [True, False])
async def test_no_page_looks_at_more_than_it_may(database, many, monkeypatch, analyzed: bool) -> None:
    """However many are open and whatever the database knows of them: it never looks at all of them, and sorts few."""
    if analyzed:
        async with database.transaction() as tx:
            await tx.execute("ANALYZE alert")
    page = position(many[2_000])
    for filters in (
        {},
        {"held": True},
        {"held": False},
        {"service": "s3"},
        {"service": "s3", "held": True},
        {"service": "none", "text": "disk"},
        {"integration": "door"},
        {"integration": "none"},
        {"severity": "minor"},
        {"labels": {"job": "node"}},
        {"labels": {"instance": "host-7"}},
        {"labels": {"job": "node", "instance": "nowhere"}},
        {"text": "nothing like that"},
        {"matchers": matching('third="7"')},
        {"matchers": matching("fingerprint=f7")},
        {"matchers": matching('instance=~"x.*"')},
        {"matchers": matching('job!~"node",instance=~".*7"')},
        {"matchers": matching(r'instance=~"nowhere\\b.*"')},
        {"matchers": matching("job!=node")},
    ):
        for before in (None, page):
            for opened in (True, None):
                wanted = Wanted(open=opened, limit=PAGE, before=before, **filters)
                plans = await asked(database, wanted, monkeypatch)
                assert max(map(rows_looked_at, plans)) <= LOOKED_AT + 2, f"{filters}:\n{json.dumps(plans, indent=1)}"


async def test_what_an_index_has_is_one_page_however_far_down_it_lies(database, many) -> None:
    async with database.reading() as tx:
        for filters in (
            {"labels": {"instance": "host-7"}},
            {"labels": {"instance": "nowhere"}},
            {"integration": "none"},
            {"service": "none"},
            {"matchers": matching('instance="host-7",job=~"n.*"')},
        ):
            [look] = await pages(tx, Wanted(open=True, limit=PAGE, **filters), LOOKED_AT)
            assert [alert.id for alert in look.found] == meant(many, Wanted(open=True, **filters))
