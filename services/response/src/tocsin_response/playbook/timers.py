"""Fires the timers of runs: delays, timeouts, approvals that nobody gave."""

import logging
from collections.abc import Sequence
from datetime import datetime

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_playbook import engine
from tocsin_playbook.run import Run
from tocsin_response.playbook import run_store
from tocsin_response.playbook.moves import Event, Moves, Step

log = logging.getLogger(__name__)

MOST = 100


class Timers:
    """The timers."""

    def __init__(self, database: Database, clock: Clock, moves: Moves) -> None:
        self._database = database
        self._clock = clock
        self._moves = moves

    async def fire_due(self) -> int:
        """Fire what is due; returns how many. What another process is at is left to it."""
        fired = 0
        while True:
            async with self._database.transaction() as tx:
                due = await run_store.due(tx, self._clock.now(), MOST)
            if not due:
                return fired
            count = await self._fire(due)
            fired += count
            if count == 0 or len(due) < MOST:
                return fired

    async def _fire(self, due: Sequence[run_store.Due]) -> int:
        """All together; if that fails run by run, so that one that cannot go on holds up no other."""
        try:
            return await self._fire_together(due)
        except Exception as problem:
            log.warning("timers of runs fire one by one: %s", problem)
        fired = 0
        for run_id in dict.fromkeys(each.run_id for each in due):
            try:
                fired += await self._fire_together([each for each in due if each.run_id == run_id])
            except Exception as problem:
                log.error("a timer of run %s cannot fire yet", run_id, exc_info=problem)
        return fired

    async def _fire_together(self, due: Sequence[run_store.Due]) -> int:
        async with self._database.transaction() as tx:
            locked = await self._moves.lock_free(tx, [each.run_id for each in due])
            events = [Event(each.run_id, _fires(each.path), by_timer=True) for each in due if each.run_id in locked]
            await self._moves.apply(tx, locked, events)
        return len(events)


def _fires(path: str) -> Step:
    def step(run: Run, now: datetime) -> Decision[Run]:
        return engine.timer_fired(run, path, now) if path in run.steps else Decision(run)

    return step
