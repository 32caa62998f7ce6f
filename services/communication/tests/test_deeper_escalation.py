"""What deeper escalation asks of communication: contacts that are nobody's own, summonses that stand, acknowledgements that ran out."""

from communication_harness import email, hook
from tocsin.communication.v1.page_pb2 import Page
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.response.v1.events_pb2 import ContactSummoned
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentUnacknowledged
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_kernel.ids import uuid7


async def test_a_contact_is_told_over_itself_alone(house):
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    about = house.incident()
    summons = Summons(id=str(uuid7()), contact="alice-hook", at=about.opened_at, reason="STEP_STARTED", explanation="step 1: the room")
    await house.world.publish(ContactSummoned(summons=summons, incident=about), about.id)
    [page] = await house.expect(state=Page.STATE_DELIVERED)
    assert (page.contact_method, page.reason) == ("alice-hook", "step 1: the room")
    assert not house.mails


async def test_after_an_acknowledgement_that_ran_out_people_are_woken_again(house):
    await house.reachable(email("alice"))
    opened = house.incident()
    taken, again = Incident(), Incident()
    taken.CopyFrom(opened)
    taken.MergeFrom(Incident(state=Incident.STATE_ACKNOWLEDGED, version=2, acknowledged_by="bob"))
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    again.CopyFrom(opened)
    again.MergeFrom(Incident(state=Incident.STATE_OPEN, version=3))
    await house.world.publish(IncidentUnacknowledged(incident=again, acknowledged_by="bob"), again.id, 3)
    await house.summon("alice", again)
    await house.expect(state=Page.STATE_SENT, responder="alice")
