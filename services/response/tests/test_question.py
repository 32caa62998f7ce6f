"""Whose answer to a question of a run counts."""

from datetime import UTC, datetime

import pytest

from tocsin_response.playbook.question import RUNNER, Kind, NotAsked, Question, State, Vote

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


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
        question(Kind.MANUAL).answer(RUNNER, True, "", NOON, None)
