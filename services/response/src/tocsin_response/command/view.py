"""Everything about the command of an incident, as an incident room shows it."""

from tocsin.response.v1 import command_pb2 as pb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.command import store, wire
from tocsin_response.command.phases import Situation, gates
from tocsin_response.command.plan import Phase
from tocsin_response.command.room import Room, Rooms
from tocsin_response.command.situation import Situations


class Views:
    """Shows rooms, inside the caller's transaction."""

    def __init__(self, rooms: Rooms, situations: Situations) -> None:
        self._rooms = rooms
        self._situations = situations

    async def of(self, tx: Tx, incident_id: str) -> pb.Command:
        """Raises IncidentNotFound."""
        room = await self._rooms.open(tx, incident_id)
        now, row = await self._situations.of(tx, room), room.row
        holdings = await store.holdings(tx, incident_id)
        holders = {each.role: each for each in holdings if each.until is None}
        made = pb.Command(
            incident_id=incident_id,
            plan=row.plan,
            plan_version=row.plan_version,
            phase=wire.phase_to_proto(row.phase),
            phases=[_standing(room, phase, now) for phase in Phase],
            history=[wire.entry_to_proto(each) for each in await store.phase_entries(tx, incident_id)],
            roles=wire.roles_to_proto(room.plan, holders),
            holdings=[wire.holding_to_proto(each) for each in sorted(holdings, key=lambda each: (each.since, each.id), reverse=True)],
            tasks=[wire.task_to_proto(each) for each in await store.tasks_of(tx, incident_id)],
            decisions=[wire.decision_to_proto(each) for each in await store.decisions(tx, incident_id)],
            attendants=[wire.attendant_to_proto(each) for each in await store.attendants(tx, incident_id)],
            updates=wire.updates_to_proto(row, room.plan.cadence.get(row.severity)),
            closed=row.closed,
            version=row.version,
        )
        await _add_plan(tx, made, room)
        if row.bridge_url or row.bridge_dial_in:
            made.bridge.CopyFrom(wire.bridge_to_proto(row.bridge_url, row.bridge_dial_in, row.bridge_by, row.bridge_at))
        return made


async def _add_plan(tx: Tx, made: pb.Command, room: Room) -> None:
    """The checklist and the questions of its plan, and what was ticked and answered."""
    ticks, answers = await store.ticks(tx, made.incident_id), await store.answers(tx, made.incident_id)
    for phase in Phase:
        planned = room.plan.phase(phase)
        made.checks.extend(wire.check_to_proto(phase, key, text, ticks.get(key)) for key, text in planned.checklist.items())
        made.answers.extend(wire.answer_to_proto(phase, key, text, answers.get(key)) for key, text in planned.questions.items())


def _standing(room: Room, phase: Phase, now: Situation) -> pb.PhaseStanding:
    planned = room.plan.phase(phase)
    return pb.PhaseStanding(
        phase=wire.phase_to_proto(phase),
        goal=planned.goal,
        entry=[wire.gate_to_proto(gate) for gate in gates(room.plan, phase, planned.entry, now)],
        exit=[wire.gate_to_proto(gate) for gate in gates(room.plan, phase, planned.exit, now)],
        playbooks=[each.playbook for each in planned.playbooks],
    )
