"""Runs of playbooks on real servers: claims and fences, outcomes, approvals, timers, what people do about runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1.contact_pb2 import Delegation
from tocsin.communication.v1.events_pb2 import DelegationMade
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1 import containment_service_pb2 as containment_pb
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1 import runner_service_pb2 as runner_pb
from tocsin.response.v1.containment_events_pb2 import MeasureApplied, MeasureLifted, MeasureLost, MeasureNotVerified, MeasureVerified
from tocsin.response.v1.containment_pb2 import TARGET_KIND_HOST, GuardRails, Measure, NeverTouch
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceStub
from tocsin.response.v1.playbook_events_pb2 import (
    ApprovalDenied,
    ApprovalGranted,
    ApprovalSought,
    ApprovalWithdrawn,
    RunFinished,
    RunStarted,
    RunSteered,
    StepFailed,
    StepSucceeded,
)
from tocsin.response.v1.playbook_pb2 import Playbook, Question, Run
from tocsin.response.v1.runner_service_pb2 import Outcome, Variable

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import RandomIds, uuid7
from tocsin_response.app import response
from tocsin_response.playbook.audit_command import AUDIT_RUNS
from tocsin_response.playbook.compose import Playbooks, playbooks
from tocsin_response.playbook.runs import StartWish
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.playbook_stage import END, PLAYBOOK_ID, Stage, action, cacao, chain, step
from tocsin_testkit.world import World

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B, C = step("action", 10), step("action", 11), step("action", 12)
HOST = {"__host__": {"type": "string", "value": "web-1", "external": True}}


@pytest.fixture
async def stage(world: World) -> AsyncIterator[Stage]:
    world.clock = ManualClock(MONDAY_NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Stage(world, app)


def beside(stage: Stage) -> Playbooks:
    """Another process of response at the same rows, whose every move the test makes."""
    return playbooks(stage.app.database, stage.world.clock, RandomIds(), None)


def reason(error: pytest.ExceptionInfo[aio.AioRpcError]) -> str:
    return str(error.value.details())


async def test_a_run_goes_from_step_to_step_and_tells_what_happened(stage: Stage, world: World) -> None:
    run = await stage.run(chain(2), reason="to try it")
    [first] = await stage.claim()
    assert (first.step_path, first.attempt, first.look_first, first.lease.fence) == (A, 1, False, 1)
    assert await stage.claim() == [], "what one runner has no other gets"
    assert await stage.report(first) == []
    [second] = await stage.claim()
    assert second.step_path == B and second.idempotency_key != first.idempotency_key
    await stage.report(second, explanation="done so")
    shown = await stage.shown(run)
    assert (shown.run.state, [each.explanation for each in shown.steps]) == (Run.STATE_SUCCEEDED, ["", "done so"])
    [started] = await world.facts(RunStarted)
    assert (started.run.started_by, started.run.reason, started.run.playbook_version) == ("alice", "to try it", 1)
    told = await world.facts(StepSucceeded, 2)
    assert [each.step.path for each in told] == [A, B]
    [finished] = await world.facts(RunFinished)
    assert finished.run.id == run.id


async def test_a_repeated_start_and_a_repeated_report_change_nothing(stage: Stage) -> None:
    await stage.put(chain(2))
    request = pb.StartRunRequest(request_id="once", playbook="try")
    first, again = await stage.alice.StartRun(request), await stage.alice.StartRun(request)
    assert first.run.id == again.run.id
    [given] = await stage.claim()
    assert await stage.report(given) == []
    assert await stage.report(given) == [], "its answer may have been lost"
    assert await stage.report(given, state=Outcome.STATE_FAILED) == [given.lease.assignment_id]
    assert [each.step_path for each in await stage.claim()] == [B]


async def test_a_runner_that_says_goodbye_is_gone_at_once_and_so_is_its_lease(stage: Stage) -> None:
    """The clock stands still: nothing ran out."""
    await stage.run(chain(1))
    [left] = await stage.claim(runner="leaving")
    for _ in range(2):
        await stage.door.SayGoodbye(runner_pb.SayGoodbyeRequest(runner="leaving", leases=[left.lease]))
    assert list((await stage.alice.PlanRun(pb.PlanRunRequest(playbook="try"))).plan.problems) == ["no runner is at work"]
    [heir] = await stage.claim(wait=15.0, runner="heir")
    assert (heir.idempotency_key, heir.attempt, heir.look_first) == (left.idempotency_key, 1, True)
    await stage.door.SayGoodbye(runner_pb.SayGoodbyeRequest(runner="leaving", leases=[left.lease]))
    assert await stage.report(left) == [left.lease.assignment_id], "what is given back is another's"
    assert await stage.report(heir) == []


async def test_a_dead_runners_step_is_anothers_within_15_seconds_with_the_same_key_and_the_zombie_is_refused(stage: Stage) -> None:
    run = await stage.run(chain(1))
    [dead] = await stage.claim(runner="dead")
    kept = Struct(fields={})
    kept.update({"isolated": False})
    await stage.door.KeepPriorState(runner_pb.KeepPriorStateRequest(lease=dead.lease, prior_state=kept))
    stage.world.clock.forward(timedelta(seconds=14.5))
    [heir] = await stage.claim(wait=5.0, runner="heir")
    assert (heir.idempotency_key, heir.attempt, heir.lease.fence, heir.look_first) == (dead.idempotency_key, 1, 2, True)
    assert heir.prior_state["isolated"] is False
    later = Struct()
    later.update({"isolated": True})
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.door.KeepPriorState(runner_pb.KeepPriorStateRequest(lease=dead.lease, prior_state=later))
    assert refused.value.code() == grpc.StatusCode.ABORTED
    again = await stage.door.KeepPriorState(runner_pb.KeepPriorStateRequest(lease=heir.lease, prior_state=later))
    assert again.prior_state["isolated"] is False, "the first prior state stands"
    assert await stage.report(dead, state=Outcome.STATE_FAILED) == [dead.lease.assignment_id]
    renewed = await stage.door.RenewLeases(runner_pb.RenewLeasesRequest(leases=[dead.lease, heir.lease]))
    assert list(renewed.stop) == [] or list(renewed.stop) == [dead.lease.assignment_id]
    assert await stage.report(heir) == []
    assert await stage.state(run) == "SUCCEEDED"


async def test_a_runner_that_waits_is_woken_and_need_not_look_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    played, waits = beside(stage), asyncio.Event()

    async def until_woken(woken: asyncio.Event, seconds: float) -> None:
        waits.set()
        await woken.wait()

    monkeypatch.setattr(played.wake, "wait", until_woken)
    await stage.put(chain(1))
    claiming = asyncio.create_task(played.leases.claim("r1", ["http-api"], 1, timedelta(seconds=60)))
    await waits.wait()
    async with stage.app.database.transaction() as tx:
        await played.runs.start(tx, StartWish(playbook="try", started_by="alice"))
    [given] = await claiming
    assert given.step_path == A


async def test_only_runners_that_can_do_it_get_it_and_the_urgent_comes_first(stage: Stage) -> None:
    await stage.put(chain(1))
    await stage.start(priority=4)
    urgent = await stage.start(priority=1)
    assert await stage.claim(capabilities=["ssh"]) == []
    assert [each.run_id for each in await stage.claim(most=1)] == [urgent.id]


async def test_a_known_failure_is_tried_again_after_a_while_and_the_branch_for_failures_follows(stage: Stage, world: World) -> None:
    retrying = {"retry": {"attempts": 2, "backoff_seconds": 30}}
    run = await stage.run(cacao({A: action(options=retrying, number=1, on_success=END, on_failure=B), B: action(END, number=2)}))
    [first] = await stage.claim()
    await stage.report(first, state=Outcome.STATE_FAILED, explanation="no route")
    assert await stage.claim() == []
    world.clock.forward(timedelta(seconds=31))
    [second] = await stage.claim()
    assert second.attempt == 2 and second.idempotency_key != first.idempotency_key
    await stage.report(second, state=Outcome.STATE_FAILED, explanation="no route")
    [mending] = await stage.claim()
    assert mending.step_path == B
    await stage.report(mending)
    assert await stage.state(run) == "SUCCEEDED"
    [failed] = await world.facts(StepFailed)
    assert (failed.step.path, failed.step.explanation) == (A, "no route")


async def test_what_is_accepted_is_looked_at_again_and_an_unknown_outcome_is_asked_about(stage: Stage, world: World) -> None:
    run = await stage.run(chain(1))
    [given] = await stage.claim()
    later = runner_pb.Outcome(lease=given.lease, state=Outcome.STATE_ACCEPTED)
    later.look_again_at.FromDatetime(MONDAY_NOON + timedelta(seconds=10))
    await stage.door.ReportOutcomes(runner_pb.ReportOutcomesRequest(outcomes=[later]))
    assert await stage.claim() == []
    world.clock.forward(timedelta(seconds=11))
    [looked] = await stage.claim()
    assert (looked.look_first, looked.idempotency_key, looked.lease.fence) == (True, given.idempotency_key, 2)
    await stage.report(looked, state=Outcome.STATE_UNKNOWN, explanation="no answer")
    question = await stage.question(run)
    assert question.kind == Question.KIND_OUTCOME and "no answer" in question.text
    again = pb.AnswerManualStepRequest(request_id="1", question_id=question.id, answer=pb.AnswerManualStepRequest.ANSWER_AGAIN)
    await stage.alice.AnswerManualStep(again)
    [third] = await stage.claim()
    assert third.attempt == 2 and third.idempotency_key != given.idempotency_key
    await stage.report(third)
    assert await stage.state(run) == "SUCCEEDED"


async def test_two_people_approve_and_who_started_it_does_not_count(stage: Stage, world: World) -> None:
    await stage.people("alice", "bob", "cid", "dan", team=["alice", "bob", "cid"])
    approval = {"approval": {"roles": ["approvers"], "quorum": 2, "ttl_seconds": 600}}
    run = await stage.run(cacao({A: action(options=approval)}))
    question = await stage.question(run)
    assert (question.kind, question.quorum, list(question.roles)) == (Question.KIND_APPROVAL, 2, ["approvers"])
    assert await stage.claim() == []
    [sought] = await world.facts(ApprovalSought)
    assert list(sought.responders) == ["bob", "cid"]
    vote = pb.VoteApprovalRequest(question_id=question.id, approve=True)
    for who, refusal in (("alice", "started this run"), ("dan", "not among those who are asked")):
        with pytest.raises(aio.AioRpcError) as refused:
            await stage.person(who).VoteApproval(vote)
        assert refusal in reason(refused)
    mine = await stage.person("bob").ListQuestions(pb.ListQuestionsRequest(for_me=True))
    assert [each.id for each in mine.questions] == [question.id]
    assert not (await stage.person("dan").ListQuestions(pb.ListQuestionsRequest(for_me=True))).questions
    for whose, maker in (("cid", "maria"), ("bob", "bob")):
        made = Delegation(id=str(uuid7()), from_responder=whose, to_responder="dan", made_by=maker)
        made.starts_at.FromDatetime(MONDAY_NOON)
        made.ends_at.FromDatetime(MONDAY_NOON + timedelta(days=1))
        await world.publish(DelegationMade(delegation=made), whose)

    async def is_dans() -> bool:
        return bool((await stage.person("dan").ListQuestions(pb.ListQuestionsRequest(for_me=True))).questions)

    await world.eventually(is_dans, what="Dan stands in for Bob")
    for who, place in (("dan", "bob"), ("bob", ""), ("bob", "")):
        answer = await stage.person(who).VoteApproval(vote)
        assert [(each.by, each.in_place_of) for each in answer.question.votes] == [(who, place)]
        assert answer.question.state == Question.STATE_OPEN
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.person("dan").VoteApproval(vote)
    assert "in the place of bob, and that was answered already" in reason(refused)
    answer = await stage.person("cid").VoteApproval(vote)
    assert (answer.question.state, answer.question.explanation) == (Question.STATE_GRANTED, "approved by bob, cid")
    assert [each.step_path for each in await stage.claim()] == [A]
    [granted] = await world.facts(ApprovalGranted)
    assert (granted.by, [each.by for each in granted.question.votes]) == ("cid", ["bob", "cid"])
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.person("cid").VoteApproval(pb.VoteApprovalRequest(question_id=question.id))
    assert "only an open one can be answered" in reason(refused)


async def test_a_denial_ends_it_and_silence_counts_as_the_playbook_says(stage: Stage, world: World) -> None:
    run = await stage.run(cacao({A: action(options={"approval": {}})}))
    question = await stage.question(run)
    await stage.person("bob").VoteApproval(pb.VoteApprovalRequest(question_id=question.id, reason="not now"))
    assert await stage.state(run) == "FAILED"
    [denied] = await world.facts(ApprovalDenied)
    assert (denied.by, denied.question.explanation) == ("bob", "denied by bob: not now")
    assert not denied.question.simulated
    silent = await stage.run(cacao({A: action(options={"approval": {"ttl_seconds": 60}})}), simulated=True)
    [tried] = (await stage.alice.ListQuestions(pb.ListQuestionsRequest())).questions
    assert tried.simulated, "whoever answers sees that it is an exercise"
    willing = await stage.run(cacao({A: action(options={"approval": {"ttl_seconds": 60, "on_timeout": "approve"}})}))
    world.clock.forward(timedelta(seconds=61))
    await stage.reaches(silent, "FAILED")
    assert (await stage.question(silent)).state == Question.STATE_EXPIRED
    [given] = await stage.claim(wait=5)
    assert given.run_id == willing.id
    assert (await world.facts(ApprovalGranted))[0].by == ""


async def test_people_do_a_step_by_hand_and_what_they_found_is_kept(stage: Stage, world: World) -> None:
    manual = action(B, commands=[{"type": "manual", "command": "Look at __host__:value"}], out_args=["__verdict__"])
    variables = {**HOST, "__verdict__": {"type": "string"}}
    run = await stage.run(cacao({A: manual, B: action(in_args=["__verdict__"])}, variables), variables={"__host__": "db-7"})
    question = await stage.question(run)
    assert (question.kind, question.text, list(question.out_args)) == (Question.KIND_MANUAL, "Look at db-7", ["__verdict__"])
    done = pb.AnswerManualStepRequest.ANSWER_DONE
    wrong = pb.AnswerManualStepRequest(request_id="0", question_id=question.id, answer=done, variables={"__host__": "x\0"})
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.alice.AnswerManualStep(wrong)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    request = pb.AnswerManualStepRequest(
        request_id="1", question_id=question.id, answer=done, variables={"__verdict__": "bad"}, note="it is"
    )
    for _ in range(2):
        answer = await stage.alice.AnswerManualStep(request)
        assert answer.question.state == Question.STATE_GRANTED
    [given] = await stage.claim()
    assert given.variables["__verdict__"] == Variable(type="string", value="bad")


async def test_pause_holds_back_and_resume_lets_go_and_time_stands_still_meanwhile(stage: Stage, world: World) -> None:
    run = await stage.run(cacao({A: action(B), B: action(options={"approval": {"ttl_seconds": 60}})}))
    other = await stage.start()
    [mine] = await stage.claim(most=1)
    paused = run if mine.run_id == run.id else other
    await stage.alice.PauseRun(pb.PauseRunRequest(run_id=paused.id, reason="wait"))
    rest = await stage.claim()
    assert [each.run_id for each in rest] == [other.id if paused is run else run.id]
    await stage.report(mine)
    assert (await stage.state(paused), (await stage.question(paused)).state) == ("PAUSED", Question.STATE_OPEN)
    world.clock.forward(timedelta(seconds=3600))
    assert await beside(stage).timers.fire_due() == 0
    assert (await stage.question(paused)).state == Question.STATE_OPEN, "nothing runs out"
    await stage.alice.ResumeRun(pb.ResumeRunRequest(run_id=paused.id))
    await stage.person("bob").VoteApproval(pb.VoteApprovalRequest(question_id=(await stage.question(paused)).id, approve=True))
    given = await stage.claim()
    assert [(each.run_id, each.step_path) for each in given if each.run_id == paused.id] == [(paused.id, B)]
    assert [each.done for each in await world.facts(RunSteered, 2)] == ["paused", "goes on"]


async def test_a_cancelled_run_stops_its_runner_and_hears_that_it_was_done_all_the_same(stage: Stage, world: World) -> None:
    run = await stage.run(cacao({A: action(B), B: action(options={"approval": {}})}))
    [given] = await stage.claim()
    for _ in range(2):
        answer = await stage.alice.CancelRun(pb.CancelRunRequest(run_id=run.id, reason="false alarm"))
        assert answer.run.state == Run.STATE_CANCELLED and "false alarm" in answer.run.explanation
    renewed = await stage.door.RenewLeases(runner_pb.RenewLeasesRequest(leases=[given.lease]))
    assert list(renewed.stop) == [given.lease.assignment_id]
    assert await stage.report(given) == []
    [work] = (await stage.shown(run)).steps[0].work
    assert work.outcome == Outcome.STATE_SUCCEEDED
    assert await stage.claim() == []


async def test_a_question_of_a_cancelled_run_is_withdrawn(stage: Stage, world: World) -> None:
    run = await stage.run(cacao({A: action(options={"approval": {}})}))
    await stage.alice.CancelRun(pb.CancelRunRequest(run_id=run.id))
    [withdrawn] = await world.facts(ApprovalWithdrawn)
    assert (withdrawn.question.run_id, (await stage.question(run)).state) == (run.id, Question.STATE_WITHDRAWN)


async def test_a_step_is_skipped_and_a_failed_run_goes_on_from_a_step(stage: Stage) -> None:
    run = await stage.run(chain(3))
    await stage.alice.SkipStep(pb.SkipStepRequest(request_id="1", run_id=run.id, step_path=A, reason="done by hand"))
    [second] = await stage.claim()
    assert second.step_path == B
    await stage.report(second, state=Outcome.STATE_REJECTED, explanation="not found")
    assert await stage.state(run) == "FAILED"
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.alice.SkipStep(pb.SkipStepRequest(request_id="2", run_id=run.id, step_path=B, reason="x"))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    again = pb.RerunFromStepRequest(request_id="3", run_id=run.id, step_path=B)
    for _ in range(2):
        assert (await stage.alice.RerunFromStep(again)).run.state == Run.STATE_RUNNING
    [retried] = await stage.claim()
    assert retried.step_path == B and retried.idempotency_key != second.idempotency_key
    await stage.report(retried)
    [third] = await stage.claim()
    await stage.report(third)
    assert (await stage.state(run), await stage.states(run)) == (
        "SUCCEEDED",
        {A: "SKIPPED", B: "SUCCEEDED", C: "SUCCEEDED"},
    )


async def test_branches_run_beside_each_other_and_a_timeout_ends_a_step(stage: Stage, world: World) -> None:
    fork = {"type": "parallel", "next_steps": [A, B], "on_completion": END}
    run = await stage.run(cacao({step("parallel", 5): fork, A: action(number=1), B: action(number=2, timeout=60_000)}))
    both = await stage.claim()
    assert len(both) == 2 and {each.timeout.seconds for each in both} == {0, 60}
    quick = next(each for each in both if not each.HasField("timeout"))
    await stage.report(quick)
    world.clock.forward(timedelta(seconds=61))
    await stage.reaches(run, "FAILED")
    assert sorted((await stage.states(run)).values()) == ["FAILED", "SUCCEEDED", "TIMED_OUT"]


async def test_a_playbook_runs_another_one_and_takes_what_it_found(stage: Stage) -> None:
    variables = {"__found__": {"type": "string"}}
    inner = cacao({A: action(out_args=["__found__"])}, variables, id=PLAYBOOK_ID.replace("001", "777"), name="inner")
    await stage.put(inner, "inner")
    call = {"type": "playbook-action", "playbook_id": PLAYBOOK_ID.replace("001", "777"), "out_args": ["__found__"], "on_completion": B}
    run = await stage.run(cacao({step("playbook-action", 7): call, B: action(in_args=["__found__"])}, variables))
    [given] = await stage.claim()
    assert given.run_id != run.id
    await stage.report(given, variables={"__found__": Variable(type="string", value="malware")})
    [following] = await stage.claim()
    assert (following.run_id, following.variables["__found__"].value) == (run.id, "malware")
    await stage.report(following)
    assert await stage.state(run) == "SUCCEEDED"


async def test_a_dry_run_is_remembered_and_touches_nothing(stage: Stage) -> None:
    await stage.put(chain(1))
    run = await stage.start(dry_run=True)
    assert (run.state, run.dry_run) == (Run.STATE_SUCCEEDED, True)
    assert await stage.claim() == []
    [listed] = (await stage.alice.ListPlaybooks(pb.ListPlaybooksRequest())).playbooks
    assert listed.HasField("last_dry_run_at")


async def test_the_auditor_finds_a_run_that_nothing_moves_on(stage: Stage, world: World, capsys: Any) -> None:
    run = await stage.run(chain(1))
    assert not (await stage.alice.AuditRuns(pb.AuditRunsRequest())).stuck
    async with stage.app.database.transaction() as tx:
        await tx.execute("DELETE FROM assignment WHERE run_id = %s", (run.id,))
    world.clock.forward(timedelta(seconds=31))
    [stuck] = (await stage.alice.AuditRuns(pb.AuditRunsRequest())).stuck
    assert stuck.run_id == run.id and "nothing moves it on" in stuck.text
    await stage.app.database.ping()
    assert await AUDIT_RUNS.work(stage.app) in (0, 1)
    assert "1 runs" in capsys.readouterr().out


def isolation(after: str = END, until: str = "PT7H60M", **more: Any) -> dict[str, Any]:
    """A typed action that guard rails and the ledger of measures know."""
    command = {"type": "tocsin-action", "action": "isolate-host", "connector": "defender", "arguments": {"host": "__host__:value"}}
    made = action(after, commands=[{**command, "until": until}], **more)
    del made["targets"]
    return made


async def test_what_a_step_changed_is_in_the_ledger_until_its_run_takes_it_back(stage: Stage, world: World) -> None:
    undoing = isolation(B, options={"undo_on_failure": True})
    await stage.run(cacao({A: undoing, B: action()}, HOST), variables={"__host__": "web-7"})
    [isolating] = await stage.claim(capabilities=["defender"])
    token = Struct()
    token.update({"machine": "m1"})
    await stage.report(isolating, undo_token=token, verified=True)
    [applied] = await world.facts(MeasureApplied)
    assert (applied.measure.target, applied.measure.action) == ("web-7", "isolate-host")
    [failing] = await stage.claim()
    await stage.report(failing, state=Outcome.STATE_REJECTED)
    [undo] = await stage.claim(capabilities=["defender"])
    assert (undo.verb, undo.undo_token["machine"]) == (runner_pb.Assignment.VERB_UNDO, "m1")
    await stage.report(undo)
    [lifted] = await world.facts(MeasureLifted)
    assert lifted.measure.id == applied.measure.id


async def test_what_an_exercise_changed_is_in_the_ledger_as_simulated_and_its_twin_alone_is_asked_to_undo_it(
    stage: Stage, world: World
) -> None:
    await stage.put(cacao({A: isolation()}, HOST))
    run = await stage.start(simulated=True, variables={"__host__": "web-7"})
    assert run.simulated
    [isolating] = await stage.claim(capabilities=["simulated:defender"])
    token = Struct()
    token.update({"machine": "m1"})
    await stage.report(isolating, undo_token=token, verified=True)
    [applied] = await world.facts(MeasureApplied)
    assert applied.measure.simulated and (await stage.shown(run)).run.simulated
    world.clock.forward(timedelta(hours=8))
    [lifting] = await stage.claim(capabilities=["simulated:defender"], wait=10)
    assert (lifting.verb, lifting.simulated) == (runner_pb.Assignment.VERB_UNDO, True)


async def test_a_measure_outlives_its_run_and_is_undone_by_a_runner_when_its_time_is_up(stage: Stage, world: World) -> None:
    """Undoing fails at first: somebody sees it, and has it tried again, looked at before anything is done."""
    run = await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "web-7"})
    [isolating] = await stage.claim(capabilities=["defender"])
    token = Struct()
    token.update({"machine": "m1"})
    await stage.report(isolating, undo_token=token, verified=True)
    assert await stage.state(run) == "SUCCEEDED"
    ledger = world.stub(ContainmentServiceStub, stage.app, Caller("alice", Role.ROLE_MANAGER))
    world.clock.forward(timedelta(hours=8))
    [lifting] = await stage.claim(capabilities=["defender"], wait=10)
    assert (lifting.verb, lifting.undo_token["machine"], lifting.look_first) == (runner_pb.Assignment.VERB_UNDO, "m1", False)
    await stage.report(lifting, state=Outcome.STATE_FAILED, explanation="the agent is offline")
    [measure] = (await ledger.ListMeasures(containment_pb.ListMeasuresRequest())).measures
    assert (measure.state, measure.trouble) == (Measure.STATE_LIFTING, "the agent is offline")
    request = containment_pb.LiftMeasureRequest(request_id="again", measure_id=measure.id, reason="it is back")
    await ledger.LiftMeasure(request)
    [again] = await stage.claim(capabilities=["defender"])
    assert again.look_first and again.idempotency_key != lifting.idempotency_key
    await stage.report(again)
    [lifted] = await world.facts(MeasureLifted)
    assert (lifted.measure.id, lifted.measure.decision) == (measure.id, "it is back")


async def test_accepted_is_not_effective_until_a_look_shows_it(stage: Stage, world: World) -> None:
    """The agent is offline: the order is taken on, and nothing is isolated until a look says so."""
    run = await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "web-7"})
    [isolating] = await stage.claim(capabilities=["defender"])
    assert (isolating.verb, isolating.hold.seconds) == (runner_pb.Assignment.VERB_EXECUTE, 8 * 3600)
    token = Struct()
    token.update({"machine": "m1"})
    await stage.report(isolating, state=Outcome.STATE_ACCEPTED, undo_token=token, explanation="the agent is offline")
    ledger = world.stub(ContainmentServiceStub, stage.app, Caller("alice", Role.ROLE_MANAGER))
    [measure] = (await ledger.ListMeasures(containment_pb.ListMeasuresRequest())).measures
    assert measure.verification == Measure.VERIFICATION_AWAITED and "the agent is offline" in measure.finding
    assert await stage.state(run) == "RUNNING"
    world.clock.forward(timedelta(seconds=11))
    [looking] = await stage.claim(capabilities=["defender"])
    assert (looking.verb, looking.undo_token["machine"]) == (runner_pb.Assignment.VERB_VERIFY, "m1")
    assert looking.idempotency_key == isolating.idempotency_key
    await stage.report(looking, undo_token=token, verified=True, explanation="it stands")
    assert await stage.state(run) == "SUCCEEDED"
    [measure] = (await ledger.ListMeasures(containment_pb.ListMeasuresRequest())).measures
    assert measure.verification == Measure.VERIFICATION_EFFECTIVE and measure.HasField("verified_at")
    [verified] = await world.facts(MeasureVerified)
    assert verified.measure.id == measure.id
    # It stands for an hour; then it is looked at again, and once more, because one look may err.
    for forward, state in ((timedelta(minutes=61), Outcome.STATE_ACCEPTED), (timedelta(hours=4), Outcome.STATE_FAILED)):
        world.clock.forward(forward)
        [again] = await stage.claim(capabilities=["defender"], wait=10)
        assert (again.verb, again.undo_token["machine"]) == (runner_pb.Assignment.VERB_VERIFY, "m1")
        await stage.report(again, state=state, explanation="it does not stand")
    [doubted] = (await ledger.ListMeasures(containment_pb.ListMeasuresRequest())).measures
    assert (doubted.state, doubted.looks, doubted.finding) == (Measure.STATE_IN_FORCE, 2, "it does not stand")
    for _ in range(2):
        await ledger.VerifyMeasure(containment_pb.VerifyMeasureRequest(measure_id=measure.id))
    [once] = await stage.claim(capabilities=["defender"])
    await stage.report(once, state=Outcome.STATE_FAILED, explanation="it does not stand")
    [lost] = await world.facts(MeasureLost)
    assert (lost.measure.state, lost.finding) == (Measure.STATE_LOST, "it does not stand")


async def test_what_no_look_shows_is_not_verified_and_says_why(stage: Stage, world: World) -> None:
    """The looks are numbered; after the last one the step failed, and the measure stays in the ledger to be called off."""
    run = await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "web-7"})
    token = Struct()
    token.update({"machine": "m1"})
    for look in range(11):
        [given] = await stage.claim(capabilities=["defender"])
        assert given.verb == (runner_pb.Assignment.VERB_VERIFY if look else runner_pb.Assignment.VERB_EXECUTE)
        await stage.report(given, state=Outcome.STATE_ACCEPTED, undo_token=token, explanation="the agent is offline")
        world.clock.forward(timedelta(minutes=25))
    assert await stage.state(run) == "FAILED"
    ledger = world.stub(ContainmentServiceStub, stage.app, Caller("alice", Role.ROLE_MANAGER))
    [measure] = (await ledger.ListMeasures(containment_pb.ListMeasuresRequest())).measures
    assert (measure.verification, measure.state) == (Measure.VERIFICATION_NOT_VERIFIED, Measure.STATE_IN_FORCE)
    assert measure.finding == "not verified: the agent is offline (looked at 10 times)"
    [told] = await world.facts(MeasureNotVerified)
    assert told.measure.finding == measure.finding
    await ledger.LiftMeasure(containment_pb.LiftMeasureRequest(request_id="off", measure_id=measure.id, reason="not needed"))
    [undo] = await stage.claim(capabilities=["defender"])
    assert (undo.verb, undo.undo_token["machine"]) == (runner_pb.Assignment.VERB_UNDO, "m1")


async def test_what_was_taken_on_by_a_run_that_was_cancelled_is_not_verified(stage: Stage, world: World) -> None:
    run = await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "web-7"})
    [given] = await stage.claim(capabilities=["defender"])
    await stage.report(given, state=Outcome.STATE_ACCEPTED, explanation="the agent is offline")
    await stage.alice.CancelRun(pb.CancelRunRequest(run_id=run.id, reason="a false alarm"))
    [told] = await world.facts(MeasureNotVerified)
    assert "the run ended before it was seen" in told.measure.finding


async def test_a_plan_names_what_no_runner_has(stage: Stage) -> None:
    await stage.put(cacao({A: isolation(B), B: action()}, HOST))
    wish = pb.PlanRunRequest(playbook="try", variables={"__host__": "web-7"})
    assert list((await stage.alice.PlanRun(wish)).plan.problems) == ["no runner is at work"]
    assert await stage.claim(capabilities=["http-api"]) == []
    [missing] = (await stage.alice.PlanRun(wish)).plan.problems
    assert "no runner has the connector defender set up" in missing
    await stage.claim(capabilities=["http-api", "defender"])
    assert not (await stage.alice.PlanRun(wish)).plan.problems


async def test_what_no_runner_can_do_is_refused_once_runners_have_told_what_they_can(stage: Stage) -> None:
    def asks(connector: str, action: str = "isolate-host") -> pb.PutPlaybookRequest:
        step = isolation()
        arguments = {"address" if action == "block-address" else "host": "__host__:value"}
        step["commands"][0] = {"type": "tocsin-action", "action": action, "connector": connector, "arguments": arguments}
        return pb.PutPlaybookRequest(playbook=Playbook(name=connector, content=cacao({A: step}, HOST)))

    [yet] = (await stage.alice.PutPlaybook(asks("fences"))).warnings
    assert "no runner has asked for work yet" in yet
    told = runner_pb.ConnectorActions(connector="gate", actions=["isolate-host", "block-address"])
    claim = runner_pb.ClaimStepsRequest(runner="r1", most=1, capabilities=["ssh", "gate"], connectors=[told])
    await stage.door.ClaimSteps(claim)
    assert not (await stage.alice.PutPlaybook(asks("gate"))).warnings
    [set_up] = (await stage.alice.PutPlaybook(asks("defender"))).warnings
    assert "no runner that is at work has the connector defender set up" in set_up
    assert not (await stage.alice.PutPlaybook(asks("fences"))).warnings, "what was taken stays"
    for wish, expected in (
        (asks("gates"), "commands[0].connector: no runner has told of a connector gates; there are aws, blocklist, "),
        (asks("gate", "release-host"), "commands[0].action: gate cannot release-host; it can block-address, isolate-host"),
    ):
        with pytest.raises(aio.AioRpcError) as refused:
            await stage.alice.PutPlaybook(wish)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT and expected in reason(refused)
    stage.world.clock.forward(timedelta(minutes=6))
    [away] = (await stage.alice.PutPlaybook(asks("gate", "block-address"))).warnings
    assert "no runner that is at work has the connector gate" in away


async def test_an_exercise_waits_for_a_runner_with_twins(stage: Stage) -> None:
    """A runner that has the real connector does not get it, one that has its twin does."""
    await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "web-7"}, simulated=True)
    assert await stage.claim(capabilities=["defender"]) == []
    [given] = await stage.claim(capabilities=["simulated:defender"])
    assert given.simulated


async def test_guard_rails_keep_a_step_from_ever_reaching_a_runner(stage: Stage) -> None:
    never = GuardRails(name="keep", never_touch=[NeverTouch(kind=TARGET_KIND_HOST, pattern="dc-*", reason="domain controllers")])
    configuration = response_pb.Configuration(guard_rails=[never])
    await stage.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))
    run = await stage.run(cacao({A: isolation()}, HOST), variables={"__host__": "dc-1"})
    assert await stage.claim(capabilities=["defender"]) == []
    shown = await stage.shown(run)
    assert shown.run.state == Run.STATE_FAILED and "domain controllers" in shown.run.explanation
    endless = cacao({A: isolation(until="__end__:value")}, {**HOST, "__end__": {"type": "string", "external": True}})
    unclear = await stage.run(endless, variables={"__host__": "web-7", "__end__": "soon"})
    assert await stage.claim(capabilities=["defender"]) == []
    assert "until: it is neither a duration nor an instant" in (await stage.shown(unclear)).run.explanation


async def test_a_playbook_with_mistakes_is_refused_and_its_text_is_kept_in_versions(stage: Stage) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.put(cacao({A: action("action--nowhere")}))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and A in reason(refused)
    for content in (chain(1), chain(1), chain(2)):
        await stage.put(content)
    versions = (await stage.alice.ListPlaybookVersions(pb.ListPlaybookVersionsRequest(playbook="try"))).versions
    assert [each.version for each in versions] == [2, 1]
    exported = await stage.response.ExportConfiguration(response_pb.ExportConfigurationRequest())
    request = response_pb.ApplyConfigurationRequest(configuration=exported.configuration)
    [change] = [each for each in (await stage.response.ApplyConfiguration(request)).changes if each.kind == "Playbook"]
    assert (change.kind, change.action) == ("Playbook", Change.ACTION_UNCHANGED)
    plan = (await stage.alice.PlanRun(pb.PlanRunRequest(playbook="try"))).plan
    assert [each.step_id for each in plan.steps if each.type == "action"] == [A, B]
    run = await stage.start()
    assert json.loads((await stage.alice.ExportRun(pb.ExportRunRequest(run_id=run.id))).cacao)["derived_from"] == [PLAYBOOK_ID]
    prune = response_pb.ApplyConfigurationRequest(configuration=response_pb.Configuration(), prune=True)
    await stage.response.ApplyConfiguration(prune)
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.start()
    assert "retired" in reason(refused)


async def test_lists_have_pages(stage: Stage) -> None:
    await stage.put(chain(1))
    runs = [await stage.start() for _ in range(3)]
    first = await stage.alice.ListRuns(pb.ListRunsRequest(page_size=2, states=[Run.STATE_RUNNING]))
    rest = await stage.alice.ListRuns(pb.ListRunsRequest(page_size=2, page_token=first.next_page_token))
    assert [each.id for each in (*first.runs, *rest.runs)] == [each.id for each in reversed(runs)]
    with pytest.raises(aio.AioRpcError) as refused:
        await stage.alice.GetRun(pb.GetRunRequest(run_id=str(uuid7())))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
