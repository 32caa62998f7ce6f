"""The loop against a response that speaks the real contract: what is claimed is done, told and ended whole."""

import asyncio

import pytest
from runner_harness import running, serving, until
from tocsin.response.v1 import runner_service_pb2 as pb

from tocsin_runner import runner as loop
from tocsin_runner.assignment import Failed, Finding, Outcome, Refused, State, Unknown
from tocsin_runner.secrets import Redactor
from tocsin_runner.work import Work


class Scripted:
    """A command whose effect is a line in a book."""

    def __init__(self):
        self.began = []
        self.changing = []
        self.done = []
        self.go = asyncio.Event()
        self.go.set()
        self.most = 0
        self.now = 0

    async def carry_out(self, task):
        name = task.assignment.command["name"]
        self.began.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if name == "refused":
                raise Refused("not on this host")
            if name == "broken":
                raise ZeroDivisionError
            if name == "throttled":
                raise Failed("too many requests")
            if name == "lost":
                task.about_to_change()
                raise Unknown("no answer")
            await task.keep_prior({"status": "free", "replicas": 3})
            task.about_to_change()
            if name != "sent":
                task.answered()
            self.changing.append(name)
            await self.go.wait()
            self.done.append(name)
            task.findings.append(Finding("book.txt", "text/plain", name.encode()))
        finally:
            self.now -= 1
        return Outcome(State.SUCCEEDED, f"did {name}", undo_token={"replicas": 3}, verified=True)


@pytest.fixture
async def response():
    async with serving() as (response, address):
        response.address = address
        yield response


def do(name):
    return {"type": "scripted", "name": name}


async def test_what_is_claimed_is_done_once_and_told(response):
    """The prior state is kept before the effect, and the outcome brings the undo token as it was."""
    command = Scripted()
    async with running(response.address, Work({"scripted": command}, Redactor())):
        names = [response.give(do(f"step {number}")) for number in range(20)]
        outcomes = [await response.outcome(name) for name in names]
    assert {outcome.state for outcome in outcomes} == {pb.Outcome.STATE_SUCCEEDED}
    assert sorted(command.done) == sorted(f"step {number}" for number in range(20))
    assert response.priors[names[0]] == {"status": "free", "replicas": 3}
    assert outcomes[0].undo_token["replicas"] == 3
    assert response.claims[0].capabilities == ["scripted"]


async def test_no_more_is_worked_on_at_once_than_was_said(response):
    command = Scripted()
    async with running(response.address, Work({"scripted": command}, Redactor()), at_once=3):
        names = [response.give(do(f"step {number}")) for number in range(12)]
        for name in names:
            await response.outcome(name)
    assert command.most <= 3
    assert all(claim.most <= 3 for claim in response.claims)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("refused", pb.Outcome.STATE_REJECTED),
        ("throttled", pb.Outcome.STATE_FAILED),
        ("lost", pb.Outcome.STATE_UNKNOWN),
        ("broken", pb.Outcome.STATE_FAILED),
    ],
)
async def test_each_end_has_its_word(response, name, state):
    async with running(response.address, Work({"scripted": Scripted()}, Redactor())):
        outcome = await response.outcome(response.give(do(name)))
    assert outcome.state == state
    assert outcome.explanation


async def test_an_unknown_type_of_command_is_refused(response):
    async with running(response.address, Work({}, Redactor())):
        outcome = await response.outcome(response.give({"type": "caldera-cmd"}))
    assert outcome.state == pb.Outcome.STATE_REJECTED
    assert "caldera-cmd" in outcome.explanation


async def test_time_that_is_up_ends_a_step(response):
    """Whether something had left already makes the difference between 'timed out' and 'unknown'."""
    command = Scripted()
    command.go.clear()
    async with running(response.address, Work({"scripted": command}, Redactor())):
        idle = await response.outcome(response.give(do("idle"), seconds=0.2))
        sent = await response.outcome(response.give(do("sent"), seconds=0.2))
    assert idle.state == pb.Outcome.STATE_TIMED_OUT
    assert sent.state == pb.Outcome.STATE_UNKNOWN


async def test_outcomes_wait_for_a_response_that_is_starting(response):
    """Response is killed and comes back: what was done meanwhile is told then."""
    response.deaf = 3
    async with running(response.address, Work({"scripted": Scripted()}, Redactor())):
        outcome = await response.outcome(response.give(do("step")))
    assert outcome.state == pb.Outcome.STATE_SUCCEEDED


async def test_an_outcome_that_cannot_be_taken_does_not_hold_the_others(response):
    """Response refuses what one step brought home: how it went is told without, and the others are told whole."""
    async with running(response.address, Work({"scripted": Scripted()}, Redactor())):
        names = [response.give(do(f"step {number}")) for number in range(3)]
        response.picky.add(names[1])
        outcomes = [await response.outcome(name) for name in names]
    assert [len(outcome.findings) for outcome in outcomes] == [1, 0, 1]
    assert {outcome.state for outcome in outcomes} == {pb.Outcome.STATE_SUCCEEDED}


async def test_a_lost_lease_sends_nothing_and_tells_nothing(response):
    """The prior state is refused because another runner has the step: nothing may be changed any more."""
    command = Scripted()
    async with running(response.address, Work({"scripted": command}, Redactor())):
        name = "00000000-0000-0000-0000-000000000001"
        response.lost.add(name)
        response.give(do("zombie"))
        await until(lambda: command.began)
        await response.outcome(response.give(do("next")))
    assert command.done == ["next"]
    assert name not in response.outcomes


async def test_a_cancelled_run_stops_at_the_next_renewal(response, monkeypatch):
    monkeypatch.setattr(loop, "RENEW_SECONDS", 0.05)
    command = Scripted()
    command.go.clear()
    async with running(response.address, Work({"scripted": command}, Redactor())):
        idle, sent = response.give(do("idle")), response.give(do("sent"))
        await until(lambda: len(command.changing) == 2)
        response.stop |= {idle, sent}
        assert (await response.outcome(idle)).state == pb.Outcome.STATE_FAILED
        assert (await response.outcome(sent)).state == pb.Outcome.STATE_UNKNOWN
    assert command.done == []


async def test_a_stop_ends_what_is_begun_and_gives_the_rest_back(response):
    """SIGTERM: no new step is claimed; what ends in time is told, and what does not is left to another runner."""
    command = Scripted()
    command.go.clear()
    async with running(response.address, Work({"scripted": command}, Redactor()), grace=0.2):
        name = response.give(do("long"))
        await until(lambda: command.began)
    assert name not in response.outcomes
    assert response.goodbyes == [[name]]
    ends = Scripted()
    async with running(response.address, Work({"scripted": ends}, Redactor())):
        name = response.give(do("short"))
        await until(lambda: ends.began)
    assert response.outcomes[name].state == pb.Outcome.STATE_SUCCEEDED
    assert response.goodbyes[1:] == [[]]
