"""Who has delegated to whom, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.rules.delegation import Delegation


@dataclass(frozen=True, slots=True)
class DelegationRow:
    """A delegation."""

    id: str
    from_responder: str
    to_responder: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    made_by: str
    ended_at: datetime | None

    def to_domain(self) -> Delegation:
        return Delegation(
            self.id, self.from_responder, self.to_responder, self.starts_at, self.ends_at, self.reason, self.made_by, self.ended_at
        )


async def lock_delegations(tx: Tx) -> None:
    """One change at a time, so that two together cannot close a circle."""
    await tx.execute("LOCK TABLE delegation IN SHARE ROW EXCLUSIVE MODE")


async def delegations_between(tx: Tx, starts_at: datetime, ends_at: datetime) -> list[Delegation]:
    """Those that hold at some instant in this time."""
    rows = await tx.many(
        DelegationRow,
        """SELECT id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at FROM delegation
           WHERE starts_at < %s AND least(ends_at, ended_at) > %s""",
        (ends_at, starts_at),
    )
    return [row.to_domain() for row in rows]


async def add_delegation(tx: Tx, new: Delegation) -> None:
    """Keep it."""
    await tx.execute(
        """INSERT INTO delegation (id, from_responder, to_responder, starts_at, ends_at, reason, made_by)
           VALUES (%s::uuid, %s, %s, %s, %s, %s, %s)""",
        (new.id, new.from_responder, new.to_responder, new.starts_at, new.ends_at, new.reason, new.made_by),
    )


async def end_delegation(tx: Tx, delegation_id: str, at: datetime) -> Delegation | None:
    """End it now, if it has not ended; None if there is none."""
    row = await tx.maybe(
        DelegationRow,
        """UPDATE delegation SET ended_at = CASE WHEN ended_at IS NULL AND ends_at > %(at)s THEN %(at)s ELSE ended_at END
           WHERE id = %(id)s::uuid
           RETURNING id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at""",
        {"id": delegation_id, "at": at},
    )
    return row.to_domain() if row else None


async def delegations(tx: Tx, responder: str, current_at: datetime | None, before: UUID | None, limit: int) -> list[Delegation]:
    """Newest first; an empty responder admits all, `current_at` only those that are not over then."""
    rows = await tx.many(
        DelegationRow,
        """SELECT id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at FROM delegation
           WHERE (%(before)s::uuid IS NULL OR id < %(before)s)
               AND (%(responder)s = '' OR from_responder = %(responder)s OR to_responder = %(responder)s)
               AND (%(at)s::timestamptz IS NULL OR least(ends_at, ended_at) > %(at)s)
           ORDER BY delegation.id DESC LIMIT %(limit)s""",
        {"before": before, "responder": responder, "at": current_at, "limit": limit},
    )
    return [row.to_domain() for row in rows]
