"""The SQL of Opsgenie's API: what became of its requests."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """What became of one request. `alert_id` and `alias` are empty where it was about no alert."""

    id: str
    integration: str
    action: str
    success: bool
    status: str
    alert_id: str
    alias: str
    processed_at: datetime


async def note_request(tx: Tx, request: RequestStatus) -> None:
    await tx.execute(
        """INSERT INTO opsgenie_request (id, integration, action, success, status, alert_id, alias, processed_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            request.id,
            request.integration,
            request.action,
            request.success,
            request.status,
            request.alert_id,
            request.alias,
            request.processed_at,
        ),
    )


async def find_request(tx: Tx, integration: str, request_id: str) -> RequestStatus | None:
    return await tx.maybe(
        RequestStatus,
        """SELECT id::text AS id, integration, action, success, status, alert_id, alias, processed_at
           FROM opsgenie_request WHERE id = %s AND integration = %s""",
        (request_id, integration),
    )


async def forget_requests(tx: Tx, before: datetime) -> None:
    await tx.execute("DELETE FROM opsgenie_request WHERE processed_at < %s", (before,))
