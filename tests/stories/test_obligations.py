"""An authority has to be told in time: whoever has the incident is reminded, and the timeline tells it."""

from datetime import timedelta

from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import obligation_service_pb2 as pb
from tocsin.response.v1.obligation_pb2 import Circumstances
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceStub

from tocsin_chassis.grpc.caller import Caller

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def test_the_72_hour_clock_reminds_whoever_declared_that_they_are_aware(platform):
    await platform.responders("alice")
    await platform.policy("checkout-policy", [("alice", 5 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    await platform.fire("checkout", "DataLeak")
    incident = await platform.expect_incident()
    obligations = platform.world.stub(ObligationServiceStub, platform.apps["response"], Caller("alice", Role.ROLE_RESPONDER))
    known = Circumstances(traits=["personal-data", "eu"])
    request = pb.RecordStartEventRequest(request_id="1", incident_id=incident.id, event="awareness", circumstances=known)
    [kept] = (await obligations.RecordStartEvent(request)).obligations
    platform.clock.forward(66 * HOUR)
    await platform.expect_page("alice", about="Notify the supervisory authority")
    await obligations.SubmitObligation(pb.SubmitObligationRequest(request_id="2", obligation_id=kept.id, reference="DPA-1"))
    await platform.timeline(incident, "ObligationStarted", "ObligationDue", "ObligationAnswered")
