"""Changes: told once, kept for a while, listed, and nobody is woken."""

import ast
import itertools
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from detection_service import Door, door
from tocsin.detection.v1 import change_service_pb2 as pb
from tocsin.detection.v1.change_events_pb2 import ChangeReported

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import postgres
from tocsin_detection.changes import changes as use_case
from tocsin_detection.changes import store
from tocsin_kernel.ids import RandomIds
from tocsin_testkit.world import World

ENQUEUE = "/v2/change/enqueue"
HOUR = timedelta(hours=1)


@pytest.fixture(name="events")
async def _events(world: World) -> AsyncIterator[Door]:
    async with door(world, "pagerduty", service="shop") as opened:
        yield opened


def change(events: Door, summary: str, ago: timedelta | None = None, **details: str) -> dict[str, Any]:
    said: dict[str, object] = {"summary": summary, "source": "ci", "custom_details": details}
    if ago is not None:
        said["timestamp"] = (events.world.clock.now() - ago).isoformat()
    return {"routing_key": events.key, "payload": said, "links": [{"href": "https://ci.example/1", "text": "Build 1"}]}


async def test_a_change_is_kept_told_and_wakes_nobody(events: Door) -> None:
    said = await events.send(change(events, "checkout 4.2 deployed", HOUR, service="checkout"), ENQUEUE)
    assert (said.status, json.loads(said.body)) == (202, {"status": "success", "message": "Change event processed"})
    [kept] = await events.told_changes()
    assert (kept.summary, kept.service, kept.source, kept.integration) == ("checkout 4.2 deployed", "checkout", "ci", "pagerduty")
    assert [(link.url, link.text) for link in kept.links] == [("https://ci.example/1", "Build 1")]
    assert kept.received_at.ToDatetime() - kept.happened_at.ToDatetime() == HOUR
    [fact] = await events.world.facts(ChangeReported)
    assert fact.change == kept
    assert await events.alerts() == []


async def test_a_change_that_is_told_again_is_kept_once(events: Door) -> None:
    for _ in range(2):
        assert (await events.send(change(events, "deployed", HOUR), ENQUEUE)).status == 202
    assert len(await events.told_changes()) == 1
    assert len(await events.world.facts(ChangeReported)) == 1
    for _ in range(2):
        events.world.clock.forward(timedelta(seconds=1))
        await events.send(change(events, "deployed at no known time"), ENQUEUE)
    assert len(await events.told_changes()) == 3


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"payload": {"summary": "x"}}, "routing_key"),
        ({"routing_key": "0" * 32}, "payload.summary"),
        ({"routing_key": "0" * 32, "payload": {"summary": "x" * 1_025}}, "payload.summary"),
        ({"routing_key": "0" * 32, "payload": {"summary": "x", "timestamp": "soon"}}, "payload.timestamp"),
        (b"{", "JSON"),
    ],
)
async def test_a_refusal_names_the_field_and_keeps_nothing(events: Door, content: object, field: str) -> None:
    said = await events.send(content, ENQUEUE)
    assert said.status == 400 and field in json.loads(said.body)["errors"][0]
    assert await events.told_changes() == []


async def test_the_list_is_narrowed_and_paged(events: Door) -> None:
    for hours in range(1, 6):
        await events.send(change(events, f"{hours} h ago", hours * HOUR, service="shop" if hours % 2 else "search"), ENQUEUE)
    assert [one.summary for one in await events.told_changes()] == [f"{hours} h ago" for hours in range(1, 6)]
    assert len(await events.told_changes(service="search")) == 2
    assert await events.told_changes(integration="other") == []
    now = events.world.clock.now()
    request = pb.ListChangesRequest(page_size=1)
    request.since.FromDatetime(now - 4 * HOUR)
    request.until.FromDatetime(now - 2 * HOUR)
    found: list[str] = []
    while not found or request.page_token:
        page = await events.changes.ListChanges(request)
        found += [one.summary for one in page.changes]
        request.page_token = page.next_page_token
    assert found == ["3 h ago", "4 h ago"]


@pytest.mark.parametrize("wrong", [{"page_token": "x"}, {"page_token": paging.encode("never", "x")}, {"since": {"seconds": 10**15}}])
async def test_what_cannot_be_asked_is_refused(events: Door, wrong: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await events.told_changes(**wrong)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_changes_are_forgotten_after_their_time(events: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await events.send(change(events, f"old {number}", HOUR), ENQUEUE)
    events.world.clock.forward(timedelta(days=89))
    await events.send(change(events, "new", HOUR), ENQUEUE)
    monkeypatch.setattr(use_case, "AT_ONCE", 2)
    async with postgres(events.world.servers.postgres_url(events.world.database, "tocsin_detection"), "detection") as database:
        changes = use_case.Changes(database, events.world.clock, RandomIds())
        await changes.forget_old()
        assert len(await events.told_changes()) == 6
        events.world.clock.forward(timedelta(days=1, seconds=1))
        await changes.forget_old()
    assert [one.summary for one in await events.told_changes()] == ["new"]


async def test_every_statement_can_be_prepared(world: World) -> None:
    texts = [node.value for node in ast.walk(ast.parse(Path(store.__file__).read_text())) if isinstance(node, ast.Constant)]
    found = [text for text in texts if isinstance(text, str) and re.match(r"\s*(SELECT|INSERT|DELETE)\b", text)]
    assert len(found) == 3
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_detection"), autocommit=True) as connection:
        for number, text in enumerate(found):
            connection.execute(f"PREPARE statement_{number} AS {_numbered(text)}".encode())


def _numbered(text: str) -> str:
    """The statement with PostgreSQL's own placeholders."""
    numbers: dict[str, int] = {}
    counter = itertools.count(1)
    text = re.sub(r"%\((\w+)\)s", lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", text)
    return re.sub("%s", lambda _: f"${next(counter)}", text)
