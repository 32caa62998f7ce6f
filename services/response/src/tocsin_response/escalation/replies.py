"""What responders answer to pages: whoever cannot come has the next step taken at once."""

from tocsin.communication.v1.events_pb2 import ReplyReceived

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation.by_hand import ByHand, EscalationNotFound, IncidentClosed, Wish

CANNOT_COME = "ESCALATE"


class Replies:
    """Other answers than this one come by triage."""

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand

    async def on_reply(self, tx: Tx, fact: Fact[ReplyReceived]) -> None:
        """Walk on, if it is this responder whose answer is waited for: who was asked by an earlier step changes nothing any more."""
        reply = fact.message
        if reply.answer != CANNOT_COME or not reply.incident_id:
            return
        try:
            async with tx.savepoint():
                await self._by_hand.give_up(tx, Wish(reply.incident_id, reply.responder, "cannot come"))
        except (EscalationNotFound, IncidentClosed):
            # It is over meanwhile, or was never escalated: nobody needs to be asked instead.
            return
