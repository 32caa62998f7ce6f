"""What a list's filters ask of a row, in the words of SQL. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import orjson

from tocsin_detection.alert import CHECKS
from tocsin_detection.listing import Wanted
from tocsin_detection.noise.matcher import Matcher, Operator
from tocsin_detection.noise.translation import pattern, translated

# What matchers see beside the labels; see noise.matcher.labels_of.
PSEUDO_LABELS: Mapping[str, LiteralString] = {
    "service": "coalesce(labels ->> 'service', sender_service)",
    "severity": "coalesce(labels ->> 'severity', sender_severity)",
    "integration": "integration",
    "fingerprint": "fingerprint",
    "alert_id": "id::text",
}
LABEL: LiteralString = "coalesce(labels ->> %s, '')"
HAS_LABELS: LiteralString = "labels @> %s::jsonb"
# Of open alerts these are found by an index, though in no order.
INDEXED: tuple[LiteralString, ...] = (HAS_LABELS, "integration = %s", "fingerprint = %s")


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a WHERE, and what it needs.

    `indexed`: an index of the open alerts has those that meet it. `slow`: it has to be worked out for each row.
    """

    sql: LiteralString
    params: Sequence[object] = ()
    indexed: bool = False
    slow: bool = True


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A matcher that the database would understand otherwise: RE2 looks at each different value of `seen` once."""

    matcher: Matcher
    seen: LiteralString
    params: Sequence[object]

    def settled(self, values: Sequence[str]) -> Condition:
        """Given all the values that there are among the rows. They are given as a set, in which one is found at once."""
        fitting = [value for value in values if self.matcher.matches({self.matcher.name: value})]
        if len(fitting) * 2 <= len(values):
            return Condition(self.seen + " IN (SELECT unnest(%s::text[]))", (*self.params, fitting))
        unfit = set(values).difference(fitting)
        return Condition(self.seen + " NOT IN (SELECT unnest(%s::text[]))", (*self.params, sorted(unfit)))


def all_of(conditions: Sequence[Condition]) -> tuple[LiteralString, list[object]]:
    """The conditions as the rest of a WHERE, and what they need."""
    where: LiteralString = ""
    for condition in conditions:
        where += " AND " + condition.sql
    return where, [param for condition in conditions for param in condition.params]


def in_order(wanted: Wanted) -> Condition | None:
    """What of it an index of the open alerts has in the order of lists, beside all of them."""
    if wanted.service is not None:
        return Condition("sender_service = %s", (wanted.service,))
    return Condition("NOT told") if wanted.held else None


def sieves(wanted: Wanted, *, resolved: bool) -> Iterator[Condition | Unsettled]:
    """What has to be asked of each row, open or resolved, beyond what `in_order` says of open ones."""
    given: tuple[tuple[LiteralString, object], ...] = (
        ("integration = %s", wanted.integration),
        (HAS_LABELS, _document(wanted.labels) if wanted.labels else None),
        ("sender_severity = %s", wanted.severity),
        ("strpos(lower(title), lower(%s)) > 0", wanted.text),
        ("sender_service = %s", wanted.service if resolved else None),
    )
    for sql, value in given:
        if value is not None:
            yield Condition(sql, (value,), indexed=sql in INDEXED)
    if wanted.integration is None:
        yield Condition("integration <> %s", (CHECKS,), slow=False)
    if wanted.held is not None and not resolved:
        yield from _held(wanted)
    yield from map(matching, wanted.matchers)


def _held(wanted: Wanted) -> Iterator[Condition]:
    if not wanted.held:
        yield Condition("told", slow=False)
    elif wanted.service is not None:
        # In words that no index answers: it would have to be another one than the service's.
        yield Condition("told::integer = 0", slow=False)


def matching(matcher: Matcher) -> Condition | Unsettled:
    """What a matcher asks of a row, with the meaning that it has in `noise.matcher`."""
    pseudo = PSEUDO_LABELS.get(matcher.name)
    if pseudo is None and matcher.operator is Operator.EQUAL and matcher.text:
        return Condition(HAS_LABELS, (_document({matcher.name: matcher.text}),), indexed=True)
    seen: LiteralString = LABEL if pseudo is None else pseudo
    name = (matcher.name,) if pseudo is None else ()
    if matcher.operator is Operator.EQUAL:
        equal: LiteralString = seen + " = %s"
        return Condition(equal, (*name, matcher.text), indexed=equal in INDEXED)
    if matcher.operator is Operator.DIFFERENT:
        return Condition(seen + " <> %s", (*name, matcher.text))
    if (like := pattern(matcher.text)) is not None:
        condition: LiteralString = "(" + seen + " LIKE %s AND " + seen + " NOT LIKE %s)"
        negated = matcher.operator is Operator.UNLIKE
        return Condition("NOT " + condition if negated else condition, (*name, like, *name, "%\n%"))
    if (expression := translated(matcher.text)) is not None:
        return Condition(seen + (" ~ %s" if matcher.operator is Operator.LIKE else " !~ %s"), (*name, expression))
    return Unsettled(matcher, seen, name)


def _document(labels: Mapping[str, str]) -> str:
    return orjson.dumps(dict(labels)).decode()
