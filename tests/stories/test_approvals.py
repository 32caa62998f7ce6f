"""Approvals by a page: whoever holds the role is asked, presses the button, and the step goes on; a denial ends it."""

from datetime import timedelta

from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1.contact_service_pb2 import CreateDelegationRequest
from tocsin.communication.v1.contact_service_pb2_grpc import ContactServiceStub
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.playbook_pb2 import Run

from tocsin_chassis.grpc.caller import Caller
from tocsin_testkit.platform import Platform, link
from tocsin_testkit.playbook_stage import Stage, action, cacao, step

A = step("action", 10)


async def asking(platform: Platform) -> tuple[Stage, Run]:
    """A run that waits for bob."""
    await platform.responders("bob", "cid")
    stage = Stage(platform.world, platform.apps["response"])
    return stage, await stage.run(cacao({A: action(options={"approval": {"roles": ["bob"]}})}))


async def test_the_button_behind_the_link_in_a_page_approves_in_the_place_of_whoever_is_away(platform: Platform) -> None:
    """Bob has delegated to Cid, who is not asked himself."""
    await platform.responders("bob", "cid")
    away = CreateDelegationRequest(request_id="away", from_responder="bob", to_responder="cid")
    away.ends_at.FromDatetime(platform.clock.now() + timedelta(days=1))
    contacts = platform.world.stub(ContactServiceStub, platform.apps["communication"], Caller("bob", Role.ROLE_RESPONDER))
    await contacts.CreateDelegation(away)
    stage, run = await asking(platform)
    mail = await platform.expect_page("cid", about="action 0")
    answer = await platform.click(mail)
    assert answer.status_code == 200
    [given] = await stage.claim(wait=9.0)
    assert given.step_path == A
    question = await stage.question(run)
    assert [(each.by, each.in_place_of, each.approves) for each in question.votes] == [("cid", "bob", True)]
    assert question.explanation == "approved by cid in place of bob"


async def test_the_other_link_denies_and_what_is_decided_takes_no_answer_any_more(platform: Platform) -> None:
    stage, run = await asking(platform)
    mail = await platform.expect_page("bob", about="action 0")
    shown = await platform.http.get(link(mail))
    assert "Approve" in shown.text
    assert (await platform.http.post(f"{link(mail)}/escalate")).status_code == 200
    await stage.reaches(run, "FAILED")
    second = await stage.start()
    later = await platform.expect_page("bob", about="action 0")
    question = await stage.question(second)
    await stage.person("bob").VoteApproval(pb.VoteApprovalRequest(question_id=question.id, approve=True))
    await platform.settled()
    late = await platform.http.get(link(later))
    assert "<button" not in late.text
