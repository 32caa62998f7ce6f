"""Which door a path leads to, and where senders show their keys."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_edge.http.doors_of_senders import ONE_ADDRESS, Door, door_of, is_of_an_api, key_in, refusal, shown_key

ALERTMANAGER = ["/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/silence/1f", "/api/v2/status", "/api/v2/receivers"]


@pytest.mark.parametrize("below", ALERTMANAGER)
def test_alertmanager_is_at_any_prefix_and_the_last_part_of_it_may_be_the_key(below: str) -> None:
    assert door_of(below, "KEY") == Door("alertmanager", below, "KEY")
    assert door_of(f"/some/prefix{below}", "KEY") == Door("alertmanager", below, "KEY")
    assert door_of(f"/some/KEY{below}", "") == Door("alertmanager", below, "KEY")
    assert door_of(below, "") == Door("alertmanager", below)


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/v2/enqueue", Door("pagerduty", "/v2/enqueue")),
        ("/v2/enqueue/", Door("pagerduty", "/v2/enqueue")),
        ("/v2/change/enqueue", Door("pagerduty", "/v2/change/enqueue")),
        ("/generic/2010-04-15/create_event.json", Door("pagerduty", "/generic/2010-04-15/create_event.json")),
        ("/v2/alerts", Door("opsgenie", "/v2/alerts")),
        ("/v2/alerts/a%2Fb/close", Door("opsgenie", "/v2/alerts/a%2Fb/close")),
        ("/opsgenie/v2/heartbeats/x/ping", Door("opsgenie", "/v2/heartbeats/x/ping")),
        ("/jsm/ops/integration/v2/alerts", Door("opsgenie", "/v2/alerts")),
        ("/heartbeat/KEY/nightly%20backup", Door("heartbeat", "/nightly%20backup", "KEY")),
        ("/webhook/KEY", Door("webhook", "/", "KEY")),
        ("/webhook", Door("webhook", "/")),
        ("/alertmanager-webhook/KEY/", Door("alertmanager-webhook", "/", "KEY")),
        ("/-/healthy", None),
        ("/metrics", None),
        ("/KEY/metrics", Door("alertmanager", "/metrics", "KEY")),
        ("/KEY/-/ready", Door("alertmanager", "/-/ready", "KEY")),
        *(
            (path, None)
            for path in ("/", "/alerts", "/webhooks", "/heartbeats", "/integrations", "/v2/alertsx", "/v1/traces", "/email/KEY")
        ),
    ],
)
def test_each_path_leads_to_its_door(path: str, door: Door | None) -> None:
    assert door_of(path, "") == door


@pytest.mark.parametrize("path", ["/api/v1/x", "/api/v2", "/api/v2/", "/KEY/api/v2/nothing", "/v2/integrations", "/v1/incidents/1"])
def test_what_lies_where_apis_are_is_nothing_for_people(path: str) -> None:
    assert door_of(path, "") is None
    assert is_of_an_api(path)


@pytest.mark.parametrize("path", ["/", "/incidents", "/alerts/v2x", "/integrations/api-v2", "/apiv2/x"])
def test_a_page_is_no_api(path: str) -> None:
    assert not is_of_an_api(path)


def test_the_edges_own_metrics_stay_where_they_are_also_for_a_scraper_that_shows_a_token() -> None:
    assert door_of("/metrics", "KEY") is None


def test_a_key_in_a_header_leaves_the_path_alone() -> None:
    assert door_of("/heartbeat/nightly", "KEY") == Door("heartbeat", "/nightly", "KEY")
    assert door_of("/heartbeat/KEY/nightly", "KEY") == Door("heartbeat", "/nightly", "KEY")
    for kind in ONE_ADDRESS:
        assert door_of(f"/{kind}", "KEY") == Door(kind, "/", "KEY")


@pytest.mark.parametrize(
    "value",
    [
        "Bearer KEY",
        "bearer KEY",
        "GenieKey KEY",
        "Basic " + base64.b64encode(b"me:KEY").decode(),
        "Basic " + base64.b64encode(b"KEY:").decode(),
    ],
)
def test_a_key_may_be_shown_in_many_ways(value: str) -> None:
    assert shown_key({b"authorization": value.encode()}) == "KEY"
    assert shown_key({b"authorization": value.encode(), b"x-tocsin-key": b"own"}) == "own"


@pytest.mark.parametrize("value", ["", "KEY", "Basic no-base64", "Basic /////w==", "AWS4-HMAC-SHA256 Credential=x"])
def test_what_is_no_key_is_none(value: str) -> None:
    assert shown_key({b"authorization": value.encode()}) == ""


@given(
    path=st.text(st.sampled_from("/v2alertsKEYapi-%webhook."), max_size=60).map(lambda path: f"/{path}"),
    shown=st.sampled_from(["", "KEY", "k"]),
)
def test_no_path_breaks_it(path: str, shown: str) -> None:
    door = door_of(path, shown)
    assert door is None or (door.below.startswith("/") and (not shown or door.key in ("", shown)))


@given(
    body=st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner)).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_search_for_a_key(body: bytes) -> None:
    assert isinstance(key_in(body), str)


def test_a_deep_body_has_no_key() -> None:
    assert key_in(b"[" * 500_000) == ""


def test_who_is_throttled_by_opsgenies_api_can_see_it_in_its_headers() -> None:
    said = refusal("opsgenie", 429, "too fast", "r-1", 0.25)
    assert json.loads(said.body) == {"message": "too fast", "took": 0.25, "requestId": "r-1"}
    assert said.headers == {
        "X-Request-Id": "r-1",
        "X-Response-Time": "0.250",
        "X-RateLimit-State": "THROTTLED",
        "X-RateLimit-Reason": "ACCOUNT",
        "X-RateLimit-Period-In-Sec": "60",
    }
