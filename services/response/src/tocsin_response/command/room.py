"""The command of one incident, locked: how it begins, and what the facts of triage make of it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import command_events_pb2 as events
from tocsin.triage.v1.events_pb2 import SeverityChanged, TypeChanged
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.grpc.privacy import IncidentNotFound
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_response.automation.planned import PhaseBegun, PlannedRuns
from tocsin_response.command import store, wire
from tocsin_response.command.plan import COMMANDER, Phase, Plan
from tocsin_response.command.plans import Plans
from tocsin_response.command.role import Holding
from tocsin_response.command.store import AttendantRow, CommandRow, EntryRow
from tocsin_response.command.task import State, Task, planned_reminder
from tocsin_response.escalation import store as escalations

CHECKS = "tocsin-watchdog"


@dataclass(frozen=True, slots=True)
class Room:
    """An incident's command, its plan, and the incident as last heard of."""

    row: CommandRow
    plan: Plan
    incident: Incident

    @property
    def phase(self) -> Phase:
        return Phase(self.row.phase)


class Rooms:
    """Opens rooms, and keeps them as facts say."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, plans: Plans, runs: PlannedRuns) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._plans = plans
        self._runs = runs

    async def on_fact(self, tx: Tx, fact: Fact[Any]) -> None:
        """Whatever triage says of an incident, in whatever order: the newest that is known of it decides."""
        incident_id = fact.message.incident.id
        copy = await escalations.lock_copy(tx, incident_id)
        if copy is None:
            return
        incident = Incident.FromString(copy.incident)
        if incident.service == CHECKS:
            return
        room = await self._ensured(tx, incident, first_heard_of=copy.fresh)
        if isinstance(fact.message, TypeChanged):
            room = await self._other_plan(tx, room)
        by = fact.message.changed_by if isinstance(fact.message, SeverityChanged) else ""
        await self._follow(tx, room, by)

    async def open(self, tx: Tx, incident_id: str) -> Room:
        """The room of an incident, locked; it begins now if it opened before there were plans. Raises IncidentNotFound."""
        name_incident(incident_id)
        copy = await escalations.lock_copy(tx, incident_id)
        if copy is None:
            raise IncidentNotFound(incident=incident_id)
        incident = Incident.FromString(copy.incident)
        if incident.service == CHECKS:
            raise IncidentNotFound(incident=incident_id)
        return await self._ensured(tx, incident)

    async def begin_phase(self, tx: Tx, room: Room, phase: Phase, at: datetime) -> None:
        """A phase was entered: the tasks and playbooks that the plan has for it, and what automations want."""
        await self._add_planned_tasks(tx, room, phase, at)
        if phase is Phase.LESSONS_LEARNED or not room.row.closed:
            await self._runs.entered(tx, _begun(room, phase))

    async def _add_planned_tasks(self, tx: Tx, room: Room, phase: Phase, at: datetime) -> None:
        """The tasks that the plan has for a phase, once however often it is entered."""
        tasks = room.plan.phase(phase).tasks
        if not tasks:
            return
        holders = {each.role: each.responder for each in await store.holdings(tx, room.incident.id) if each.until is None}
        for number, planned in enumerate(tasks):
            due = at + planned.due_after if planned.due_after is not None else None
            task = Task(
                self._ids.new(), room.incident.id, planned.title, planned.description, State.OPEN, phase, holders.get(planned.role, ""),
                planned.role, due, planned_reminder(at, planned.due_after, planned.remind_before), "plan",
                f"{room.plan.name}/{phase.name}/{number}", "", at,
            )  # fmt: skip
            if await store.insert_task(tx, task):
                self.tell(tx, room, events.TaskAdded(task=wire.task_to_proto(task)))

    async def keep(self, tx: Tx, room: Room, *facts: Message, **changed: object) -> Room:
        """Write what changed, and tell it."""
        row = replace(room.row, version=room.row.version + 1, **changed)  # type: ignore[arg-type]  # replace() checks the names
        await store.save_command(tx, row)
        after = replace(room, row=row)
        for fact in facts:
            self.tell(tx, after, fact)
        return after

    def tell(self, tx: Tx, room: Room, fact: Message) -> None:
        tx.emit(fact, aggregate=room.incident.id, version=room.row.version)

    async def attend(self, tx: Tx, room: Room, responder: str, reason: str) -> None:
        """Somebody is at it."""
        came = AttendantRow(responder, self._clock.now(), reason)
        if await store.add_attendant(tx, room.incident.id, came):
            self.tell(tx, room, events.ResponderJoined(incident_id=room.incident.id, attendant=wire.attendant_to_proto(came)))

    async def _ensured(self, tx: Tx, incident: Incident, *, first_heard_of: bool = False) -> Room:
        """An incident that was heard of just now, in this transaction, has no room yet."""
        row = await store.lock_command(tx, incident.id) if not first_heard_of else None
        if row is not None:
            return Room(row, await self._plans.version(tx, row.plan, row.plan_version), incident)
        plan = await self._plans.for_type(tx, incident.type)
        opened = incident.opened_at.ToDatetime(UTC)
        every = plan.cadence.get(incident.severity)
        fresh = CommandRow(
            incident.id,
            plan.name,
            plan.version,
            Phase.IDENTIFICATION,
            incident.severity,
            incident.declared_by,
            update_due_at=opened + every if every is not None and not incident.HasField("resolved_at") else None,
            closed=incident.HasField("resolved_at"),
        )
        entry = EntryRow(self._ids.new(), Phase.IDENTIFICATION, opened, "", "the incident opened", [])
        room = Room(fresh, plan, incident)
        await store.insert_command(tx, fresh, entry)
        self.tell(tx, room, events.PhaseEntered(incident_id=incident.id, entry=wire.entry_to_proto(entry)))
        await self.begin_phase(tx, room, Phase.IDENTIFICATION, opened)
        return room

    async def _other_plan(self, tx: Tx, room: Room) -> Room:
        """Another type, another plan; but only as long as the incident is in its first phase."""
        plan = await self._plans.for_type(tx, room.incident.type)
        if room.phase is not Phase.IDENTIFICATION or (plan.name, plan.version) == (room.row.plan, room.row.plan_version):
            return room
        changed = await self.keep(tx, replace(room, plan=plan), plan=plan.name, plan_version=plan.version)
        await self._add_planned_tasks(tx, changed, Phase.IDENTIFICATION, self._clock.now())
        if not changed.row.closed:
            await self._runs.planned(tx, _begun(changed, Phase.IDENTIFICATION))
        return changed

    async def _follow(self, tx: Tx, room: Room, severity_set_by: str) -> None:
        """Over or open again, worse or better, taken by somebody: the clock of updates, who is there, who commands."""
        incident, row, now = room.incident, room.row, self._clock.now()
        closed = incident.HasField("resolved_at")
        due = row.update_due_at
        if closed:
            due = None
        elif (closed, incident.severity) != (row.closed, row.severity):
            every = room.plan.cadence.get(incident.severity)
            due = max(now, (row.told_at or now) + every) if every is not None else None
        set_by = severity_set_by or row.severity_set_by
        if (closed, incident.severity, due, set_by) != (row.closed, row.severity, row.update_due_at, row.severity_set_by):
            room = await self.keep(tx, room, closed=closed, severity=incident.severity, update_due_at=due, severity_set_by=set_by)
        if incident.acknowledged_by and not closed:
            await self._taken(tx, room, incident.acknowledged_by, now)

    async def _taken(self, tx: Tx, room: Room, by: str, now: datetime) -> None:
        """Whoever acknowledges is at it; the first one commands, if the plan says so and nobody ever did."""
        await self.attend(tx, room, by, "acknowledged")
        if not room.plan.commander_acknowledges:
            return
        if any(each.role == COMMANDER for each in await store.holdings(tx, room.incident.id)):
            return
        holding = Holding(self._ids.new(), COMMANDER, by, now, "", "acknowledged first")
        await store.insert_holding(tx, room.incident.id, holding)
        self.tell(tx, room, events.RoleAssigned(incident_id=room.incident.id, holding=wire.holding_to_proto(holding)))


def _begun(room: Room, phase: Phase) -> PhaseBegun:
    return PhaseBegun(room.incident, room.plan.name, room.plan.version, phase, room.plan.phase(phase).playbooks, room.row.version)
