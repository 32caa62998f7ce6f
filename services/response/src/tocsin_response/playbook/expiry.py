"""Ends the leases of runners that are gone: what they were at may have been done, and the rules of runs say what becomes of it."""

import logging
from collections.abc import Sequence
from datetime import datetime

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_playbook import engine
from tocsin_playbook.run import Run
from tocsin_response.playbook import assignment_store
from tocsin_response.playbook.assignment_store import Place
from tocsin_response.playbook.moves import Event, Moves, Step
from tocsin_response.playbook.wake import Wake

log = logging.getLogger(__name__)

MOST = 500


class Expiry:
    """Takes back what nobody is at any more."""

    def __init__(self, database: Database, clock: Clock, moves: Moves, wake: Wake) -> None:
        self._database = database
        self._clock = clock
        self._moves = moves
        self._wake = wake

    async def end_due(self) -> None:
        """All leases that are over; run by run if they cannot be ended together, so that one that cannot go on holds up no other."""
        async with self._database.transaction() as tx:
            expired = await assignment_store.expired(tx, self._clock.now(), MOST)
        if not expired:
            return
        try:
            await self._together(expired)
            return
        except Exception as problem:
            log.warning("leases are ended run by run: %s", problem)
        for run_id in dict.fromkeys(each.run_id for each in expired):
            try:
                await self._together([each for each in expired if each.run_id == run_id])
            except Exception as problem:
                log.error("the leases of run %s cannot be ended yet", run_id, exc_info=problem)

    async def _together(self, expired: Sequence[Place]) -> None:
        """What another process is at is left to it."""
        async with self._database.transaction() as tx:
            locked = await self._moves.lock_free(tx, [each.run_id for each in expired])
            now = self._clock.now()
            mine = [(each.id, each.fence) for each in expired if each.run_id in locked]
            taken = await assignment_store.take_back(tx, mine, now)
            gone = [each for each in expired if each.id in taken]
            await self._moves.apply(tx, locked, [_lost(each) for each in gone if each.path in locked[each.run_id].run.steps])
            await self._hand_out(tx, [each for each in gone if each.path not in locked[each.run_id].run.steps], now)

    async def _hand_out(self, tx: Tx, undoings: Sequence[Place], now: datetime) -> None:
        """What undoes a measure after its run is no step of it; it is looked at before anything is done, and may be tried for ever."""
        if undoings:
            await assignment_store.look_again(tx, [(each.id, True, now, False, 0) for each in undoings])
            self._wake.after(tx)


def _lost(place: Place) -> Event:
    return Event(place.run_id, _gone(place), place=place)


def _gone(place: Place) -> Step:
    def step(run: Run, now: datetime) -> Decision[Run]:
        slots = run.steps[place.path].slots
        if place.slot >= len(slots) or slots[place.slot].attempt != place.attempt:
            return Decision(run)
        return engine.runner_lost(run, place.path, place.slot, now, f"runner {place.lease_owner} is gone")

    return step
