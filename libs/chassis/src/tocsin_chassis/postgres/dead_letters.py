"""Dead letters: facts that could not be handled, kept with the reason until somebody retries them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One fact that was given up."""

    id: UUID
    consumer: str
    subject: str
    payload: bytes
    headers: dict[str, str]
    error: str
    died_at: datetime


async def bury(tx: Tx, consumer: str, fact_id: UUID, subject: str, payload: bytes, headers: str, error: str) -> None:
    """Keep a fact that was given up; `headers` is JSON. Burying it again keeps the newest error."""
    await tx.execute(
        """INSERT INTO dead_letter (id, consumer, subject, payload, headers, error) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (consumer, id) DO UPDATE SET error = excluded.error, died_at = now()""",
        (fact_id, consumer, subject, payload, headers, error),
    )


async def dead_letters(tx: Tx, limit: int = 100) -> list[DeadLetter]:
    """The newest ones."""
    return await tx.many(
        DeadLetter,
        "SELECT id, consumer, subject, payload, headers, error, died_at FROM dead_letter ORDER BY died_at DESC LIMIT %s",
        (limit,),
    )


async def dead_letters_after(tx: Tx, last: DeadLetter | None, limit: int = 100) -> list[DeadLetter]:
    """The oldest ones after one of them (None: from the oldest on)."""
    return await tx.many(
        DeadLetter,
        """SELECT id, consumer, subject, payload, headers, error, died_at FROM dead_letter
           WHERE %(at)s::timestamptz IS NULL OR (died_at, consumer, id) > (%(at)s::timestamptz, %(consumer)s, %(id)s::uuid)
           ORDER BY died_at, consumer, id LIMIT %(limit)s""",
        {
            "at": last.died_at if last else None,
            "consumer": last.consumer if last else None,
            "id": last.id if last else None,
            "limit": limit,
        },
    )


async def dead_letters_of(tx: Tx, fact_id: UUID) -> list[DeadLetter]:
    """What became of one fact, for each consumer that gave it up."""
    return await tx.many(
        DeadLetter, "SELECT id, consumer, subject, payload, headers, error, died_at FROM dead_letter WHERE id = %s", (fact_id,)
    )


async def exhume(tx: Tx, consumer: str, fact_id: UUID) -> bool:
    """Take one out, to handle it again in the same transaction; False if it is not there."""
    return await tx.execute("DELETE FROM dead_letter WHERE consumer = %s AND id = %s", (consumer, fact_id)) > 0
