"""A question is what a run waits for people for: leave to do something, something done by hand, what became of an action."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Forbidden, NotFound

AUTOMATION = "automation"
# The key with which a runner writes into Tocsin: what carries out a step never says that it may be done.
RUNNER = "runner"


class QuestionNotFound(NotFound):
    reason = "QUESTION_NOT_FOUND"
    message = "there is no question {question}"


class QuestionClosed(Conflict):
    reason = "QUESTION_CLOSED"
    message = "question {question} is {state}; only an open one can be answered"


class QuestionIsApproval(Conflict):
    reason = "QUESTION_IS_APPROVAL"
    message = "question {question} asks for leave: approve or deny it"


class QuestionIsManual(Conflict):
    reason = "QUESTION_IS_MANUAL"
    message = "question {question} asks what was done: answer it with done or failed"


class NotAsked(Forbidden):
    reason = "NOT_ASKED"
    message = "{by} is not among those who are asked: {asked}"


class OwnRun(Forbidden):
    reason = "OWN_RUN"
    message = "{by} started this run; somebody else has to approve it"


class PlaceTaken(Conflict):
    reason = "PLACE_TAKEN"
    message = "{by} would answer in the place of {places}, and that was answered already"


class Kind(Enum):
    """What is asked."""

    APPROVAL = "APPROVAL"
    MANUAL = "MANUAL"
    OUTCOME = "OUTCOME"


class State(Enum):
    """Where a question is in its life."""

    OPEN = "OPEN"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's answer to an approval; `in_place_of` one who was asked and has delegated to them, or their own."""

    by: str
    approves: bool
    reason: str
    at: datetime
    in_place_of: str = ""

    @property
    def place(self) -> str:
        """Whose answer it counts as: each place counts once."""
        return self.in_place_of or self.by

    @property
    def named(self) -> str:
        """Who answered, for people."""
        return f"{self.by} in place of {self.in_place_of}" if self.in_place_of else self.by


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`roles` are incident roles, teams and responders; none: any responder. `version` counts its changes."""

    id: str
    run_id: str
    incident_id: str
    playbook: str
    path: str
    step_name: str
    kind: Kind
    text: str
    asked_at: datetime
    roles: tuple[str, ...] = ()
    quorum: int = 1
    requester: str = ""
    requester_counts: bool = False
    out_args: tuple[str, ...] = ()
    expires_at: datetime | None = None
    approved_on_timeout: bool = False
    state: State = State.OPEN
    votes: tuple[Vote, ...] = ()
    ended_at: datetime | None = None
    explanation: str = ""
    simulated: bool = False
    version: int = 1

    @property
    def approvals(self) -> int:
        """How many have approved."""
        return sum(vote.approves for vote in self.votes)

    def vote(self, vote: Vote, may_answer: Collection[str] | None, places: Collection[str] = ()) -> Decision["Question"]:
        """One person's vote; `may_answer` names those who hold the roles (None: everybody may). The same vote again changes nothing.

        Whoever is not among them votes in one of these `places`, of people who are and have delegated to them. One denial denies. A
        quorum of different people, for different places, approves. Raises QuestionIsManual, QuestionClosed, NotAsked, OwnRun, PlaceTaken.
        """
        if self.kind is not Kind.APPROVAL:
            raise QuestionIsManual(question=self.id)
        before = next((each for each in self.votes if each.by == vote.by), None)
        if before is not None and before.approves == vote.approves:
            return Decision(self, (), "the same vote as before")
        self._require_open()
        vote = replace(vote, in_place_of=self._place(vote.by, may_answer, places))
        if vote.approves and self.requester in (vote.by, vote.place) and not self.requester_counts:
            raise OwnRun(by=self.requester)
        votes = (*(each for each in self.votes if each.by != vote.by and each.place != vote.place), vote)
        voted = replace(self, votes=votes, version=self.version + 1)
        why = f": {vote.reason}" if vote.reason else ""
        if not vote.approves:
            return Decision(voted.ended(State.DENIED, f"denied by {vote.named}{why}", vote.at), (), "denied")
        if voted.approvals >= self.quorum:
            names = ", ".join(each.named for each in votes if each.approves)
            return Decision(voted.ended(State.GRANTED, f"approved by {names}{why}", vote.at), (), "approved")
        return Decision(voted, (), f"{voted.approvals} of {self.quorum} have approved")

    def answer(self, vote: Vote, may_answer: Collection[str] | None, places: Collection[str] = ()) -> Decision["Question"]:
        """What somebody did, or found. Raises QuestionIsApproval, QuestionClosed, NotAsked."""
        if self.kind is Kind.APPROVAL:
            raise QuestionIsApproval(question=self.id)
        self._require_open()
        vote = replace(vote, in_place_of=self._place(vote.by, may_answer, places))
        said = f"{vote.named}: {vote.reason}" if vote.reason else f"{'done' if vote.approves else 'failed'}, says {vote.named}"
        answered = replace(self, votes=(vote,), version=self.version + 1)
        return Decision(answered.ended(State.GRANTED if vote.approves else State.DENIED, said, vote.at), (), said)

    def expire(self, at: datetime) -> "Question":
        """Nobody answered in time."""
        what = "that counts as approved" if self.approved_on_timeout else "that counts as denied"
        said = what if self.kind is Kind.APPROVAL else "the step has failed"
        return replace(self, version=self.version + 1).ended(State.EXPIRED, f"nobody answered in time; {said}", at)

    def withdraw(self, why: str, at: datetime) -> "Question":
        """The run went on without it."""
        return replace(self, version=self.version + 1).ended(State.WITHDRAWN, why, at)

    def ended(self, state: State, explanation: str, at: datetime) -> "Question":
        return replace(self, state=state, explanation=explanation, ended_at=at)

    def _require_open(self) -> None:
        if self.state is not State.OPEN:
            raise QuestionClosed(question=self.id, state=self.state.value.lower())

    def _place(self, by: str, may_answer: Collection[str] | None, places: Iterable[str]) -> str:
        """In whose place they answer; empty: their own. Nobody answers in the place of whoever started the run if there is another."""
        if by != RUNNER and (may_answer is None or by in may_answer):
            return ""
        offered = set(places) if by != RUNNER else set()
        if not offered:
            raise NotAsked(by=by, asked=", ".join(self.roles) or "any responder")
        free = offered - {each.place for each in self.votes if each.by != by}
        if not free:
            raise PlaceTaken(by=by, places=", ".join(sorted(offered)))
        return min(free, key=lambda name: (name == self.requester, name))
