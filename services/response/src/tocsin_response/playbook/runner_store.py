"""The runners that asked for work, in the database."""

from collections.abc import Sequence
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


async def note(tx: Tx, name: str, capabilities: Sequence[str], now: datetime) -> None:
    """A runner asked for work."""
    await tx.execute(
        """INSERT INTO runner (name, capabilities, seen_at) VALUES (%s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET capabilities = excluded.capabilities, seen_at = excluded.seen_at""",
        (name, list(capabilities), now),
    )


async def capabilities(tx: Tx, since: datetime) -> list[str]:
    """What the runners have that asked since."""
    return await tx.values(str, "SELECT DISTINCT unnest(capabilities) FROM runner WHERE seen_at >= %s", (since,))


async def forget(tx: Tx, before: datetime) -> int:
    """Forget the runners that have not asked since."""
    return await tx.execute("DELETE FROM runner WHERE seen_at < %s", (before,))
