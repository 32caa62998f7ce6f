"""Regimes, what is known of incidents, and obligations, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.obligation.obligation import Obligation, State
from tocsin_response.obligation.regime import Circumstances
from tocsin_response.obligation.wire import regime_from_json, regime_of

REMINDERS_DUE = "SELECT min(due_at) FROM obligation_timer"


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that was entered."""

    event: str
    at: datetime
    recorded_by: str
    recorded_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reminder:
    """Part of the time of an obligation is over."""

    obligation_id: str
    percent: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class _KnownRow:
    traits: list[str]
    people: int | None


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    incident_id: str
    regime: dict[str, Any]
    duty: str
    state: str
    event: str
    started_at: datetime
    due_at: datetime | None
    explanation: str
    recipient: str
    submitted_at: datetime | None
    answered_by: str
    reference: str
    sha256: str
    reason: str
    paused_at: datetime | None
    pause_reason: str
    paused_for: timedelta

    def to_domain(self) -> Obligation:
        regime = regime_of(regime_from_json(self.regime))
        return Obligation(
            id=self.id,
            incident_id=self.incident_id,
            regime=regime,
            duty=regime.duty(self.duty),
            event=self.event,
            started_at=self.started_at,
            due_at=self.due_at,
            explanation=self.explanation,
            recipient=self.recipient,
            state=State[self.state],
            submitted_at=self.submitted_at,
            answered_by=self.answered_by,
            reference=self.reference,
            sha256=self.sha256,
            reason=self.reason,
            paused_at=self.paused_at,
            pause_reason=self.pause_reason,
            paused_for=self.paused_for,
        )


async def own_regimes(tx: Tx) -> list[dict[str, Any]]:
    """The regimes of the applied configuration."""
    return await tx.values(dict[str, Any], "SELECT definition FROM regime")


async def lock_incident(tx: Tx, incident_id: str) -> int:
    """Nobody else changes the incident's obligations meanwhile; the version of what is told of them."""
    version = await tx.value(
        int,
        """INSERT INTO circumstances AS known (incident_id, version) VALUES (%s, 1)
           ON CONFLICT (incident_id) DO UPDATE SET version = known.version + 1 RETURNING version""",
        (incident_id,),
    )
    assert version is not None
    return version


async def circumstances(tx: Tx, incident_id: str) -> Circumstances:
    row = await tx.maybe(_KnownRow, "SELECT traits, people FROM circumstances WHERE incident_id = %s", (incident_id,))
    return Circumstances(frozenset(row.traits), row.people) if row is not None else Circumstances()


async def save_circumstances(tx: Tx, incident_id: str, known: Circumstances) -> None:
    await tx.execute(
        "UPDATE circumstances SET traits = %s::text[], people = %s WHERE incident_id = %s",
        (sorted(known.traits), known.people, incident_id),
    )


async def events_of(tx: Tx, incident_id: str) -> list[Happened]:
    """The events of an incident, the oldest first."""
    return await tx.many(
        Happened,
        "SELECT event, at, recorded_by, recorded_at, reason FROM start_event WHERE incident_id = %s ORDER BY at, event",
        (incident_id,),
    )


async def save_event(tx: Tx, incident_id: str, happened: Happened) -> None:
    await tx.execute(
        """INSERT INTO start_event (incident_id, event, at, recorded_by, recorded_at, reason) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (incident_id, event) DO UPDATE SET at = excluded.at, recorded_by = excluded.recorded_by,
               recorded_at = excluded.recorded_at, reason = excluded.reason""",
        (incident_id, happened.event, happened.at, happened.recorded_by, happened.recorded_at, happened.reason),
    )


async def delete_event(tx: Tx, incident_id: str, event: str) -> None:
    await tx.execute("DELETE FROM start_event WHERE incident_id = %s AND event = %s", (incident_id, event))


async def insert_obligation(tx: Tx, kept: Obligation, regime: dict[str, Any]) -> bool:
    """False if there is one for this duty already."""
    return bool(
        await tx.execute(
            """INSERT INTO obligation (id, incident_id, regime, regime_name, duty, state, event, started_at, due_at, explanation, recipient,
                   submitted_at, answered_by, reference, sha256, reason)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            (
                kept.id,
                kept.incident_id,
                Jsonb(regime),
                kept.regime.name,
                kept.duty.name,
                kept.state.name,
                kept.event,
                kept.started_at,
                kept.due_at,
                kept.explanation,
                kept.recipient,
                kept.submitted_at,
                kept.answered_by,
                kept.reference,
                kept.sha256,
                kept.reason,
            ),
        )
    )


async def save_obligation(tx: Tx, kept: Obligation) -> None:
    await tx.execute(
        """UPDATE obligation SET state = %s, started_at = %s, due_at = %s, explanation = %s, recipient = %s, submitted_at = %s,
               answered_by = %s, reference = %s, sha256 = %s, reason = %s, paused_at = %s, pause_reason = %s, paused_for = %s
           WHERE id = %s""",
        (
            kept.state.name,
            kept.started_at,
            kept.due_at,
            kept.explanation,
            kept.recipient,
            kept.submitted_at,
            kept.answered_by,
            kept.reference,
            kept.sha256,
            kept.reason,
            kept.paused_at,
            kept.pause_reason,
            kept.paused_for,
            kept.id,
        ),
    )


async def load_obligation(tx: Tx, obligation_id: str) -> Obligation | None:
    row = await tx.maybe(
        _Row,
        """SELECT id::text, incident_id::text, regime, duty, state, event, started_at, due_at, explanation, recipient, submitted_at,
               answered_by, reference, sha256, reason, paused_at, pause_reason, paused_for FROM obligation WHERE id = %s""",
        (obligation_id,),
    )
    return row.to_domain() if row is not None else None


async def regime_json(tx: Tx, obligation_id: str) -> dict[str, Any]:
    """The regime of an obligation as it was when its clock started."""
    return await tx.value(dict[str, Any], "SELECT regime FROM obligation WHERE id = %s", (obligation_id,)) or {}


async def running_of(tx: Tx, incident_id: str) -> list[Obligation]:
    rows = await tx.many(
        _Row,
        """SELECT id::text, incident_id::text, regime, duty, state, event, started_at, due_at, explanation, recipient, submitted_at,
               answered_by, reference, sha256, reason, paused_at, pause_reason, paused_for
           FROM obligation WHERE incident_id = %s AND state = 'RUNNING' ORDER BY obligation.id""",
        (incident_id,),
    )
    return [row.to_domain() for row in rows]


async def list_obligations(tx: Tx, incident_id: str | None, running_only: bool, before: str | None, limit: int) -> list[Obligation]:
    """The obligations of an incident (None: of all), the newest first."""
    rows = await tx.many(
        _Row,
        """SELECT id::text, incident_id::text, regime, duty, state, event, started_at, due_at, explanation, recipient, submitted_at,
               answered_by, reference, sha256, reason, paused_at, pause_reason, paused_for FROM obligation
           WHERE (%(incident)s::uuid IS NULL OR incident_id = %(incident)s) AND (NOT %(running)s OR state = 'RUNNING')
               AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY obligation.id DESC LIMIT %(limit)s""",
        {"incident": incident_id, "running": running_only, "before": before, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def set_reminders(tx: Tx, obligation_id: str, reminders: Sequence[tuple[int, datetime]]) -> None:
    """These, in place of those that there were."""
    await tx.execute("DELETE FROM obligation_timer WHERE obligation_id = %s", (obligation_id,))
    await tx.execute_set(
        "INSERT INTO obligation_timer (obligation_id, percent, due_at) SELECT * FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[])",
        [(obligation_id, percent, at) for percent, at in reminders],
    )


async def take_reminders(tx: Tx, now: datetime, limit: int) -> list[Reminder]:
    """The reminders whose time is up and that no other process is at; they are gone then."""
    return await tx.many(
        Reminder,
        """WITH due AS (
               SELECT obligation_id, percent FROM obligation_timer WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
           )
           DELETE FROM obligation_timer AS t USING due WHERE t.obligation_id = due.obligation_id AND t.percent = due.percent
           RETURNING t.obligation_id::text, t.percent, t.due_at""",
        (now, limit),
    )


async def add_reminder(tx: Tx, obligation_id: str, percent: int, at: datetime) -> None:
    await tx.execute(
        "INSERT INTO obligation_timer (obligation_id, percent, due_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (obligation_id, percent, at),
    )
