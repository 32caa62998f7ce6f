"""What people do about phases and roles."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.response.v1 import command_events_pb2 as events

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_response.command import phases, role, store, wire
from tocsin_response.command.phases import Entered, Step
from tocsin_response.command.plan import COMMANDER, Phase
from tocsin_response.command.role import Held, Holding
from tocsin_response.command.room import Room, Rooms
from tocsin_response.command.situation import Situations
from tocsin_response.command.store import EntryRow
from tocsin_response.oncall.oncall import require_responders


@dataclass(frozen=True, slots=True)
class RoleWish:
    """Who shall have which role, who says so, and why; `summary` says how things stand."""

    role: str
    responder: str
    by: str
    reason: str = ""
    summary: str = ""


class Moves:
    """Commands take the caller's transaction, in which a repeat of the request is recognised."""

    def __init__(self, clock: Clock, ids: Ids, rooms: Rooms, situations: Situations) -> None:
        self._clock = clock
        self._ids = ids
        self._rooms = rooms
        self._situations = situations

    async def enter(self, tx: Tx, incident_id: str, to: Phase | None, by: str, reason: str, override: bool) -> None:
        """Go to a phase; None: the next one. Raises IncidentNotFound, PhaseGateClosed, NotTheCommander, LastPhase, Invalid."""
        room = await self._rooms.open(tx, incident_id)
        step = Step(to or phases.following(room.phase), by, reason, override, self._clock.now())
        decision = phases.enter(room.plan, room.phase, step, await self._situations.of(tx, room))
        for fact in decision.facts:
            assert isinstance(fact, Entered)
            entry = EntryRow(self._ids.new(), fact.phase, fact.at, fact.by, fact.reason, list(fact.overridden))
            await store.enter_phase(tx, incident_id, entry)
            told = events.PhaseEntered(incident_id=incident_id, entry=wire.entry_to_proto(entry), before=wire.phase_to_proto(fact.before))
            room = await self._rooms.keep(tx, room, told, phase=int(fact.phase))
            await self._rooms.begin_phase(tx, room, fact.phase, fact.at)

    async def assign(self, tx: Tx, incident_id: str, wish: RoleWish) -> None:
        """Raises IncidentNotFound, ResponderNotFound."""
        await self._give(tx, incident_id, wish, lambda current, wanted, _: role.assign(current, wanted))

    async def hand_over(self, tx: Tx, incident_id: str, wish: RoleWish) -> None:
        """Raises IncidentNotFound, ResponderNotFound, RoleNotHeld, RoleNotYours."""
        await self._give(tx, incident_id, wish, role.hand_over)

    async def leave(self, tx: Tx, incident_id: str, name: str, by: str, reason: str) -> None:
        """Raises IncidentNotFound, RoleNotYours."""
        room = await self._rooms.open(tx, incident_id)
        now, holders = self._clock.now(), await self._holders(tx, incident_id)
        decision = role.leave(holders.get(name), by, _commander(holders), now)
        nobody = Holding(self._ids.new(), name, "", now, by, reason)
        await self._keep(tx, room, decision, nobody)

    async def join(self, tx: Tx, incident_id: str, by: str) -> None:
        """Raises IncidentNotFound."""
        await self._rooms.attend(tx, await self._rooms.open(tx, incident_id), by, "joined")

    async def _give(
        self, tx: Tx, incident_id: str, wish: RoleWish, decide: Callable[[Holding | None, Holding, str], Decision[Held]]
    ) -> None:
        room = await self._rooms.open(tx, incident_id)
        await require_responders(tx, [wish.responder])
        holders = await self._holders(tx, incident_id)
        wanted = Holding(self._ids.new(), wish.role, wish.responder, self._clock.now(), wish.by, wish.reason, wish.summary)
        decision = decide(holders.get(wish.role), wanted, _commander(holders))
        await self._keep(tx, room, decision, wanted)

    async def _keep(self, tx: Tx, room: Room, decision: Decision[Held], told: Holding) -> None:
        held = decision.state
        if held.ends is None and held.begins is None:
            return
        if held.ends is not None:
            await store.end_holding(tx, held.ends)
        before = held.ends.responder if held.ends is not None else ""
        fact = events.RoleAssigned(incident_id=room.incident.id, holding=wire.holding_to_proto(told), before=before)
        room = await self._rooms.keep(tx, room, fact)
        if held.begins is not None:
            await store.insert_holding(tx, room.incident.id, held.begins)
            title = room.plan.roles[told.role].title if told.role in room.plan.roles else told.role
            await self._rooms.attend(tx, room, told.responder, title)

    async def _holders(self, tx: Tx, incident_id: str) -> dict[str, Holding]:
        return {each.role: each for each in await store.holdings(tx, incident_id) if each.until is None}


def _commander(holders: dict[str, Holding]) -> str:
    return holders[COMMANDER].responder if COMMANDER in holders else ""
