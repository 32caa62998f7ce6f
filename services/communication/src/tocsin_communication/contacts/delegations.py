"""Sends somebody's pages to somebody else for a while."""

from datetime import datetime

from tocsin.communication.v1.events_pb2 import DelegationEnded, DelegationMade

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication import wire
from tocsin_communication.contacts import delegation_store, methods_store
from tocsin_communication.pages.reach import Unreachable
from tocsin_communication.rules.delegation import LONGEST, Delegation, closes_circle
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, Invalid, NotFound
from tocsin_kernel.ids import Ids


class DelegationCircle(Conflict):
    reason = "DELEGATION_CIRCLE"
    message = "the pages would come back to {responder}"


class DelegationNotFound(NotFound):
    reason = "DELEGATION_NOT_FOUND"
    message = "there is no delegation {id}"


class Delegations:
    """Makes and ends delegations."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def create(self, tx: Tx, who: str, to: str, starts_at: datetime | None, ends_at: datetime, reason: str, by: str) -> Delegation:
        """Make one. Raises Invalid, DelegationCircle, Unreachable if the other one has no contact method."""
        starts_at = starts_at or self._clock.now()
        if not starts_at < ends_at <= starts_at + LONGEST or ends_at <= self._clock.now():
            raise Invalid(
                field="ends_at", detail=f"must be after its beginning and now, and at most {LONGEST.days} days after the beginning"
            )
        new = Delegation(self._ids.new(), who, to, starts_at, ends_at, reason, by)
        await delegation_store.lock_delegations(tx)
        if closes_circle(new, await delegation_store.delegations_between(tx, starts_at, ends_at)):
            raise DelegationCircle(responder=who)
        if not await methods_store.methods_of(tx, to):
            raise Unreachable(responder=to)
        await delegation_store.add_delegation(tx, new)
        self._tell(tx, DelegationMade, new)
        return new

    async def end(self, delegation_id: str) -> Delegation:
        """End one now. Raises DelegationNotFound."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            ended = await delegation_store.end_delegation(tx, delegation_id, now)
            if ended is not None and ended.ended_at == now:
                self._tell(tx, DelegationEnded, ended)
        if ended is None:
            raise DelegationNotFound(id=delegation_id)
        return ended

    def _tell(self, tx: Tx, kind: type[DelegationMade] | type[DelegationEnded], delegation: Delegation) -> None:
        now = self._clock.now()
        fact = kind(delegation=wire.delegation_to_proto(delegation), at=wire.instant(now))
        tx.emit(fact, aggregate=delegation.from_responder, version=int(now.timestamp()))
