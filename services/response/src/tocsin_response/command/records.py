"""What people write down about an incident: decisions, checks, answers, where they meet, what was told."""

from tocsin.response.v1 import command_events_pb2 as events

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.command import store, wire
from tocsin_response.command.room import Rooms
from tocsin_response.command.store import AnswerRow, DecisionRow, TickRow
from tocsin_response.oncall.wire import timestamp


class CheckNotFound(NotFound):
    reason = "CHECK_NOT_FOUND"
    message = "the plan of the incident has no checklist item {key}"


class QuestionNotFound(NotFound):
    reason = "QUESTION_NOT_FOUND"
    message = "the plan of the incident has no question {key}"


class IncidentClosed(Conflict):
    reason = "INCIDENT_CLOSED"
    message = "the incident is resolved; nobody waits for word of it any more"


class Records:
    """Commands take the caller's transaction, in which a repeat of the request is recognised."""

    def __init__(self, clock: Clock, ids: Ids, rooms: Rooms) -> None:
        self._clock = clock
        self._ids = ids
        self._rooms = rooms

    async def decide(self, tx: Tx, incident_id: str, by: str, text: str, reason: str, alternatives: str) -> None:
        """Raises IncidentNotFound."""
        room = await self._rooms.open(tx, incident_id)
        row = DecisionRow(self._ids.new(), text, reason, alternatives, by, self._clock.now(), room.row.phase)
        await store.insert_decision(tx, incident_id, row)
        await self._rooms.keep(tx, room, events.DecisionLogged(incident_id=incident_id, decision=wire.decision_to_proto(row)))

    async def tick(self, tx: Tx, incident_id: str, by: str, key: str, ticked: bool, note: str) -> None:
        """Raises IncidentNotFound, CheckNotFound."""
        room = await self._rooms.open(tx, incident_id)
        phase = room.plan.phase_of_check(key)
        if phase is None:
            raise CheckNotFound(key=key)
        row = TickRow(key, ticked, by, self._clock.now(), note)
        if await store.save_tick(tx, incident_id, row):
            check = wire.check_to_proto(phase, key, room.plan.phase(phase).checklist[key], row)
            await self._rooms.keep(tx, room, events.CheckTicked(incident_id=incident_id, check=check))

    async def answer(self, tx: Tx, incident_id: str, by: str, key: str, text: str) -> None:
        """Raises IncidentNotFound, QuestionNotFound."""
        room = await self._rooms.open(tx, incident_id)
        phase = room.plan.phase_of_question(key)
        if phase is None:
            raise QuestionNotFound(key=key)
        row = AnswerRow(key, text, by, self._clock.now())
        await store.save_answer(tx, incident_id, row)
        answer = wire.answer_to_proto(phase, key, room.plan.phase(phase).questions[key], row)
        await self._rooms.keep(tx, room, events.QuestionAnswered(incident_id=incident_id, answer=answer))

    async def meet(self, tx: Tx, incident_id: str, by: str, url: str, dial_in: str) -> None:
        """Raises IncidentNotFound."""
        room = await self._rooms.open(tx, incident_id)
        if (url, dial_in) == (room.row.bridge_url, room.row.bridge_dial_in):
            return
        now = self._clock.now()
        fact = events.BridgeSet(incident_id=incident_id, bridge=wire.bridge_to_proto(url, dial_in, by, now))
        await self._rooms.keep(tx, room, fact, bridge_url=url, bridge_dial_in=dial_in, bridge_by=by, bridge_at=now)

    async def note_update(self, tx: Tx, incident_id: str, by: str, text: str) -> None:
        """People were told; the clock begins anew. Raises IncidentNotFound, IncidentClosed."""
        room = await self._rooms.open(tx, incident_id)
        if room.row.closed:
            raise IncidentClosed()
        now, every = self._clock.now(), room.plan.cadence.get(room.row.severity)
        fact = events.UpdateNoted(incident_id=incident_id, text=text, by=by, at=timestamp(now))
        due = now + every if every is not None else None
        await self._rooms.keep(tx, room, fact, update_due_at=due, told_at=now, told_by=by, told_text=text)
