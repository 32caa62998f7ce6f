"""The SQL of lists of alerts: what one page looks at is bounded, however many there are and however rare what is wanted."""

# Statements are put together from the pieces below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import Alert
from tocsin_detection.alert_conditions import Condition, Unsettled, all_of, in_order, sieves
from tocsin_detection.alert_rows import READ, read_alerts
from tocsin_detection.listing import Look, Wanted, position, together

# So many rows one page looks at, shared among what has to be worked out for each: about 30 ms of one processor.
LOOKED_AT = 8_000
# As much as two others: its values are handed out.
UNSETTLED_TOIL = 2
# What is met often is found among so many, and the index of those that are rare is not asked.
LOOKED_AT_FIRST = 500

# With the table's name, so that it is the column with the index and not the text that is read of it.
NEWEST: LiteralString = " ORDER BY alert.opened_at DESC, alert.id DESC LIMIT %s"
LAST_OF: LiteralString = " ORDER BY alert.opened_at DESC, alert.id DESC OFFSET %s LIMIT 1"
BEFORE: LiteralString = "(alert.opened_at, alert.id) < (%s::timestamptz, %s::uuid)"


@dataclass(frozen=True, slots=True)
class _Place:
    """The open alerts, or the resolved ones, and what is asked of them: `ordered` what an index answers in the order of lists."""

    rows: LiteralString
    ordered: Sequence[Condition]
    sieves: Sequence[Condition | Unsettled]

    @property
    def toil(self) -> int:
        """How much has to be worked out for each row, beyond reading it; at least one."""
        return max(1, sum(UNSETTLED_TOIL if isinstance(sieve, Unsettled) else sieve.slow for sieve in self.sieves))

    @property
    def indexed(self) -> Sequence[Condition]:
        """What an index knows, in no order."""
        return [sieve for sieve in self.sieves if isinstance(sieve, Condition) and sieve.indexed]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows, as a SELECT, and what it needs."""

    sql: LiteralString
    params: Sequence[object]


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a row stands in a list."""

    opened_at: datetime
    id: str


async def list_alerts(tx: Tx, wanted: Wanted, most: int = LOOKED_AT) -> Look:
    """The newest that are wanted, at most `wanted.limit`, among the next of all alerts: no more than `most` are looked at in a row.

    It takes a transaction in which everything is as it was at one moment (`Database.reading`).
    """
    places = _places(wanted)
    looks = [await _look(tx, place, wanted, max(1, most // len(places) // place.toil)) for place in places]
    return together(looks, wanted.limit)


async def alerts_of(tx: Tx, integration: str, ids: Sequence[str]) -> list[Alert]:
    """These alerts of an integration, open or resolved, in no order."""
    return await read_alerts(
        tx,
        "SELECT " + READ + " FROM alert WHERE integration = %s AND id = ANY(%s::uuid[])"
        " UNION ALL SELECT " + READ + " FROM resolved_alert WHERE integration = %s AND id = ANY(%s::uuid[])",
        (integration, list(ids), integration, list(ids)),
    )


def _places(wanted: Wanted) -> list[_Place]:
    places = []
    if wanted.open is not False:
        ordered = in_order(wanted)
        places.append(_Place("alert", [ordered] if ordered else [], list(sieves(wanted, resolved=False))))
    if wanted.open is not True and not wanted.held:
        places.append(_Place("resolved_alert AS alert", [], list(sieves(wanted, resolved=True))))
    return places


def _before(wanted: Wanted) -> list[Condition]:
    """What leaves the pages before out."""
    return [Condition(BEFORE, wanted.before)] if wanted.before else []


async def _look(tx: Tx, place: _Place, wanted: Wanted, most: int) -> Look:
    """Where an index has all that may be wanted and they are few, these; else the next along the index of the newest."""
    if place.rows == "alert" and place.indexed:
        first = await _along(tx, place, wanted, min(most, LOOKED_AT_FIRST))
        if first.until is None or len(first.found) > wanted.limit:
            return first
        for condition in place.indexed:
            if await are_few(tx, condition, most):
                return await _among_few(tx, place, condition, wanted, most)
    return await _along(tx, place, wanted, most)


async def _along(tx: Tx, place: _Place, wanted: Wanted, most: int) -> Look:
    """What is wanted of the next `most` rows, in the order of lists."""
    where, params = all_of([*place.ordered, *_before(wanted)])
    following: LiteralString = " FROM " + place.rows + " WHERE true" + where
    found = await _sieved(tx, place.sieves, _Rows("SELECT *" + following + NEWEST, [*params, most]), wanted.limit + 1)
    if len(found) > wanted.limit:
        return Look(found, position(found[-1]))
    last = await tx.maybe(_Position, "SELECT opened_at, id::text AS id" + following + LAST_OF, [*params, most - 1])
    return Look(found, (last.opened_at, last.id) if last else None)


async def are_few(tx: Tx, condition: Condition, most: int) -> bool:
    """Whether no more than so many open alerts meet a condition of which an index knows."""
    sql: LiteralString = "SELECT count(*) FROM (SELECT FROM alert WHERE " + condition.sql + " LIMIT %s) AS alert"
    return (await tx.value(int, sql, (*condition.params, most + 1)) or 0) <= most


async def _among_few(tx: Tx, place: _Place, condition: Condition, wanted: Wanted, most: int) -> Look:
    """What is wanted of the few that meet one condition."""
    few = _Rows("SELECT * FROM alert WHERE " + condition.sql + " LIMIT %s", (*condition.params, most))
    found = await _sieved(tx, [*place.ordered, *_before(wanted), *place.sieves], few, wanted.limit + 1)
    return Look(found, position(found[-1]) if len(found) > wanted.limit else None)


async def _sieved(tx: Tx, sieves: Sequence[Condition | Unsettled], rows: _Rows, limit: int) -> list[Alert]:
    """The newest of these rows that pass all sieves."""
    where, params = all_of([sieve if isinstance(sieve, Condition) else await _settled(tx, sieve, rows) for sieve in sieves])
    sql: LiteralString = "SELECT " + READ + " FROM (" + rows.sql + ") AS alert WHERE true" + where + NEWEST
    return await read_alerts(tx, sql, [*rows.params, *params, limit])


async def _settled(tx: Tx, unsettled: Unsettled, rows: _Rows) -> Condition:
    sql: LiteralString = "SELECT DISTINCT " + unsettled.seen + " FROM (" + rows.sql + ") AS alert"
    return unsettled.settled(await tx.values(str, sql, (*unsettled.params, *rows.params)))
