"""Stand-ins: whoever was asked may have delegated to somebody, who then answers in their place."""

from collections.abc import Collection
from datetime import UTC

from tocsin.communication.v1.events_pb2 import DelegationEnded, DelegationMade

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.postgres.privacy import hidden_from
from tocsin_kernel.clock import Clock
from tocsin_response.playbook import stand_in_store
from tocsin_response.playbook.stand_in import Delegation, end_of, own, places


class StandIns:
    """Keeps who delegated to whom, and says who stands in for whom now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def on_delegation(self, tx: Tx, fact: Fact[DelegationMade] | Fact[DelegationEnded]) -> None:
        """Somebody delegates to somebody, or does so no more."""
        told = fact.message.delegation
        ends_at = told.ends_at.ToDatetime(UTC)
        if told.HasField("ended_at"):
            ends_at = min(ends_at, told.ended_at.ToDatetime(UTC))
        delegation = Delegation(told.from_responder, told.to_responder, told.made_by)
        await stand_in_store.note(tx, told.id, delegation, told.starts_at.ToDatetime(UTC), ends_at)

    async def places(self, tx: Tx, by: str, asked: Collection[str] | None, incident_id: str) -> set[str]:
        """In whose place this one may answer. Nobody's where anybody may answer, they are asked themselves, or may not know of the
        incident."""
        if asked is None or by in asked:
            return set()
        found = places(by, asked, own(await stand_in_store.holding(tx, self._clock.now())))
        hidden = await hidden_from(tx, by, [incident_id]) if found and incident_id else set()
        return set() if hidden else found

    async def stood_in_for(self, tx: Tx, by: str) -> list[str]:
        """Everybody in whose place this one may answer, whatever they are asked."""
        to = own(await stand_in_store.holding(tx, self._clock.now()))
        return sorted(name for name in to if end_of(name, to) == by)
