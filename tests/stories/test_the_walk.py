"""The main job: an alert wakes a person, through all the services."""

from datetime import timedelta

import grpc
import pytest
from tocsin.communication.v1.page_pb2 import Page
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.review.v1 import review_service_pb2 as review_pb
from tocsin.triage.v1.incident_pb2 import Incident, Severity

from tocsin_testkit.platform import link

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def checkout(platform):
    """A service, a policy of two steps, two people."""
    await platform.responders("alice", "bob")
    await platform.policy("checkout-policy", [("alice", 5 * MINUTE), ("bob", 10 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    return platform


async def test_an_alert_wakes_the_first_responder(checkout):
    """Fired, paged, acknowledged by the link, resolved by the sender; everybody who was told hears the end."""
    answer = await checkout.fire("checkout", "HighErrorRate", severity="critical")
    assert (answer.status_code, answer.content) == (200, b"")
    mail = await checkout.expect_page("alice", about="HighErrorRate")
    incident = await checkout.expect_incident(state=Incident.STATE_OPEN, service="checkout")
    assert incident.severity == Severity.SEVERITY_SEV1
    assert incident.placement_reason

    shown = await checkout.http.get(link(mail))
    assert shown.status_code == 200
    await checkout.settled()
    await checkout.expect_incident(state=Incident.STATE_OPEN)

    assert (await checkout.click(mail)).status_code == 200
    taken = await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    assert taken.acknowledged_by == "alice"

    checkout.clock.forward(20 * MINUTE)
    await checkout.expect_quiet()

    await checkout.end("checkout", "HighErrorRate", severity="critical")
    await checkout.expect_incident(state=Incident.STATE_RESOLVED)
    await checkout.expect_page("alice", about="esolved")
    facts = await checkout.timeline(
        incident, "IncidentOpened", "EscalationStarted", "ResponderSummoned", "PageSent", "ReplyReceived", "IncidentAcknowledged",
        "EscalationStopped", "IncidentResolved", "ReviewOpened",
    )  # fmt: skip
    assert facts.index("IncidentOpened") < facts.index("ResponderSummoned") < facts.index("IncidentAcknowledged")
    review = (await checkout.review.GetReview(review_pb.GetReviewRequest(incident_id=incident.id))).review
    assert "HighErrorRate" in review.markdown
    assert review.figures.time_to_resolve.seconds >= 20 * 60


async def test_an_unanswered_page_climbs_the_policy(checkout):
    """If the primary does not acknowledge within five minutes, the secondary is paged."""
    await checkout.fire("checkout", "HighErrorRate")
    await checkout.expect_page("alice", about="HighErrorRate")
    await checkout.expect_quiet()
    checkout.clock.forward(5 * MINUTE)
    mail = await checkout.expect_page("bob", about="HighErrorRate")
    await checkout.click(mail)
    taken = await checkout.expect_incident(state=Incident.STATE_ACKNOWLEDGED)
    assert taken.acknowledged_by == "bob"
    # Alice was woken too: she is told that she can go back to sleep.
    await checkout.expect_page("alice", about="bob")
    summonses = (await checkout.response.ListEscalations(response_pb.ListEscalationsRequest(incident_id=taken.id))).summonses
    assert [summons.reason for summons in summonses] == ["STEP_TIMEOUT", "STEP_STARTED"]


async def test_an_override_changes_who_is_woken(checkout):
    await checkout.schedule("primary", "alice")
    await checkout.policy("checkout-policy", [("schedule:primary", 5 * MINUTE)])
    until = checkout.clock.now() + timedelta(hours=8)
    request = response_pb.CreateOverrideRequest(request_id="o1", schedule="primary", responder="bob", reason="alice is on a train")
    request.ends_at.FromDatetime(until)
    await checkout.response.CreateOverride(request)
    await checkout.fire("checkout", "HighErrorRate")
    await checkout.expect_page("bob", about="HighErrorRate")
    await checkout.expect_quiet()


async def test_an_alert_that_resolves_before_the_page_is_sent_wakes_nobody(checkout):
    """A contact method with a delay gives the alert the chance to end by itself."""
    from google.protobuf.duration_pb2 import Duration
    from tocsin.communication.v1 import communication_service_pb2 as communication_pb
    from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod

    slow = ContactMethod(
        name="alice-mail", responder="alice", kind=ContactMethod.KIND_EMAIL, address="alice@example.test", delay=Duration(seconds=60)
    )
    await checkout.communication.ApplyConfiguration(
        communication_pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=[slow]))
    )
    await checkout.fire("checkout", "HighErrorRate")
    incident = await checkout.expect_incident(state=Incident.STATE_OPEN)
    await checkout.timeline(incident, "ResponderSummoned")
    await checkout.end("checkout", "HighErrorRate")
    await checkout.expect_incident(state=Incident.STATE_RESOLVED)
    await checkout.timeline(incident, "PageCancelled")
    checkout.clock.forward(2 * MINUTE)
    await checkout.expect_quiet()
    [page] = await checkout.pages(incident)
    assert page.state == Page.STATE_CANCELLED
    assert page.state_reason


async def test_the_same_alert_from_two_replicas_opens_one_incident(checkout):
    for _ in range(2):
        await checkout.fire("checkout", "HighErrorRate", instance="a")
    await checkout.expect_page("alice")
    await checkout.expect_quiet()
    incident = await checkout.expect_incident()
    assert (incident.number, incident.alert_count) == (1, 1)


async def test_alerts_that_belong_together_page_once(checkout):
    for instance in "abc":
        await checkout.fire("checkout", "HighErrorRate", instance=instance)
    await checkout.expect_page("alice")
    await checkout.expect_incident(alert_count=3)
    await checkout.expect_quiet()


async def test_a_silent_sender_ends_its_alert(checkout):
    """Prometheus stops sending: the alert ends at its endsAt, and so does the incident."""
    await checkout.fire("checkout", "HighErrorRate", ends_in=4 * MINUTE)
    await checkout.expect_page("alice")
    checkout.clock.forward(4 * MINUTE)
    incident = await checkout.expect_incident(state=Incident.STATE_RESOLVED)
    assert incident.resolve_reason
    await checkout.expect_page("alice", about="esolved")


async def test_a_person_declares_an_incident(checkout):
    incident = await checkout.declare("payments look odd", "checkout")
    await checkout.expect_page("alice", about="payments look odd")
    await checkout.acknowledge(incident, "alice")
    checkout.clock.forward(30 * MINUTE)
    await checkout.expect_quiet()


async def test_a_webhook_opens_and_resolves(checkout):
    key = await checkout.integration("webhook")
    body = {"title": "Queue is long", "key": "queue-1", "service": "checkout", "severity": "error"}
    answer = await checkout.http.post("/webhook", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 202
    await checkout.expect_page("alice", about="Queue is long")
    assert (await checkout.expect_incident()).severity == Severity.SEVERITY_SEV2
    await checkout.http.post(f"/webhook/{key}", json={**body, "status": "resolved"})
    await checkout.expect_incident(state=Incident.STATE_RESOLVED)


async def test_a_policy_repeats_and_then_says_that_nobody_answered(checkout):
    await checkout.policy("checkout-policy", [("alice", MINUTE)], repeat=1)
    await checkout.fire("checkout", "HighErrorRate")
    await checkout.expect_page("alice")
    checkout.clock.forward(MINUTE)
    await checkout.expect_page("alice")
    checkout.clock.forward(MINUTE)
    incident = await checkout.expect_incident(state=Incident.STATE_OPEN)
    await checkout.timeline(incident, "EscalationExhausted")
    checkout.clock.forward(MINUTE)
    await checkout.expect_quiet()


async def test_a_reopened_incident_wakes_again(checkout):
    from tocsin.triage.v1 import triage_service_pb2 as triage_pb

    incident = await checkout.declare("payments look odd", "checkout")
    await checkout.expect_page("alice")
    await checkout.resolve(incident)
    await checkout.expect_page("alice", about="esolved")
    await checkout.triage.ReopenIncident(triage_pb.ReopenIncidentRequest(request_id="r1", incident_id=incident.id, reason="it is back"))
    await checkout.expect_page("alice", about="payments look odd")


async def test_an_acknowledge_after_the_end_is_refused_with_the_reason(checkout):
    incident = await checkout.declare("payments look odd", "checkout")
    mail = await checkout.expect_page("alice")
    await checkout.resolve(incident)
    await checkout.expect_page("alice", about="esolved")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await checkout.acknowledge(incident, "alice")
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    answer = await checkout.click(mail)
    assert answer.status_code == 409
    assert "resolved" in answer.text.lower()
    await checkout.expect_incident(state=Incident.STATE_RESOLVED)


async def test_a_link_works_once(checkout):
    await checkout.declare("payments look odd", "checkout")
    mail = await checkout.expect_page("alice")
    assert (await checkout.click(mail)).status_code == 200
    assert (await checkout.click(mail)).status_code == 409
