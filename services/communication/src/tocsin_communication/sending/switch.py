"""The switch that holds back every page, and the limits: what every process keeps in memory and reads again every second."""

from tocsin.communication.v1.events_pb2 import PagingResumed, PagingStopped

from tocsin_chassis.postgres.database import Database
from tocsin_communication import wire
from tocsin_communication.configuration import store as configuration_store
from tocsin_communication.rules.limits import Limits
from tocsin_communication.sending import switch_store
from tocsin_communication.sending.departures import Departures
from tocsin_communication.sending.switch_store import StopRow
from tocsin_kernel.clock import Clock

TOLD_UNDER = "paging"


class Switch:
    """Stops and resumes paging. Another process follows within a second; none begins a page that it finds after the stop."""

    def __init__(self, database: Database, clock: Clock, departures: Departures) -> None:
        self._database = database
        self._clock = clock
        self._departures = departures

    async def refresh(self) -> None:
        """Read the switch and the limits."""
        async with self._database.transaction() as tx:
            stop, limits = await switch_store.stop(tx), await configuration_store.limits(tx)
        self._departures.stopped = stop is not None
        if limits != self._departures.tallies.limits.given:
            self._departures.tallies.limits = Limits(limits)

    async def stop(self, reason: str, by: str) -> StopRow | None:
        """Hold back every page; the first reason stays."""
        now = self._clock.now()
        self._departures.stopped = True
        async with self._database.transaction() as tx:
            if await switch_store.stop_paging(tx, reason, by, now):
                tx.emit(PagingStopped(reason=reason, by=by, at=wire.instant(now)), aggregate=TOLD_UNDER, version=1)
            return await switch_store.stop(tx)

    async def resume(self, by: str) -> None:
        """Let pages go again."""
        async with self._database.transaction() as tx:
            if await switch_store.resume_paging(tx):
                tx.emit(PagingResumed(by=by, at=wire.instant(self._clock.now())), aggregate=TOLD_UNDER, version=1)
        self._departures.stopped = False

    async def status(self) -> tuple[StopRow | None, int]:
        """Why no page leaves (None: they leave), and how many wait and are due."""
        async with self._database.transaction() as tx:
            return await switch_store.stop(tx), await switch_store.count_waiting(tx, self._clock.now())
