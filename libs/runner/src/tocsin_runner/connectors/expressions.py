"""Texts with CEL in them: `${…}` gives a value, and a text that is one expression keeps its type. CEL always ends and reaches nothing."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from cel_expr_python import cel
from cel_expr_python.ext.ext_encoders import ExtEncoders
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings

from tocsin_runner.assignment import Document, Json, Refused

# What expressions may speak of. Secrets and the token are given to the headers of authentication and to requests for tokens alone.
NAMES = (
    "arguments",
    "settings",
    "look",
    "state",
    "prior",
    "after",
    "token",
    "body",
    "status",
    "headers",
    "key",
    "marker",
    "incident",
    "now",
    "secrets",
    "bearer",
    "item",
    "retried",
    "until",
    "fresh",
)


class BadExpression(Exception):
    """An expression that cannot be used; the text says why."""


class Expression:
    """One CEL expression."""

    def __init__(self, source: str) -> None:
        """Raises BadExpression."""
        self.source = source
        try:
            self._program = _environment().compile(source)
        except (RuntimeError, ValueError) as error:
            raise BadExpression(f"{source!r} is no CEL expression: {_first_line(error)}") from error

    def value(self, given: Document) -> Json:
        """What it gives. Raises Refused: the other side's answer, or an argument, is not as expected."""
        found = self._evaluated(given)
        if found.type() == cel.Type.ERROR:
            raise Refused(f"what was found is not as expected: {_first_line(found.value())} (in {self.source[:120]})")
        return found.plain_value()

    def holds(self, given: Document) -> bool:
        """True if it is true. What is missing makes it false."""
        found = self._evaluated(given)
        return found.type() == cel.Type.BOOL and bool(found.value())

    def _evaluated(self, given: Document) -> Any:
        try:
            return self._program.eval(_environment().Activation({name: given.get(name) for name in NAMES}))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise Refused(f"what was found is not as expected: {_first_line(error)} (in {self.source[:120]})") from error


class Text:
    """A text with expressions in it."""

    def __init__(self, source: str) -> None:
        """Raises BadExpression."""
        self.parts = [Expression(part) if is_code else part for is_code, part in _parts(source)]

    def value(self, given: Document) -> Json:
        """The value of its one expression, or the whole text."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].value(given)
        return self.text(given)

    def text(self, given: Document, encode: Callable[[str], str] = str) -> str:
        """The whole text; what expressions gave is encoded."""
        return "".join(encode(as_text(part.value(given))) if isinstance(part, Expression) else part for part in self.parts)

    def path(self, given: Document) -> str:
        """A path: each value is one piece of one segment. Raises Refused for a value that would climb."""
        made = []
        for part in self.parts:
            if isinstance(part, str):
                made.append(part)
                continue
            value = as_text(part.value(given))
            if value in ("", ".", ".."):
                raise Refused(f"the value {value!r} cannot stand in an address (in {part.source[:120]})")
            made.append(quote(value, safe=""))
        return "".join(made)


Template = Callable[[Document], Json]


def template(source: Json) -> Template:
    """A value with expressions anywhere in its texts. Raises BadExpression."""
    if isinstance(source, str):
        return Text(source).value
    if isinstance(source, Mapping):
        items = {str(name): template(item) for name, item in source.items()}
        return lambda given: {name: item(given) for name, item in items.items()}
    if isinstance(source, list):
        listed = [template(item) for item in source]
        return lambda given: [item(given) for item in listed]
    return lambda given: source


def as_text(value: Json) -> str:
    """A value within a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _parts(source: str) -> list[tuple[bool, str]]:
    """(is it an expression, text) in order; braces within an expression are balanced."""
    found: list[tuple[bool, str]] = []
    position = 0
    while (start := source.find("${", position)) >= 0:
        if start > position:
            found.append((False, source[position:start]))
        depth, end = 1, start + 2
        while end < len(source) and depth:
            depth += {"{": 1, "}": -1}.get(source[end], 0)
            end += 1
        if depth:
            raise BadExpression(f"{source!r} has a ${{ without its }}")
        found.append((True, source[start + 2 : end - 1].strip()))
        position = end
    if position < len(source) or not found:
        found.append((False, source[position:]))
    return found


@lru_cache(maxsize=1)
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(NAMES, cel.Type.DYN), extensions=[ExtOptional(), ExtStrings(), ExtEncoders()])


def _first_line(error: object) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].removeprefix("INVALID_ARGUMENT: ERROR: <input>:")[:200]
