"""Runs and the instances of their steps, in the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_playbook.rows import to_plain
from tocsin_playbook.run import StepInstance

SELECT = """SELECT id::text, coalesce(incident_id::text, '') AS incident_id, parent::text, parent_path, playbook, playbook_version,
               state, dry_run, simulated, priority, started_by, reason, variables, ending, paused_at, ended_count, explanation,
               started_at, changed_at, ended_at, version FROM run """

TIMERS_DUE = "SELECT min(due_at) FROM step"


@dataclass(frozen=True, slots=True)
class RunRow:
    """The row of a run."""

    id: str
    incident_id: str
    parent: str | None
    parent_path: str
    playbook: str
    playbook_version: int
    state: str
    dry_run: bool
    simulated: bool
    priority: int
    started_by: str
    reason: str
    variables: dict[str, dict[str, Any]]
    ending: str | None
    paused_at: datetime | None
    ended_count: int
    explanation: str
    started_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """An instance of a step, as the rules of runs keep it."""

    run_id: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of an incident, as criteria of phases see it."""

    playbook: str
    state: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """When a playbook was tried last."""

    playbook: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A run that is locked, at a version."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that is due."""

    run_id: str
    path: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Exercised:
    """A run on simulated systems."""

    playbook: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """How many questions of a run are open."""

    run_id: str
    count: int


async def of_incident(tx: Tx, incident_id: str) -> list[Ran]:
    """The runs of an incident that are part of no other and were no dry runs."""
    return await tx.many(
        Ran,
        "SELECT playbook, state, simulated FROM run WHERE incident_id = %s AND parent IS NULL AND NOT dry_run ORDER BY id",
        (incident_id,),
    )


async def tried(tx: Tx, playbooks: Sequence[str], since: datetime) -> list[Tried]:
    """When each of these playbooks was tried last since an instant: dry, or for real with a good end."""
    return await tx.many(
        Tried,
        """SELECT playbook, max(started_at) AS at FROM run
           WHERE playbook = ANY(%s::text[]) AND started_at >= %s AND (dry_run OR state = 'SUCCEEDED') GROUP BY playbook""",
        (list(playbooks), since),
    )


async def exercised(tx: Tx, since: datetime) -> Exercised | None:
    """The last run since an instant that went well on simulated systems."""
    return await tx.maybe(
        Exercised,
        """SELECT playbook, started_by AS by, started_at AS at FROM run
           WHERE simulated AND NOT dry_run AND parent IS NULL AND state = 'SUCCEEDED' AND started_at >= %s
           ORDER BY started_at DESC LIMIT 1""",
        (since,),
    )


async def lock(tx: Tx, ids: Sequence[str]) -> list[Held]:
    """Lock these for the rest of the transaction, always in the same order."""
    return await tx.many(Held, "SELECT id::text, version FROM run WHERE id = ANY(%s::uuid[]) ORDER BY run.id FOR UPDATE", (list(ids),))


async def lock_free(tx: Tx, ids: Sequence[str]) -> list[Held]:
    """Lock those of these that nobody else is at."""
    return await tx.many(
        Held, "SELECT id::text, version FROM run WHERE id = ANY(%s::uuid[]) ORDER BY run.id FOR UPDATE SKIP LOCKED", (list(ids),)
    )


async def family(tx: Tx, ids: Sequence[str]) -> list[str]:
    """These, the runs that they are parts of, and the runs that are parts of them."""
    return await tx.values(
        str,
        """WITH RECURSIVE above AS (
               SELECT id, parent FROM run WHERE id = ANY(%(ids)s::uuid[])
               UNION SELECT run.id, run.parent FROM run JOIN above ON run.id = above.parent
           ), below AS (
               SELECT id FROM run WHERE id = ANY(%(ids)s::uuid[])
               UNION SELECT run.id FROM run JOIN below ON run.parent = below.id
           ) SELECT id::text FROM above UNION SELECT id::text FROM below""",
        {"ids": list(ids)},
    )


async def load(tx: Tx, ids: Sequence[str]) -> list[RunRow]:
    """These runs."""
    return await tx.many(RunRow, SELECT + "WHERE id = ANY(%s::uuid[])", (list(ids),))


async def steps(tx: Tx, ids: Sequence[str]) -> list[StepRow]:
    """The steps of these runs, in the order in which they began."""
    return await tx.many(
        StepRow,
        "SELECT run_id::text, record FROM step WHERE run_id = ANY(%s::uuid[]) ORDER BY step.run_id, seq",
        (list(ids),),
    )


async def insert(tx: Tx, rows: Sequence[RunRow]) -> None:
    """Keep new ones."""
    await tx.execute_many(
        """INSERT INTO run (id, incident_id, parent, parent_path, playbook, playbook_version, state, dry_run, simulated, priority,
               started_by, reason, variables, ending, paused_at, ended_count, explanation, started_at, changed_at, ended_at, version)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            (
                each.id,
                each.incident_id or None,
                each.parent,
                each.parent_path,
                each.playbook,
                each.playbook_version,
                each.state,
                each.dry_run,
                each.simulated,
                each.priority,
                each.started_by,
                each.reason,
                json.dumps(each.variables),
                each.ending,
                each.paused_at,
                each.ended_count,
                each.explanation,
                each.started_at,
                each.changed_at,
                each.ended_at,
                each.version,
            )
            for each in rows
        ],
    )


async def save(tx: Tx, rows: Sequence[RunRow]) -> None:
    """Keep what became of these, which are locked."""
    await tx.execute_set(
        """UPDATE run SET state = given.state, variables = given.variables::jsonb, ending = given.ending, paused_at = given.paused_at,
               ended_count = given.ended_count, explanation = given.explanation, changed_at = given.changed_at, ended_at = given.ended_at,
               version = given.version
           FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::integer[], %s::text[], %s::timestamptz[],
               %s::timestamptz[], %s::bigint[])
               AS given (id, state, variables, ending, paused_at, ended_count, explanation, changed_at, ended_at, version)
           WHERE run.id = given.id""",
        [
            (
                each.id,
                each.state,
                json.dumps(each.variables),
                each.ending,
                each.paused_at,
                each.ended_count,
                each.explanation,
                each.changed_at,
                each.ended_at,
                each.version,
            )
            for each in rows
        ],
    )


async def save_steps(tx: Tx, changed: Sequence[tuple[str, int, StepInstance, datetime | None]]) -> None:
    """Keep instances as (run id, number, instance, its timer)."""
    await tx.execute_set(
        """INSERT INTO step (run_id, path, seq, step_id, state, attempt, not_before, deadline, due_at, started_at, ended_at, explanation,
               record)
           SELECT run_id, path, seq, step_id, state, attempt, not_before, deadline, due_at, started_at, ended_at, explanation, record::jsonb
           FROM unnest(%s::uuid[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::integer[], %s::timestamptz[], %s::timestamptz[],
               %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[])
               AS given (run_id, path, seq, step_id, state, attempt, not_before, deadline, due_at, started_at, ended_at, explanation,
                   record)
           ON CONFLICT (run_id, path) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, not_before = excluded.not_before,
               deadline = excluded.deadline, due_at = excluded.due_at, started_at = excluded.started_at, ended_at = excluded.ended_at,
               explanation = excluded.explanation, record = excluded.record""",
        [
            (
                run_id,
                each.path,
                number,
                each.step_id,
                each.state.value,
                each.attempt,
                each.not_before,
                each.deadline,
                due_at,
                each.started_at,
                each.ended_at,
                each.result,
                json.dumps(to_plain(each)),
            )
            for run_id, number, each, due_at in changed
        ],
    )


async def due(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """The timers that are due, of runs that are not paused; the oldest first."""
    return await tx.many(Due, "SELECT run_id::text, path, due_at FROM step WHERE due_at <= %s ORDER BY due_at LIMIT %s", (now, limit))


async def list_runs(tx: Tx, incident_id: str | None, playbook: str, states: Sequence[str], before: str, limit: int) -> list[RunRow]:
    """A page of runs, newest first."""
    return await tx.many(
        RunRow,
        SELECT
        + """WHERE id < %(before)s AND (%(incident)s::uuid IS NULL OR incident_id = %(incident)s::uuid)
             AND (%(playbook)s = '' OR playbook = %(playbook)s) AND (%(states)s::text[] = '{}' OR state = ANY(%(states)s::text[]))
             ORDER BY run.id DESC LIMIT %(limit)s""",
        {"before": before, "incident": incident_id, "playbook": playbook, "states": list(states), "limit": limit},
    )


async def open_questions(tx: Tx, ids: Sequence[str]) -> list[Counted]:
    """How many questions of these runs are open."""
    return await tx.many(
        Counted,
        """SELECT run_id::text, count(*)::integer AS count FROM question WHERE run_id = ANY(%s::uuid[]) AND state = 'OPEN'
           GROUP BY run_id""",
        (list(ids),),
    )
