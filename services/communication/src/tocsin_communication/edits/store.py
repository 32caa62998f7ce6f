"""The messages that are to be edited, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident


@dataclass(frozen=True, slots=True)
class EditRow:
    """A message that is to be edited, how often that was tried, and the turn of the incident that it was asked for."""

    page_id: str
    attempts: int
    turn: int


async def ask(tx: Tx, incident: Incident, channels: Collection[Channel], now: datetime) -> None:
    """Every message about the incident that went out over these channels since it opened is to show what it is now."""
    await tx.execute(
        """INSERT INTO page_edit (page_id, turn, due_at)
           SELECT id, %(turn)s, %(now)s FROM page
           WHERE incident_id = %(incident)s AND opening = %(opening)s AND kind IN ('SUMMONS', 'DIRECT') AND channel = ANY(%(channels)s)
               AND state IN ('SENT', 'DELIVERED') AND provider_id <> ''
           ON CONFLICT (page_id) DO UPDATE SET turn = excluded.turn, due_at = excluded.due_at, attempts = 0
           WHERE page_edit.turn < excluded.turn""",
        {
            "turn": incident.turn,
            "now": now,
            "incident": incident.id,
            "opening": incident.opened_at,
            "channels": [channel.value for channel in channels],
        },
    )


async def ask_decided(tx: Tx, question_id: str, channels: Collection[Channel], now: datetime) -> None:
    """Every message that sought this approval over these channels is to say how it ended; one that is just being sent, once it is."""
    await tx.execute(
        """INSERT INTO page_edit (page_id, turn, due_at)
           SELECT id, 1, %s FROM page
           WHERE summons_id = %s AND kind = 'APPROVAL' AND channel = ANY(%s) AND state IN ('SENDING', 'SENT', 'DELIVERED')
           ON CONFLICT (page_id) DO NOTHING""",
        (now, question_id, [channel.value for channel in channels]),
    )


async def claim(tx: Tx, now: datetime, lease: timedelta, limit: int) -> list[EditRow]:
    """Edits whose time has come, each for this process alone while the lease lasts. What has not left cannot be edited yet."""
    return await tx.many(
        EditRow,
        """UPDATE page_edit SET lease_until = clock_timestamp() + %s, attempts = page_edit.attempts + 1
           FROM (
               SELECT page_id FROM page_edit WHERE due_at <= %s AND (lease_until IS NULL OR lease_until <= clock_timestamp())
                   AND NOT EXISTS (SELECT FROM page WHERE page.id = page_edit.page_id AND page.state IN ('PENDING', 'SENDING'))
               ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
           ) AS next
           WHERE page_edit.page_id = next.page_id RETURNING page_edit.page_id::text, page_edit.attempts, page_edit.turn""",
        (lease, now, limit),
    )


async def done(tx: Tx, page_id: str, turn: int) -> None:
    """It shows what was asked for. What was asked for since may begin; the same is not asked for again."""
    await tx.execute(
        """UPDATE page_edit SET lease_until = NULL, due_at = CASE WHEN turn > %s THEN due_at END WHERE page_id = %s::uuid""",
        (turn, page_id),
    )


async def later(tx: Tx, page_id: str, due_at: datetime) -> None:
    """It is tried again then."""
    await tx.execute("UPDATE page_edit SET due_at = %s, lease_until = NULL WHERE page_id = %s::uuid", (due_at, page_id))
