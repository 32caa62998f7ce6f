"""Whose duty begins, and what the weekly check found, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


async def responders(tx: Tx, after: str, limit: int) -> list[str]:
    """Everybody who has a contact method, by name."""
    return await tx.values(
        str, "SELECT DISTINCT responder FROM contact_method WHERE responder > %s ORDER BY responder LIMIT %s", (after, limit)
    )


async def on_duty(tx: Tx, at: datetime) -> set[str]:
    """Who is on call, as far as response said."""
    return set(await tx.values(str, "SELECT responder FROM duty WHERE until > %s", (at,)))


async def note_duty(tx: Tx, responder: str, until: datetime) -> None:
    """Response says that somebody is on call until then."""
    await tx.execute(
        """INSERT INTO duty (responder, until) VALUES (%s, %s)
           ON CONFLICT (responder) DO UPDATE SET until = greatest(duty.until, excluded.until)""",
        (responder, until),
    )


async def check_again(tx: Tx, responders: Sequence[str]) -> None:
    """Their duty begins soon: they are looked at now, not when the week is over."""
    await tx.execute("DELETE FROM reachability WHERE responder = ANY(%s)", (list(responders),))


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What the last check of a responder found."""

    responder: str
    checked_at: datetime
    problem: str


async def checks(tx: Tx, names: Sequence[str]) -> dict[str, CheckRow]:
    """The last checks of these responders."""
    rows = await tx.many(CheckRow, "SELECT responder, checked_at, problem FROM reachability WHERE responder = ANY(%s)", (list(names),))
    return {row.responder: row for row in rows}


async def to_check(tx: Tx, checked_before: datetime, limit: int) -> list[str]:
    """Who has a contact method or is on call, and was not looked at since then."""
    return await tx.values(
        str,
        """SELECT somebody.responder FROM (SELECT responder FROM contact_method UNION SELECT responder FROM duty) AS somebody
           LEFT JOIN reachability ON reachability.responder = somebody.responder
           WHERE reachability.checked_at IS NULL OR reachability.checked_at <= %s ORDER BY somebody.responder LIMIT %s""",
        (checked_before, limit),
    )


async def note_check(tx: Tx, responder: str, at: datetime, problem: str) -> None:
    """Keep what a check found."""
    await tx.execute(
        """INSERT INTO reachability (responder, checked_at, problem) VALUES (%s, %s, %s)
           ON CONFLICT (responder) DO UPDATE SET checked_at = excluded.checked_at, problem = excluded.problem""",
        (responder, at, problem),
    )
