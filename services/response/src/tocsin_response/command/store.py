"""Plans, and the command of incidents, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.command.plan import Phase
from tocsin_response.command.role import Holding
from tocsin_response.command.task import State, Task

MOST_HOLDINGS = 200
MOST_TASKS = 500
MOST_DECISIONS = 200
UPDATES_DUE = "SELECT min(update_due_at) FROM command"
TASKS_DUE = "SELECT min(remind_at) FROM incident_task"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One version of a plan; `definition` is a tocsin.response.v1.IncidentPlan as plain values."""

    name: str
    version: int
    definition: dict[str, Any]
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReviewRow:
    plan: str
    reviewed_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CommandRow:
    """The command of an incident; `severity` as last heard, 1 the worst."""

    incident_id: str
    plan: str
    plan_version: int
    phase: int
    severity: int
    severity_set_by: str
    bridge_url: str = ""
    bridge_dial_in: str = ""
    bridge_by: str = ""
    bridge_at: datetime | None = None
    update_due_at: datetime | None = None
    told_at: datetime | None = None
    told_by: str = ""
    told_text: str = ""
    closed: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class EntryRow:
    id: str
    phase: int
    entered_at: datetime
    entered_by: str
    reason: str
    overridden: list[str]
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    id: str
    text: str
    reason: str
    alternatives: str
    decided_by: str
    at: datetime
    phase: int


@dataclass(frozen=True, slots=True)
class TickRow:
    key: str
    ticked: bool
    by: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class AnswerRow:
    key: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AttendantRow:
    responder: str
    joined_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ReachRow:
    responder: str
    problem: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class _TaskRow:
    id: str
    incident_id: str
    title: str
    description: str
    state: str
    phase: int
    owner: str
    role: str
    due_at: datetime | None
    remind_at: datetime | None
    source: str
    source_id: str
    created_by: str
    created_at: datetime
    closed_by: str
    closed_at: datetime | None
    result: str
    version: int

    def to_domain(self) -> Task:
        values = {name: getattr(self, name) for name in self.__slots__}
        return Task(**{**values, "state": State(self.state), "phase": Phase(self.phase)})


# Plans


async def load_plans(tx: Tx) -> list[PlanRow]:
    """Those of files, by name."""
    return await tx.many(PlanRow, "SELECT name, version, definition, changed_at FROM incident_plan ORDER BY name")


async def save_plan(tx: Tx, name: str, definition: dict[str, Any], after: int) -> None:
    """A new version of it, above `after`; the ones before stay for the incidents that began with them."""
    version = await tx.value(
        int,
        """INSERT INTO incident_plan AS kept (name, version, definition)
           VALUES (%s, 1 + greatest(%s, (SELECT max(version) FROM incident_plan_version WHERE name = %s)), %s)
           ON CONFLICT (name) DO UPDATE SET version = kept.version + 1, definition = excluded.definition, changed_at = now()
           RETURNING version""",
        (name, after, name, Jsonb(definition)),
    )
    await tx.execute(
        "INSERT INTO incident_plan_version (name, version, definition) VALUES (%s, %s, %s)", (name, version, Jsonb(definition))
    )


async def delete_plan(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM incident_plan WHERE name = %s", (name,))


async def load_plan_version(tx: Tx, name: str, version: int) -> PlanRow | None:
    return await tx.maybe(
        PlanRow,
        "SELECT name, version, definition FROM incident_plan_version WHERE name = %s AND version = %s",
        (name, version),
    )


async def insert_review(tx: Tx, id: str, review: ReviewRow, version: int, note: str) -> None:
    await tx.execute(
        "INSERT INTO plan_review (id, plan, version, reviewed_by, note, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (id, review.plan, version, review.reviewed_by, note, review.at),
    )


async def newest_reviews(tx: Tx) -> dict[str, ReviewRow]:
    """The newest review of each plan."""
    rows = await tx.many(ReviewRow, "SELECT DISTINCT ON (plan) plan, reviewed_by, at FROM plan_review ORDER BY plan, at DESC")
    return {row.plan: row for row in rows}


# The command of an incident


async def insert_command(tx: Tx, row: CommandRow, entry: EntryRow) -> bool:
    """Begin, in a phase; False if it has begun already."""
    return (
        await tx.execute(
            """WITH begun AS (
                   INSERT INTO command (incident_id, plan, plan_version, phase, severity, severity_set_by, update_due_at, closed, version)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT DO NOTHING RETURNING incident_id)
               INSERT INTO phase_entry (id, incident_id, phase, entered_at, entered_by, reason, overridden)
               SELECT %s::uuid, incident_id, %s, %s, %s, %s, %s::text[] FROM begun""",
            (
                row.incident_id,
                row.plan,
                row.plan_version,
                row.phase,
                row.severity,
                row.severity_set_by,
                row.update_due_at,
                row.closed,
                entry.id,
                entry.phase,
                entry.entered_at,
                entry.entered_by,
                entry.reason,
                entry.overridden,
            ),
        )
        > 0
    )


async def lock_command(tx: Tx, incident_id: str) -> CommandRow | None:
    """Lock it for the rest of the transaction."""
    return await tx.maybe(
        CommandRow,
        """SELECT incident_id::text, plan, plan_version, phase, severity, severity_set_by, bridge_url, bridge_dial_in, bridge_by, bridge_at,
                  update_due_at, told_at, told_by, told_text, closed, version
           FROM command WHERE incident_id = %s FOR UPDATE""",
        (incident_id,),
    )


async def save_command(tx: Tx, row: CommandRow) -> None:
    values = {each.name: getattr(row, each.name) for each in fields(CommandRow)}
    await tx.execute(
        """UPDATE command SET plan = %(plan)s, plan_version = %(plan_version)s, phase = %(phase)s, severity = %(severity)s,
               severity_set_by = %(severity_set_by)s, bridge_url = %(bridge_url)s, bridge_dial_in = %(bridge_dial_in)s,
               bridge_by = %(bridge_by)s, bridge_at = %(bridge_at)s, update_due_at = %(update_due_at)s, told_at = %(told_at)s,
               told_by = %(told_by)s, told_text = %(told_text)s, closed = %(closed)s, version = %(version)s
           WHERE incident_id = %(incident_id)s""",
        values,
    )


async def claim_updates(tx: Tx, now: datetime, limit: int) -> list[CommandRow]:
    """Those whose people are to be told how it goes, which no other process is at."""
    return await tx.many(
        CommandRow,
        """SELECT incident_id::text, plan, plan_version, phase, severity, severity_set_by, bridge_url, bridge_dial_in, bridge_by, bridge_at,
                  update_due_at, told_at, told_by, told_text, closed, version
           FROM command WHERE update_due_at <= %s ORDER BY update_due_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, limit),
    )


async def enter_phase(tx: Tx, incident_id: str, entry: EntryRow) -> None:
    """Leave the present phase and enter another."""
    await tx.execute("UPDATE phase_entry SET left_at = %s WHERE incident_id = %s AND left_at IS NULL", (entry.entered_at, incident_id))
    await tx.execute(
        """INSERT INTO phase_entry (id, incident_id, phase, entered_at, entered_by, reason, overridden)
           VALUES (%s, %s, %s, %s, %s, %s, %s::text[])""",
        (entry.id, incident_id, entry.phase, entry.entered_at, entry.entered_by, entry.reason, entry.overridden),
    )


async def phase_entries(tx: Tx, incident_id: str) -> list[EntryRow]:
    """Newest first."""
    return await tx.many(
        EntryRow,
        """SELECT id::text, phase, entered_at, entered_by, reason, overridden, left_at FROM phase_entry
           WHERE incident_id = %s ORDER BY entered_at DESC, phase_entry.id DESC""",
        (incident_id,),
    )


# Roles


async def holdings(tx: Tx, incident_id: str) -> list[Holding]:
    """Those that go on, then the newest of the others."""
    return await tx.many(
        Holding,
        """SELECT id::text, role, responder, since, assigned_by, reason, summary, until FROM role_holding
           WHERE incident_id = %s ORDER BY until IS NOT NULL, since DESC, role_holding.id DESC LIMIT %s""",
        (incident_id, MOST_HOLDINGS),
    )


async def holders_of(tx: Tx, incident_id: str, roles: Sequence[str]) -> list[str]:
    """Whoever has one of these roles in an incident now."""
    return await tx.values(
        str,
        "SELECT DISTINCT responder FROM role_holding WHERE incident_id = %s AND role = ANY(%s::text[]) AND until IS NULL",
        (incident_id, list(roles)),
    )


async def roles_of(tx: Tx, responder: str) -> list[str]:
    """The roles that somebody has in any incident now."""
    return await tx.values(str, "SELECT DISTINCT role FROM role_holding WHERE responder = %s AND until IS NULL", (responder,))


async def end_holding(tx: Tx, holding: Holding) -> None:
    await tx.execute("UPDATE role_holding SET until = %s WHERE id = %s", (holding.until, holding.id))


async def insert_holding(tx: Tx, incident_id: str, holding: Holding) -> None:
    await tx.execute(
        """INSERT INTO role_holding (id, incident_id, role, responder, since, assigned_by, reason, summary)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            holding.id,
            incident_id,
            holding.role,
            holding.responder,
            holding.since,
            holding.assigned_by,
            holding.reason,
            holding.summary,
        ),
    )


async def add_attendant(tx: Tx, incident_id: str, row: AttendantRow) -> bool:
    """False if they are there already."""
    return (
        await tx.execute(
            "INSERT INTO attendant (incident_id, responder, joined_at, reason) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (incident_id, row.responder, row.joined_at, row.reason),
        )
        > 0
    )


async def attendants(tx: Tx, incident_id: str) -> list[AttendantRow]:
    """By the time they came."""
    return await tx.many(
        AttendantRow,
        "SELECT responder, joined_at, reason FROM attendant WHERE incident_id = %s ORDER BY joined_at, responder",
        (incident_id,),
    )


# Tasks


async def insert_task(tx: Tx, task: Task) -> bool:
    """False if what it comes from has made it already."""
    values = {each.name: getattr(task, each.name) for each in fields(Task)}
    return (
        await tx.execute(
            """INSERT INTO incident_task (id, incident_id, title, description, state, phase, owner, role, due_at, remind_at, source,
                   source_id, created_by, created_at, closed_by, closed_at, result, version)
               VALUES (%(id)s, %(incident_id)s, %(title)s, %(description)s, %(state)s, %(phase)s, %(owner)s, %(role)s, %(due_at)s,
                   %(remind_at)s, %(source)s, %(source_id)s, %(created_by)s, %(created_at)s, %(closed_by)s, %(closed_at)s, %(result)s,
                   %(version)s)
               ON CONFLICT (incident_id, source, source_id) WHERE source_id <> '' DO NOTHING""",
            {**values, "phase": int(task.phase)},
        )
        > 0
    )


async def save_task(tx: Tx, task: Task) -> None:
    await tx.execute(
        """UPDATE incident_task SET state = %s, owner = %s, due_at = %s, remind_at = %s, closed_by = %s, closed_at = %s, result = %s,
               version = %s
           WHERE id = %s""",
        (task.state, task.owner, task.due_at, task.remind_at, task.closed_by, task.closed_at, task.result, task.version, task.id),
    )


async def lock_task(tx: Tx, incident_id: str, task_id: str) -> Task | None:
    row = await tx.maybe(
        _TaskRow,
        """SELECT id::text, incident_id::text, title, description, state, phase, owner, role, due_at, remind_at, source, source_id,
                  created_by, created_at, closed_by, closed_at, result, version
           FROM incident_task WHERE id = %s AND incident_id = %s FOR UPDATE""",
        (task_id, incident_id),
    )
    return row.to_domain() if row is not None else None


async def tasks_of(tx: Tx, incident_id: str) -> list[Task]:
    """Open ones first, by due time."""
    rows = await tx.many(
        _TaskRow,
        """SELECT id::text, incident_id::text, title, description, state, phase, owner, role, due_at, remind_at, source, source_id,
                  created_by, created_at, closed_by, closed_at, result, version
           FROM incident_task WHERE incident_id = %s ORDER BY state <> 'OPEN', coalesce(due_at, 'infinity'), incident_task.id LIMIT %s""",
        (incident_id, MOST_TASKS),
    )
    return [row.to_domain() for row in rows]


async def claim_reminders(tx: Tx, now: datetime, limit: int) -> list[Task]:
    """Tasks whose owners are to be told, which no other process is at."""
    rows = await tx.many(
        _TaskRow,
        """SELECT id::text, incident_id::text, title, description, state, phase, owner, role, due_at, remind_at, source, source_id,
                  created_by, created_at, closed_by, closed_at, result, version
           FROM incident_task WHERE remind_at <= %s ORDER BY remind_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, limit),
    )
    return [row.to_domain() for row in rows]


async def list_tasks(
    tx: Tx, incident_id: str, owner: str, closed_too: bool, after: tuple[str, str] | None, limit: int, reader: str | None
) -> list[Task]:
    """By due time, after a place (due time or "infinity", id); without those of private incidents that the reader may not know of."""
    rows = await tx.many(
        _TaskRow,
        """SELECT id::text, incident_id::text, title, description, state, phase, owner, role, due_at, remind_at, source, source_id,
                  created_by, created_at, closed_by, closed_at, result, version
           FROM incident_task
           WHERE (%(incident)s::uuid IS NULL OR incident_id = %(incident)s::uuid) AND (%(owner)s = '' OR owner = %(owner)s)
               AND (%(closed)s OR state = 'OPEN')
               AND (%(at)s::timestamptz IS NULL OR (coalesce(due_at, 'infinity'), id) > (%(at)s::timestamptz, %(id)s::uuid))
               AND (%(reader)s::text IS NULL OR %(incident)s::uuid IS NOT NULL OR NOT EXISTS (
                   SELECT FROM incident_privacy AS privacy WHERE privacy.incident_id = incident_task.incident_id AND privacy.private
                       AND NOT %(reader)s::text = ANY(privacy.members)))
           ORDER BY coalesce(due_at, 'infinity'), incident_task.id LIMIT %(limit)s""",
        {
            "incident": incident_id or None,
            "owner": owner,
            "closed": closed_too,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
            "reader": reader,
        },
    )
    return [row.to_domain() for row in rows]


# Decisions, checks, answers


async def insert_decision(tx: Tx, incident_id: str, row: DecisionRow) -> None:
    await tx.execute(
        """INSERT INTO logged_decision (id, incident_id, text, reason, alternatives, decided_by, at, phase)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (row.id, incident_id, row.text, row.reason, row.alternatives, row.decided_by, row.at, row.phase),
    )


async def decisions(tx: Tx, incident_id: str) -> list[DecisionRow]:
    """Newest first."""
    return await tx.many(
        DecisionRow,
        """SELECT id::text, text, reason, alternatives, decided_by, at, phase FROM logged_decision
           WHERE incident_id = %s ORDER BY at DESC, logged_decision.id DESC LIMIT %s""",
        (incident_id, MOST_DECISIONS),
    )


async def save_tick(tx: Tx, incident_id: str, row: TickRow) -> bool:
    """False if it is so already."""
    return (
        await tx.execute(
            """INSERT INTO checklist_tick AS kept (incident_id, key, ticked, by, at, note) VALUES (%s, %s, %s, %s, %s, %s)
               ON CONFLICT (incident_id, key) DO UPDATE SET ticked = excluded.ticked, by = excluded.by, at = excluded.at,
                   note = excluded.note
               WHERE kept.ticked <> excluded.ticked OR kept.note <> excluded.note""",
            (incident_id, row.key, row.ticked, row.by, row.at, row.note),
        )
        > 0
    )


async def ticks(tx: Tx, incident_id: str) -> dict[str, TickRow]:
    rows = await tx.many(TickRow, "SELECT key, ticked, by, at, note FROM checklist_tick WHERE incident_id = %s", (incident_id,))
    return {row.key: row for row in rows}


async def save_answer(tx: Tx, incident_id: str, row: AnswerRow) -> None:
    await tx.execute(
        """INSERT INTO plan_answer (incident_id, key, text, by, at) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (incident_id, key) DO UPDATE SET text = excluded.text, by = excluded.by, at = excluded.at""",
        (incident_id, row.key, row.text, row.by, row.at),
    )


async def answers(tx: Tx, incident_id: str) -> dict[str, AnswerRow]:
    rows = await tx.many(AnswerRow, "SELECT key, text, by, at FROM plan_answer WHERE incident_id = %s", (incident_id,))
    return {row.key: row for row in rows}


# Reachability


async def note_reachability(tx: Tx, row: ReachRow) -> None:
    await tx.execute(
        """INSERT INTO reachability AS known (responder, problem, checked_at) VALUES (%s, %s, %s)
           ON CONFLICT (responder) DO UPDATE SET problem = excluded.problem, checked_at = excluded.checked_at
           WHERE known.checked_at < excluded.checked_at""",
        (row.responder, row.problem, row.checked_at),
    )


async def reachabilities(tx: Tx, responders: Sequence[str]) -> dict[str, ReachRow]:
    rows = await tx.many(
        ReachRow, "SELECT responder, problem, checked_at FROM reachability WHERE responder = ANY(%s::text[])", (list(responders),)
    )
    return {row.responder: row for row in rows}
