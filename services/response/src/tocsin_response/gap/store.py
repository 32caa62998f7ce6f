"""The reports about coverage gaps, in the database."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class GapReport:
    """A gap that detection is to hear of."""

    id: str
    incident_id: str
    gap: str
    title: str
    description: str
    attempts: int


async def insert_report(tx: Tx, report: GapReport, escalation_id: str, now: datetime) -> None:
    """Keep it to be sent at once. An escalation that meets the same gap again reports it once."""
    await tx.execute(
        """INSERT INTO gap_report (id, escalation_id, incident_id, gap, title, description, created_at, due_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (escalation_id, gap) DO NOTHING""",
        (report.id, escalation_id, report.incident_id, report.gap, report.title, report.description, now, now),
    )


async def insert_warning(tx: Tx, report: GapReport, now: datetime) -> None:
    """Keep a gap that was seen ahead to be sent at once. The same gap is reported once."""
    await tx.execute(
        """INSERT INTO gap_report (id, gap, title, description, created_at, due_at) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (gap) WHERE escalation_id IS NULL DO NOTHING""",
        (report.id, report.gap, report.title, report.description, now, now),
    )


async def claim_reports(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[GapReport]:
    """The reports that are to be sent now, oldest first; they come again at `again_at` unless they are accepted."""
    return await tx.many(
        GapReport,
        """UPDATE gap_report SET due_at = %s, attempts = attempts + 1 WHERE id IN (
               SELECT id FROM gap_report WHERE alert_id IS NULL AND due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
           ) RETURNING id::text, coalesce(incident_id::text, '') AS incident_id, gap, title, description, attempts""",
        (again_at, now, limit),
    )


async def accept_report(tx: Tx, report_id: str, alert_id: str) -> None:
    """Detection has it, as this alert."""
    await tx.execute("UPDATE gap_report SET alert_id = %s, last_error = '' WHERE id = %s", (alert_id, report_id))


async def postpone_report(tx: Tx, report_id: str, again_at: datetime, error: str) -> None:
    """Detection did not take it; try again then."""
    await tx.execute("UPDATE gap_report SET due_at = %s, last_error = %s WHERE id = %s", (again_at, error, report_id))


async def count_waiting(tx: Tx) -> int:
    """How many reports detection does not have yet."""
    return await tx.value(int, "SELECT count(*) FROM gap_report WHERE alert_id IS NULL") or 0


async def is_about_gap(tx: Tx, alert_id: str, title: str) -> bool:
    """Whether an alert is one of these reports. While detection's answer is under way only the title tells."""
    return bool(
        await tx.value(
            bool,
            """SELECT EXISTS (SELECT FROM gap_report WHERE alert_id = %(alert)s)
                   OR EXISTS (SELECT FROM gap_report WHERE alert_id IS NULL AND title = %(title)s)""",
            {"alert": alert_id, "title": title},
        )
    )
