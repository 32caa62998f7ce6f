"""Opsgenie's APIs on real servers: what its clients send, and what they get."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tocsin.access.v1.access_pb2 import Role
from tocsin.detection.v1 import alert_pb2 as pb_alert
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved, AlertResponseAsked
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.world import World

SDK = {sample["name"]: sample for sample in json.loads((Path(__file__).parent / "samples/opsgenie/sdk_2.1.5.json").read_text())}
HEADERS = {"X-Request-Id", "X-Response-Time", "X-RateLimit-State", "X-RateLimit-Reason", "X-RateLimit-Period-In-Sec"}


class Answer:
    """What a client gets."""

    def __init__(self, response: pb.SubmitReportResponse) -> None:
        self.status = response.status
        self.body: dict[str, Any] = json.loads(response.body)
        self.headers = {header.name: header.value for header in response.headers}

    @property
    def data(self) -> Any:
        return self.body["data"]


class Client:
    """A client of one integration."""

    def __init__(self, world: World, app: App, name: str = "opsgenie") -> None:
        self.world = world
        self.name = name
        self.key = ""
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))

    async def open(self) -> "Client":
        wanted = Integration(name=self.name, kind="opsgenie")
        await self.admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(integrations=[wanted])))
        self.key = (await self.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=self.name))).key
        return self

    async def send(self, method: str, path: str, body: object = None, query: str = "") -> Answer:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = pb.SubmitReportRequest(integration_key=self.key, kind="opsgenie", method=method, path=path, body=content, query=query)
        return Answer(await self.edge.SubmitReport(request))

    async def replay(self, name: str) -> Answer:
        """What the SDK sends for it."""
        sample = SDK[name]
        return await self.send(sample["method"], sample["path"], sample["body"], sample["query"])

    async def create(self, alias: str = "disk", **fields: object) -> str:
        """The alert's id, as its request's status says."""
        status = await self.outcome(await self.send("POST", "/v2/alerts", {"message": "disk full", "alias": alias, **fields}))
        return str(status["alertId"])

    async def outcome(self, answer: Answer) -> dict[str, Any]:
        assert answer.status == 202 and answer.body["result"] == "Request will be processed"
        status = await self.send("GET", f"/v2/alerts/requests/{answer.body['requestId']}")
        assert status.status == 200
        found: dict[str, Any] = status.data
        return found

    async def shown(self, alias: str = "disk") -> dict[str, Any]:
        found: dict[str, Any] = (await self.send("GET", f"/v2/alerts/{alias}", query="identifierType=alias")).data
        return found

    async def found(self, query: str, **parameters: object) -> list[str]:
        """The messages that a search finds."""
        from urllib.parse import urlencode

        answer = await self.send("GET", "/v2/alerts", query=urlencode({"query": query, **parameters}))
        assert answer.status == 200, answer.body
        return [alert["message"] for alert in answer.data]


@asynccontextmanager
async def running(world: World) -> AsyncIterator[App]:
    async with world.running(detection(world.settings("detection", DetectionSettings), clock=world.clock)) as app:
        yield app


@pytest.fixture(name="client")
async def _client(world: World) -> AsyncIterator[Client]:
    async with running(world) as app:
        yield await Client(world, app).open()


async def test_what_the_sdk_sends_is_done_and_its_requests_can_be_polled(client: Client) -> None:
    client.world.clock.forward(timedelta(0))
    changes = [
        "create", "acknowledge", "unacknowledge", "note", "tags", "remove tags", "details", "remove details",
        "responder", "team", "assign", "escalate", "action", "message", "description", "priority",
    ]  # fmt: skip
    for name in changes:
        answer = await client.replay(name)
        assert set(answer.headers) >= HEADERS and answer.headers["X-Request-Id"] == answer.body["requestId"]
        status = await client.outcome(answer)
        assert status["success"] is status["isSuccess"] is True, (name, status)
        assert status["alias"] == "db-1/disk" and UUID(status["alertId"])
    shown = (await client.replay("get")).data
    assert (shown["message"], shown["description"], shown["priority"], shown["status"]) == ("new", "new", "P2", "open")
    assert (shown["count"], shown["owner"], shown["tags"], shown["details"]) == (1, "bob", ["db", "disk"], {"service": "checkout"})
    assert {(party["type"], party["id"]) for party in shown["responders"]} == {
        ("team", "sre"), ("user", "bob"), ("team", "net"), ("escalation", "second"),
    }  # fmt: skip
    assert "looking" in [entry["note"] for entry in (await client.replay("notes")).data]
    assert any("escalated" in entry["log"] for entry in (await client.replay("logs")).data)
    assert (await client.replay("recipients")).data == []
    assert [alert["id"] for alert in (await client.replay("list")).data] == [shown["id"]]
    assert (await client.replay("count")).data == {"count": 1}
    assert (await client.outcome(await client.replay("close")))["status"] == "Closed alert"
    [resolved] = await client.world.facts(AlertResolved)
    assert (resolved.alert.resolve_reason, resolved.alert.occurrences) == ("RESOLVED_BY_SENDER", 1)
    assert (await client.outcome(await client.replay("delete")))["success"] is True
    assert (await client.replay("get")).status == 404


async def test_what_is_done_is_told_to_the_others(client: Client) -> None:
    alert_id = await client.create(priority="P1", tags=["db"])
    [opened] = await client.world.facts(AlertOpened)
    assert (opened.alert.id, opened.alert.sender_severity, list(opened.alert.tags)) == (alert_id, "critical", ["db"])
    await client.send("POST", f"/v2/alerts/{alert_id}/acknowledge", {"user": "bob"})
    [taken] = await client.world.facts(AlertAcknowledged)
    assert taken.alert.acknowledged_by == "bob"
    await client.send("PUT", f"/v2/alerts/{alert_id}/message", {"message": "worse"})
    [changed] = await client.world.facts(AlertChanged)
    assert changed.alert.title == "worse"


async def test_a_close_by_an_unknown_alias_is_accepted_and_its_status_shows_the_failure(client: Client) -> None:
    answer = await client.send("POST", "/v2/alerts/nothing/close", {}, "identifierType=alias")
    status = await client.outcome(answer)
    assert (status["success"], status["isSuccess"], status["status"], status["alertId"]) == (False, False, "Alert does not exist", "")
    await client.create()
    for expected in ("Closed alert", "Alert is already closed"):
        status = await client.outcome(await client.send("POST", "/v2/alerts/disk/close", None, "identifierType=alias"))
        assert status["status"] == expected
    assert status["success"] is False


async def test_a_request_that_is_not_known_is_told_as_one_not_processed(client: Client) -> None:
    for asked in ("43a29c5c-3dbf-4fa4-9c26-f4f71023e120", "nonsense"):
        answer = await client.send("GET", f"/v2/alerts/requests/{asked}")
        assert (answer.status, answer.headers["X-Opsgenie-Errortype"]) == (404, "RequestNotProcessed")
        assert answer.body["message"] and answer.body["requestId"]


async def test_alerts_are_counted_past_a_hundred(client: Client) -> None:
    for _ in range(10):
        await asyncio.gather(*(client.create() for _ in range(10)))
    await client.create()
    assert (await client.shown())["count"] == 101
    assert len(await client.world.facts(AlertOpened)) == 1


async def test_a_message_put_right_after_the_create_stays_and_a_later_create_only_counts(client: Client) -> None:
    await client.send("POST", "/v2/alerts", {"message": "old", "alias": "disk"})
    await client.send("PUT", "/v2/alerts/disk/message", {"message": "new"}, "identifierType=alias")
    await client.send("POST", "/v2/alerts", {"message": "old", "alias": "disk"})
    shown = await client.shown()
    assert (shown["message"], shown["count"]) == ("new", 2)


async def test_requests_about_one_alias_take_effect_in_their_order(client: Client) -> None:
    for number in range(10):
        await client.create()
        status = await client.outcome(await client.send("POST", "/v2/alerts/disk/close", {}, "identifierType=alias"))
        assert status["success"], number
    assert len(await client.found("status: closed")) == 10 and await client.found("status: open") == []


async def test_without_an_alias_each_create_is_another_alert(client: Client) -> None:
    first, second = [await client.outcome(await client.send("POST", "/v2/alerts", {"message": "x"})) for _ in range(2)]
    assert first["alertId"] != second["alertId"] and first["alias"] and first["alias"] != second["alias"]


async def test_an_alert_is_found_by_id_tiny_id_and_alias(client: Client) -> None:
    alert_id = await client.create("db/disk")
    tiny = (await client.send("GET", f"/v2/alerts/{alert_id}")).data["tinyId"]
    for identifier, kind in ((alert_id, "id"), (tiny, "tiny"), ("db%2Fdisk", "alias")):
        assert (await client.send("GET", f"/v2/alerts/{identifier}", query=f"identifierType={kind}")).data["id"] == alert_id
    for identifier, kind in (("x", "id"), ("x", "tiny"), ("9" * 30, "tiny"), ("x%00", "alias")):
        assert (await client.send("GET", f"/v2/alerts/{identifier}", query=f"identifierType={kind}")).status == 404
    assert set((await client.send("GET", f"/v2/alerts/{alert_id}", query="identifierType=name")).body["errors"]) == {"identifierType"}


async def test_a_key_sees_and_changes_only_the_alerts_of_its_own_integration(world: World) -> None:
    async with running(world) as app:
        mine, other = await Client(world, app).open(), await Client(world, app, "other").open()
        alert_id = await mine.create()
        request = await mine.send("POST", f"/v2/alerts/{alert_id}/acknowledge", {})
        assert (await other.send("GET", f"/v2/alerts/{alert_id}")).status == 404
        assert (await other.send("GET", f"/v2/alerts/requests/{request.body['requestId']}")).status == 404
        assert (await other.outcome(await other.send("POST", f"/v2/alerts/{alert_id}/close", {})))["success"] is False
        assert (await other.outcome(await other.send("DELETE", f"/v2/alerts/{alert_id}")))["success"] is False
        assert await other.found("") == [] and (await mine.shown())["status"] == "open"


async def test_deleting_an_open_alert_tells_its_end(client: Client) -> None:
    alert_id = await client.create()
    assert (await client.outcome(await client.send("DELETE", f"/v2/alerts/{alert_id}", query="user=ada")))["success"] is True
    [resolved] = await client.world.facts(AlertResolved)
    assert resolved.alert.id == alert_id and "ada" in resolved.reason
    assert await client.found("") == []


async def test_a_snooze_puts_aside_until_its_end(client: Client) -> None:
    await client.create()
    until = client.world.clock.now() + timedelta(hours=1)
    status = await client.outcome(
        await client.send("POST", "/v2/alerts/disk/snooze", {"endTime": until.isoformat()}, "identifierType=alias")
    )
    assert status["success"], status
    shown = await client.shown()
    assert shown["snoozed"] is True and shown["snoozedUntil"].endswith("Z")
    past = (client.world.clock.now() - timedelta(seconds=1)).isoformat()
    status = await client.outcome(await client.send("POST", "/v2/alerts/disk/snooze", {"endTime": past}, "identifierType=alias"))
    assert status["success"] is False


async def test_searches_find_what_they_ask_for(client: Client) -> None:
    await client.create("a", message="disk full on db-1", tags=["db", "disk"], priority="P1", entity="db-1")
    await client.create("b", message="100% cpu", tags=["web"], priority="P2", responders=[{"type": "team", "name": "net"}])
    await client.create("c", message="queue_long", source="rabbit")
    await client.send("POST", "/v2/alerts/c/close", {}, "identifierType=alias")
    await client.send("POST", "/v2/alerts/b/acknowledge", {"user": "bob"}, "identifierType=alias")
    cases = {
        "": {"disk full on db-1", "100% cpu", "queue_long"},
        "status: open": {"disk full on db-1", "100% cpu"},
        "status: closed": {"queue_long"},
        "tag: (disk OR web)": {"disk full on db-1", "100% cpu"},
        "status: open AND NOT tag: web": {"disk full on db-1"},
        "message: 100%": {"100% cpu"},
        "message: queue_*": {"queue_long"},
        "message: queue.long": set(),
        "alias: a": {"disk full on db-1"},
        "priority: P1 OR source: rabbit": {"disk full on db-1", "queue_long"},
        "owner: bob": {"100% cpu"},
        "acknowledged: true": {"100% cpu"},
        "responders: net": {"100% cpu"},
        "NOT entity: db-1": {"100% cpu", "queue_long"},
        "count >= 2": set(),
        "CPU": {"100% cpu"},
        "snoozed: true": set(),
        "NOT snoozedUntil > 5": {"disk full on db-1", "100% cpu", "queue_long"},
    }
    for query, expected in cases.items():
        assert set(await client.found(query)) == expected, query
    answer = await client.send("GET", "/v2/alerts", query="query=color%3A+red&limit=101&sort=colour")
    assert answer.status == 422 and set(answer.body["errors"]) == {"query", "limit", "sort"}


async def test_lists_are_sorted_and_paged(client: Client) -> None:
    for number in range(5):
        client.world.clock.forward(timedelta(seconds=1))
        await client.create(f"a{number}", message=f"m{number}", priority=f"P{number + 1}")
    assert await client.found("", limit=2, offset=1) == ["m3", "m2"]
    assert await client.found("", limit=2, sort="priority", order="asc") == ["m0", "m1"]
    for sort in ("updatedAt", "tinyId", "alias", "message", "status", "acknowledged", "isSeen", "snoozed", "snoozedUntil", "count"):
        assert len(await client.found("", sort=sort)) == 5
    paging = (await client.send("GET", "/v2/alerts", query="limit=2&offset=2")).body["paging"]
    assert paging == {
        "first": "/v2/alerts?limit=2&offset=0",
        "next": "/v2/alerts?limit=2&offset=4",
        "last": "/v2/alerts?limit=2&offset=4",
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v2/alerts", b"{", 400),
        ("POST", "/v2/alerts", [], 400),
        ("POST", "/v2/alerts", {}, 422),
        ("POST", "/v2/alerts/x/close", b"\xff", 400),
        ("POST", "/v2/alerts/x/close", {"user": "x" * 101}, 422),
        ("POST", "/v2/alerts/x/snooze", {"endTime": "tomorrow"}, 422),
        ("POST", "/v2/alerts/x/notes", {}, 422),
        ("POST", "/v2/alerts/x/explode", {}, 404),
        ("PUT", "/v2/alerts", {}, 404),
        ("GET", "/v2/alerts/saved-searches", None, 404),
        ("GET", "/v1/alerts", None, 404),
        ("GET", "/", None, 404),
        ("POST", "/v2/heartbeats", {"name": "x"}, 422),
        ("POST", "/v2/heartbeats", {"name": "a/b", "interval": 5, "intervalUnit": "minutes"}, 422),
        ("POST", "/v2/heartbeats", {"name": "x", "interval": 400, "intervalUnit": "days"}, 422),
        ("GET", "/v2/heartbeats/x", None, 404),
        ("PATCH", "/v2/heartbeats/x", {"interval": 5}, 404),
        ("POST", "/v2/heartbeats/x/enable", None, 404),
    ],
)
async def test_what_is_wrong_is_told_in_its_words(client: Client, method: str, path: str, body: object, status: int) -> None:
    answer = await client.send(method, path, body)
    assert answer.status == status, answer.body
    assert answer.body["message"] and answer.body["requestId"] and "took" in answer.body and set(answer.headers) >= HEADERS
    assert status != 422 or answer.body["errors"]


async def test_what_the_sdk_does_with_heartbeats(client: Client) -> None:
    made = await client.replay("heartbeat create")
    assert (made.status, made.data["enabled"], made.data["expired"]) == (201, True, False)
    pong = await client.replay("heartbeat ping")
    assert (pong.status, pong.body["result"]) == (202, "PONG - Heartbeat received")
    shown = (await client.replay("heartbeat get")).data
    assert (shown["interval"], shown["intervalUnit"], shown["ownerTeam"]["name"]) == (5, "minutes", "sre") and shown["lastPingTime"]
    client.world.clock.forward(timedelta(minutes=5))
    [opened] = await client.world.facts(AlertOpened)
    assert (opened.alert.title, list(opened.alert.tags), opened.alert.labels["team"]) == ("backup is late", ["db"], "sre")
    assert [heartbeat["expired"] for heartbeat in (await client.replay("heartbeat list")).data["heartbeats"]] == [True]
    assert await client.found("status: open") == ["backup is late"]
    await client.replay("heartbeat ping")
    await client.world.facts(AlertResolved)
    updated = (await client.replay("heartbeat update")).data
    assert (updated["interval"], updated["intervalUnit"], updated["description"]) == (10, "hours", "of db-1")
    assert (await client.replay("heartbeat disable")).data["enabled"] is False
    assert (await client.replay("heartbeat enable")).data["enabled"] is True
    again = await client.replay("heartbeat create")
    assert again.status == 422 and set(again.body["errors"]) == {"name"}
    assert (await client.replay("heartbeat delete")).status == 200
    assert (await client.replay("heartbeat get")).status == 404


async def test_a_ping_to_an_unknown_name_is_answered_all_the_same(client: Client) -> None:
    for method in ("GET", "POST", "PUT", "PATCH"):
        answer = await client.send(method, "/v2/heartbeats/nobody/ping")
        assert (answer.status, answer.body["result"]) == (202, "PONG - Heartbeat received")


async def test_a_get_with_the_key_in_its_address_arms_nothing(client: Client) -> None:
    await client.send("POST", "/v2/heartbeats", {"name": "n", "interval": 5, "intervalUnit": "minutes"})
    await client.send("GET", "/v2/heartbeats/n/ping", query="apiKey=k")
    assert "lastPingTime" not in (await client.send("GET", "/v2/heartbeats/n")).data
    await client.send("GET", "/v2/heartbeats/n/ping")
    assert "lastPingTime" in (await client.send("GET", "/v2/heartbeats/n")).data


async def test_alerts_are_ours_as_any_other(client: Client) -> None:
    await client.create(details={"runbook": "https://example.com"})
    [found] = (await client.admin.ListAlerts(pb.ListAlertsRequest(state=Alert.STATE_OPEN))).alerts
    assert (found.fingerprint, found.annotations["runbook"], found.told) == ("disk", "https://example.com", True)
    await client.admin.ResolveAlert(pb.ResolveAlertRequest(alert_id=found.id))
    assert (await client.shown())["status"] == "closed"


@pytest.mark.parametrize(
    ("path", "body", "how", "party"),
    [
        ("escalate", {"escalation": {"name": "Shop"}}, pb_alert.Asked.HOW_ESCALATE, (pb_alert.Party.KIND_ESCALATION_POLICY, "Shop")),
        (
            "assign",
            {"owner": {"username": "bob@shop.example"}},
            pb_alert.Asked.HOW_ASSIGN,
            (pb_alert.Party.KIND_RESPONDER, "bob@shop.example"),
        ),
        (
            "responders",
            {"responder": {"type": "schedule", "name": "primary"}},
            pb_alert.Asked.HOW_ADD,
            (pb_alert.Party.KIND_SCHEDULE, "primary"),
        ),
        ("teams", {"team": {"name": "sre"}}, pb_alert.Asked.HOW_ADD, (pb_alert.Party.KIND_TEAM, "sre")),
    ],
)
async def test_what_is_wanted_of_those_who_respond_is_told(
    client: Client, path: str, body: dict[str, object], how: int, party: tuple[int, str]
) -> None:
    alert_id = await client.create()
    answer = await client.send("POST", f"/v2/alerts/{alert_id}/{path}", {**body, "user": "eve", "note": "please"})
    assert (await client.outcome(answer))["success"]
    [told] = await client.world.facts(AlertResponseAsked)
    assert (told.alert.id, told.asked.how, told.asked.by, told.asked.note) == (alert_id, how, "eve", "please")
    assert (told.asked.party.kind, told.asked.party.name) == party
    assert told.asked.HasField("at")


async def test_a_custom_action_is_told_and_one_that_the_alert_has_not_is_not(client: Client) -> None:
    alert_id = await client.create(actions=["restart"])
    await client.send("POST", f"/v2/alerts/{alert_id}/actions/stop", {"user": "eve"})
    await client.send("POST", f"/v2/alerts/{alert_id}/actions/restart", {"user": "eve"})
    [told] = await client.world.facts(AlertResponseAsked)
    assert (told.asked.how, told.asked.action, told.asked.HasField("party")) == (pb_alert.Asked.HOW_ACTION, "restart", False)


async def test_whom_an_alert_asks_for_as_it_opens_is_told_with_it(client: Client) -> None:
    await client.create(responders=[{"type": "user", "username": "bob@shop.example"}, {"type": "team", "name": "sre"}])
    [told] = await client.world.facts(AlertOpened)
    assert [party.name for party in told.alert.responders] == ["bob@shop.example", "sre"]
