"""Whose answer to a question of a run counts."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kernel.errors import Conflict, Forbidden
from tocsin_response.playbook.question import RUNNER, Kind, NotAsked, OwnRun, PlaceTaken, Question, State, Vote
from tocsin_response.playbook.stand_in import Delegation, own, places

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = ("ann", "bob", "cid")
NAMES = st.sampled_from([*ASKED, "dan", "eve"])


def question(kind: Kind, quorum: int = 1) -> Question:
    """One that names nobody: any responder may answer."""
    return Question(
        id="q", run_id="r", incident_id="", playbook="p", path="s", step_name="s", kind=kind, text="?", asked_at=NOON, quorum=quorum
    )


def test_what_carries_out_a_step_never_says_that_it_may_be_done():
    asked = question(Kind.APPROVAL, quorum=2).vote(Vote("ann", True, "", NOON), None).state
    with pytest.raises(NotAsked):
        asked.vote(Vote(RUNNER, True, "", NOON), None)
    assert asked.vote(Vote("bob", True, "", NOON), None).state.state is State.GRANTED


def test_what_carries_out_a_step_does_not_answer_for_people():
    with pytest.raises(NotAsked):
        question(Kind.MANUAL).answer(Vote(RUNNER, True, "", NOON), None)
    with pytest.raises(NotAsked):
        question(Kind.MANUAL).answer(Vote(RUNNER, True, "", NOON), ["ann"], ["ann"])


def test_a_stand_in_answers_once_and_whoever_was_asked_has_the_last_word():
    stood_in = question(Kind.APPROVAL, quorum=2).vote(Vote("dan", True, "", NOON), ["ann", "bob"], ["ann"]).state
    assert stood_in.votes[0].named == "dan in place of ann"
    themselves = stood_in.vote(Vote("ann", True, "", NOON), ["ann", "bob"]).state
    assert (themselves.state, [each.named for each in themselves.votes]) == (State.OPEN, ["ann"])
    with pytest.raises(PlaceTaken):
        themselves.vote(Vote("dan", True, "", NOON), ["ann", "bob"], ["ann"])
    granted = stood_in.vote(Vote("bob", True, "", NOON), ["ann", "bob"]).state
    assert granted.explanation == "approved by dan in place of ann, bob"
    assert question(Kind.MANUAL).answer(Vote("dan", True, "", NOON), ["ann"], ["ann"]).state.explanation == "done, says dan in place of ann"


def test_nobody_stands_in_for_whoever_started_the_run():
    asked = replace(question(Kind.APPROVAL), requester="ann")
    with pytest.raises(OwnRun):
        asked.vote(Vote("dan", True, "", NOON), ["ann"], ["ann"])
    assert asked.vote(Vote("dan", True, "", NOON), ["ann", "bob"], ["ann", "bob"]).state.votes[0].in_place_of == "bob"


def test_what_others_arrange_for_somebody_carries_no_vote():
    made = [Delegation("ann", "bob", "ann"), Delegation("bob", "dan", "bob"), Delegation("cid", "dan", "maria")]
    assert places("dan", ASKED, own(made)) == {"ann", "bob"}
    assert places("bob", ASKED, own(made)) == set()


@given(st.lists(st.builds(Delegation, NAMES, NAMES, NAMES), max_size=4), st.lists(NAMES, max_size=12))
def test_no_person_and_no_place_counts_twice(made, voters):
    asked, to = replace(question(Kind.APPROVAL, quorum=99), requester="cid"), own(made)
    for by in voters:
        with suppress(Conflict, Forbidden):
            asked = asked.vote(Vote(by, True, "", NOON), ASKED, () if by in ASKED else places(by, ASKED, to)).state
    assert len({each.by for each in asked.votes}) == len({each.place for each in asked.votes}) == asked.approvals
    assert {each.place for each in asked.votes} <= set(ASKED) - {"cid"}
