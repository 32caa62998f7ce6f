"""What senders' people want of those who respond: somebody asked too, another policy. It becomes a command as if somebody here gave it."""

import re
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.detection.v1.alert_pb2 import Asked, Party
from tocsin.response.v1.events_pb2 import AskedInVain
from tocsin.triage.v1.events_pb2 import ResponseAsked

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, NotFound
from tocsin_response.escalation.by_hand import ByHand, PolicyNotFound, TargetNotFound, Wish
from tocsin_response.escalation.definition import Kind, Target

KINDS = {Party.KIND_RESPONDER: Kind.RESPONDER, Party.KIND_TEAM: Kind.TEAM, Party.KIND_SCHEDULE: Kind.SCHEDULE}


class AskedBySenders:
    """Does what senders ask for. What cannot be done is told, and the escalation goes on as it was."""

    def __init__(self, by_hand: ByHand, clock: Clock) -> None:
        self._by_hand = by_hand
        self._clock = clock

    async def on_asked(self, tx: Tx, fact: Fact[ResponseAsked]) -> None:
        """An action means something to people only, who read it on the timeline."""
        asked, incident = fact.message.asked, fact.message.incident
        if asked.how == Asked.HOW_ACTION or not asked.party.name:
            return
        wish = Wish(incident.id, asked.by, asked.note or "the alert's sender asks for it")
        problem: NotFound | Conflict | None = None
        for name in names(asked.party):
            try:
                async with tx.savepoint():
                    return await self._carry_out(tx, wish, asked, name)
            except (TargetNotFound, PolicyNotFound) as error:
                problem = problem or error
            except (NotFound, Conflict) as error:
                problem = error
                break
        told = AskedInVain(incident_id=incident.id, party=asked.party.name, by=asked.by, reason=str(problem), at=self._now())
        tx.emit(told, aggregate=incident.id, version=fact.version)

    async def _carry_out(self, tx: Tx, wish: Wish, asked: Asked, name: str) -> None:
        if asked.party.kind == Party.KIND_ESCALATION_POLICY:
            await self._by_hand.reassign(tx, wish, name)
        elif asked.how == Asked.HOW_ADD:
            await self._by_hand.add(tx, wish, Target(KINDS[asked.party.kind], name))
        else:
            await self._by_hand.reassign(tx, wish, Target(KINDS[asked.party.kind], name))

    def _now(self) -> Timestamp:
        at = Timestamp()
        at.FromDatetime(self._clock.now())
        return at


def names(party: Party) -> Iterator[str]:
    """What a party may be called here: as the sender says, as a name of ours would be spelt, and a person by what stands before the @."""
    said = [party.name, spelt(party.name)]
    if party.kind == Party.KIND_RESPONDER and "@" in party.name:
        before = party.name.partition("@")[0]
        said += [before, spelt(before)]
    yield from dict.fromkeys(name for name in said if name)


def spelt(name: str) -> str:
    """Small letters, digits and dashes, as names are here."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63]
