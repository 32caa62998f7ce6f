"""Stories of single runs: what is handed out, what is waited for, and where a run goes on."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin_kernel.errors import Invalid
from tocsin_playbook import engine
from tocsin_playbook.assignments import assignments
from tocsin_playbook.facts import LateEffect
from tocsin_playbook.playbook import EXTENSION, Playbook, read
from tocsin_playbook.refusals import NotAsked, RunEnded
from tocsin_playbook.rehearsal import START, Rehearsal, Script
from tocsin_playbook.run import Answer, Outcome, OutcomeState, Run, RunState, Say, SlotState, Wait, changed_steps, idempotency_key

SUCCEEDED = Outcome(OutcomeState.SUCCEEDED)
FAILED = Outcome(OutcomeState.FAILED, "no route to host")
UNKNOWN = Outcome(OutcomeState.UNKNOWN, "no answer")


def playbook(workflow: dict[str, Any], variables: dict[str, Any] | None = None, **more: Any) -> Playbook:
    """A playbook with short ids, as the engine takes them."""
    document = {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": "playbook--1",
        "name": "test",
        "workflow_start": "start",
        "workflow": {"start": {"type": "start", "on_completion": next(iter(workflow))}, "end": {"type": "end"}, **workflow},
        "playbook_variables": variables or {},
        **more,
    }
    return read(document)


def action(after: str = "end", options: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    command = {"type": "tocsin-action", "action": "isolate-host", "connector": "defender", "arguments": {"host": "__host__:value"}}
    flow = {} if {"on_completion", "on_success"} & set(fields) else {"on_completion": after}
    extension = {"step_extensions": {EXTENSION: options}} if options else {}
    return {"type": "action", "commands": [command], **flow, **extension, **fields}


HOST = {"__host__": {"type": "string", "value": "web-1"}}


def begun(made: Playbook) -> Run:
    return engine.begin(made, {}, START, "run-1").state


def test_an_action_is_handed_out_with_what_it_needs_and_the_run_ends_with_it():
    run = begun(playbook({"a": action()}, HOST))
    (given,) = assignments(run)
    assert (given.path, given.index, given.attempt, given.capability) == ("a", 0, 1, "defender")
    assert given.variables["__host__"].value == "web-1"
    ended = engine.assignment_ended(run, "a", 0, SUCCEEDED, START).state
    assert ended.state is RunState.SUCCEEDED and assignments(ended) == []
    assert [each.path for each in changed_steps(run, ended)] == ["a"]


def test_an_outcome_that_comes_twice_changes_nothing():
    run = begun(playbook({"a": action("b"), "b": action()}, HOST))
    once = engine.assignment_ended(run, "a", 0, SUCCEEDED, START).state
    twice = engine.assignment_ended(once, "a", 0, FAILED, START)
    assert twice.state is once and twice.facts == ()


def test_a_known_failure_is_tried_again_later_with_another_key_and_then_fails():
    run = begun(playbook({"a": action(options={"retry": {"attempts": 2, "backoff_seconds": 30}})}, HOST))
    first = idempotency_key(run.id, assignments(run)[0])
    again = engine.assignment_ended(run, "a", 0, FAILED, START).state
    (given,) = assignments(again)
    assert given.attempt == 2 and given.not_before == START + timedelta(seconds=30) and not given.look_first
    assert idempotency_key(run.id, given) != first
    over = engine.assignment_ended(again, "a", 0, FAILED, START).state
    assert over.state is RunState.FAILED and "no route to host" in over.reason


def test_after_an_unknown_outcome_the_same_attempt_is_handed_out_to_look_and_then_somebody_is_asked():
    run = begun(playbook({"a": action()}, HOST))
    key = idempotency_key(run.id, assignments(run)[0])
    looking = engine.assignment_ended(run, "a", 0, UNKNOWN, START).state
    (given,) = assignments(looking)
    assert given.look_first and idempotency_key(run.id, given) == key
    asking = engine.assignment_ended(looking, "a", 0, UNKNOWN, START).state
    assert asking.steps["a"].waiting_for is Wait.UNKNOWN and assignments(asking) == []
    told = engine.answered(asking, "a", Answer(Say.DONE, "ana"), START).state
    assert told.state is RunState.SUCCEEDED


@pytest.mark.parametrize(("policy", "attempts"), [("ask", []), ("skip", []), ("retry", [2])])
def test_an_attempt_whose_runners_die_is_handed_out_twice_and_then_the_playbook_decides(policy: str, attempts: list[int]):
    run = begun(playbook({"a": action(options={"on_unknown": policy})}, HOST))
    key = idempotency_key(run.id, assignments(run)[0])
    once = engine.runner_lost(run, "a", 0, START, "runner r1 is gone").state
    (given,) = assignments(once)
    assert given.look_first and idempotency_key(run.id, given) == key
    twice = engine.runner_lost(once, "a", 0, START, "runner r2 is gone").state
    assert [each.attempt for each in assignments(twice)] == attempts
    assert (twice.steps["a"].waiting_for is Wait.UNKNOWN) == (policy == "ask")
    assert twice.steps["a"].slots[0].explanation == "runner r2 is gone"


def test_what_may_be_done_again_is_handed_out_as_often_as_its_runners_die():
    run = begun(playbook({"a": action(options={"idempotent": True})}, HOST))
    key = idempotency_key(run.id, assignments(run)[0])
    for _ in range(3):
        run = engine.runner_lost(run, "a", 0, START, "runner r1 is gone").state
        (given,) = assignments(run)
        assert given.look_first and idempotency_key(run.id, given) == key


def test_a_runner_that_dies_while_it_looks_at_what_was_accepted_leaves_another_look():
    run = begun(playbook({"a": action()}, HOST))
    run = engine.assignment_ended(run, "a", 0, Outcome(OutcomeState.ACCEPTED), START).state
    run = engine.runner_lost(run, "a", 0, START, "runner r1 is gone").state
    assert [each.attempt for each in assignments(run)] == [1]
    assert engine.runner_lost(run, "a", 0, START, "runner r2 is gone").state.steps["a"].waiting_for is Wait.UNKNOWN


@pytest.mark.parametrize(("policy", "ends"), [("skip", RunState.SUCCEEDED), ("retry", RunState.RUNNING)])
def test_a_playbook_may_say_what_to_do_about_an_unknown_outcome(policy: str, ends: RunState):
    run = begun(playbook({"a": action(options={"on_unknown": policy})}, HOST))
    looking = engine.assignment_ended(run, "a", 0, UNKNOWN, START).state
    after = engine.assignment_ended(looking, "a", 0, UNKNOWN, START).state
    assert after.state is ends
    assert [each.attempt for each in assignments(after)] == ([2] if policy == "retry" else [])


@pytest.mark.parametrize(("command", "looks"), [({"type": "http-api", "command": "POST /x HTTP/1.1"}, False), (None, True)])
def test_only_what_can_be_looked_at_is_looked_at_before_another_attempt(command: dict[str, str] | None, looks: bool):
    """Of a request nobody can see whether an earlier attempt was done: who says retry wants it sent."""
    step = action(options={"on_unknown": "retry"}) | ({"commands": [command]} if command else {})
    run = begun(playbook({"a": step}, HOST))
    for _ in range(2):
        run = engine.assignment_ended(run, "a", 0, UNKNOWN, START).state
    (given,) = assignments(run)
    assert (given.attempt, given.look_first) == (2, looks)


def test_what_was_accepted_is_looked_at_again():
    run = begun(playbook({"a": action()}, HOST))
    later = START + timedelta(minutes=5)
    waits = engine.assignment_ended(run, "a", 0, Outcome(OutcomeState.ACCEPTED, "pending", {}, later), START).state
    (given,) = assignments(waits)
    assert given.not_before == later and given.look_first and given.attempt == 1


def test_several_targets_make_one_assignment_each_and_commands_come_one_after_the_other():
    step = action(targets=["t1", "t2"]) | {"commands": [{"type": "ssh", "command": "one"}, {"type": "ssh", "command": "two"}]}
    run = begun(playbook({"a": step}, HOST, target_definitions={"t1": {"name": "one"}, "t2": {"name": "two"}}))
    assert [(each.index, each.target_id, each.command["command"]) for each in assignments(run)] == [(0, "t1", "one"), (1, "t2", "one")]
    run = engine.assignment_ended(run, "a", 1, SUCCEEDED, START).state
    assert [each.index for each in assignments(run)] == [0]
    run = engine.assignment_ended(run, "a", 0, SUCCEEDED, START).state
    assert [(each.index, each.target_id, each.command["command"]) for each in assignments(run)] == [(2, "t1", "two"), (3, "t2", "two")]


def test_a_step_brings_home_only_what_it_may_and_of_the_right_type():
    step = action(out_args=["__n__"])
    variables = HOST | {"__n__": {"type": "integer"}, "__other__": {"type": "string", "value": "kept"}}
    run = begun(playbook({"a": step}, variables))
    set_ = engine.assignment_ended(run, "a", 0, Outcome(OutcomeState.SUCCEEDED, "", {"__n__": "7", "__other__": "changed"}), START).state
    assert (set_.variables["__n__"].parsed, set_.variables["__other__"].value) == (7, "kept")
    wrong = engine.assignment_ended(run, "a", 0, Outcome(OutcomeState.SUCCEEDED, "", {"__n__": "seven"}), START).state
    assert wrong.state is RunState.FAILED and "__n__ is of type integer" in wrong.reason


def test_a_value_from_outside_must_be_given_and_fit():
    made = playbook({"a": action()}, {"__host__": {"type": "ipv4-addr", "external": True}, "__c__": {"type": "bool", "constant": True}})
    for given, why in (
        ({}, "needs it from outside"),
        ({"__host__": "web"}, "IPv4"),
        ({"__c__": "true"}, "constant"),
        ({"__x__": "1"}, "no such"),
    ):
        with pytest.raises(Invalid, match=why):
            engine.begin(made, given, START, "run")


def test_two_people_approve_and_nobody_counts_twice():
    run = begun(playbook({"a": action(options={"approval": {"roles": ["commander"], "quorum": 2, "ttl_seconds": 60}})}, HOST))
    assert assignments(run) == []
    once = engine.answered(run, "a", Answer(Say.APPROVE, "ana"), START).state
    again = engine.answered(once, "a", Answer(Say.APPROVE, "ana"), START)
    assert again.state is once
    both = engine.answered(once, "a", Answer(Say.APPROVE, "bo"), START).state
    assert len(assignments(both)) == 1
    with pytest.raises(NotAsked):
        engine.answered(both, "a", Answer(Say.APPROVE, "cy"), START)


def test_an_approval_that_nobody_gives_is_denied_in_time():
    run = begun(playbook({"a": action(options={"approval": {"ttl_seconds": 60}})}, HOST))
    early = engine.timer_fired(run, "a", START)
    assert early.state is run
    late = engine.timer_fired(run, "a", START + timedelta(seconds=60)).state
    assert late.state is RunState.FAILED and "nobody approved" in late.reason


def test_what_was_changed_is_undone_backwards_when_the_run_fails():
    undo = {"undo_on_failure": True}
    made = playbook({"a": action("b", undo), "b": action("c", undo), "c": action()}, HOST)
    played = Rehearsal(made, {}, Script({"c": ["REJECTED"], "undo a": ["REJECTED"]})).play()
    assert played.trace[-5:] == ["b: to be undone", "b: undone", "a: to be undone", "a: not undone", "run failed, still standing: a"]
    assert [(each.path, each.undo_of) for each in played.carried_out[-2:]] == [("undo/b", ("b", 0, 1)), ("undo/a", ("a", 0, 1))]


def test_what_is_done_after_it_was_given_up_is_told():
    run = begun(playbook({"a": action(timeout=1000)}, HOST))
    failed = engine.timer_fired(run, "a", START + timedelta(seconds=1)).state
    assert failed.state is RunState.FAILED and "ACTION_TIMEOUT" in failed.reason
    late = engine.assignment_ended(failed, "a", 0, SUCCEEDED, START)
    assert late.facts == (LateEffect("a", 0),) and late.state.steps["a"].slots[0].state is SlotState.CHANGED


def test_a_paused_run_hands_out_nothing_and_its_timers_wait_as_long():
    run = begun(playbook({"a": action(timeout=60_000)}, HOST))
    paused = engine.pause(run, START + timedelta(seconds=10), "ana").state
    assert assignments(paused) == [] and engine.timer_fired(paused, "a", START + timedelta(hours=1)).state is paused
    resumed = engine.resume(paused, START + timedelta(hours=1, seconds=10), "ana").state
    assert resumed.steps["a"].deadline == START + timedelta(hours=1, seconds=60)
    assert len(assignments(resumed)) == 1


def test_a_cancelled_run_is_over_and_may_undo_what_it_did():
    run = begun(playbook({"a": action("b", {"undo_on_failure": True}), "b": action()}, HOST))
    run = engine.assignment_ended(run, "a", 0, SUCCEEDED, START).state
    assert engine.cancel(run, START, "ana").state.state is RunState.CANCELLED
    undoing = engine.cancel(run, START, "ana", undo=True).state
    assert [each.path for each in assignments(undoing)] == ["undo/a"]
    assert engine.assignment_ended(undoing, "undo/a", 0, SUCCEEDED, START).state.state is RunState.CANCELLED
    with pytest.raises(RunEnded):
        engine.cancel(engine.cancel(run, START).state, START)


def test_a_step_is_skipped_and_the_run_goes_on_behind_it():
    run = begun(playbook({"a": action("b"), "b": action()}, HOST))
    skipped = engine.skip(run, "a", START, "ana", "did it by hand").state
    assert [each.path for each in assignments(skipped)] == ["b"]


def test_a_failed_run_goes_on_from_a_step_with_new_attempts():
    fork = {"type": "parallel", "next_steps": ["a", "b"], "on_completion": "end"}
    run = begun(playbook({"fork": fork, "a": action(), "b": action()}, HOST))
    failed = engine.assignment_ended(run, "fork#1/a", 0, FAILED, START).state
    assert failed.state is RunState.FAILED and failed.steps["fork#2/b"].state.value == "cancelled"
    again = engine.rerun_from(failed, "fork#1/a", START, "ana").state
    assert [(each.path, each.attempt) for each in assignments(again)] == [("fork#1/a", 2), ("fork#2/b", 2)]
    for path in ("fork#1/a", "fork#2/b"):
        again = engine.assignment_ended(again, path, 0, SUCCEEDED, START).state
    assert again.state is RunState.SUCCEEDED


def test_branches_of_a_step_that_was_given_up_begin_again_with_the_one_beside_them():
    fork = {"type": "parallel", "next_steps": ["a", "b"], "on_completion": "end"}
    run = begun(playbook({"fork": fork, "a": action(), "b": action()}, HOST))
    ended = engine.skip(run, "fork", START, "ana").state
    again = engine.rerun_from(ended, "fork#1/a", START, "ana").state
    assert [each.path for each in assignments(again)] == ["fork#1/a", "fork#2/b"]


def test_a_loop_in_which_nothing_happens_ends_the_run():
    loop = {"type": "while-condition", "condition": "__host__:value = 'web-1'", "on_true": "end", "on_completion": "end"}
    run = begun(playbook({"loop": loop}, HOST))
    assert run.state is RunState.FAILED and "nothing" in run.reason
