"""Escalations, summonses and the newest that was heard of each incident, in the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation import snapshot
from tocsin_response.escalation.escalation import Escalation, State

# What is written of a summons when somebody is asked.
ASKED = (
    "id", "escalation_id", "responder", "step", "round", "reason", "explanation", "at", "late_by", "contact", "urgency", "stands",
    "every_channel",
)  # fmt: skip
# The policy of the platform's checks of itself.
CHECKS = "tocsin-watchdog"

# Each summons with the incident that it is about.
SUMMONS_OF_INCIDENTS = "(SELECT summons.id, incident_id FROM summons JOIN escalation ON escalation.id = escalation_id)"


STEPS_DUE = "SELECT min(due_at) FROM escalation WHERE state = 'RUNNING'"


@dataclass(frozen=True, slots=True)
class IncidentCopy:
    """The newest that was heard of an incident: its protobuf bytes, and its version; `fresh` if nothing was heard of it before."""

    version: int
    incident: bytes
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Summons:
    """One request to one responder, or to a contact that is nobody's own."""

    id: str
    escalation_id: str
    responder: str
    step: int
    round: int
    reason: str
    explanation: str
    at: datetime
    late_by: timedelta | None
    contact: str = ""
    urgency: str = "HIGH"
    stands: bool = False
    every_channel: bool = False
    answer: str = ""
    answer_reason: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due escalation, the newest that was heard of its incident, and the trace it began in."""

    escalation: Escalation
    incident: bytes
    traceparent: str


@dataclass(frozen=True, slots=True)
class _EscalationRow:
    id: str
    incident_id: str
    policy: dict[str, Any]
    state: str
    step: int
    round: int
    due_at: datetime | None
    started_at: datetime
    stop_reason: str
    version: int
    opened_version: int
    about_gap: bool
    acknowledged_by: list[str]
    needed: int
    waiting: bool

    def to_domain(self) -> Escalation:
        return Escalation(
            id=self.id,
            incident_id=self.incident_id,
            policy=snapshot.from_plain(self.policy),
            state=State(self.state),
            step=self.step,
            round=self.round,
            due_at=self.due_at,
            started_at=self.started_at,
            stop_reason=self.stop_reason,
            version=self.version,
            opened_version=self.opened_version,
            about_gap=self.about_gap,
            acknowledged_by=tuple(self.acknowledged_by),
            needed=self.needed,
            waiting=self.waiting,
        )


@dataclass(frozen=True, slots=True)
class _ClaimedRow(_EscalationRow):
    incident: bytes
    traceparent: str


@dataclass(frozen=True, slots=True)
class _SummonsRow(Summons):
    incident_id: str = ""


async def remember_incident(tx: Tx, incident_id: str, version: int, incident: bytes) -> IncidentCopy:
    """Keep this if it is newer than what is known; returns the newest. Locks it for the rest of the transaction."""
    copy = await tx.one(
        IncidentCopy,
        """INSERT INTO incident_copy AS known (id, version, incident) VALUES (%s, %s, %s)
           ON CONFLICT (id) DO UPDATE SET version = greatest(known.version, excluded.version),
               incident = CASE WHEN excluded.version > known.version THEN excluded.incident ELSE known.incident END
           RETURNING version, incident, known.xmax = 0 AS fresh""",
        (incident_id, version, incident),
    )
    tx.note(f"copy {incident_id}", copy)
    return copy


async def lock_copy(tx: Tx, incident_id: str) -> IncidentCopy | None:
    """The newest that was heard of an incident, locked for the rest of the transaction; so it is asked for only once in it."""
    return await tx.read_once(f"copy {incident_id}", lambda: _lock_copy(tx, incident_id))


async def _lock_copy(tx: Tx, incident_id: str) -> IncidentCopy | None:
    return await tx.maybe(IncidentCopy, "SELECT version, incident FROM incident_copy WHERE id = %s FOR UPDATE", (incident_id,))


async def look_at_copy(tx: Tx, incident_id: str) -> bytes | None:
    """The newest that was heard of an incident, not locked."""
    return await tx.value(bytes, "SELECT incident FROM incident_copy WHERE id = %s", (incident_id,))


async def load_latest(tx: Tx, incident_id: str) -> Escalation | None:
    """The latest escalation of an incident, locked for the rest of the transaction."""
    row = await tx.maybe(
        _EscalationRow,
        """SELECT id::text, incident_id::text, policy, state, step, round, due_at, started_at, stop_reason, version, opened_version,
                  about_gap, acknowledged_by, needed, waiting
           FROM escalation WHERE incident_id = %s ORDER BY opened_version DESC LIMIT 1 FOR UPDATE""",
        (incident_id,),
    )
    return row.to_domain() if row is not None else None


async def claim_due(tx: Tx, now: datetime, limit: int) -> list[Claimed]:
    """Escalations whose time is up, the worst incidents first, of them the newest, which no other process is at."""
    rows = await tx.many(
        _ClaimedRow,
        """SELECT e.id::text, e.incident_id::text, e.policy, e.state, e.step, e.round, e.due_at, e.started_at, e.stop_reason, e.version,
                  e.opened_version, e.about_gap, e.acknowledged_by, e.needed, e.waiting, e.traceparent, i.incident
           FROM escalation AS e JOIN incident_copy AS i ON i.id = e.incident_id
           WHERE e.state = 'RUNNING' AND e.due_at <= %s ORDER BY e.severity, e.started_at DESC LIMIT %s FOR UPDATE OF e SKIP LOCKED""",
        (now, limit),
    )
    return [Claimed(row.to_domain(), row.incident, row.traceparent) for row in rows]


async def insert_escalation(tx: Tx, escalation: Escalation, severity: int, traceparent: str, summonses: Sequence[Summons]) -> None:
    """It starts, and these are asked."""
    await tx.execute(
        """WITH begun AS (
               INSERT INTO escalation (id, incident_id, policy, state, step, round, due_at, started_at, stop_reason, version,
                                       opened_version, about_gap, needed, waiting, severity, first_due_at, traceparent)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s))
           INSERT INTO summons (id, escalation_id, responder, step, round, reason, explanation, at, late_by, contact, urgency, stands,
                                every_channel)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::integer[], %s::integer[], %s::text[], %s::text[],
               %s::timestamptz[], %s::interval[], %s::text[], %s::text[], %s::boolean[], %s::boolean[])""",
        (
            escalation.id,
            escalation.incident_id,
            Jsonb(snapshot.to_plain(escalation.policy)),
            escalation.state.value,
            escalation.step,
            escalation.round,
            escalation.due_at,
            escalation.started_at,
            escalation.stop_reason,
            escalation.version,
            escalation.opened_version,
            escalation.about_gap,
            escalation.needed,
            escalation.waiting,
            severity,
            escalation.due_at,
            traceparent,
            *([getattr(one, name) for one in summonses] for name in ASKED),
        ),
    )


async def update_escalation(tx: Tx, escalation: Escalation, now: datetime) -> None:
    """Write what an escalation's decisions can change, but for its policy."""
    await tx.execute(
        """UPDATE escalation SET state = %s, step = %s, round = %s, due_at = %s, stop_reason = %s, version = %s, acknowledged_by = %s,
                  needed = %s, waiting = %s, ended_at = %s
           WHERE id = %s""",
        (
            escalation.state.value,
            escalation.step,
            escalation.round,
            escalation.due_at,
            escalation.stop_reason,
            escalation.version,
            list(escalation.acknowledged_by),
            escalation.needed,
            escalation.waiting,
            None if escalation.state is State.RUNNING else now,
            escalation.id,
        ),
    )


async def replace_policy(tx: Tx, escalation: Escalation) -> None:
    """It goes on by another policy."""
    await tx.execute("UPDATE escalation SET policy = %s WHERE id = %s", (Jsonb(snapshot.to_plain(escalation.policy)), escalation.id))


async def update_severity(tx: Tx, incident_id: str, severity: int) -> None:
    """What is overdue is taken by severity."""
    await tx.execute("UPDATE escalation SET severity = %s WHERE incident_id = %s AND state = 'RUNNING'", (severity, incident_id))


async def postpone(tx: Tx, escalation_id: str, due_at: datetime) -> None:
    """Look at it again then: its step could not be taken."""
    await tx.execute("UPDATE escalation SET due_at = %s WHERE id = %s AND state = 'RUNNING'", (due_at, escalation_id))


async def insert_summonses(tx: Tx, summonses: Iterable[Summons]) -> None:
    await tx.execute_set(
        """INSERT INTO summons (id, escalation_id, responder, step, round, reason, explanation, at, late_by, contact, urgency, stands,
                                every_channel)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::integer[], %s::integer[], %s::text[], %s::text[],
               %s::timestamptz[], %s::interval[], %s::text[], %s::text[], %s::boolean[], %s::boolean[])""",
        [[getattr(one, name) for name in ASKED] for one in summonses],
    )


async def lock_summons(tx: Tx, summons_id: str) -> tuple[Summons, str] | None:
    """A summons, locked for the rest of the transaction, and its incident."""
    row = await tx.maybe(
        _SummonsRow,
        """SELECT s.id::text, s.escalation_id::text, s.responder, s.step, s.round, s.reason, s.explanation, s.at, s.late_by, s.contact,
                  s.urgency, s.stands, s.every_channel, s.answer, s.answer_reason, s.answered_at, e.incident_id::text
           FROM summons AS s JOIN escalation AS e ON e.id = s.escalation_id WHERE s.id = %s FOR UPDATE OF s""",
        (summons_id,),
    )
    if row is None:
        return None
    values = {field.name: getattr(row, field.name) for field in fields(Summons)}
    return Summons(**values), row.incident_id


async def save_answer(tx: Tx, summons: Summons) -> None:
    await tx.execute(
        "UPDATE summons SET answer = %s, answer_reason = %s, answered_at = %s WHERE id = %s",
        (summons.answer, summons.answer_reason, summons.answered_at, summons.id),
    )


async def list_escalations(tx: Tx, incident_id: str) -> list[Escalation]:
    """The escalations of an incident, newest first."""
    rows = await tx.many(
        _EscalationRow,
        """SELECT id::text, incident_id::text, policy, state, step, round, due_at, started_at, stop_reason, version, opened_version,
                  about_gap, acknowledged_by, needed, waiting
           FROM escalation WHERE incident_id = %s ORDER BY opened_version DESC""",
        (incident_id,),
    )
    return [row.to_domain() for row in rows]


async def list_summonses(tx: Tx, escalation_ids: list[str]) -> list[Summons]:
    """The summonses of these escalations, newest first."""
    return await tx.many(
        Summons,
        """SELECT id::text, escalation_id::text, responder, step, round, reason, explanation, at, late_by, contact, urgency, stands,
                  every_channel, answer, answer_reason, answered_at
           FROM summons
           WHERE escalation_id = ANY(%s::uuid[]) ORDER BY at DESC, round DESC, step DESC, summons.id DESC""",
        (escalation_ids,),
    )


# The platform's checks of itself


async def forget_checks(tx: Tx, before: datetime) -> None:
    """Forget the escalations of the platform's checks that began before this instant and have ended, and their incidents."""
    await tx.execute(
        """WITH ended AS (
               DELETE FROM escalation WHERE policy ->> 'name' = %s AND state <> 'RUNNING' AND started_at < %s RETURNING incident_id)
           DELETE FROM incident_copy USING ended WHERE incident_copy.id = ended.incident_id""",
        (CHECKS, before),
    )
