"""What amtool, Grafana and Karma ask of Alertmanager's API v2, on real servers."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from alertmanager_client import API, Client, rfc3339
from detection_service import door

from tocsin_testkit.world import World


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with door(world, "alertmanager") as opened:
        yield Client(opened)


async def test_an_alert_has_the_shape_that_clients_read(client: Client) -> None:
    assert await client.get("/alerts") == []
    labels = {"alertname": "DiskFull", "instance": 'db-1 "é<&>\\'}
    await client.fire(labels, annotations={"summary": 'Disk\n\u2028 "full"'}, generatorURL="http://prometheus.test/graph?g0.expr=up&x=1")
    [alert] = await client.get("/alerts")
    assert alert.pop("fingerprint")
    now = rfc3339(client.clock.now())
    assert alert == {
        "annotations": {"summary": 'Disk\n\u2028 "full"'},
        "endsAt": rfc3339(client.clock.now() + timedelta(hours=1)),
        "generatorURL": "http://prometheus.test/graph?g0.expr=up&x=1",
        "labels": labels,
        "receivers": [{"name": "tocsin"}],
        "startsAt": now,
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": now,
    }


async def test_an_alert_without_a_link_has_no_generator(client: Client) -> None:
    await client.fire({"alertname": "A"})
    [alert] = await client.get("/alerts")
    assert "generatorURL" not in alert


async def test_alerts_that_have_ended_are_not_shown(client: Client) -> None:
    await client.fire({"alertname": "A"}, {"alertname": "B"})
    past = rfc3339(client.clock.now())
    await client.call("POST", API + "/alerts", [{"labels": {"alertname": "A"}, "startsAt": past, "endsAt": past}])
    assert await client.names() == ["B"]


async def test_all_filters_must_match(client: Client) -> None:
    await client.fire({"alertname": "A", "zone": "eu-1"}, {"alertname": "B", "zone": "eu-2"}, {"alertname": "C"})
    assert await client.names(filter='zone="eu-1"') == ["A"]
    assert await client.names(filter="zone=eu-1") == ["A"]
    assert await client.names(filter='zone!="eu-1"') == ["B", "C"]
    assert await client.names(filter='zone=~"eu-.*"') == ["A", "B"]
    assert await client.names(filter='zone=~"eu"') == []
    assert await client.names(filter='zone!~"eu-.*"') == ["C"]
    # What the database would understand otherwise than RE2.
    assert await client.names(filter=r'zone=~"\\beu-\\d"') == ["A", "B"]
    assert await client.names(filter='zone=""') == ["C"]
    assert await client.names(filter=['zone=~"eu-.*"', 'alertname!="A"']) == ["B"]
    assert await client.names(filter='severity="critical"') == []


async def test_a_service_that_only_tocsin_knows_can_be_filtered_by(client: Client) -> None:
    await client.fire({"alertname": "A"}, annotations={"service": "checkout"})
    assert await client.names(filter='service="checkout"') == ["A"]


async def test_flags_leave_kinds_out(client: Client) -> None:
    await client.fire({"alertname": "A"})
    assert await client.names(active="false") == []
    assert await client.names(active="", silenced="false", inhibited="false", unprocessed="false") == ["A"]


async def test_the_one_receiver_can_be_asked_for(client: Client) -> None:
    await client.fire({"alertname": "A"})
    assert await client.get("/receivers") == [{"name": "tocsin", "labels": {}}]
    assert await client.get("/receivers", receiver_matchers='owner="me"') == []
    assert await client.names(receiver="toc.*") == ["A"]
    assert await client.names(receiver="") == ["A"]
    assert await client.names(receiver="toc") == []
    assert await client.names(receiver_matchers='owner="me"') == []


@pytest.mark.parametrize(("query", "named"), [({"filter": "x"}, "filter"), ({"filter": "a=~("}, "filter"), ({"receiver": "("}, "receiver")])
@pytest.mark.parametrize("path", ["/alerts", "/alerts/groups"])
async def test_a_filter_that_cannot_be_read_is_refused_with_a_text(client: Client, path: str, query: dict[str, str], named: str) -> None:
    answer = await client.call("GET", API + path, **query)
    assert answer.status == 400
    assert named in json.loads(answer.body)


async def test_groups_share_an_alertname(client: Client) -> None:
    await client.fire({"alertname": "B", "n": "1"}, {"alertname": "A", "n": "2"}, {"alertname": "B", "n": "3"}, {"n": "4"})
    groups = await client.get("/alerts/groups")
    assert [(group["labels"], sorted(alert["labels"]["n"] for alert in group["alerts"])) for group in groups] == [
        ({}, ["4"]),
        ({"alertname": "A"}, ["2"]),
        ({"alertname": "B"}, ["1", "3"]),
    ]
    assert all(group["receiver"] == {"name": "tocsin"} and group["routeLabels"] == {} for group in groups)
    assert len(await client.get("/alerts/groups", filter="n=2")) == 1


async def test_the_status_is_one_that_clients_can_read(client: Client) -> None:
    status = await client.get("/status")
    assert set(status) == {"cluster", "config", "uptime", "versionInfo"}
    assert status["cluster"] == {"peers": [], "status": "disabled"}
    assert set(status["versionInfo"]) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    # Karma and amtool take it for a version of Alertmanager.
    assert [int(part) for part in status["versionInfo"]["version"].split(".")] >= [0, 27, 0]


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_are_answered(client: Client, method: str, path: str) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.body) == (200, b"OK")


async def test_karma_finds_the_version_where_it_looks_for_it(client: Client) -> None:
    answer = await client.call("GET", "/metrics")
    assert (answer.status, answer.content_type.split(";")[0]) == (200, "text/plain")
    [found] = [line for line in answer.body.decode().splitlines() if line.startswith("alertmanager_build_info")]
    assert f'version="{(await client.get("/status"))["versionInfo"]["version"]}"' in found and found.endswith(" 1")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v2/nope", 404), ("PUT", "/api/v2/alerts", 405)])
async def test_what_is_not_of_the_api_is_refused_in_its_words(client: Client, method: str, path: str, status: int) -> None:
    answer = await client.call(method, path)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, status)


async def test_a_key_shows_the_alerts_of_its_own_integration_only(client: Client) -> None:
    other = await client.other("other")
    await client.fire({"alertname": "Mine"})
    assert await other.names() == []
    assert await other.get("/alerts/groups") == []
    await other.fire({"alertname": "Theirs"})
    assert await other.names() == ["Theirs"]
    assert await other.names(filter='integration="alertmanager"') == []
    assert await client.names() == ["Mine"]


async def test_many_alerts_are_read_in_pages_and_packed(client: Client) -> None:
    """More than a page, in the order of fingerprints, each once."""
    for start in range(0, 5_000, 500):
        await client.fire(*({"alertname": f"A{number}", "text": "x" * 500} for number in range(start, start + 500)))
    answer = await client.call("GET", API + "/alerts", headers={"accept-encoding": "gzip, deflate"})
    assert ("content-encoding", "gzip") in [(header.name, header.value) for header in answer.headers]
    alerts = json.loads(gzip.decompress(answer.body))
    assert len({alert["labels"]["alertname"] for alert in alerts}) == len(alerts) == 5_000
    assert [alert["fingerprint"] for alert in alerts] == sorted(alert["fingerprint"] for alert in alerts)
    assert len(answer.body) < 1024 * 1024
    groups = json.loads(gzip.decompress((await client.call("GET", API + "/alerts/groups", headers={"accept-encoding": "gzip"})).body))
    assert len(groups) == 5_000


async def test_more_than_an_answer_can_hold_is_refused_with_a_hint(client: Client) -> None:
    for start in range(0, 420, 30):
        await client.fire(*({"alertname": f"A{number}", "text": "x" * 30_000} for number in range(start, start + 30)))
    answer = await client.call("GET", API + "/alerts", headers={"accept-encoding": "gzip;q=0, br"})
    assert answer.status == 400
    assert "accept gzip" in json.loads(answer.body)
    assert (await client.call("GET", API + "/alerts", headers={"accept-encoding": "gzip"})).status == 200
