"""Silences by Alertmanager's API v2, on real servers: what amtool, Grafana and Karma do with them."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from alertmanager_client import API, Client, rfc3339
from detection_service import door
from detection_words import NOON, request
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_detection.intake.alertmanager_silences import Refused, posted_silence
from tocsin_detection.noise.matcher import MatcherInvalid
from tocsin_testkit.world import World

HOUR = timedelta(hours=1)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with door(world, "alertmanager") as opened:
        yield Client(opened)


async def test_a_silence_has_the_shape_that_clients_read(client: Client) -> None:
    assert await client.get("/silences") == []
    silence_id = await client.silence(("alertname", "=", "A"), ("zone", "!=", "eu"), ("host", "=~", 'db-.*"\\d'), ("job", "!~", "a|b"))
    UUID(silence_id)
    [silence] = await client.get("/silences")
    now = rfc3339(client.clock.now())
    assert silence == {
        "id": silence_id,
        "status": {"state": "active"},
        "updatedAt": now,
        "comment": "planned",
        "createdBy": "bob",
        "startsAt": now,
        "endsAt": rfc3339(client.clock.now() + HOUR),
        "annotations": {},
        "matchers": [
            {"name": "alertname", "value": "A", "isRegex": False, "isEqual": True},
            {"name": "zone", "value": "eu", "isRegex": False, "isEqual": False},
            {"name": "host", "value": 'db-.*"\\d', "isRegex": True, "isEqual": True},
            {"name": "job", "value": "a|b", "isRegex": True, "isEqual": False},
        ],
    }
    assert await client.get(f"/silence/{silence_id}") == silence


async def test_a_matcher_without_is_equal_is_an_equal_one(client: Client) -> None:
    wanted = client.wanted(matchers=[{"name": "alertname", "value": "A", "isRegex": False}])
    assert (await client.call("POST", API + "/silences", wanted)).status == 200
    [silence] = await client.get("/silences")
    assert silence["matchers"][0]["isEqual"] is True


async def test_a_silenced_alert_is_suppressed_and_says_by_what(client: Client) -> None:
    """Also one that others were told of before it was silenced."""
    await client.fire({"alertname": "A"}, {"alertname": "B"})
    silence_id = await client.silence(("alertname", "=", "A"))
    await client.fire({"alertname": "A", "new": "yes"})
    assert await client.names(silenced="false") == ["B"]
    assert await client.names(active="false") == ["A", "A"]
    for alert in await client.get("/alerts", filter="alertname=A"):
        assert alert["status"] == {"inhibitedBy": [], "mutedBy": [], "silencedBy": [silence_id], "state": "suppressed"}
    [group] = await client.get("/alerts/groups", silenced="false")
    assert group["labels"] == {"alertname": "B"}


async def test_an_alert_is_active_again_when_its_silence_ends(client: Client) -> None:
    await client.fire({"alertname": "A"})
    silence_id = await client.silence(("alertname", "=", "A"), minutes=10)
    assert await client.names(active="false") == ["A"]
    client.clock.forward(timedelta(minutes=10))
    assert await client.names(active="false") == []
    assert (await client.get(f"/silence/{silence_id}"))["status"] == {"state": "expired"}


async def test_a_silence_is_ended_early(client: Client) -> None:
    await client.fire({"alertname": "A"})
    silence_id = await client.silence(("alertname", "=", "A"))
    client.clock.forward(timedelta(minutes=1))
    answer = await client.call("DELETE", f"{API}/silence/{silence_id}")
    assert (answer.status, answer.body) == (200, b"")
    assert await client.names(silenced="false") == ["A"]
    ended = await client.get(f"/silence/{silence_id}")
    assert (ended["status"]["state"], ended["endsAt"]) == ("expired", rfc3339(client.clock.now()))


async def test_silences_are_listed_by_state_and_matchers(client: Client) -> None:
    long = await client.silence(("alertname", "=", "A"), ("zone", "=", "eu"), minutes=60)
    short = await client.silence(("alertname", "=", "A"), minutes=30)
    begins = rfc3339(client.clock.now() + HOUR)
    ends = rfc3339(client.clock.now() + 2 * HOUR)
    pending = await client.silence(("alertname", "=~", "A"), startsAt=begins, endsAt=ends)
    expired = await client.silence(("alertname", "=", "C"))
    await client.call("DELETE", f"{API}/silence/{expired}")

    async def listed(**query: Any) -> list[str]:
        return [silence["id"] for silence in await client.get("/silences", **query)]

    assert await listed() == [short, long, pending, expired]
    assert await listed(expired="false", pending="false") == [short, long]
    assert await listed(active="false") == [pending, expired]
    assert await listed(filter="alertname=A") == [short, long]
    assert await listed(filter=["alertname=A", 'zone="eu"']) == [long]
    assert await listed(filter='alertname=~"A"') == [pending]
    assert await listed(filter="alertname=Nothing") == []


async def test_an_edit_in_place_keeps_the_id(client: Client) -> None:
    silence_id = await client.silence(("alertname", "=", "A"))
    client.clock.forward(timedelta(minutes=5))
    shown = await client.get(f"/silence/{silence_id}")
    later = {**shown, "endsAt": rfc3339(client.clock.now() + 3 * HOUR), "comment": "takes longer"}
    answer = await client.call("POST", API + "/silences", later)
    assert json.loads(answer.body) == {"silenceID": silence_id}
    edited = await client.get(f"/silence/{silence_id}")
    assert (edited["endsAt"], edited["comment"], edited["startsAt"]) == (later["endsAt"], "takes longer", shown["startsAt"])


async def test_an_edit_of_what_it_is_about_makes_another_one(client: Client) -> None:
    silence_id = await client.silence(("alertname", "=", "A"))
    changed = client.wanted(("alertname", "=", "B"), id=silence_id)
    successor = json.loads((await client.call("POST", API + "/silences", changed)).body)["silenceID"]
    assert successor != silence_id
    states = {silence["id"]: silence["status"]["state"] for silence in await client.get("/silences")}
    assert states == {silence_id: "expired", successor: "active"}


async def test_a_key_silences_its_own_integration_only(client: Client) -> None:
    other = await client.other("other")
    await client.fire({"alertname": "A"})
    await other.fire({"alertname": "A"})
    silence_id = await client.silence(("alertname", "=", "A"))
    assert await client.names(silenced="false") == []
    assert await other.names(silenced="false") == ["A"]
    assert await other.get("/silences") == []
    for method in ("GET", "DELETE"):
        assert (await other.call(method, f"{API}/silence/{silence_id}")).status == 404
    assert (await other.call("POST", API + "/silences", client.wanted(id=silence_id))).status == 404
    assert await client.names(silenced="false") == []


async def test_no_matcher_reaches_another_integration(client: Client) -> None:
    other = await client.other("other")
    await client.fire({"alertname": "A"})
    await other.silence(("integration", "=", "alertmanager"), ("alertname", "=", "A"))
    await other.silence(("integration", "=~", ".+"))
    assert await client.names(silenced="false") == ["A"]


async def test_an_unknown_silence_is_not_found(client: Client) -> None:
    for method in ("GET", "DELETE"):
        assert (await client.call(method, f"{API}/silence/{uuid4()}")).status == 404
    for unknown in (str(uuid4()), "not-a-uuid"):
        answer = await client.call("POST", API + "/silences", client.wanted(id=unknown))
        assert (answer.status, json.loads(answer.body)) == (404, "silence not found")


async def test_a_path_without_a_uuid_is_refused_as_the_real_one_does(client: Client) -> None:
    answer = await client.call("GET", f"{API}/silence/xx")
    assert (answer.status, json.loads(answer.body)["code"]) == (422, 601)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"comment": None}, 422, "comment in body is required"),
        ({"matchers": []}, 422, "matchers in body should have at least 1 items"),
        ({"matchers": [{"name": "a", "value": "b"}]}, 422, "isRegex in body is required"),
        ({"matchers": [7]}, 400, "matchers.0"),
        ({"matchers": "a=b"}, 400, "matchers"),
        ({"startsAt": "x"}, 400, "startsAt"),
        ({"endsAt": "2026-01-01T00:00:00Z"}, 400, "start time must be before end time"),
        ({"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z"}, 400, "has passed"),
        ({"endsAt": "2126-01-01T00:00:00Z"}, 400, "longer than"),
        ({"matchers": [{"name": "a", "value": ".*", "isRegex": True}]}, 400, "must not match the empty string"),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, 400, "invalid label matcher 0"),
        ({"matchers": [{"name": "", "value": "b", "isRegex": False}]}, 400, "invalid label matcher 0"),
    ],
)
async def test_what_is_no_silence_is_refused_with_the_reason(client: Client, change: dict[str, object], status: int, said: str) -> None:
    answer = await client.call("POST", API + "/silences", {**client.wanted(), **change})
    assert answer.status == status
    body = json.loads(answer.body)
    assert said in (body["message"] if isinstance(body, dict) else body)
    assert await client.get("/silences") == []


@pytest.mark.parametrize("body", [b"zz", b"[]", b"7", b"", b"\xff", b'{"id": 7}'])
async def test_a_body_that_is_no_object_is_refused(client: Client, body: bytes) -> None:
    answer = await client.call("POST", API + "/silences", body)
    assert answer.status in (400, 422)
    assert json.loads(answer.body)["message"]


async def test_a_silence_without_comment_or_author_is_taken(client: Client) -> None:
    """Alertmanager takes such."""
    await client.silence(comment="", createdBy="")
    [silence] = await client.get("/silences")
    assert silence["comment"] and silence["createdBy"] == "alertmanager"


TEXTS = st.text(max_size=20) | st.sampled_from(["", "2026-11-23T13:00:00Z", "0001-01-01T00:00:00Z", "(", "a\0", "\ud800"])
VALUES = st.none() | st.booleans() | st.integers() | TEXTS
MATCHERS = st.dictionaries(st.sampled_from(["name", "value", "isRegex", "isEqual"]), VALUES | st.booleans(), max_size=4)
FIELDS = st.sampled_from(["matchers", "startsAt", "endsAt", "createdBy", "comment", "id"])


@settings(max_examples=300)
@given(st.dictionaries(FIELDS, VALUES | st.lists(MATCHERS | VALUES, max_size=3), max_size=6), st.booleans())
def test_no_body_breaks_the_reader(fields: dict[str, object], complete: bool) -> None:
    base = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": NOON.isoformat(),
        "endsAt": (NOON + HOUR).isoformat(),
        "createdBy": "bob",
        "comment": "planned",
    }
    try:
        posted = posted_silence(request("alertmanager", {**base, **fields} if complete else fields, path="/api/v2/silences"))
    except Refused as refused:
        assert refused.answer.status in (400, 422)
    except MatcherInvalid:
        pass
    else:
        assert posted.wanted.ends_at > (posted.wanted.starts_at or NOON)
