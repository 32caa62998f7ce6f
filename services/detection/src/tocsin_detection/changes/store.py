"""The only place with SQL about changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.changes.change import Change, Link


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a list holds; None: any. `since` is included, `until` not; `before` is the (happened_at, id) the page starts after."""

    service: str | None
    integration: str | None
    since: datetime | None
    until: datetime | None
    before: tuple[datetime, str] | None
    limit: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change as it lies in the table."""

    id: str
    integration: str
    fingerprint: str
    service: str
    summary: str
    source: str
    happened_at: datetime
    received_at: datetime
    details: Mapping[str, str]
    links: list[dict[str, str]]

    def to_domain(self) -> Change:
        return Change(
            integration=self.integration,
            fingerprint=self.fingerprint,
            service=self.service,
            summary=self.summary,
            source=self.source,
            happened_at=self.happened_at,
            received_at=self.received_at,
            details=self.details,
            links=tuple(Link(link["url"], link["text"]) for link in self.links),
            id=self.id,
        )


async def insert_change(tx: Tx, change: Change) -> bool:
    """Keep a change; False if it was told before."""
    return bool(
        await tx.execute(
            """INSERT INTO change (id, integration, fingerprint, service, summary, source, happened_at, received_at, details, links)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb) ON CONFLICT (integration, fingerprint) DO NOTHING""",
            (
                change.id,
                change.integration,
                change.fingerprint,
                change.service,
                change.summary,
                change.source,
                change.happened_at,
                change.received_at,
                json.dumps(dict(change.details)),
                json.dumps([{"url": link.url, "text": link.text} for link in change.links]),
            ),
        )
    )


async def list_changes(tx: Tx, wanted: Wanted) -> list[Change]:
    """The newest first."""
    happened_at, change_id = wanted.before or (None, None)
    rows = await tx.many(
        ChangeRow,
        """SELECT id::text AS id, integration, fingerprint, service, summary, source, happened_at, received_at, details, links
           FROM change
           WHERE (%(service)s::text IS NULL OR service = %(service)s::text)
             AND (%(integration)s::text IS NULL OR integration = %(integration)s::text)
             AND (%(since)s::timestamptz IS NULL OR happened_at >= %(since)s::timestamptz)
             AND (%(until)s::timestamptz IS NULL OR happened_at < %(until)s::timestamptz)
             AND (%(id)s::uuid IS NULL OR (happened_at, id) < (%(happened_at)s::timestamptz, %(id)s::uuid))
           ORDER BY happened_at DESC, change.id DESC LIMIT %(limit)s""",
        {
            "service": wanted.service,
            "integration": wanted.integration,
            "since": wanted.since,
            "until": wanted.until,
            "happened_at": happened_at,
            "id": change_id,
            "limit": wanted.limit,
        },
    )
    return [row.to_domain() for row in rows]


async def delete_changes(tx: Tx, told_before: datetime, limit: int) -> int:
    """Forget some of those told before an instant; returns how many."""
    return await tx.execute(
        """DELETE FROM change WHERE id IN (
               SELECT id FROM change WHERE received_at < %s ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED)""",
        (told_before, limit),
    )
