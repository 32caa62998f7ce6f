"""The switch that holds back every page, as a row."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class StopRow:
    """Why no page leaves."""

    reason: str
    stopped_by: str
    stopped_at: datetime


async def stop(tx: Tx) -> StopRow | None:
    """Why no page leaves; None while pages leave."""
    return await tx.maybe(StopRow, "SELECT reason, stopped_by, stopped_at FROM paging_stop")


async def stop_paging(tx: Tx, reason: str, by: str, at: datetime) -> bool:
    """No page leaves any more; False if that was so before."""
    return (
        await tx.execute(
            "INSERT INTO paging_stop (reason, stopped_by, stopped_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (reason, by, at)
        )
        > 0
    )


async def resume_paging(tx: Tx) -> bool:
    """Pages leave again; False if they did before."""
    return await tx.execute("DELETE FROM paging_stop") > 0


async def count_waiting(tx: Tx, now: datetime) -> int:
    """How many pages wait and are due."""
    return await tx.value(int, "SELECT count(*)::int FROM page WHERE state = 'PENDING' AND attempt_at <= %s", (now,)) or 0
