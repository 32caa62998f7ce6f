"""The SQL of Alertmanager's reads: alerts as its clients want them, put together where they lie, so that 100,000 take seconds."""

# Statements are put together from the pieces below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert_conditions import Condition, all_of, matching
from tocsin_detection.alert_list_store import are_few
from tocsin_detection.noise.matcher import Matchers


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


SHOWN: LiteralString = """SELECT id::text AS id, integration, fingerprint, labels, sender_service, sender_severity, holds,
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
   FROM """
BY_FINGERPRINT: LiteralString = " ORDER BY fingerprint LIMIT %s"


async def shown_alerts(tx: Tx, integration: str, matchers: Matchers, after: str, limit: int) -> list[ShownAlert]:
    """Some open alerts of an integration, by fingerprint, from the first behind `after`.

    Those that do not match are left out, as far as the database can tell: whoever asks still looks.
    """
    # Read along an index: a planner without fresh statistics would rather read everything and sort it, for every page again.
    await tx.execute("SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)")
    told = [condition for condition in map(matching, matchers) if isinstance(condition, Condition)]
    where, params = all_of([Condition("integration = %s AND fingerprint > %s", (integration, after)), *told])
    for condition in [each for each in told if each.indexed]:
        if await are_few(tx, condition, limit):
            few: LiteralString = "(SELECT * FROM alert WHERE " + condition.sql + " LIMIT %s) AS alert WHERE true"
            return await tx.many(ShownAlert, SHOWN + few + where + BY_FINGERPRINT, [*condition.params, limit, *params, limit])
    return await tx.many(ShownAlert, SHOWN + "alert WHERE true" + where + BY_FINGERPRINT, [*params, limit])
