"""What a search in Opsgenie's words asks of a row, in the words of SQL, and which parts of it an index answers. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from tocsin_detection.intake.opsgenie_api.query import CLOSED, OPEN, Both, Either, Node, Not, Term, possible

NOTHING: LiteralString = "true"
LONGEST_TINY_ID = 18


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


# The sorts that an index of each table has, across all integrations; with the table's name, so that it is the column and not its text.
WALKS: Mapping[str, LiteralString] = {
    "createdAt": " ORDER BY alert.opened_at DESC, alert.id DESC",
    "tinyId": " ORDER BY alert.tiny_id DESC",
}
WALKS_UP: Mapping[str, LiteralString] = {"createdAt": " ORDER BY alert.opened_at, alert.id", "tinyId": " ORDER BY alert.tiny_id"}
OF_INTEGRATION: LiteralString = "integration = %s"

# A part of a WHERE, and what it needs.
Asked = tuple[LiteralString, list[object]]


def tables(wanted: Node | None) -> list[LiteralString]:
    """Where those that are wanted may be: among the open alerts, the resolved ones, or both."""
    where: Mapping[str, LiteralString] = {OPEN: "alert", CLOSED: "resolved_alert"}
    return [table for status, table in where.items() if status in possible(wanted)] or ["alert"]


def ways(search: Search) -> Iterator[Asked]:
    """What narrows a search and an index can answer, the narrowest first; what is wanted is among those that any of them leaves."""
    for term in _needed(search.wanted):
        if (exact := _exact(term)) is not None:
            yield OF_INTEGRATION + " AND " + exact[0], [search.integration, *exact[1]]
    if (span := span_of(search))[1]:
        yield span
    yield OF_INTEGRATION, [search.integration]


def span_of(search: Search) -> Asked:
    """Between which instants those that are wanted opened, as far as the query says so."""
    text, params = NOTHING, list[object]()
    for term in _needed(search.wanted):
        if term.field == "createdat":
            compared, values = condition(term)
            text, params = text + " AND " + compared, params + values
    return text, params


def _needed(node: Node | None) -> Iterator[Term]:
    """The comparisons that must hold, whatever else does."""
    match node:
        case Term():
            yield node
        case Both(left, right):
            yield from _needed(left)
            yield from _needed(right)


def condition(node: Node | None) -> Asked:
    """What a query asks of a row."""
    match node:
        case None:
            return NOTHING, []
        case Term():
            return _comparison(node)
        case Not(inner):
            text, params = condition(inner)
            return "NOT coalesce(" + text + ", false)", params
        case Both(left, right):
            (first, first_params), (second, second_params) = condition(left), condition(right)
            return "(" + first + " AND " + second + ")", first_params + second_params
        case Either(left, right):
            (first, first_params), (second, second_params) = condition(left), condition(right)
            return "(" + first + " OR " + second + ")", first_params + second_params


def _comparison(term: Term) -> Asked:
    if term.field == "status":
        return "(resolved_at IS NULL) = %s", [term.value == "open"]
    if term.field in FLAGS:
        return FLAGS[term.field], [term.value]
    if term.field in ORDERED:
        return ORDERED[term.field] + OPERATORS[term.operator], [term.value]
    return _exact(term) or (TEXTS[term.field], [_pattern(str(term.value), anywhere=term.field in WORDS)])


def _exact(term: Term) -> Asked | None:
    """What an index finds at once: one alert, or all about one thing. Its sender's name for it counts to the letter, as everywhere."""
    text = str(term.value)
    if term.field == "alias" and "*" not in text:
        return "fingerprint = %s", [text]
    if term.field == "tinyid" and text.isascii() and text.isdigit() and len(text) <= LONGEST_TINY_ID and text == str(int(text)):
        return "tiny_id = %s", [int(text)]
    if term.field == "alertid" and is_uuid(text):
        return "id = %s::uuid", [text]
    return None


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _pattern(text: str, *, anywhere: bool) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return f"%{escaped}%" if anywhere else escaped
