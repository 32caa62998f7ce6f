"""Approvals by a page: whoever holds the role is asked, presses the button, and the step goes on; a denial ends it."""

from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.playbook_pb2 import Run

from tocsin_testkit.platform import Platform, link
from tocsin_testkit.playbook_stage import Stage, action, cacao, step

A = step("action", 10)


async def asking(platform: Platform) -> tuple[Stage, Run]:
    """A run that waits for bob."""
    await platform.responders("bob", "cid")
    stage = Stage(platform.world, platform.apps["response"])
    return stage, await stage.run(cacao({A: action(options={"approval": {"roles": ["bob"]}})}))


async def test_the_button_behind_the_link_in_a_page_approves(platform: Platform) -> None:
    stage, run = await asking(platform)
    mail = await platform.expect_page("bob", about="action 0")
    answer = await platform.click(mail)
    assert answer.status_code == 200
    [given] = await stage.claim(wait=9.0)
    assert given.step_path == A
    question = await stage.question(run)
    assert [(each.by, each.approves) for each in question.votes] == [("bob", True)]


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
