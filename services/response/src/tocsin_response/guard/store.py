"""Guard rails, and what they let through, in the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_response.guard.rails import Counted


@dataclass(frozen=True, slots=True)
class Definition:
    """The JSON of one resource."""

    name: str
    definition: dict[str, Any]


async def load_rails(tx: Tx) -> list[Definition]:
    return await tx.many(Definition, "SELECT name, definition FROM guard_rails ORDER BY name")


async def count_one_at_a_time(tx: Tx) -> None:
    """Nobody else counts until this transaction ends, so that two cannot both be the last that is allowed."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('guarded acts:' || current_schema()))")


async def lately(tx: Tx, since: datetime) -> list[Counted]:
    return await tx.many(Counted, "SELECT action, target, max(at) AS at FROM guarded_act WHERE at > %s GROUP BY action, target", (since,))


async def is_let_through(tx: Tx, run_id: str, step_path: str, action: str, target: str) -> bool:
    """Whether the same act was let through before: a step that is tried again is not judged anew."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT FROM guarded_act WHERE run_id = %s AND step_path = %s AND action = %s AND target = %s)",
            (run_id, step_path, action, target),
        )
    )


async def let_through(tx: Tx, run_id: str, step_path: str, action: str, target: str, at: datetime) -> None:
    await tx.execute(
        "INSERT INTO guarded_act (run_id, step_path, action, target, at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (run_id, step_path, action, target, at),
    )


async def forget_acts(tx: Tx, before: datetime) -> int:
    """Forget what no limit counts any more; returns how many."""
    return await tx.execute("DELETE FROM guarded_act WHERE at < %s", (before,))
