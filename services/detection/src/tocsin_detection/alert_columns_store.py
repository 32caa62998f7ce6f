"""Alerts as parameters of a statement: what all say alike goes once, the rest in columns. Those of a flood share most of what they say."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, LiteralString

import orjson

from tocsin_chassis.postgres.columns import Column, booleans, documents, instants, integers, texts, uuids
from tocsin_detection.alert import Alert
from tocsin_detection.alert_rows import FIELDS

# What is written of one beside its id.
WRITTEN: LiteralString = """integration, fingerprint, title, description, labels, annotations, source_url, sender_severity,
    sender_service, starts_at, ends_at, ends_by_timeout, opened_at, last_signal_at, resolved_at, resolve_reason, occurrences, version,
    tags, acknowledged_at, acknowledged_by, snoozed_until, told, holds, reconsider_at, sender_fields, open_reason"""
NAMES = ("id", *(name.strip() for name in WRITTEN.split(",")))

# Where a column says nothing of any row, all say alike what `alike` says. NULL is said by both, where it may be.
_ALERTS: LiteralString = """SELECT each.id, coalesce(each.integration, alike.integration) AS integration,
        coalesce(each.fingerprint, alike.fingerprint) AS fingerprint, coalesce(each.title, alike.title) AS title,
        coalesce(each.description, alike.description) AS description, coalesce(each.labels, alike.labels) AS labels,
        coalesce(each.annotations, alike.annotations) AS annotations, coalesce(each.source_url, alike.source_url) AS source_url,
        coalesce(each.sender_severity, alike.sender_severity) AS sender_severity,
        coalesce(each.sender_service, alike.sender_service) AS sender_service, coalesce(each.starts_at, alike.starts_at) AS starts_at,
        coalesce(each.ends_at, alike.ends_at) AS ends_at, coalesce(each.ends_by_timeout, alike.ends_by_timeout) AS ends_by_timeout,
        coalesce(each.opened_at, alike.opened_at) AS opened_at, coalesce(each.last_signal_at, alike.last_signal_at) AS last_signal_at,
        coalesce(each.resolved_at, alike.resolved_at) AS resolved_at, coalesce(each.resolve_reason, alike.resolve_reason) AS resolve_reason,
        coalesce(each.occurrences, alike.occurrences) AS occurrences, coalesce(each.version, alike.version) AS version,
        CASE WHEN each.tags IS NULL THEN alike.tags ELSE ARRAY(SELECT jsonb_array_elements_text(each.tags)) END AS tags,
        coalesce(each.acknowledged_at, alike.acknowledged_at) AS acknowledged_at,
        coalesce(each.acknowledged_by, alike.acknowledged_by) AS acknowledged_by,
        coalesce(each.snoozed_until, alike.snoozed_until) AS snoozed_until, coalesce(each.told, alike.told) AS told,
        coalesce(each.holds, alike.holds) AS holds, coalesce(each.reconsider_at, alike.reconsider_at) AS reconsider_at,
        coalesce(each.sender_fields, alike.sender_fields) AS sender_fields, coalesce(each.open_reason, alike.open_reason) AS open_reason"""
# As many parameters as `columns` gives.
GIVEN_ALERTS: LiteralString = (
    "("
    + _ALERTS
    + """ FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::jsonb[], %s::text[], %s::text[],
            %s::text[], %s::timestamptz[], %s::timestamptz[], %s::boolean[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
            %s::text[], %s::bigint[], %s::bigint[], %s::jsonb[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::boolean[],
            %s::jsonb[], %s::timestamptz[], %s::jsonb[], %s::text[]) AS each (id, """
    + WRITTEN
    + "), json_populate_record(NULL::alert, %s) AS alike)"
)


def _written(values: Sequence[object]) -> Column:
    return documents([orjson.dumps(value, default=dict) for value in values])


_WRITERS: dict[str, Callable[[Sequence[Any]], Column]] = {
    "id": uuids,
    **dict.fromkeys(("starts_at", "ends_at", "opened_at", "last_signal_at", "resolved_at"), instants),
    **dict.fromkeys(("acknowledged_at", "snoozed_until", "reconsider_at"), instants),
    **dict.fromkeys(("labels", "annotations", "tags", "holds", "sender_fields"), _written),
    **dict.fromkeys(("ends_by_timeout", "told"), booleans),
    **dict.fromkeys(("occurrences", "version"), integers),
}
_COLUMNS = tuple((name, _WRITERS.get(name, texts), _WRITERS.get(name, texts)(())) for name in NAMES)
_values = attrgetter(*NAMES)


def columns(alerts: Sequence[Alert]) -> list[object]:
    """The parameters of `GIVEN_ALERTS`: a column for each of NAMES, empty where all alerts say alike; these fields as JSON."""
    alike: dict[str, object] = {}
    said = zip(*map(_values, alerts), strict=True)
    return [*_columns(said, alike), orjson.dumps(alike, default=dict).decode()]


def _columns(said: Iterator[tuple[object, ...]], alike: dict[str, object]) -> Iterator[Column]:
    for (name, write, nothing), values in zip(_COLUMNS, said, strict=True):
        if name == "id" or _unlike(name, values):
            yield write(values)
        else:
            alike[name] = values[0]
            yield nothing


def _unlike(name: str, values: Sequence[object]) -> bool:
    """Whether not all of a column are alike. `True == 1`, but not in JSON: what a sender's API keeps counts as unlike if there is any."""
    return values.count(values[0]) < len(values) or (name == "sender_fields" and len(values) > 1 and any(values))


assert set(NAMES) == set(FIELDS) - {"tiny_id"}
