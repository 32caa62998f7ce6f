"""Bad input and gaps: nothing is lost, and somebody is told."""

from datetime import timedelta

import pytest
from tocsin.detection.v1 import detection_service_pb2 as detection_pb
from tocsin.triage.v1.incident_pb2 import Incident

MINUTE = timedelta(minutes=1)
GOOD = {"labels": {"alertname": "Good"}}


@pytest.fixture
async def guarded(platform):
    """One responder whom the platform falls back to."""
    await platform.responders("carol")
    await platform.fallback("carol")
    return platform


async def test_an_unknown_service_goes_the_default_way(guarded):
    await guarded.fire("nobody-knows-this", "DiskFull")
    await guarded.expect_page("carol", about="DiskFull")
    incident = await guarded.expect_incident(state=Incident.STATE_OPEN)
    assert incident.service == "unrouted"
    assert "nobody-knows-this" in incident.placement_reason


async def test_nobody_on_call_falls_back_and_says_so(guarded):
    await guarded.schedule("empty", "carol", starts_on="2099-01-05")
    await guarded.policy("empty-policy", [("schedule:empty", 5 * MINUTE)])
    await guarded.service("search", "empty-policy")
    await guarded.fire("search", "SlowQueries")
    await guarded.expect_page("carol", about="SlowQueries")
    incident = await guarded.expect_incident(service="search")
    await guarded.timeline(incident, "CoverageGapFound")
    # And the gap itself is an alert that somebody sees.
    await guarded.expect_page("carol", about="empty")
    alerts = (await guarded.detection.ListAlerts(detection_pb.ListAlertsRequest())).alerts
    assert any("empty" in alert.title for alert in alerts)


async def test_a_bad_alert_in_a_good_batch(guarded):
    answer = await guarded.post_alerts([GOOD, {"labels": {"1bad": "x"}}, {"labels": {"alertname": "AlsoGood"}}])
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)

    async def both():
        alerts = (await guarded.detection.ListAlerts(detection_pb.ListAlertsRequest())).alerts
        return {alert.labels["alertname"] for alert in alerts} == {"Good", "AlsoGood"}

    await guarded.world.eventually(both)


async def test_malformed_json_is_refused(guarded):
    key = await guarded.integration("alertmanager")
    answer = await guarded.http.post("/api/v2/alerts", content=b"[{", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 400


async def test_an_oversized_body_is_refused(guarded):
    key = await guarded.integration("alertmanager")
    answer = await guarded.http.post("/api/v2/alerts", content=b" " * (1024 * 1024 + 1), headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 413


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
async def test_a_wrong_key_is_refused(guarded, headers):
    await guarded.integration("alertmanager")
    assert (await guarded.http.post("/api/v2/alerts", json=[GOOD], headers=headers)).status_code == 401


async def test_when_detection_is_down_the_sender_is_told_to_come_back(guarded):
    await guarded.integration("alertmanager")
    await guarded.stop("detection")
    answer = await guarded.post_alerts([GOOD])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_webhook_without_a_title_is_told_which_field(guarded):
    key = await guarded.integration("webhook")
    answer = await guarded.http.post("/webhook", json={"severity": "error"}, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 400
    assert "title" in answer.text
