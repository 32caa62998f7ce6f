"""Judges every act before it is done, counts what was let through, and tells what was refused."""

from datetime import timedelta

from google.protobuf import json_format
from tocsin.response.v1 import containment_events_pb2 as events
from tocsin.response.v1.containment_pb2 import GuardRails

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_response.escalation.book import book
from tocsin_response.guard import store
from tocsin_response.guard.rails import Act, Rails, longest, refusal
from tocsin_response.guard.wire import rails_of
from tocsin_response.oncall.wire import timestamp

KEPT = timedelta(days=8)


class Guards:
    """The rails of the installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def allow(self, tx: Tx, act: Act, run_id: str, step_path: str, incident_id: str) -> str:
        """Why the step of a run may not do it, for people; empty if it may, and then it is counted."""
        if await store.is_let_through(tx, run_id, step_path, act.action, act.target):
            return ""
        await store.count_one_at_a_time(tx)
        why = await self._refusal(tx, act)
        if why:
            self._tell(tx, act, run_id, step_path, incident_id, why)
        elif not act.is_harmless:
            await store.let_through(tx, run_id, step_path, act.action, act.target, self._clock.now())
        return why

    async def look(self, act: Act) -> str:
        """The same without counting or telling."""
        async with self._database.transaction() as tx:
            return await self._refusal(tx, act)

    async def forget(self) -> int:
        """Forget acts that no limit counts any more."""
        async with self._database.transaction() as tx:
            return await store.forget_acts(tx, self._clock.now() - KEPT)

    async def _refusal(self, tx: Tx, act: Act) -> str:
        now = self._clock.now()
        rails = await self._rails(tx)
        span = longest(rails)
        return refusal(rails, act, await store.lately(tx, now - span) if span else [], now)

    async def _rails(self, tx: Tx) -> list[Rails]:
        definitions = await store.load_rails(tx)
        hours = (await book(tx, self._clock.now())).hours if definitions else {}
        return [rails_of(json_format.ParseDict(each.definition, GuardRails(), ignore_unknown_fields=True), hours) for each in definitions]

    def _tell(self, tx: Tx, act: Act, run_id: str, step_path: str, incident_id: str, why: str) -> None:
        fact = events.ActionRefused(
            incident_id=incident_id,
            run_id=run_id,
            step_path=step_path,
            action=act.action,
            target=act.target,
            reason=why,
            at=timestamp(self._clock.now()),
        )
        tx.emit(fact, aggregate=incident_id or run_id, version=0)
