"""Who has delegated to whom, in the database; a copy of what communication tells."""

from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.playbook.stand_in import Delegation


async def note(tx: Tx, id: str, delegation: Delegation, starts_at: datetime, ends_at: datetime) -> None:
    """Keep one; it never ends later than it was told to before, in whatever order that is heard."""
    await tx.execute(
        """INSERT INTO delegation AS known (id, from_responder, to_responder, starts_at, ends_at, made_by)
           VALUES (%s::uuid, %s, %s, %s, %s, %s)
           ON CONFLICT (id) DO UPDATE SET ends_at = least(known.ends_at, excluded.ends_at)""",
        (id, delegation.from_responder, delegation.to_responder, starts_at, ends_at, delegation.made_by),
    )


async def holding(tx: Tx, at: datetime) -> list[Delegation]:
    """Those that hold at this instant, the newest last."""
    return await tx.many(
        Delegation,
        """SELECT from_responder, to_responder, made_by FROM delegation WHERE ends_at > %(at)s AND starts_at <= %(at)s ORDER BY id""",
        {"at": at},
    )
