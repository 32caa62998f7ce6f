"""The SQL of Opsgenie's API: what became of its requests, and its searches."""

# Statements are put together from the pieces below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.intake.opsgenie_api.query import Both, Either, Node, Not, Term, only_open

NOTHING: LiteralString = "true"


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


@dataclass(frozen=True, slots=True)
class Search:
    """Which alerts of an integration a list shows, in which order."""

    integration: str
    wanted: Node | None
    sort: str
    descending: bool
    limit: int
    offset: int


# What a list can be sorted by, and what it is here.
SORTED: Mapping[str, LiteralString] = {
    "createdAt": "opened_at",
    "updatedAt": "greatest(last_signal_at, acknowledged_at, resolved_at)",
    "tinyId": "tiny_id",
    "alias": "fingerprint",
    "message": "title",
    "status": "resolved_at IS NULL",
    "acknowledged": "acknowledged_at IS NOT NULL",
    "isSeen": "acknowledged_at IS NOT NULL",
    "snoozed": "snoozed_until IS NOT NULL",
    "snoozedUntil": "snoozed_until",
    "count": "occurrences",
    "lastOccurredAt": "last_signal_at",
    "source": "sender_fields ->> 'source'",
    "owner": "coalesce(sender_fields ->> 'owner', acknowledged_by)",
    "priority": "sender_fields ->> 'priority'",
}
# Each compares a text with a pattern.
TEXTS: Mapping[str, LiteralString] = {
    "alertid": "id::text ILIKE %s",
    "alias": "fingerprint ILIKE %s",
    "tinyid": "tiny_id::text ILIKE %s",
    "message": "title ILIKE %s",
    "description": "description ILIKE %s",
    "tag": "EXISTS (SELECT FROM unnest(tags) AS tag WHERE tag ILIKE %s)",
    "entity": "coalesce(sender_fields ->> 'entity', '') ILIKE %s",
    "source": "coalesce(sender_fields ->> 'source', integration) ILIKE %s",
    "owner": "coalesce(sender_fields ->> 'owner', acknowledged_by) ILIKE %s",
    "priority": "coalesce(sender_fields ->> 'priority', 'P3') ILIKE %s",
    "responders": "EXISTS (SELECT FROM jsonb_array_elements(coalesce(sender_fields -> 'responders', '[]')) AS party, jsonb_each_text(party)"
    " AS named WHERE named.key <> 'type' AND named.value ILIKE %s)",
    "": "concat_ws(' ', title, description, fingerprint, array_to_string(tags, ' ')) ILIKE %s",
}
# Words may stand anywhere in these.
WORDS = ("message", "description", "")
FLAGS: Mapping[str, LiteralString] = {
    "acknowledged": "(acknowledged_at IS NOT NULL) = %s",
    "isseen": "(acknowledged_at IS NOT NULL) = %s",
    "snoozed": "(snoozed_until IS NOT NULL) = %s",
}
ORDERED: Mapping[str, LiteralString] = {
    "count": "occurrences",
    "createdat": "opened_at",
    "lastoccurredat": "last_signal_at",
    "snoozeduntil": "snoozed_until",
}
OPERATORS: Mapping[str, LiteralString] = {"=": " = %s", "<": " < %s", ">": " > %s", "<=": " <= %s", ">=": " >= %s"}


async def search_ids(tx: Tx, search: Search) -> list[str]:
    """The ids of one page."""
    source, params = _source(search)
    direction: LiteralString = " DESC" if search.descending else " ASC"
    by: LiteralString = SORTED[search.sort]
    return await tx.values(
        str,
        "SELECT id::text FROM " + source + " ORDER BY " + by + direction + " NULLS LAST, id" + direction + " LIMIT %s OFFSET %s",
        (*params, search.limit, search.offset),
    )


async def count_found(tx: Tx, search: Search) -> int:
    """How many there are in all."""
    source, params = _source(search)
    return await tx.value(int, "SELECT count(*) FROM " + source, params) or 0


COLUMNS: LiteralString = """id, tiny_id, integration, fingerprint, title, description, tags, sender_fields, occurrences, opened_at,
    last_signal_at, resolved_at, acknowledged_at, acknowledged_by, snoozed_until"""


def _source(search: Search) -> tuple[LiteralString, list[object]]:
    """What is searched: the open alerts, and the resolved ones too unless the query leaves them out."""
    where, params = _condition(search.wanted)
    of_open: LiteralString = "SELECT " + COLUMNS + " FROM alert WHERE integration = %s AND (" + where + ")"
    of_resolved: LiteralString = "SELECT " + COLUMNS + " FROM resolved_alert WHERE integration = %s AND (" + where + ")"
    if only_open(search.wanted):
        return "(" + of_open + ") AS found", [search.integration, *params]
    return "(" + of_open + " UNION ALL " + of_resolved + ") AS found", [search.integration, *params, search.integration, *params]


def _condition(node: Node | None) -> tuple[LiteralString, list[object]]:
    match node:
        case None:
            return NOTHING, []
        case Term():
            return _comparison(node)
        case Not(inner):
            text, params = _condition(inner)
            return "NOT coalesce(" + text + ", false)", params
        case Both(left, right):
            (first, first_params), (second, second_params) = _condition(left), _condition(right)
            return "(" + first + " AND " + second + ")", first_params + second_params
        case Either(left, right):
            (first, first_params), (second, second_params) = _condition(left), _condition(right)
            return "(" + first + " OR " + second + ")", first_params + second_params


def _comparison(term: Term) -> tuple[LiteralString, list[object]]:
    if term.field == "status":
        return "(resolved_at IS NULL) = %s", [term.value == "open"]
    if term.field in FLAGS:
        return FLAGS[term.field], [term.value]
    if term.field in ORDERED:
        return ORDERED[term.field] + OPERATORS[term.operator], [term.value]
    return TEXTS[term.field], [_pattern(str(term.value), anywhere=term.field in WORDS)]


def _pattern(text: str, *, anywhere: bool) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return f"%{escaped}%" if anywhere else escaped
