"""How a sender's own JSON is read: a CEL expression for each field. CEL always ends, and its loops have a budget of 10,000 rounds."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cached_property, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_optional import ExtOptional

from tocsin_detection.intake.intake import BadPart
from tocsin_detection.integration import Mapping as FieldMapping
from tocsin_detection.signal import one_line, storable

# No text that is read is longer than what an alert describes.
MOST_TEXT = 16_384
# What a loop costs grows with the square of what it goes through, and it may join a text to each item.
MOST_TEXT_IN_LOOPS = 4_096
MOST_ITEMS_IN_LOOPS = 200
# Once for a body, to find its objects.
MOST_OBJECTS = 1_000
DEEPEST = 64
MOST_LABELS = 1_000
# Joined texts double at each round of loops in a row: two or three are enough to read a body, thirty would fill the memory.
MOST_LOOPS = 3
MOST_ADDITIONS = 20
MOST_SHOWN = 200
LOOP = re.compile(r"\b(map|filter|all|exists|exists_one)\b")
NUMBERS = (cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE)
FIELDS = tuple(field.name for field in fields(FieldMapping))
STATES = {True: "firing", False: "resolved"}

Expression = Any


class MappedBody:
    """What is read by a mapping: the objects in a body, each rewritten to one with the usual names."""

    def __init__(self, mapping: FieldMapping, body: object, headers: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._headers = dict(headers)
        self._body = body

    def items(self) -> list[Any]:
        """The objects, unread, or the body itself where no expression gives them. Raises BadPart."""
        if not self._mapping.items:
            return self._body if isinstance(self._body, list) else [self._body]
        given = self._given("items", _Content(self._body, self._headers, MOST_OBJECTS))
        if not given.type().name().startswith("LIST"):
            raise self._bad("items", f"it gives {_kind(given)}, not a list")
        return list(given.value())

    def rewritten(self, item: Any) -> Any:
        """An object with the usual names: what expressions give, and beside it what the item itself says. Raises BadPart."""
        content = item.plain_value() if hasattr(item, "plain_value") else item
        return {**(content if isinstance(content, dict) else {}), **self.mapped(content)}

    def mapped(self, content: object) -> dict[str, Any]:
        """Only what the expressions give over an object, by the usual names. Raises BadPart."""
        given = _Content(content, self._headers, MOST_ITEMS_IN_LOOPS)
        said: dict[str, Any] = {}
        for field in FIELDS:
            if field != "items" and getattr(self._mapping, field):
                said |= self._field(field, given)
        return said

    def _field(self, field: str, content: "_Content") -> dict[str, Any]:
        given = self._given(field, content)
        if field == "labels":
            return {"labels": self._labels(given)}
        if field == "key":
            # Whatever else the object calls a key must not count beside the one that was mapped.
            return {"key": self._text(field, given), "dedup_key": None}
        if field == "title":
            return {"title": self._text(field, given), "message": None, "summary": None}
        if field == "state":
            said = given.value()
            return {"status": STATES[said] if isinstance(said, bool) else self._text(field, given)}
        return {field: self._text(field, given)}

    def _labels(self, given: Any) -> dict[str, str]:
        if not given.type().name().startswith("MAP"):
            raise self._bad("labels", f"it gives {_kind(given)}, not a map of texts")
        found = given.value()
        if len(found) > MOST_LABELS:
            raise self._bad("labels", f"it gives {len(found)} labels; give at most {MOST_LABELS}")
        return {storable(str(name)): self._label(name, found[name]) for name in found}

    def _label(self, name: object, value: Any) -> str:
        plain = value.value()
        return ("true" if plain else "false") if isinstance(plain, bool) else self._text("labels", value)

    def _text(self, field: str, given: Any) -> str:
        kind = given.type()
        if kind == cel.Type.NULL:
            return ""
        if kind == cel.Type.STRING or kind in NUMBERS:
            return storable(str(given.value()))
        raise self._bad(field, f"it gives {_kind(given)}, not a text")

    def _given(self, field: str, content: "_Content") -> Any:
        expression = getattr(self._mapping, field)
        try:
            given = _compiled(expression).eval(content.for_loops if LOOP.search(expression) else content.whole)
        except _Unfit as error:
            raise self._bad(field, str(error)) from error
        except (RuntimeError, ValueError, MemoryError) as error:
            raise self._bad(field, _said(error)) from error
        if given.type() == cel.Type.ERROR:
            raise self._bad(field, f'{_said(given.value())}; for what may be absent write body.?name.orValue("")')
        return given

    def _bad(self, field: str, detail: str) -> BadPart:
        shown = one_line(getattr(self._mapping, field), MOST_SHOWN)
        return BadPart(f"mapping.{field}: {detail} (in {shown})")


class _Unfit(Exception):
    """An object that expressions cannot go through; the text says why."""


class _Content:
    """One object as expressions see it; what loops see of it is smaller."""

    def __init__(self, content: object, headers: Mapping[str, str], most_items: int) -> None:
        """`most_items` is how many items of one list loops may go through."""
        self._content = content
        self._headers = headers
        self._most_items = most_items

    @cached_property
    def whole(self) -> Any:
        """Raises _Unfit."""
        return self._activation(_bounded(self._content, MOST_TEXT, None, DEEPEST))

    @cached_property
    def for_loops(self) -> Any:
        """Raises _Unfit."""
        return self._activation(_bounded(self._content, MOST_TEXT_IN_LOOPS, self._most_items, DEEPEST))

    def _activation(self, content: object) -> Any:
        return _environment().Activation({"body": content, "headers": self._headers})


def problems_of(mapping: FieldMapping) -> Iterator[tuple[str, str]]:
    """The fields whose expressions cannot be used, and why."""
    for field in FIELDS:
        expression = getattr(mapping, field)
        if expression and (problem := _problem(expression)):
            yield field, problem


def _problem(expression: str) -> str:
    if len(LOOP.findall(expression)) > MOST_LOOPS:
        return f"it has more than {MOST_LOOPS} loops (map, filter, all, exists, exists_one): say it more simply"
    if expression.count("+") > MOST_ADDITIONS:
        return f"it has more than {MOST_ADDITIONS} additions: say it more simply"
    try:
        _compiled(expression)
    except (RuntimeError, ValueError) as error:
        return f"it is not a CEL expression over body and headers: {_said(error)}"
    return ""


@lru_cache(maxsize=1)
def _environment() -> Any:
    return cel.NewEnv(
        variables={"body": cel.Type.DYN, "headers": cel.Type.Map(cel.Type.STRING, cel.Type.STRING)}, extensions=[ExtOptional()]
    )


@lru_cache(maxsize=4_096)
def _compiled(expression: str) -> Expression:
    return _environment().compile(expression)


def _bounded(value: Any, most_text: int, most_items: int | None, depth: int) -> Any:
    """The value with its texts cut. Raises _Unfit if it is too deep, or has more items than loops may go through."""
    if isinstance(value, str):
        return value[:most_text]
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise _Unfit(f"the body is nested deeper than {DEEPEST} objects and lists")
    if most_items is not None and len(value) > most_items:
        raise _Unfit(f"the body has a list or object of {len(value)} items; an expression with loops goes through at most {most_items}")
    if isinstance(value, list):
        return [_bounded(item, most_text, most_items, depth - 1) for item in value]
    return {name: _bounded(item, most_text, most_items, depth - 1) for name, item in value.items()}


def _kind(given: Any) -> str:
    return f"a value of type {given.type().name().lower()}"


def _said(error: object) -> str:
    """What CEL says, without its brackets and drawings."""
    lines = str(error).splitlines() or [type(error).__name__]
    return one_line(lines[0].removeprefix("INVALID_ARGUMENT: ERROR: <input>:").removesuffix("[INVALID_ARGUMENT]"), MOST_SHOWN)
