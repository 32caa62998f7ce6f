"""Tries an escalation out: who would be asked when if an incident opened and nobody answered. Nothing is kept or sent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin.response.v1.escalation_pb2 import EscalationPolicy

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Invalid
from tocsin_response.escalation import decisions
from tocsin_response.escalation.book import Book, book
from tocsin_response.escalation.by_hand import PolicyNotFound
from tocsin_response.escalation.candidates import situation
from tocsin_response.escalation.definition import PLATFORM_POLICY, Policy
from tocsin_response.escalation.escalation import Escalation, Exhausted, GapFound, Place, Situation, State, Summoned, TurnTaken
from tocsin_response.escalation.round_robin import Cursor

MOST_STEPS = 100
LONGEST = timedelta(days=8)
# Who was on call before that is not in memory.
EARLIEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Question:
    """What opens when: by a policy with this name, or by one that need not be stored."""

    policy: str
    definition: EscalationPolicy | None
    team: str
    severity: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody is asked, or something is to be said."""

    at: datetime
    summoned: Summoned | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """In order of time. `ends_at` is None if it goes on beyond what is told here."""

    policy: str
    told: list[Told]
    ends_at: datetime | None


class Simulations:
    """What would happen."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, question: Question) -> Answer:
        """Raises PolicyNotFound, Invalid."""
        now = self._clock.now()
        at = question.at or now
        if at < now - EARLIEST:
            raise Invalid(field="at", detail=f"must be at most {EARLIEST.days} days ago")
        async with self._database.transaction() as tx:
            known = await book(tx, now)
            return await _walk(tx, known, _policy(known, question, at), question, at)


def _policy(known: Book, question: Question, at: datetime) -> Policy:
    if question.definition is not None:
        policy = known.filled(question.definition, question.team)
    else:
        found = known.named(question.policy, question.team)
        if found is None and question.policy:
            raise PolicyNotFound(policy=question.policy)
        policy = found or PLATFORM_POLICY
    return known.to_run(policy, question.team, question.severity, at)


async def _walk(tx: Tx, known: Book, policy: Policy, question: Question, at: datetime) -> Answer:
    """Every step at the time at which it would be taken, with who is on call then."""
    begun, turns = at, dict[str, Cursor]()
    fresh = Escalation("", "", policy, State.RUNNING, 0, 0, at, at, "", 1, 1, False)
    around = await situation(tx, known, fresh, question.severity, at, Place(0, 0), only_look=True)
    decision = decisions.start(fresh, policy.name, around)
    told = _told(decision, at, turns)
    for _ in range(MOST_STEPS):
        due = decision.state.due_at
        if due is None:
            return Answer(policy.name, told, at)
        if due > begun + LONGEST and not decision.state.waiting:
            break
        at = due
        around = _with(await situation(tx, known, decision.state, question.severity, at, only_look=True), turns)
        decision = decisions.time_out(decision.state, around)
        told += _told(decision, at, turns)
    return Answer(policy.name, told, None)


def _with(around: Situation, turns: Mapping[str, Cursor]) -> Situation:
    """The turns that were taken in the simulation count."""
    return replace(around, cursors={**around.cursors, **turns})


def _told(decision: Decision[Escalation], at: datetime, turns: dict[str, Cursor]) -> list[Told]:
    told: list[Told] = []
    for fact in decision.facts:
        match fact:
            case Summoned():
                told.append(Told(at, fact))
            case TurnTaken(key, cursor):
                turns[key] = cursor
            case GapFound(description=description):
                told.append(Told(at, None, description))
            case Exhausted():
                told.append(Told(at, None, decision.state.stop_reason))
            case _:
                pass
    state = decision.state
    if state.waiting and state.due_at is not None:
        condition = state.policy.steps[state.step].condition
        told.append(Told(at, None, f"step {state.step + 1} waits until {state.due_at:%Y-%m-%d %H:%M} UTC: it is only asked {condition}"))
    return told
