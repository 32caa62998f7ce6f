"""CEL expressions of automations: they always end, see only what they are given, and change nothing."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_strings import ExtStrings

NUMBERS = (cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE)
LOOP = re.compile(r"\b(map|filter|all|exists|exists_one)\b")
MOST_LOOPS = 2
MOST_ADDITIONS = 20
MOST_SHOWN = 200


class Unusable(Exception):
    """The expression gives nothing that can be used; the text says why."""


def problem_of(expression: str) -> str:
    """Why the expression cannot be used, for people; empty if it can."""
    if len(LOOP.findall(expression)) > MOST_LOOPS or expression.count("+") > MOST_ADDITIONS:
        return f"say it more simply: at most {MOST_LOOPS} loops and {MOST_ADDITIONS} additions"
    try:
        _compiled(expression)
    except (RuntimeError, ValueError) as error:
        return f"is not a CEL expression over incident, alert and phase: {_said(error)}"
    return ""


def holds(expression: str, known: Mapping[str, Any]) -> bool:
    """Whether the condition is fulfilled; an empty one always is. Raises Unusable."""
    if not expression:
        return True
    given = _given(expression, known).value()
    if not isinstance(given, bool):
        raise Unusable(f"{expression} gives {given!r:.50}, not true or false")
    return given


def text(expression: str, known: Mapping[str, Any]) -> str:
    """What the expression gives, as text. Raises Unusable."""
    given = _given(expression, known)
    value = given.value()
    if isinstance(value, bool):
        return "true" if value else "false"
    if given.type() == cel.Type.STRING or given.type() in NUMBERS:
        return str(value)
    raise Unusable(f"{expression} gives no text or number")


def _given(expression: str, known: Mapping[str, Any]) -> Any:
    try:
        given = _compiled(expression).eval(_environment().Activation(dict(known)))
    except (RuntimeError, ValueError, MemoryError) as error:
        raise Unusable(_said(error)) from error
    if given.type() == cel.Type.ERROR:
        raise Unusable(_said(given.value()))
    return given


@lru_cache(maxsize=1)
def _environment() -> Any:
    known = {"incident": cel.Type.DYN, "alert": cel.Type.DYN, "phase": cel.Type.STRING}
    return cel.NewEnv(variables=known, extensions=[ExtStrings()])


@lru_cache(maxsize=1_000)
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


def _said(error: object) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].removeprefix("INVALID_ARGUMENT: ERROR: <input>:").removesuffix("[INVALID_ARGUMENT]").strip()[:MOST_SHOWN]
