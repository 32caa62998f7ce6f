"""The runners that asked for work, in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """A runner, what it has, and what its connectors can do."""

    capabilities: list[str]
    connectors: dict[str, list[str]]
    seen_at: datetime


async def note(tx: Tx, name: str, capabilities: Sequence[str], connectors: Mapping[str, Sequence[str]], now: datetime) -> None:
    """A runner asked for work. What its connectors can do stays as it was told, where it is not told again."""
    await tx.execute(
        """INSERT INTO runner (name, capabilities, connectors, seen_at) VALUES (%s, %s, %s::jsonb, %s)
           ON CONFLICT (name) DO UPDATE
               SET capabilities = excluded.capabilities, seen_at = excluded.seen_at,
                   connectors = CASE WHEN excluded.connectors = '{}' THEN runner.connectors ELSE excluded.connectors END""",
        (name, list(capabilities), json.dumps({each: list(actions) for each, actions in connectors.items()}), now),
    )


async def gone(tx: Tx, name: str, since: datetime) -> None:
    """A runner stopped: it counts as one that has not asked since then. What it has stays known."""
    await tx.execute("UPDATE runner SET seen_at = least(seen_at, %s) WHERE name = %s", (since, name))


async def remembered(tx: Tx) -> list[RunnerRow]:
    """All runners that are not forgotten."""
    return await tx.many(RunnerRow, "SELECT capabilities, connectors, seen_at FROM runner")


async def capabilities(tx: Tx, since: datetime) -> list[str]:
    """What the runners have that asked since."""
    return await tx.values(str, "SELECT DISTINCT unnest(capabilities) FROM runner WHERE seen_at >= %s", (since,))


async def forget(tx: Tx, before: datetime) -> int:
    """Forget the runners that have not asked since."""
    return await tx.execute("DELETE FROM runner WHERE seen_at < %s", (before,))
