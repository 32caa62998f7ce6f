"""Communication on real servers: what it hears, what leaves, what it tells."""

import asyncio
from datetime import UTC, timedelta

import grpc
import pytest
from communication_harness import House, email, hook, link_of
from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.events_pb2 import PageCancelled, PageDelivered, PageFailed, PageSent, ReplyReceived
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.noise_events_pb2 import SilenceExpiring
from tocsin.detection.v1.noise_pb2 import Silence
from tocsin.response.v1.command_events_pb2 import TaskDue, UpdateDue
from tocsin.response.v1.command_pb2 import Task
from tocsin.response.v1.containment_events_pb2 import MeasureLost
from tocsin.response.v1.containment_pb2 import Measure
from tocsin.response.v1.events_pb2 import EscalationExhausted
from tocsin.response.v1.playbook_events_pb2 import ApprovalDenied, ApprovalSought
from tocsin.response.v1.playbook_pb2 import Question
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentReopened, IncidentResolved
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.presence import presence
from tocsin_communication.pages import pages as making
from tocsin_communication.sending import departures, gone
from tocsin_communication.sending import sender as sending

QUESTION = "0199f0a0-0000-7000-8000-0000000000aa"


async def test_a_summons_reaches_the_responder_on_every_contact_method(house):
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    await house.summon("alice", house.incident())
    sent = await house.world.facts(PageSent, 2)
    delivered = await house.world.facts(PageDelivered, 1)
    assert {fact.page.contact_method for fact in sent} == {"alice-mail", "alice-hook"}
    assert delivered[0].page.contact_method == "alice-hook"
    assert house.mails[0]["Subject"] == "[SEV2] #7 Checkout fails"
    assert house.web_server.requests[0].body["incident"]["title"] == "Checkout fails"
    page = (await house.expect(contact_method="alice-mail"))[0]
    assert page.state == Page.STATE_SENT
    assert page.reason == "step 1: on call"
    assert page.attempts == 1


async def test_a_responder_without_a_contact_method_is_never_silence(house):
    await house.summon("nobody", house.incident())
    failed = await house.world.facts(PageFailed)
    assert failed[0].page.responder == "nobody"
    assert failed[0].page.state_reason == "nobody has no contact method"
    assert failed[0].page.state == Page.STATE_FAILED
    assert failed[0].at.ToDatetime(UTC) == house.world.clock.now()


async def test_a_page_that_waits_is_dropped_when_somebody_takes_the_incident(house):
    await house.reachable(email("alice", delay=Duration(seconds=60)))
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_PENDING)
    incident = house.incident(Incident.STATE_ACKNOWLEDGED, 2, acknowledged_by="bob")
    await house.world.publish(IncidentAcknowledged(incident=incident), incident.id, 2)
    cancelled = await house.world.facts(PageCancelled)
    assert cancelled[0].page.state_reason == "taken by bob"
    assert cancelled[0].at.ToDatetime(UTC) == house.world.clock.now()
    house.world.clock.forward(timedelta(minutes=2))
    await house.reachable(email("carol"))
    await house.api.PageResponder(pb.PageResponderRequest(request_id="r", responder="carol", message="look"))
    await house.expect(responder="carol", state=Page.STATE_SENT)
    assert [mail["To"] for mail in house.mails] == ["carol@example.test"]


async def test_a_delayed_page_goes_out_when_its_time_has_come(house):
    await house.reachable(email("alice", delay=Duration(seconds=60)))
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_PENDING)
    assert not house.mails
    house.world.clock.forward(timedelta(seconds=60))
    await house.expect(state=Page.STATE_SENT)


async def test_a_summons_heard_after_the_end_wakes_nobody(house):
    await house.reachable(email("alice"))
    over = house.incident(Incident.STATE_RESOLVED, 2)
    await house.world.publish(IncidentResolved(incident=over), over.id, 2)
    await house.world.eventually(lambda: _has_heard_triage(house))
    await house.summon("alice", house.incident())
    cancelled = await house.world.facts(PageCancelled)
    assert cancelled[0].page.state_reason == "the incident is resolved"
    assert not house.mails


async def _has_heard_triage(house: House) -> bool:
    info = await house.world.jetstream.consumer_info("TRIAGE", "communication-triage")
    return info.num_pending == 0 and info.num_ack_pending == 0


async def test_whoever_was_told_is_told_who_took_it_and_that_it_is_over(house):
    await house.reachable(email("alice"), email("bob"))
    opened = house.incident()
    await house.summon("alice", opened)
    await house.summon("bob", opened)
    await house.expect(2, kind=Page.KIND_SUMMONS, state=Page.STATE_SENT)
    taken = Incident()
    taken.CopyFrom(opened)
    taken.MergeFrom(Incident(state=Incident.STATE_ACKNOWLEDGED, version=2, acknowledged_by="alice"))
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    told = await house.expect(kind=Page.KIND_TAKEN, state=Page.STATE_SENT)
    assert told[0].responder == "bob"
    over = Incident()
    over.CopyFrom(taken)
    over.MergeFrom(Incident(state=Incident.STATE_RESOLVED, version=3, resolve_reason="alerts ended"))
    await house.world.publish(IncidentResolved(incident=over), over.id, 3)
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    ended = await house.expect(2, kind=Page.KIND_RESOLVED, state=Page.STATE_SENT)
    assert {page.responder for page in ended} == {"alice", "bob"}
    assert {mail["Subject"] for mail in house.mails} >= {"Taken by alice: #7 Checkout fails", "Resolved: #7 Checkout fails"}
    again = Incident()
    again.CopyFrom(over)
    house.world.clock.forward(timedelta(minutes=5))
    again.MergeFrom(Incident(state=Incident.STATE_OPEN, version=4, opened_at=house._instant()))
    await house.world.publish(IncidentReopened(incident=again), again.id, 4)
    await house.summon("bob", again)
    await house.expect(3, kind=Page.KIND_SUMMONS, state=Page.STATE_SENT)
    assert len(await house.pages(kind=Page.KIND_TAKEN)) == 1


async def test_a_summons_under_way_when_the_incident_is_taken_is_followed_by_who_took_it(house, monkeypatch):
    monkeypatch.setattr(sending, "SEND_SECONDS", 1.0)
    await house.reachable(hook("alice", house.web_server.url))
    house.web_server.answers.append("hang")
    opened = house.incident()
    await house.summon("alice", opened)
    await house.expect(state=Page.STATE_SENDING)
    taken = Incident()
    taken.CopyFrom(opened)
    taken.MergeFrom(Incident(state=Incident.STATE_ACKNOWLEDGED, version=2, acknowledged_by="bob"))
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    await house.expect(kind=Page.KIND_TAKEN, state=Page.STATE_DELIVERED)


async def test_a_page_whose_outcome_is_unknown_goes_out_again_and_says_so(house):
    await house.reachable(email("alice"))
    house.mail_server.answers.append("drop")
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_PENDING, attempts=1)
    house.world.clock.forward(timedelta(seconds=1))
    page = (await house.expect(state=Page.STATE_SENT))[0]
    assert page.resent_after_unknown
    first, second = house.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["X-Tocsin-Resent"] is None
    assert second["X-Tocsin-Resent"] == "unknown-outcome"
    assert link_of(first) == link_of(second)


async def test_an_attempt_that_a_dead_process_left_is_found_by_its_lease(house, world, mail_server, monkeypatch):
    for module in (making, sending):
        monkeypatch.setattr(module, "LEASE", timedelta(seconds=0.5))
    await house.reachable(hook("alice", house.web_server.url))
    house.web_server.answers.append("hang")
    await house.summon("alice", house.incident())
    page = (await house.expect(state=Page.STATE_DELIVERED))[0]
    assert page.resent_after_unknown
    assert page.attempts == 2
    assert [request.body["page"]["resent_after_unknown"] for request in house.web_server.requests] == [False, True]


async def test_what_a_dead_process_was_sending_goes_on_at_once_and_what_one_that_stands_still_was_sending_waits(house, monkeypatch):
    monkeypatch.setattr(gone, "RETURN_SECONDS", 0.0)
    database = house.app.database
    async with presence(database) as another, presence(database) as looking:

        async def both_are_seen():
            return another.number and looking.number

        await house.world.eventually(both_are_seen, what="the other processes to be seen")
        watch = gone.Gone(database, looking, lambda: None)
        await house.reachable(hook("alice", house.web_server.url))
        house.web_server.answers.append("hang")
        await house.summon("alice", house.incident())
        await house.expect(state=Page.STATE_SENDING)
        house.world.rewrite("communication", f"UPDATE page SET sender = {another.number}")
        for _ in range(3):
            await watch.look()
        assert [page.attempts for page in await house.pages(state=Page.STATE_SENDING)] == [1]
    await watch.look()
    page = (await house.expect(state=Page.STATE_DELIVERED))[0]
    assert (page.attempts, page.resent_after_unknown) == (2, True)
    assert [request.body["page"]["resent_after_unknown"] for request in house.web_server.requests] == [False, True]


async def test_a_process_that_stood_still_does_not_hand_over_what_another_one_may_have_gone_on_with(house, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(departures, "LEASE", timedelta())
        await house.reachable(hook("alice", house.web_server.url))
        await house.summon("alice", house.incident())
        [page] = await house.expect(state=Page.STATE_PENDING, attempts=1)
        assert "stood still" in page.state_reason
    house.world.clock.forward(timedelta(seconds=1))
    [page] = await house.expect(state=Page.STATE_DELIVERED)
    assert not page.resent_after_unknown
    assert len(house.web_server.requests) == 1


async def test_a_refusal_for_now_is_tried_again_and_one_for_ever_is_told(house):
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    house.mail_server.answers.append("451 4.3.0 busy")
    house.web_server.answers.append("410 Gone")
    await house.summon("alice", house.incident())
    failed = await house.world.facts(PageFailed)
    assert failed[0].page.state_reason == "HTTP 410"
    await house.expect(state=Page.STATE_PENDING, attempts=1)
    house.world.clock.forward(timedelta(seconds=1))
    sent = (await house.expect(state=Page.STATE_SENT))[0]
    assert not sent.resent_after_unknown
    assert sent.attempts == 2


async def test_a_provider_that_hangs_holds_up_only_its_own_pages_and_one_service_not_the_others(house, monkeypatch):
    monkeypatch.setattr(departures, "LINGERS_AFTER_SECONDS", 600.0)
    await house.reachable(email("alice"), *(hook(f"r{number}", house.web_server.url) for number in range(20)))
    house.web_server.answers.extend(["hang"] * 40)
    for number in range(20):
        await house.summon(f"r{number}", house.incident())
    await house.expect(12, state=Page.STATE_SENDING)
    await house.summon("alice", house.incident())
    await house.expect(responder="alice", state=Page.STATE_SENT)
    assert len(await house.pages(state=Page.STATE_PENDING)) == 8
    house.web_server.answers.clear()
    other = house.incident(id="0199f0a0-0000-7000-8000-00000000000b", number=8)
    other.service = "payments"
    await house.summon("r3", other)
    await house.expect(incident_id=other.id, state=Page.STATE_DELIVERED)


async def test_a_link_acknowledges_once(house):
    await house.reachable(email("alice"))
    declared = (await house.triage.DeclareIncident(triage_pb.DeclareIncidentRequest(request_id="d", title="Checkout fails"))).incident
    await house.summon("alice", declared)
    await house.expect(state=Page.STATE_SENT)
    token = link_of(house.mails[0])
    shown = await house.edge.GetReplyLink(pb.GetReplyLinkRequest(token=token))
    assert (shown.effect, shown.used, shown.responder, shown.number) == ("Acknowledge", False, "alice", declared.number)
    await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=token))
    found = (await house.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=declared.id))).incident
    assert (found.state, found.acknowledged_by) == (Incident.STATE_ACKNOWLEDGED, "alice")
    assert (await house.world.facts(ReplyReceived))[0].responder == "alice"
    assert (await house.edge.GetReplyLink(pb.GetReplyLinkRequest(token=token))).used
    with pytest.raises(grpc.aio.AioRpcError, match="already") as refused:
        await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=token))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_a_link_reopens_nothing_and_a_wrong_one_is_not_found(house):
    await house.reachable(email("alice"))
    declared = (await house.triage.DeclareIncident(triage_pb.DeclareIncidentRequest(request_id="d", title="Checkout fails"))).incident
    await house.summon("alice", declared)
    await house.expect(kind=Page.KIND_SUMMONS, state=Page.STATE_SENT)
    await house.triage.ResolveIncident(triage_pb.ResolveIncidentRequest(request_id="x", incident_id=declared.id))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=link_of(house.mails[0])))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await house.edge.GetReplyLink(pb.GetReplyLinkRequest(token="x" * 43))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_direct_page_is_made_once_for_a_request(house):
    await house.reachable(email("alice"))
    request = pb.PageResponderRequest(request_id="once", responder="alice", message="please look")
    first = await house.api.PageResponder(request)
    assert await house.api.PageResponder(request) == first
    await house.expect(kind=Page.KIND_DIRECT, state=Page.STATE_SENT)
    assert house.mails[0]["Subject"] == "maria asks: please look"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.api.PageResponder(pb.PageResponderRequest(request_id="2", responder="nobody", message="x"))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_configuration_says_what_changes_and_round_trips(house):
    apply = house.api.ApplyConfiguration
    given = Configuration(contact_methods=[email("alice", delay=Duration(seconds=5)), email("bob")])
    dry = await apply(pb.ApplyConfigurationRequest(configuration=given, dry_run=True))
    assert [change.action for change in dry.changes] == [Change.ACTION_CREATED] * 2
    assert not (await house.api.ExportConfiguration(pb.ExportConfigurationRequest())).configuration.contact_methods
    await apply(pb.ApplyConfigurationRequest(configuration=given))
    exported = (await house.api.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    assert exported == given
    again = await apply(pb.ApplyConfigurationRequest(configuration=exported))
    assert {change.action for change in again.changes} == {Change.ACTION_UNCHANGED}
    pruned = await apply(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=[email("alice")]), prune=True))
    assert [(change.name, change.action) for change in pruned.changes] == [
        ("alice-mail", Change.ACTION_UPDATED),
        ("bob-mail", Change.ACTION_DELETED),
    ]
    bad = ContactMethod(name="x", responder="x", kind=ContactMethod.KIND_EMAIL, address="nobody")
    with pytest.raises(grpc.aio.AioRpcError, match=r"contact_methods\[0\]\.address"):
        await apply(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=[bad])))


async def test_the_message_log_is_read_page_by_page(house):
    await house.reachable(email("alice"))
    for number in range(5):
        await house.api.PageResponder(pb.PageResponderRequest(request_id=str(number), responder="alice", message=f"m{number}"))
    seen, token = [], ""
    while True:
        answer = await house.api.ListPages(pb.ListPagesRequest(responder="alice", page_size=2, page_token=token))
        seen += [page.id for page in answer.pages]
        if not (token := answer.next_page_token):
            break
    assert len(seen) == len(set(seen)) == 5
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.api.ListPages(pb.ListPagesRequest(page_token="nonsense"))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_exhausted_escalation_does_no_harm(house):
    await house.world.publish(EscalationExhausted(), "0199f0a0-0000-7000-8000-00000000000a")
    await house.reachable(email("alice"))
    await house.summon("alice", house.incident())
    await asyncio.wait_for(house.world.facts(PageSent), 8.0)


async def test_who_owns_a_task_and_who_tells_people_are_reminded_and_rooms_hear_no_secrets(house):
    """A reminder belongs to its incident, so that who may not know of a private one does not read it."""
    await house.reachable(email("alice"), email("bob"))
    secret = house.incident(private=True, members=["alice"])
    due = TaskDue(task=Task(title="revoke the keys", incident_id=secret.id), responder="alice", overdue=True, incident=secret)
    due.task.due_at.FromDatetime(house.world.clock.now())
    await house.world.publish(due, secret.id)
    await house.world.publish(UpdateDue(incident_id=secret.id, responder="alice", incident=secret), secret.id)
    lost = MeasureLost(measure=Measure(id=QUESTION, action="isolate-host", target="web-1"), finding="it answers", tell=["alice"])
    lost.incident.CopyFrom(secret)
    await house.world.publish(lost, secret.id)
    await house.world.facts(PageSent, 3)
    subjects = {mail["Subject"] for mail in house.mails}
    assert any("revoke the keys" in subject for subject in subjects) and "People wait for word of #7" in subjects
    assert "Does not hold any more: isolate-host web-1" in subjects
    seen = {
        name: (await house.as_seen_by(Caller(name, Role.ROLE_VIEWER)).ListPages(pb.ListPagesRequest())).pages for name in ("alice", "bob")
    }
    assert ([page.kind for page in seen["alice"]], list(seen["bob"])) == ([Page.KIND_REMINDER] * 3, [])
    hidden = house.as_seen_by(Caller("bob", Role.ROLE_VIEWER)).ListPages(pb.ListPagesRequest(incident_id=secret.id))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await hidden
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_whoever_made_a_silence_hears_that_it_ends_unless_that_is_over(house):
    await house.reachable(email("alice"))
    for minutes, comment in ((-1, "over"), (15, "known")):
        told = SilenceExpiring(silence=Silence(matchers=['service="shop"'], created_by="alice", comment=comment, held=3))
        told.silence.ends_at.FromDatetime(house.world.clock.now() + timedelta(minutes=minutes))
        await house.world.publish(told, f"silence-{comment}")
    [sent] = await house.world.facts(PageSent)
    assert (sent.page.responder, sent.page.kind) == ("alice", Page.KIND_REMINDER)
    [mail] = house.mails
    assert mail["Subject"].startswith("Your silence ends at ") and 'service="shop"' in mail["Subject"]


def asked(house, *responders, **more) -> ApprovalSought:
    said = {"step_name": "isolate the host", "playbook": "ransomware", "quorum": 2, "kind": Question.KIND_APPROVAL}
    question = Question(id=QUESTION, incident_id=house.incident().id, text="isolate-host web-1", **{**said, **more})
    return ApprovalSought(question=question, responders=responders, incident=house.incident(), at=house._instant())


async def test_an_approval_is_sought_by_page_and_given_by_its_link(house):
    await house.reachable(email("alice"), email("bob"))
    sought = asked(house, "alice", "bob")
    await house.world.publish(sought, sought.question.incident_id)
    await house.expect(2, kind=Page.KIND_APPROVAL, state=Page.STATE_SENT)
    alices = next(mail for mail in house.mails if mail["To"] == "alice@example.test")
    assert alices["Subject"] == "Approve? isolate the host: Checkout fails"
    said = alices.get_body(("plain",)).get_content()
    assert "Approve: " in said and "Deny: " in said and "2 people have to agree" in said
    token = next(word for word in said.split() if "/a/" in word).rpartition("/")[2]
    shown = await house.edge.GetReplyLink(pb.GetReplyLinkRequest(token=token))
    assert (shown.approval, shown.effect, shown.can_escalate) == (True, "Approve", True)
    answer = await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=token))
    assert answer.effect == "Approved by alice."
    [reply] = await house.world.facts(ReplyReceived)
    assert (reply.answer, reply.question_id, reply.responder) == ("APPROVE", QUESTION, "alice")


async def test_a_link_says_that_no_answer_is_needed_any_more(house):
    await house.reachable(email("alice"), email("bob", delay=Duration(seconds=60)))
    sought = asked(house, "alice", "bob")
    await house.world.publish(sought, sought.question.incident_id)
    await house.expect(kind=Page.KIND_APPROVAL, state=Page.STATE_SENT)
    token = link_of(house.mails[0])
    await house.world.publish(ApprovalDenied(question=sought.question, by="carol"), sought.question.incident_id, 2)
    [cancelled] = await house.world.facts(PageCancelled)
    assert (cancelled.page.responder, cancelled.page.state_reason) == ("bob", "it was denied")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=token))
    assert "it was denied" in refused.value.details()


async def test_what_is_to_be_done_by_hand_is_told_without_a_link(house):
    await house.reachable(email("alice"))
    sought = asked(house, "alice", kind=Question.KIND_MANUAL)
    await house.world.publish(sought, sought.question.incident_id)
    await house.expect(kind=Page.KIND_MANUAL, state=Page.STATE_SENT)
    assert "/a/" not in house.mails[0].get_body(("plain",)).get_content()
