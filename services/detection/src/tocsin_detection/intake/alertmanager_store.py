"""The SQL of Alertmanager's reads: alerts as its clients want them, put together where they lie, so that 100,000 take seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An open alert: what conditions look at, and `body`, the JSON of what only the client looks at, without its braces."""

    id: str
    integration: str
    fingerprint: str
    labels: Mapping[str, str]
    sender_service: str
    sender_severity: str
    holds: Sequence[Mapping[str, Any]]
    body: str


async def shown_alerts(tx: Tx, integration: str, labels: Mapping[str, str], after: str, limit: int) -> list[ShownAlert]:
    """Some open alerts of an integration that have these labels, by fingerprint, from the first behind `after`."""
    # Read along the index: a planner without fresh statistics would rather read everything and sort it, for every page again.
    await tx.execute("SET LOCAL enable_sort = off")
    return await tx.many(
        ShownAlert,
        """SELECT id::text AS id, integration, fingerprint, labels, sender_service, sender_severity, holds,
               concat(
                   '"annotations":', annotations,
                   ',"endsAt":"', to_char(coalesce(ends_at, '0001-01-01T00:00:00Z') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   '","fingerprint":', to_json(fingerprint),
                   ',"receivers":[{"name":"tocsin"}]',
                   ',"startsAt":"', to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   '","updatedAt":"', to_char(last_signal_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   '"', CASE WHEN source_url <> '' THEN ',"generatorURL":' || to_json(source_url) END,
                   ',"labels":', labels
               ) AS body
           FROM alert
           WHERE integration = %s AND fingerprint > %s AND (%s::jsonb IS NULL OR labels @> %s::jsonb)
           ORDER BY fingerprint LIMIT %s""",
        (integration, after, wanted := orjson.dumps(dict(labels)).decode() if labels else None, wanted, limit),
    )
