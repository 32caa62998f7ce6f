"""Paging as people want it, told on real servers: rules, answers from everywhere, second accounts, storms, the switch."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from communication_harness import PUBLIC_URL, House, email, hook, link_of
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1 import contact_service_pb2 as contact_pb
from tocsin.communication.v1 import paging_service_pb2 as paging_pb
from tocsin.communication.v1.contact_pb2 import Contact
from tocsin.communication.v1.events_pb2 import (
    ContactFailing,
    DelegationEnded,
    DelegationMade,
    PageFailed,
    PagingStopped,
    ReachabilityInDoubt,
    ReplyReceived,
)
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.communication.v1.rules_pb2 import Allowance, PageLimit, PersonalRules, PersonalStep, QuietHours, QuietWindow
from tocsin.response.v1.escalation_pb2 import URGENCY_LOW, Escalation
from tocsin.response.v1.events_pb2 import EscalationStopped, HandoffDue
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.grpc.caller import Caller
from tocsin_testkit.outside.http import Plan

PHONE = "+15551234567"


def sms(name: str, number: str = PHONE, **more: Any) -> ContactMethod:
    return ContactMethod(name=f"{name}-sms", responder=name, kind=ContactMethod.KIND_SMS, address=number, **more)


def chat(name: str) -> ContactMethod:
    return ContactMethod(name=f"{name}-telegram", responder=name, kind=ContactMethod.KIND_TELEGRAM, address="555")


def another(house: House, number: int, service: str = "checkout") -> Incident:
    made = house.incident(id=f"0199f0a0-0000-7000-8000-{number:012x}", number=number, title=f"Trouble {number}")
    made.service = service
    return made


def acknowledged(incident: Incident, by: str) -> Incident:
    made = Incident()
    made.CopyFrom(incident)
    made.MergeFrom(Incident(state=Incident.STATE_ACKNOWLEDGED, version=incident.version + 1, acknowledged_by=by))
    return made


# Rules


async def test_personal_rules_say_which_contact_methods_and_when(house):
    rules = PersonalRules(
        name="alice",
        high=[PersonalStep(contact_method="alice-hook"), PersonalStep(contact_method="alice-mail", delay=Duration(seconds=120))],
        low=[PersonalStep(contact_method="alice-mail")],
    )
    await house.reachable(email("alice"), hook("alice", house.web_server.url), personal_rules=[rules])
    await house.summon("alice", house.incident())
    await house.expect(contact_method="alice-hook", state=Page.STATE_DELIVERED)
    [later] = await house.pages(contact_method="alice-mail")
    assert later.state == Page.STATE_PENDING
    assert "2 min after the summons" in later.reason
    await house.summon("alice", another(house, 8), urgency=URGENCY_LOW)
    [low] = await house.expect(incident_id=another(house, 8).id)
    assert low.contact_method == "alice-mail"
    exported = (await house.api.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    assert list(exported.personal_rules) == [rules]


async def test_quiet_hours_hold_back_what_can_wait_and_the_preview_says_so(house):
    now = house.world.clock.now()
    window = QuietWindow(begins=f"{(now - timedelta(hours=1)):%H:%M}", ends=f"{(now + timedelta(hours=3)):%H:%M}")
    quiet = QuietHours(zone="UTC", windows=[window], except_severities=["SEV1"])
    await house.reachable(email("alice"), personal_rules=[PersonalRules(name="alice", quiet_hours=quiet)])
    await house.summon("alice", house.incident(), urgency=URGENCY_LOW)
    [page] = await house.expect(state=Page.STATE_PENDING)
    assert "quiet hours" in page.reason
    shown = await house.paging.PreviewPages(paging_pb.PreviewPagesRequest(responder="alice", urgency=2))
    assert "quiet hours" in shown.pages[0].reason
    assert shown.pages[0].warning == "not confirmed"
    urgent = await house.paging.PreviewPages(paging_pb.PreviewPagesRequest(responder="alice"))
    assert urgent.pages[0].at.ToDatetime() < shown.pages[0].at.ToDatetime()
    excepted = await house.paging.PreviewPages(paging_pb.PreviewPagesRequest(responder="alice", urgency=2, severity="SEV1"))
    assert excepted.pages[0].at.ToDatetime() < shown.pages[0].at.ToDatetime()


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (PersonalRules(name="alice", high=[PersonalStep(contact_method="bob-mail")]), "personal_rules[0].high[0].contact_method"),
        (
            PersonalRules(name="alice", quiet_hours=QuietHours(zone="Mars/Base", windows=[QuietWindow(begins="22:00", ends="07:00")])),
            "zone",
        ),
        (PersonalRules(name="alice", quiet_hours=QuietHours(zone="UTC", windows=[QuietWindow(begins="00:00", ends="00:00")])), "windows"),
    ],
)
async def test_rules_that_cannot_work_are_refused_with_the_field(house, rules, field):
    given = Configuration(contact_methods=[email("alice"), email("bob")], personal_rules=[rules])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.api.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=given))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()


async def test_delegated_pages_go_to_the_other_one_and_say_why(house):
    await house.reachable(email("alice"), email("bob"))
    ends_at = Timestamp()
    ends_at.FromDatetime(house.world.clock.now() + timedelta(days=1))
    request = contact_pb.CreateDelegationRequest(
        request_id="1", from_responder="alice", to_responder="bob", ends_at=ends_at, reason="dentist"
    )
    made = (await house.contacts.CreateDelegation(request)).delegation
    assert (await house.contacts.CreateDelegation(request)).delegation.id == made.id
    back = contact_pb.CreateDelegationRequest(request_id="2", from_responder="bob", to_responder="alice", ends_at=ends_at)
    with pytest.raises(grpc.aio.AioRpcError, match="come back to bob"):
        await house.contacts.CreateDelegation(back)
    await house.summon("alice", house.incident())
    [page] = await house.expect(state=Page.STATE_SENT)
    assert (page.responder, page.delegated_from) == ("bob", "alice")
    assert "alice's pages go to bob: dentist" in page.reason
    assert "dentist" in house.mails[0].get_body(("plain",)).get_content()
    await house.contacts.EndDelegation(contact_pb.EndDelegationRequest(delegation_id=made.id))
    for kind in (DelegationMade, DelegationEnded):
        [fact] = await house.world.facts(kind)
        assert (fact.delegation.id, fact.delegation.made_by) == (made.id, made.made_by)
    await house.summon("alice", another(house, 8))
    await house.expect(responder="alice", state=Page.STATE_SENT)
    assert not (await house.contacts.ListDelegations(contact_pb.ListDelegationsRequest(only_current=True))).delegations


# Answers


async def test_an_sms_answered_by_its_code_acknowledges_and_stops_the_rest(house):
    await house.reachable(sms("alice"), email("alice", delay=Duration(seconds=600)))
    declared = await house.declare()
    await house.summon("alice", declared)
    await house.expect(contact_method="alice-sms", state=Page.STATE_SENT)
    hooked = f"{PUBLIC_URL}/hooks/channels/sms/main/reply"
    asked = await house.called("sms", house.twilio[0].text(hooked, PHONE, "what?", sid="SM1"))
    assert b"Not understood" in asked.body
    answered = await house.called("sms", house.twilio[0].text(hooked, PHONE, f"{declared.number}a", sid="SM2"))
    assert b"acknowledged by alice" in answered.body
    found = (await house.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=declared.id))).incident
    assert (found.state, found.acknowledged_by) == (Incident.STATE_ACKNOWLEDGED, "alice")
    [dropped] = await house.expect(contact_method="alice-mail", kind=Page.KIND_SUMMONS, state=Page.STATE_CANCELLED)
    assert "alice" in dropped.state_reason
    assert len(await house.world.facts(ReplyReceived)) == 1
    nothing = await house.called("sms", house.twilio[0].text(hooked, PHONE, "ok", sid="SM3"))
    assert b"Nothing is open" in nothing.body


async def test_a_reply_without_a_code_is_asked_back_when_several_are_open(house):
    await house.reachable(sms("alice"), page_limits=[PageLimit(name="sms"), PageLimit(name="all")])
    first, second = await house.declare("One"), await house.declare("Two")
    await house.summon("alice", first)
    await house.summon("alice", second)
    await house.expect(2, state=Page.STATE_SENT)
    hooked = f"{PUBLIC_URL}/hooks/channels/sms/main/reply"
    asked = await house.called("sms", house.twilio[0].text(hooked, PHONE, "ack", sid="SM1"))
    assert b"2 open: reply" in asked.body
    done = await house.called("sms", house.twilio[0].text(hooked, PHONE, "ack all", sid="SM2"))
    assert f"#{first.number}".encode() in done.body and f"#{second.number}".encode() in done.body


async def test_a_strangers_sms_changes_nothing(house):
    await house.reachable(sms("alice"))
    declared = await house.declare()
    await house.summon("alice", declared)
    await house.expect(state=Page.STATE_SENT)
    hooked = f"{PUBLIC_URL}/hooks/channels/sms/main/reply"
    url, forged = house.twilio[0].text(hooked, PHONE, f"ack {declared.number}")
    forged.headers["x-twilio-signature"] = "AAAA"
    assert (await house.called("sms", (url, forged))).status == 403
    stranger = await house.called("sms", house.twilio[0].text(hooked, "+15559999999", f"ack {declared.number}", sid="SM7"))
    assert stranger.status == 200
    found = (await house.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=declared.id))).incident
    assert found.state == Incident.STATE_OPEN


async def test_a_button_in_a_chat_acknowledges_and_every_message_follows(house):
    await house.reachable(chat("alice"), email("bob"))
    declared = await house.declare()
    await house.summon("alice", declared)
    await house.summon("bob", declared)
    await house.expect(2, state=Page.STATE_SENT)
    [message] = house.telegram.messages
    button = next(name for name in message.buttons if "cknowledge" in name)
    await house.called("telegram", house.telegram.press(message, button), "/updates")
    found = (await house.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=declared.id))).incident
    assert found.acknowledged_by == "alice"
    taken = acknowledged(declared, "alice")
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, taken.version)
    await house.world.eventually(lambda: _shows(message, "alice"), 10.0, "the message follows")
    [told] = await house.expect(kind=Page.KIND_TAKEN, state=Page.STATE_SENT)
    assert told.responder == "bob"


async def _shows(message: Any, text: str) -> bool:
    return text in message.text


async def test_who_cannot_take_it_passes_it_on_once(house):
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    declared = await house.declare()
    await house.summon("alice", declared)
    await house.expect(1, contact_method="alice-mail", state=Page.STATE_SENT)
    token = link_of(house.mails[0])
    assert (await house.edge.GetReplyLink(pb.GetReplyLinkRequest(token=token))).can_escalate
    for _ in range(2):
        reply = await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=token, escalate=True))
        assert "passed on" in reply.effect
    [fact] = await house.world.facts(ReplyReceived)
    assert (fact.answer, fact.responder) == ("ESCALATE", "alice")
    found = (await house.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=declared.id))).incident
    assert found.state == Incident.STATE_OPEN


async def test_an_answer_to_a_direct_page_stops_its_other_channels(house):
    house.mail_server.answers.append("451 4.3.0 busy")
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    await house.api.PageResponder(pb.PageResponderRequest(request_id="r", responder="alice", message="look at the disk"))
    [arrived] = await house.expect(contact_method="alice-hook", state=Page.STATE_DELIVERED)
    await house.expect(contact_method="alice-mail", state=Page.STATE_PENDING, attempts=1)
    answer = await house.paging.AnswerPage(paging_pb.AnswerPageRequest(page_id=arrived.id, answer=paging_pb.ANSWER_ACKNOWLEDGE))
    assert answer.page.HasField("answered_at")
    [stopped] = await house.expect(contact_method="alice-mail", state=Page.STATE_CANCELLED)
    assert stopped.state_reason == "alice has answered"
    house.world.clock.forward(timedelta(minutes=1))
    assert not house.mails


async def test_a_page_that_stands_is_sent_though_somebody_acknowledged(house):
    await house.reachable(email("alice", delay=Duration(seconds=60)), email("bob", delay=Duration(seconds=60)))
    opened = house.incident()
    await house.summon("alice", opened, stands_when_acknowledged=True, escalation_id="e1")
    await house.summon("bob", opened, escalation_id="e1")
    await house.expect(2, state=Page.STATE_PENDING)
    taken = acknowledged(opened, "carol")
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    await house.expect(responder="bob", state=Page.STATE_CANCELLED)
    assert len(await house.pages(responder="alice", state=Page.STATE_PENDING)) == 1
    await house.world.publish(EscalationStopped(escalation=Escalation(id="e1", incident_id=opened.id)), opened.id, 3)
    [page] = await house.expect(responder="alice", state=Page.STATE_CANCELLED)
    assert page.state_reason == "the escalation has ended"


async def test_every_channel_at_once_when_response_says_so_and_one_contact_when_it_names_it(house):
    rules = PersonalRules(name="alice", high=[PersonalStep(contact_method="alice-mail", delay=Duration(seconds=600))])
    await house.reachable(email("alice"), hook("alice", house.web_server.url), personal_rules=[rules])
    await house.summon("alice", house.incident(), every_channel=True)
    await house.expect(1, contact_method="alice-mail", state=Page.STATE_SENT)
    await house.expect(1, contact_method="alice-hook", state=Page.STATE_DELIVERED)
    room = another(house, 8)
    await house.summon("", room, contact="alice-hook")
    [page] = await house.expect(incident_id=room.id)
    assert page.contact_method == "alice-hook"


# Providers


async def test_the_second_account_takes_over_when_the_first_is_refused(house):
    house.twilio[0].plan.append(Plan.CONFIG)
    await house.reachable(sms("alice"))
    await house.summon("alice", house.incident())
    [page] = await house.expect(state=Page.STATE_SENT)
    assert page.account == "second"
    assert not page.resent_after_unknown
    assert len(house.twilio[1].messages) == 1
    story = await house.paging.GetPage(paging_pb.GetPageRequest(page_id=page.id))
    assert [(attempt.account, attempt.outcome) for attempt in story.attempts] == [
        ("main", "PERMANENT_CONFIG"),
        ("second", "ACCEPTED"),
    ]
    status = (await house.paging.GetPagingStatus(paging_pb.GetPagingStatusRequest())).status
    assert "main" in next(channel.problem for channel in status.channels if channel.kind == ContactMethod.KIND_SMS)


async def test_the_second_account_takes_over_when_no_receipt_comes(house):
    await house.reachable(sms("alice"))
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_SENT, account="main")
    house.world.clock.forward(timedelta(seconds=61))
    [page] = await house.expect(state=Page.STATE_SENT, account="second")
    assert page.resent_after_unknown
    await house.called("sms", house.twilio[1].status(house.twilio[1].messages[0], "delivered"))
    await house.expect(state=Page.STATE_DELIVERED)


async def test_a_receipt_in_time_makes_it_delivered_and_nobody_else_is_asked(house):
    await house.reachable(sms("alice"))
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_SENT)
    for _ in range(2):
        await house.called("sms", house.twilio[0].status(house.twilio[0].messages[0], "delivered"))
    [page] = await house.expect(state=Page.STATE_DELIVERED)
    assert page.HasField("delivered_at")
    house.world.clock.forward(timedelta(minutes=2))
    assert not house.twilio[1].messages


async def test_what_nobody_answered_is_looked_up_before_it_is_sent_again(house):
    house.twilio[0].plan.append(Plan.DROP)
    await house.reachable(sms("alice"))
    await house.summon("alice", house.incident())
    await house.expect(state=Page.STATE_PENDING, attempts=1)
    house.world.clock.forward(timedelta(seconds=1))
    [page] = await house.expect(state=Page.STATE_SENT)
    assert not page.resent_after_unknown
    assert len(house.twilio[0].messages) == 1


async def test_a_dead_address_lets_the_next_contact_method_go_at_once_and_is_told(house):
    house.twilio[0].plan.append(Plan.TARGET)
    await house.reachable(sms("alice"), email("alice", delay=Duration(seconds=600)))
    await house.summon("alice", house.incident())
    await house.expect(contact_method="alice-sms", state=Page.STATE_FAILED)
    await house.expect(contact_method="alice-mail", state=Page.STATE_SENT)
    [failing] = await house.world.facts(ContactFailing)
    assert (failing.contact.contact_method.name, failing.contact.health) == ("alice-sms", Contact.HEALTH_FAILING)
    listed = (await house.contacts.ListContacts(contact_pb.ListContactsRequest(responder="alice", only_problems=True))).contacts
    assert "failing since" in next(each.health_reason for each in listed if each.contact_method.name == "alice-sms")


# Storms


async def test_what_is_more_than_an_sms_a_minute_is_told_together(house):
    await house.reachable(sms("alice"))
    incidents = [await house.declare(f"Trouble {number}") for number in range(6)]
    # What waits for an SMS is told together with the first, too: let that leave before.
    await house.summon("alice", incidents[0])
    await house.expect(1, kind=Page.KIND_SUMMONS, state=Page.STATE_SENT)
    for incident in incidents[1:]:
        await house.summon("alice", incident)
    waiting = await house.expect(5, kind=Page.KIND_SUMMONS, state=Page.STATE_PENDING)
    house.world.clock.forward(timedelta(seconds=61))
    [bundle] = await house.expect(kind=Page.KIND_BUNDLE, state=Page.STATE_SENT)
    assert bundle.subject.startswith("[SEV")
    told = await house.expect(5, kind=Page.KIND_SUMMONS, state=Page.STATE_CANCELLED)
    assert {page.bundle_id for page in told} == {bundle.id}
    assert {page.id for page in told} == {page.id for page in waiting}
    assert len(house.twilio[0].messages) == 2
    await house.paging.AnswerPage(paging_pb.AnswerPageRequest(page_id=bundle.id, answer=paging_pb.ANSWER_ACKNOWLEDGE))
    open_ones = (await house.triage.ListIncidents(triage_pb.ListIncidentsRequest(states=[Incident.STATE_OPEN]))).incidents
    assert len(open_ones) == 1


async def test_a_loop_of_pages_breaks(house):
    limit = PageLimit(name="all", allowances=[Allowance(count=4, within=Duration(seconds=600))])
    await house.reachable(email("alice"), page_limits=[limit])
    for number in range(1, 13):
        await house.summon("alice", another(house, number))
    await house.expect(4, state=Page.STATE_SENT)
    house.world.clock.forward(timedelta(seconds=1))
    assert len(house.mails) == 4
    waiting = [page for page in await house.pages() if page.state == Page.STATE_PENDING]
    assert all("at most 4 in 10 min" in page.state_reason for page in waiting)


# The switch, tests, reach


async def test_the_switch_holds_back_every_page_and_lets_go_what_is_still_needed(house):
    await house.reachable(email("alice"), email("bob"))
    stopped = (await house.paging.StopPaging(paging_pb.StopPagingRequest(reason="wrong template"))).status
    assert (stopped.stopped, stopped.reason, stopped.stopped_by) == (True, "wrong template", "ada")
    again = (await house.paging.StopPaging(paging_pb.StopPagingRequest(reason="another"))).status
    assert again.reason == "wrong template"
    first, second = house.incident(), another(house, 8)
    await house.summon("alice", first)
    await house.summon("bob", second)
    await house.expect(2, state=Page.STATE_PENDING)
    taken = acknowledged(first, "carol")
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)
    await house.expect(responder="alice", state=Page.STATE_CANCELLED)
    assert not house.mails
    assert len(await house.world.facts(PagingStopped)) == 1
    assert (await house.paging.GetPagingStatus(paging_pb.GetPagingStatusRequest())).status.waiting == 1
    await house.paging.ResumePaging(paging_pb.ResumePagingRequest())
    await house.expect(responder="bob", state=Page.STATE_SENT)
    assert [mail["To"] for mail in house.mails] == ["bob@example.test"]


async def test_a_contact_method_is_confirmed_by_its_code_or_by_the_link_of_a_test(house):
    await house.reachable(email("alice"), email("bob"))
    started = await house.contacts.StartConfirmation(contact_pb.StartConfirmationRequest(request_id="c", contact_method="alice-mail"))
    await house.expect(kind=Page.KIND_CONFIRMATION, state=Page.STATE_SENT)
    assert started.page_id
    code = house.mails[0]["Subject"].split()[0]
    for name, role, sees in (("vera", Role.ROLE_VIEWER, False), ("alice", Role.ROLE_RESPONDER, True), ("maria", Role.ROLE_MANAGER, True)):
        [page] = (await house.as_seen_by(Caller(name, role)).ListPages(pb.ListPagesRequest(responder="alice"))).pages
        assert (code in page.subject) is sees, "the code is for the responder, and for managers"
    with pytest.raises(grpc.aio.AioRpcError, match="does not confirm"):
        await house.contacts.ConfirmContactMethod(contact_pb.ConfirmContactMethodRequest(contact_method="alice-mail", code="x"))
    confirmed = await house.contacts.ConfirmContactMethod(
        contact_pb.ConfirmContactMethodRequest(contact_method="alice-mail", code=f" {code[:3]} {code[3:]}")
    )
    assert confirmed.contact.HasField("confirmed_at")
    await house.paging.SendTestPage(paging_pb.SendTestPageRequest(request_id="t", responder="bob"))
    await house.expect(kind=Page.KIND_TEST, state=Page.STATE_SENT)
    reply = await house.edge.ReceiveReply(pb.ReceiveReplyRequest(token=link_of(house.mails[1])))
    assert reply.effect == "bob-mail is confirmed."
    contacts = (await house.contacts.ListContacts(contact_pb.ListContactsRequest())).contacts
    assert all(contact.HasField("confirmed_at") for contact in contacts)


async def test_a_code_can_be_guessed_five_times_only_and_tests_are_counted(house):
    await house.reachable(email("alice"))
    await house.contacts.StartConfirmation(contact_pb.StartConfirmationRequest(request_id="c", contact_method="alice-mail"))
    await house.expect(kind=Page.KIND_CONFIRMATION, state=Page.STATE_SENT)
    right = contact_pb.ConfirmContactMethodRequest(contact_method="alice-mail", code=house.mails[0]["Subject"].split()[0])
    for code in ("1", "2", "3", "4", "5"):
        with pytest.raises(grpc.aio.AioRpcError):
            await house.contacts.ConfirmContactMethod(contact_pb.ConfirmContactMethodRequest(contact_method="alice-mail", code=code))
    with pytest.raises(grpc.aio.AioRpcError):
        await house.contacts.ConfirmContactMethod(right)
    for number in range(9):
        await house.paging.SendTestPage(paging_pb.SendTestPageRequest(request_id=f"t{number}", contact_method="alice-mail"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.paging.SendTestPage(paging_pb.SendTestPageRequest(request_id="t9", contact_method="alice-mail"))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_weekly_check_tells_of_who_cannot_be_reached_on_two_channels(house):
    await house.reachable(email("alice"), sms("alice"), email("bob"))
    listed = (await house.contacts.ListReachability(contact_pb.ListReachabilityRequest())).responders
    assert [(each.responder, each.reachable) for each in listed] == [("alice", False), ("bob", False)]
    assert "not confirmed" in listed[0].problem
    assert {fact.reachability.responder for fact in await house.world.facts(ReachabilityInDoubt, 2)} == {"alice", "bob"}
    for name in ("alice-mail", "alice-sms"):
        await house.paging.SendTestPage(paging_pb.SendTestPageRequest(request_id=name, contact_method=name))
    tests = await house.expect(2, kind=Page.KIND_TEST, state=Page.STATE_SENT)
    for page in tests:
        await house.paging.AnswerPage(paging_pb.AnswerPageRequest(page_id=page.id, answer=paging_pb.ANSWER_ACKNOWLEDGE))
    doubts = (await house.contacts.ListReachability(contact_pb.ListReachabilityRequest(only_problems=True))).responders
    assert [each.responder for each in doubts] == ["bob"]
    assert doubts[0].contacts[0].contact_method.name == "bob-mail"


async def test_who_comes_on_call_is_told_ahead_and_looked_at(house):
    await house.reachable(email("alice"), email("bob"))
    await house.world.facts(ReachabilityInDoubt, 2)
    at = Timestamp()
    at.FromDatetime(house.world.clock.now() + timedelta(hours=2))
    await house.world.publish(HandoffDue(schedule="primary", at=at, coming=["bob"], going=["alice"]), "primary")
    notices = await house.expect(2, kind=Page.KIND_HANDOFF, state=Page.STATE_SENT)
    assert {page.responder for page in notices} == {"alice", "bob"}
    assert any("You are on call for primary" in mail["Subject"] for mail in house.mails)
    again = await house.world.facts(ReachabilityInDoubt, 3)
    assert (again[2].reachability.responder, again[2].reachability.on_call) == ("bob", True)


async def test_who_says_stop_is_shown_as_unreachable_over_that_number(house):
    await house.reachable(sms("alice"))
    hooked = f"{PUBLIC_URL}/hooks/channels/sms/main/reply"
    await house.called("sms", house.twilio[0].text(hooked, PHONE, "STOP", sid="SM1"))
    [contact] = (await house.contacts.ListContacts(contact_pb.ListContactsRequest(only_problems=True))).contacts
    assert contact.health == Contact.HEALTH_OPTED_OUT
    await house.summon("alice", house.incident())
    assert (await house.world.facts(PageFailed))[0].page.responder == "alice"


async def test_the_message_log_is_filtered(house):
    await house.reachable(email("alice"), hook("alice", house.web_server.url))
    await house.summon("alice", house.incident())
    await house.expect(2)
    mails = await house.api.ListPages(pb.ListPagesRequest(channels=[ContactMethod.KIND_EMAIL]))
    assert [page.contact_method for page in mails.pages] == ["alice-mail"]
    late = Timestamp()
    late.FromDatetime(house.world.clock.now() + timedelta(hours=1))
    assert not (await house.api.ListPages(pb.ListPagesRequest(made_from=late))).pages
    assert len((await house.api.ListPages(pb.ListPagesRequest(made_before=late))).pages) == 2
    assert not (await house.api.ListPages(pb.ListPagesRequest(states=[Page.STATE_FAILED]))).pages
