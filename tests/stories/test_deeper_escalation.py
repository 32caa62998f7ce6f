"""Acknowledgements that are not the end: one that nothing follows, and one of two that are needed."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import AcknowledgeTimeout, EscalationPolicy, EscalationStep, Target
from tocsin.triage.v1.incident_pb2 import Incident

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def checkout(platform):
    """A service and two people."""
    await platform.responders("alice", "bob")
    await platform.service("checkout", "checkout-policy")
    return platform


async def policy(platform, **more):
    steps = [EscalationStep(targets=[Target(responder=name)], delay=Duration(seconds=300)) for name in ("alice", "bob")]
    made = EscalationPolicy(name="checkout-policy", steps=steps, **more)
    configuration = response_pb.Configuration(escalation_policies=[made])
    await platform.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))


async def test_an_acknowledgement_that_nothing_follows_wakes_people_again(checkout):
    await policy(checkout, acknowledge_timeouts=[AcknowledgeTimeout(after=Duration(seconds=1800))])
    await checkout.fire("checkout", "HighErrorRate")
    await checkout.click(await checkout.expect_page("alice", about="HighErrorRate"))
    await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    await checkout.settled()
    checkout.clock.forward(31 * MINUTE)
    again = await checkout.expect_page("alice", about="HighErrorRate")
    await checkout.click(again)
    taken = await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    assert taken.acknowledged_by == "alice"
    facts = await checkout.timeline(taken, "AcknowledgementExpired", "IncidentUnacknowledged", "EscalationStopped")
    assert facts.index("AcknowledgementExpired") < facts.index("IncidentUnacknowledged")
    checkout.clock.forward(29 * MINUTE)
    await checkout.expect_quiet()


async def test_until_two_have_acknowledged_the_second_is_asked(checkout):
    await policy(checkout, acknowledgements=2)
    await checkout.fire("checkout", "HighErrorRate")
    await checkout.click(await checkout.expect_page("alice", about="HighErrorRate"))
    await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    await checkout.settled()
    checkout.clock.forward(5 * MINUTE)
    mail = await checkout.expect_page("bob", about="HighErrorRate")
    await checkout.click(mail)
    taken = await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="bob")
    await checkout.timeline(taken, "AcknowledgementCounted", "EscalationStopped")
