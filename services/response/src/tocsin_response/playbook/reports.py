"""Takes what runners say came of their steps: result, what follows and the facts are one transaction, for many runs at once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from tocsin.response.v1.runner_service_pb2 import Assignment as WireAssignment
from tocsin.response.v1.runner_service_pb2 import Lease, Outcome

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_playbook import engine
from tocsin_playbook.run import Outcome as Came
from tocsin_playbook.run import OutcomeState, Run, Slot
from tocsin_response.playbook import assignment_store
from tocsin_response.playbook.assignment_store import Ended, Place
from tocsin_response.playbook.keeping import Kept
from tocsin_response.playbook.leases import Refused
from tocsin_response.playbook.moves import Event, Moves, Step
from tocsin_response.playbook.run_store import RunRow

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a runner did, and for which run."""

    run: RunRow
    assignment: WireAssignment
    outcome: Outcome
    prior_state: bytes | None
    slot: Slot | None = None
    """How its step has it now; None for what is no step's: the undoing of a measure."""


class Effects(Protocol):
    """What keeps account of what was done: measures, evidence. Called in the transaction that keeps the result."""

    async def done(self, tx: Tx, done: Sequence[Done]) -> None:
        """These were done, tried, or taken back."""
        ...


class Reports:
    """Takes outcomes."""

    def __init__(self, database: Database, clock: Clock, moves: Moves, effects: Sequence[Effects] = ()) -> None:
        self._database = database
        self._clock = clock
        self._moves = moves
        self.effects = list(effects)

    async def take(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Keep outcomes; returns the ids of the assignments whose lease was another's. A repeat changes nothing.

        One that cannot be kept holds up no other.
        """
        try:
            return await self._take_together(outcomes)
        except Exception as problem:
            if len(outcomes) == 1:
                raise
            log.warning("outcomes are taken one by one: %s", problem)
        refused: list[str] = []
        for outcome in outcomes:
            try:
                refused += await self._take_together([outcome])
            except Exception as problem:
                log.error("the outcome of assignment %s cannot be kept", outcome.lease.assignment_id, exc_info=problem)
        return refused

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Steps that the guard rails keep from being done have failed."""
        await self.take([_refusal(each) for each in refused])

    async def _take_together(self, outcomes: Sequence[Outcome]) -> list[str]:
        given = {outcome.lease.assignment_id: outcome for outcome in outcomes}
        async with self._database.transaction() as tx:
            places = {each.id: each for each in await assignment_store.places(tx, list(given))}
            locked = await self._moves.lock(tx, {each.run_id for each in places.values()})
            now = self._clock.now()
            kept = await assignment_store.finish(tx, [_ended(outcome) for id, outcome in given.items() if id in places], now)
            events = [_event(places[id], outcome) for id, outcome in given.items() if id in kept]
            moved = await self._moves.apply(tx, locked, events)
            await self._account(tx, locked | moved, [(places[id], given[id]) for id in given if id in kept])
        return [id for id, outcome in given.items() if id not in kept and not _repeated(places.get(id), outcome)]

    async def _account(self, tx: Tx, runs: dict[str, Kept], done: Sequence[tuple[Place, Outcome]]) -> None:
        if not self.effects:
            return
        told = [_done(runs[place.run_id], place, outcome) for place, outcome in done]
        for effects in self.effects:
            await effects.done(tx, told)


def _done(kept: Kept, place: Place, outcome: Outcome) -> Done:
    step = kept.run.steps.get(place.path)
    slot = step.slots[place.slot] if step is not None and place.slot < len(step.slots) else None
    return Done(kept.row, WireAssignment.FromString(bytes(place.work)), outcome, place.prior_state, slot)


def _refusal(refused: Refused) -> Outcome:
    lease = Lease(assignment_id=refused.id, fence=refused.fence)
    return Outcome(lease=lease, state=Outcome.STATE_REJECTED, explanation=f"not allowed: {refused.reason}")


def _event(place: Place, outcome: Outcome) -> Event:
    return Event(place.run_id, _ends(place, _came(outcome)), place=place)


def _ends(place: Place, came: Came) -> Step:
    def step(run: Run, now: datetime) -> Decision[Run]:
        instance = run.steps.get(place.path)
        if instance is None or place.slot >= len(instance.slots) or instance.slots[place.slot].attempt != place.attempt:
            return Decision(run)
        return engine.assignment_ended(run, place.path, place.slot, came, now)

    return step


def _came(outcome: Outcome) -> Came:
    return Came(
        state=OutcomeState[Outcome.State.Name(outcome.state).removeprefix("STATE_")],
        explanation=_clean(outcome.explanation),
        variables={name: _clean(each.value) for name, each in outcome.variables.items()},
        look_again_at=outcome.look_again_at.ToDatetime(UTC) if outcome.HasField("look_again_at") else None,
    )


def _ended(outcome: Outcome) -> Ended:
    return Ended(
        id=outcome.lease.assignment_id,
        fence=outcome.lease.fence,
        outcome=Outcome.State.Name(outcome.state).removeprefix("STATE_"),
        explanation=_clean(outcome.explanation),
        undo_token=outcome.undo_token.SerializeToString() if outcome.HasField("undo_token") else None,
        verified=outcome.verified,
    )


def _repeated(place: Place | None, outcome: Outcome) -> bool:
    """Whether it was kept before: its answer was lost."""
    came = Outcome.State.Name(outcome.state).removeprefix("STATE_")
    return place is not None and place.fence == outcome.lease.fence and place.outcome == came


def _clean(text: str) -> str:
    """What the database cannot keep is left out."""
    return text.replace("\x00", "")
