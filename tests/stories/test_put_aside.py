"""An alert that woke somebody is put aside: nobody else is asked until that ends."""

from datetime import timedelta

import pytest
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.triage.v1.incident_pb2 import Incident

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def paged(platform):
    """Alice was woken; bob would be in five minutes."""
    await platform.responders("alice", "bob")
    await platform.policy("checkout-policy", [("alice", 5 * MINUTE), ("bob", 10 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    await platform.fire("checkout", "HighErrorRate", instance="a")
    await platform.expect_page("alice", about="HighErrorRate")
    await platform.expect_incident(state=Incident.STATE_OPEN)
    return platform


async def put_aside(platform, until):
    [alert] = (await platform.detection.ListAlerts(pb.ListAlertsRequest())).alerts
    request = pb.SnoozeAlertRequest(alert_id=alert.id)
    request.until.FromDatetime(until)
    await platform.detection.SnoozeAlert(request)
    await platform.expect_page("alice", about="Taken by")


async def test_an_incident_whose_only_alert_is_put_aside_asks_nobody_until_that_ends(paged):
    await put_aside(paged, paged.clock.now() + 20 * MINUTE)
    taken = await paged.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    assert taken.acknowledged_by
    paged.clock.forward(19 * MINUTE)
    await paged.expect_quiet()
    paged.clock.forward(2 * MINUTE)
    await paged.expect_incident(state=Incident.STATE_OPEN)
    await paged.expect_page("alice", about="HighErrorRate")
    incident = await paged.expect_incident(state=Incident.STATE_OPEN)
    await paged.timeline(incident, "AlertChanged", "IncidentAcknowledged", "IncidentUnacknowledged")


async def test_another_alert_of_the_incident_ends_the_pause(paged):
    await put_aside(paged, paged.clock.now() + 20 * MINUTE)
    await paged.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    await paged.fire("checkout", "HighErrorRate", instance="b")
    await paged.expect_incident(state=Incident.STATE_OPEN, alert_count=2)
    await paged.expect_page("alice", about="HighErrorRate")


async def test_whoever_takes_it_meanwhile_keeps_it(paged):
    await put_aside(paged, paged.clock.now() + 20 * MINUTE)
    incident = await paged.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    await paged.acknowledge(incident, by="bob")
    await paged.expect_page("alice", about="Taken by bob")
    paged.clock.forward(21 * MINUTE)
    await paged.expect_quiet()
    assert (await paged.expect_incident(state=Incident.STATE_ACKNOWLEDGED)).acknowledged_by == "bob"
