"""Tasks of incidents: made by plan, playbook or hand, closed, given to others; whose time has come."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.message import Message
from tocsin.response.v1 import command_events_pb2 as events
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import Ids
from tocsin_response.command import store, wire
from tocsin_response.command.plan import COMMANDER, COMMUNICATIONS, Phase
from tocsin_response.command.plans import Plans
from tocsin_response.command.room import Rooms
from tocsin_response.command.store import CommandRow
from tocsin_response.command.task import Due, State, Task, TaskNotFound, reminder
from tocsin_response.escalation import store as escalations
from tocsin_response.oncall.oncall import require_responders
from tocsin_response.oncall.wire import timestamp

BATCH = 50
NEVER = "infinity"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWish:
    """A task to make. `source` is "hand" or "playbook"; the same `source_id` makes it once. No phase: the present one."""

    title: str
    by: str
    description: str = ""
    owner: str = ""
    due_at: datetime | None = None
    remind_at: datetime | None = None
    phase: Phase | None = None
    source: str = "hand"
    source_id: str = ""


class Tasks:
    """Commands take the caller's transaction, in which a repeat of the request is recognised."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, rooms: Rooms, plans: Plans) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._rooms = rooms
        self._plans = plans

    async def add(self, tx: Tx, incident_id: str, wish: TaskWish) -> Task:
        """Raises IncidentNotFound, ResponderNotFound, Invalid."""
        room, now = await self._rooms.open(tx, incident_id), self._clock.now()
        await require_responders(tx, [wish.owner] if wish.owner else [])
        if wish.remind_at is not None and wish.due_at is not None and wish.remind_at > wish.due_at:
            raise Invalid(field="remind_at", detail="must not be later than due_at")
        task = Task(
            self._ids.new(), incident_id, wish.title, wish.description, State.OPEN, wish.phase or room.phase, wish.owner, "", wish.due_at,
            reminder(wish.due_at, wish.remind_at, now), wish.source, wish.source_id, wish.by, now,
        )  # fmt: skip
        if await store.insert_task(tx, task):
            self._tell(tx, task, events.TaskAdded(task=wire.task_to_proto(task)))
        return task

    async def complete(self, tx: Tx, incident_id: str, task_id: str, by: str, result: str) -> Task:
        """Raises TaskNotFound, TaskNotOpen."""
        return await self._change(tx, incident_id, task_id, by, result, lambda task, now: task.close(State.COMPLETED, by, result, now))

    async def cancel(self, tx: Tx, incident_id: str, task_id: str, by: str, reason: str) -> Task:
        """Raises TaskNotFound, TaskNotOpen."""
        return await self._change(tx, incident_id, task_id, by, reason, lambda task, now: task.close(State.CANCELLED, by, reason, now))

    async def reopen(self, tx: Tx, incident_id: str, task_id: str, by: str, reason: str) -> Task:
        """Raises TaskNotFound."""
        return await self._change(tx, incident_id, task_id, by, reason, lambda task, now: task.reopen(now))

    async def reassign(self, tx: Tx, incident_id: str, task_id: str, by: str, owner: str, due_at: datetime | None) -> Task:
        """Raises TaskNotFound, TaskNotOpen, ResponderNotFound."""
        await require_responders(tx, [owner] if owner else [])
        return await self._change(tx, incident_id, task_id, by, "", lambda task, now: task.reassign(owner, due_at, now))

    async def listed(
        self, incident_id: str, owner: str, closed_too: bool, size: int, token: str, reader: str | None
    ) -> tuple[list[Task], str]:
        """A page, by due time, and the token of the next one."""
        limit = paging.page_size(size)
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_tasks(tx, incident_id, owner, closed_too, _place(token), limit + 1, reader)
        return found[:limit], page_token(found[limit - 1]) if len(found) > limit else ""

    async def remind_due(self) -> int:
        """Tell the owners whose time has come; returns how many tasks were looked at."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim_reminders(tx, now, BATCH)
            for task in due:
                decision = task.remind(now)
                await store.save_task(tx, decision.state)
                for fact in decision.facts:
                    assert isinstance(fact, Due)
                    await self._tell_due(tx, fact, now)
        return len(due)

    async def remind_of_updates(self) -> int:
        """Remind whoever has the communications role, else the commander, that people wait for word; again after the same time."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim_updates(tx, now, BATCH)
            for row in due:
                await self._tell_update(tx, row, now)
        return len(due)

    async def _tell_due(self, tx: Tx, due: Due, now: datetime) -> None:
        task = due.task
        name_incident(task.incident_id)
        incident = await _incident(tx, task.incident_id)
        message = wire.task_to_proto(task)
        fact = events.TaskDue(task=message, responder=task.owner, overdue=due.overdue, incident=incident, at=timestamp(now))
        self._tell(tx, task, fact)

    async def _tell_update(self, tx: Tx, row: CommandRow, now: datetime) -> None:
        name_incident(row.incident_id)
        plan = await self._plans.version(tx, row.plan, row.plan_version)
        every: timedelta | None = plan.cadence.get(row.severity)
        holders = {each.role: each.responder for each in await store.holdings(tx, row.incident_id) if each.until is None}
        responder = holders.get(COMMUNICATIONS) or holders.get(COMMANDER, "")
        await store.save_command(tx, wire.due_again(row, now + every if every is not None and not row.closed else None))
        if responder:
            incident = await _incident(tx, row.incident_id)
            told = timestamp(row.told_at)
            fact = events.UpdateDue(incident_id=row.incident_id, responder=responder, told_at=told, incident=incident, at=timestamp(now))
            tx.emit(fact, aggregate=row.incident_id, version=row.version + 1)

    async def _change(
        self, tx: Tx, incident_id: str, task_id: str, by: str, why: str, decide: Callable[[Task, datetime], Decision[Task]]
    ) -> Task:
        name_incident(incident_id)
        before = await store.lock_task(tx, incident_id, task_id)
        if before is None:
            raise TaskNotFound(task=task_id)
        now = self._clock.now()
        decision = decide(before, now)
        after = decision.state
        if after == before:
            return after
        await store.save_task(tx, after)
        message = wire.task_to_proto(after)
        if after.state is State.COMPLETED:
            self._tell(tx, after, events.TaskCompleted(task=message))
        else:
            done = events.TaskChanged(task=message, changed_by=by, done=decision.reason, reason=why, at=timestamp(now))
            self._tell(tx, after, done)
        return after

    def _tell(self, tx: Tx, task: Task, fact: Message) -> None:
        tx.emit(fact, aggregate=task.incident_id, version=task.version)


async def _incident(tx: Tx, incident_id: str) -> Incident | None:
    copy = await escalations.look_at_copy(tx, incident_id)
    return Incident.FromString(copy) if copy is not None else None


def page_token(last: Task) -> str:
    """The token of the page after this task."""
    return paging.encode(last.due_at.isoformat() if last.due_at else NEVER, last.id)


def _place(token: str) -> tuple[str, str] | None:
    if not token:
        return None
    due, task = paging.decode(token, 2)
    try:
        at = due if due == NEVER else datetime.fromisoformat(due).astimezone(UTC).isoformat()
        return at, str(UUID(task))
    except ValueError:
        raise paging.refused() from None
