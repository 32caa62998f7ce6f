"""Opsgenie's searches find the same however they are looked for, and are refused in its words where that would take too long."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from detection_words import NOON, signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tocsin_chassis.postgres.database import Database, postgres
from tocsin_detection import store
from tocsin_detection.alert import Alert, observe
from tocsin_detection.intake.intake import Request
from tocsin_detection.intake.opsgenie_api.conditions import SORTED, Search
from tocsin_detection.intake.opsgenie_api.query import parse
from tocsin_detection.intake.opsgenie_api.searches import Bounds, Searches
from tocsin_detection.intake.opsgenie_api.searching import Page, links
from tocsin_detection.intake.opsgenie_api.wording import Refused
from tocsin_detection.integration import Integration
from tocsin_kernel.ids import RandomIds

EVERYTHING = Bounds()
QUERIES = (
    "",
    "status: open",
    "status: closed",
    "tag: t1",
    "status: open AND NOT tag: t1",
    "alias: a3",
    "alias: A3",
    'alias: "a3*"',
    "tinyId: 7",
    "status: open OR tag: t2",
    f"createdAt > {NOON.timestamp() * 1000 + 9_000:.0f} AND tag: t1",
    f"createdAt < {NOON.timestamp() * 1000 + 9_000:.0f} AND status: open",
    "nothing like that",
)


def alerts() -> list[Alert]:
    """The oldest first; some opened at the same moment as others, and every third is another integration's."""
    ids = RandomIds()
    found = []
    for number in range(60):
        said = signal(fingerprint=f"a{number}", title=f"Disk {number}")
        decision = observe(None, structs.replace(said, integration="other" if number % 3 == 0 else "door"), NOON, ids)
        assert decision.alert is not None
        opened_at = NOON + number // 2 * timedelta(seconds=1)
        alert = structs.replace(decision.alert, opened_at=opened_at, tags=(f"t{number % 4}",), told=True)
        found.append(structs.replace(alert, resolved_at=NOON + timedelta(hours=1)) if number % 5 == 4 else alert)
    return found


@pytest_asyncio.fixture
async def database(world) -> AsyncIterator[Database]:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        async with opened.transaction() as tx:
            await store.insert_alerts(tx, [alert for alert in alerts() if alert.open])
            await store.insert_resolved(tx, [alert for alert in alerts() if not alert.open])
        yield opened


def searched(query: str, sort: str = "createdAt", *, descending: bool = True, limit: int = 5, offset: int = 0) -> Search:
    return Search("door", parse(query), sort, descending, limit, offset)


def titles(page: Page) -> Sequence[str]:
    return [alert.title for alert in page.alerts]


@given(
    search=st.builds(
        searched,
        query=st.sampled_from(QUERIES),
        sort=st.sampled_from(["createdAt", "tinyId", *SORTED]),
        descending=st.booleans(),
        limit=st.integers(1, 7),
        offset=st.sampled_from([0, 0, 3, 30, 60]),
    ),
    bounds=st.builds(Bounds, few=st.sampled_from([0, 1, 20]), ahead=st.sampled_from([0, 5, 40])),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_a_page_holds_the_same_however_it_is_looked_for(database, search: Search, bounds: Bounds) -> None:
    everything, searches = Searches(database), Searches(database, bounds)
    whole, page = await everything.page(search), await searches.page(search)
    assert (titles(page), page.more, page.total or whole.total) == (titles(whole), whole.more, whole.total)
    assert await searches.count(search) == await everything.count(search) == whole.total


async def test_pages_are_the_alerts_of_the_integration_in_their_order(database) -> None:
    own = [alert for alert in alerts() if alert.integration == "door"]
    for bounds in (EVERYTHING, Bounds(few=0)):
        searches = Searches(database, bounds)
        by_number = [
            await searches.page(searched("", sort="tinyId", descending=False, limit=9, offset=offset)) for offset in range(0, len(own), 9)
        ]
        numbers = [alert.tiny_id for page in by_number for alert in page.alerts]
        assert numbers == sorted(set(numbers)) and len(numbers) == len(own)
        newest = [await searches.page(searched("status: open", limit=9, offset=offset)) for offset in range(0, len(own), 9)]
        opened = [alert.opened_at for page in newest for alert in page.alerts]
        assert opened == sorted((alert.opened_at for alert in own if alert.open), reverse=True)


async def test_what_would_have_too_much_looked_at_is_refused_and_what_an_index_finds_is_not(database) -> None:
    searches = Searches(database, Bounds(few=4, ahead=4, most=10))
    wide = searches.page(searched("nothing like that")), searches.page(searched("", "count")), searches.count(searched("tag: t1"))
    for refused in wide:
        with pytest.raises(Refused, match="cannot be processed") as error:
            await refused
        assert error.value.said.status == 422 and "narrow it" in str(error.value.said.content["errors"])
    assert len((await searches.page(searched(""))).alerts) == 5
    assert titles(await searches.page(searched("alias: a7 AND status: open", "count"))) == ["Disk 7"]
    assert await searches.count(searched("alias: a7")) == 1
    assert await searches.count(searched("")) == 40, "an index counts them"


async def test_what_takes_too_long_is_refused_and_leaves_the_database_to_others(database) -> None:
    """Words that are looked for in many ways in many long texts."""
    async with database.transaction() as tx:
        await tx.execute("UPDATE alert SET description = repeat('ab', 8000)")
    hard = " OR ".join(f"description: a*b*a*b*{number}*c" for number in range(30))
    searches = Searches(database, replace(EVERYTHING, patience=timedelta(milliseconds=5)))
    with pytest.raises(Refused) as error:
        await searches.page(searched(hard))
    assert error.value.said.status == 422 and "longer than 0.005 s" in str(error.value.said.content["errors"])
    assert await Searches(database).count(searched("status: open")) == len([a for a in alerts() if a.open and a.integration == "door"])


def test_no_link_leads_where_nobody_may_ask() -> None:
    request = Request(Integration("door", "opsgenie", "", "", NOON), NOON, "GET", "/v2/alerts", b"")
    search = searched("", limit=100)
    assert links(request, search, Page([], True, 19_999))["last"] == "/v2/alerts?limit=100&offset=19900"
    assert set(links(request, search, Page([], True, 20_101))) == {"first", "next"}
    assert set(links(request, search, Page([], True, None))) == {"first", "next"}
    assert set(links(request, search, Page([], False, 0))) == {"first", "last"}
