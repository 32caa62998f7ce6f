"""Opsgenie's search syntax: `status: open AND (tag: db OR message: "disk full") AND NOT priority: P5`. Pure: text in, a tree out.

Understood: AND, OR, NOT (also `&`, `|`, `!`), parentheses, also around values, `:`, `=`, `!=`, and `<`, `>`, `<=`, `>=` for numbers
and times; `*` stands for any text. Words without a field are looked for in message, description, alias and tags.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tocsin_detection.intake.decoding import decode_instant
from tocsin_detection.signal import shortened

MOST_CHARACTERS = 1_000
DEEPEST = 20
TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>[()]|!=|<=|>=|[:=<>!&|])|(?P<word>[^\s()"=<>!&|:]+))')
ANYWHERE = ""
TEXTS = ("alertid", "alias", "tinyid", "message", "description", "tag", "entity", "source", "owner", "responders", "priority", ANYWHERE)
OPEN, CLOSED = "open", "closed"
STATUSES = frozenset({OPEN, CLOSED})
FLAGS = ("acknowledged", "snoozed", "isseen")
NUMBERS = ("count",)
TIMES = ("createdat", "lastoccurredat", "snoozeduntil")
OTHER_NAMES = {"id": "alertid", "tags": "tag", "teams": "responders", "team": "responders", "responder": "responders"}
ORDERED = ("<", ">", "<=", ">=")
CONNECTIVES = {"&": "AND", "|": "OR", "!": "NOT"}


class Unsearchable(Exception):
    """The query cannot be read; the text says why, and what is understood."""


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison. `operator` is one of `=`, `<`, `>`, `<=`, `>=`; texts and flags are compared by `=` only."""

    field: str
    operator: str
    value: str | int | bool | datetime


@dataclass(frozen=True, slots=True)
class Not:
    """What it holds does not match."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    """Both match."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Either:
    """At least one matches."""

    left: "Node"
    right: "Node"


Node = Term | Not | Both | Either


def parse(query: str) -> Node | None:
    """The tree of a query; None for an empty one. Raises Unsearchable."""
    if len(query) > MOST_CHARACTERS:
        raise Unsearchable(f"it has {len(query)} characters; at most {MOST_CHARACTERS} are read")
    tokens = _tokens(query)
    return _Parser(tokens).whole() if tokens else None


def possible(node: Node | None) -> frozenset[str]:
    """Which statuses those that match may have."""
    match node:
        case Term("status", _, value):
            return frozenset({str(value)})
        case Not(Term("status", _, value)):
            return STATUSES - {str(value)}
        case Both(left, right):
            return possible(left) & possible(right)
        case Either(left, right):
            return possible(left) | possible(right)
        case _:
            return STATUSES


def asks_status_only(node: Node | None) -> bool:
    """Whether all with a possible status match."""
    match node:
        case None | Term("status") | Not(Term("status")):
            return True
        case Both(left, right) | Either(left, right):
            return asks_status_only(left) and asks_status_only(right)
        case _:
            return False


def _tokens(query: str) -> list[str]:
    """Quoted texts keep their first quote, so that `"AND"` is a text and `AND` is not."""
    tokens, position = [], 0
    while query[position:].strip():
        found = TOKEN.match(query, position)
        if found is None:
            raise Unsearchable(f"it cannot be read from {shortened(query[position:].strip(), 32)!r}: is a quote not closed?")
        text = found["text"]
        tokens.append('"' + re.sub(r"\\(.)", r"\1", text[1:-1]) if text else found["sign"] or found["word"])
        position = found.end()
    return tokens


class _Parser:
    """Reads tokens from left to right. NOT binds closest, then AND, then OR; two terms side by side are both wanted."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._either(self._term)
        if self._next() is not None:
            raise Unsearchable(f"{self._shown()} is not expected there: is a parenthesis missing?")
        return node

    def _either(self, item: Callable[[], Node]) -> Node:
        node = self._both(item)
        while self._took("OR"):
            node = Either(node, self._both(item))
        return node

    def _both(self, item: Callable[[], Node]) -> Node:
        node = self._negated(item)
        while self._took("AND") or self._next() not in (None, ")", "OR", "|"):
            node = Both(node, self._negated(item))
        return node

    def _negated(self, item: Callable[[], Node]) -> Node:
        if self._took("NOT"):
            return Not(self._deeper(lambda: self._negated(item)))
        if self._took("("):
            node = self._deeper(lambda: self._either(item))
            if not self._took(")"):
                raise Unsearchable("a parenthesis is not closed")
            return node
        return item()

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unsearchable(f"it is nested more than {DEEPEST} deep")
        node = read()
        self._depth -= 1
        return node

    def _term(self) -> Node:
        word = self._value()
        operator = self._next()
        if operator is None or operator not in (":", "=", "!=", *ORDERED):
            return term(ANYWHERE, "=", word)
        self._position += 1
        if self._next() == "=" and operator == ":":
            self._position += 1
        field = word.lower()
        compared = "=" if operator in (":", "!=") else operator
        if operator == ":" and self._next() in ORDERED:
            compared = self._take()
        wanted = self._negated(lambda: term(field, compared, self._value()))
        return Not(wanted) if operator == "!=" else wanted

    def _value(self) -> str:
        token = self._next()
        if token is None or token in ("AND", "OR", "NOT", ")", ":", "=", "!=", *CONNECTIVES, *ORDERED):
            raise Unsearchable(f"a value is missing before {self._shown()}")
        return self._take().removeprefix('"')

    def _next(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1]

    def _took(self, wanted: str) -> bool:
        token = self._next()
        if token is None or (token != wanted and CONNECTIVES.get(token) != wanted):
            return False
        self._position += 1
        return True

    def _shown(self) -> str:
        token = self._next()
        return "its end" if token is None else repr(shortened(token.removeprefix('"'), 32))


def term(field: str, operator: str, text: str) -> Node:
    """One comparison with its value read. Raises Unsearchable."""
    name = OTHER_NAMES.get(field, field)
    if operator in ORDERED and name not in (*NUMBERS, *TIMES):
        raise Unsearchable(f"{field!r} has no order: compare it by ':'")
    if name in TEXTS:
        return Term(name, "=", text)
    read = READERS.get(name)
    if read is None:
        known = ", ".join(sorted({*TEXTS, *READERS} - {ANYWHERE}))
        raise Unsearchable(f"{shortened(field, 32)!r} cannot be searched for; known are {known}")
    return Term(name, operator, read(text))


def _status(text: str) -> str:
    if text.lower() not in STATUSES:
        raise Unsearchable(f"status {shortened(text, 32)!r} is neither open nor closed")
    return text.lower()


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Unsearchable(f"{shortened(text, 32)!r} is neither true nor false")
    return text.lower() == "true"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Unsearchable(f"{shortened(text, 32)!r} is not a whole number")
    return int(text)


def _time(text: str) -> datetime:
    """Milliseconds since 1970, or an instant in quotes."""
    try:
        if text.isascii() and text.isdigit() and len(text) < 15:
            return datetime.fromtimestamp(int(text) / 1_000, UTC)
        instant = decode_instant(text)
    except (ValueError, OverflowError, OSError) as error:
        raise Unsearchable(
            f'{shortened(text, 64)!r} is neither milliseconds since 1970 nor an instant like "2026-11-23T07:00:00Z"'
        ) from error
    if instant is None:
        raise Unsearchable("an instant is missing")
    return instant


READERS: Mapping[str, Callable[[str], str | int | bool | datetime]] = {
    "status": _status,
    **dict.fromkeys(FLAGS, _flag),
    **dict.fromkeys(NUMBERS, _number),
    **dict.fromkeys(TIMES, _time),
}
