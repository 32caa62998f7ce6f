"""The messages that reported something, in Postgres."""

from collections.abc import Sequence
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


async def fingerprint_of_thread(tx: Tx, integration: str, answered: Sequence[str]) -> str | None:
    """What the nearest known one of these messages was about; None if none is known."""
    return await tx.value(
        str,
        """SELECT fingerprint FROM mail_message WHERE integration = %s AND message_id = ANY(%s::text[])
        ORDER BY array_position(%s::text[], message_id) LIMIT 1""",
        (integration, list(answered), list(answered)),
    )


async def remember_message(tx: Tx, integration: str, message_id: str, fingerprint: str, at: datetime) -> None:
    await tx.execute(
        """INSERT INTO mail_message (integration, message_id, fingerprint, received_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (integration, message_id) DO NOTHING""",
        (integration, message_id, fingerprint, at),
    )


async def forget_messages(tx: Tx, before: datetime) -> None:
    await tx.execute("DELETE FROM mail_message WHERE received_at < %s", (before,))
