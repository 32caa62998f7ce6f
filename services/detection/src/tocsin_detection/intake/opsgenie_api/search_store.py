"""The SQL of searches in Opsgenie's words."""

# Statements are put together from the pieces below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.intake.opsgenie_api.conditions import (
    OF_INTEGRATION,
    SORTED,
    WALKS,
    WALKS_UP,
    Asked,
    Search,
    condition,
    span_of,
    tables,
    ways,
)

COLUMNS: LiteralString = """id, tiny_id, integration, fingerprint, title, description, tags, sender_fields, occurrences, opened_at,
    last_signal_at, resolved_at, acknowledged_at, acknowledged_by, snoozed_until"""


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of one page, and how many there are in all."""

    ids: Sequence[str]
    total: int


async def be_patient(tx: Tx, patience: timedelta) -> None:
    """Let no statement of this transaction take longer."""
    await tx.value(str, "SELECT set_config('statement_timeout', %s, true)", (str(round(patience.total_seconds() * 1_000)),))


async def are_few(tx: Tx, search: Search, most: int) -> bool:
    """Whether an index knows that no more than so many alerts have to be looked at."""
    for way in ways(search):
        if await _count(tx, search, way, most + 1) <= most:
            return True
    return False


async def count_by_status(tx: Tx, search: Search, most: int) -> int:
    """How many alerts of the integration there are where the search looks, counted up to so many and one."""
    return await _count(tx, search, (OF_INTEGRATION, [search.integration]), most + 1)


async def _count(tx: Tx, search: Search, way: Asked, most: int) -> int:
    places = tables(search.wanted)
    each: LiteralString = "SELECT 1 FROM {} WHERE " + way[0]
    sql: LiteralString = "SELECT count(*) FROM (" + _of_each(each, places) + " LIMIT %s) AS found"
    return await tx.value(int, sql, (*way[1] * len(places), most)) or 0


async def next_ids(tx: Tx, search: Search, most: int) -> list[str]:
    """What the page holds, and one more, among the first `most` alerts of all integrations in an order that an index has."""
    order: LiteralString = (WALKS if search.descending else WALKS_UP)[search.sort]
    span, span_params = span_of(search)
    where, params = condition(search.wanted)
    places = tables(search.wanted)
    rows: LiteralString = "(SELECT " + COLUMNS + " FROM {} AS alert WHERE " + span + order + " LIMIT %s)"
    first: LiteralString = "SELECT * FROM (" + _of_each(rows, places) + ") AS alert" + order + " LIMIT %s"
    return await tx.values(
        str,
        "SELECT id::text FROM (" + first + ") AS alert WHERE integration = %s AND (" + where + ")" + order + " LIMIT %s OFFSET %s",
        (*[*span_params, most] * len(places), most, search.integration, *params, search.limit + 1, search.offset),
    )


async def find_all(tx: Tx, search: Search) -> Found:
    """One page, and how many there are, by looking at all."""
    await _thoroughly(tx)
    direction: LiteralString = " DESC" if search.descending else " ASC"
    found, params = _all(search, "id, " + SORTED[search.sort] + " AS key")
    return await tx.one(
        Found,
        "WITH found AS MATERIALIZED (" + found + ") SELECT ARRAY(SELECT id::text FROM found ORDER BY key" + direction + " NULLS LAST, id"
        + direction + " LIMIT %s OFFSET %s) AS ids, (SELECT count(*) FROM found) AS total",
        (*params, search.limit, search.offset),
    )  # fmt: skip


async def count_all(tx: Tx, search: Search) -> int:
    """How many there are, by looking at all."""
    await _thoroughly(tx)
    found, params = _all(search, "1")
    return await tx.value(int, "SELECT count(*) FROM (" + found + ") AS found", params) or 0


async def _thoroughly(tx: Tx) -> None:
    """Nothing has the order that is wanted: plan as is best for reading all of what is there, for the values at hand."""
    await tx.value(
        str,
        """SELECT set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true),
                  set_config('plan_cache_mode', 'force_custom_plan', true)""",
    )


def _all(search: Search, what: LiteralString) -> Asked:
    where, params = condition(search.wanted)
    places = tables(search.wanted)
    each: LiteralString = "SELECT " + what + " FROM {} WHERE integration = %s AND (" + where + ")"
    return _of_each(each, places), [search.integration, *params] * len(places)


def _of_each(rows: LiteralString, places: Sequence[LiteralString]) -> LiteralString:
    """The rows of each place, together. `{}` stands for its name."""
    every: LiteralString = " UNION ALL "
    return every.join([rows.replace("{}", place) for place in places])
