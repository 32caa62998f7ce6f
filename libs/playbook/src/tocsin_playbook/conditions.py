"""Conditions of if and while, judged by the types of the variables that they compare."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import re2

from tocsin_playbook.pattern import BadCondition, Both, Condition, Either, Literal, Test, parsed, tests
from tocsin_playbook.variables import MOST_TEXT, REFERENCE, Variable, as_text, parse

ORDERED = {"integer", "long", "float"}
TEXTUAL = {"string", "uri"}
NETWORKS = {"ipv4-addr", "ipv6-addr"}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def holds(condition: str, variables: Mapping[str, Variable]) -> bool:
    """Whether a condition is true now. Raises BadCondition."""
    return _judged(parsed(condition), variables)


def problems(condition: str, variables: Mapping[str, Variable]) -> list[str]:
    """What is wrong with a condition, whatever values its variables will have."""
    try:
        found = list(tests(parsed(condition)))
    except BadCondition as error:
        return [str(error)]
    return [wrong for test in found if (wrong := _unfit(test, variables))]


def _named(test: Test) -> list[str]:
    """Every variable that a test looks at: its own, and those it compares with: '__other__:value'."""
    others = (found.group(1) for each in test.literals if (found := REFERENCE.fullmatch(each.text)))
    return [test.name, *others]


def _unfit(test: Test, variables: Mapping[str, Variable]) -> str:
    for name in _named(test):
        if name not in variables:
            return f"there is no variable {name}; declare it in playbook_variables or step_variables"
    kind = variables[test.name].type
    if test.path and kind != "dictionary":
        return f"{test.name} is a {kind}; only a dictionary has something inside"
    return _misused(test, kind) or _unreadable(test, kind)


def _misused(test: Test, kind: str) -> str:
    if test.operator in ORDER and kind not in ORDERED and not test.path:
        return f"{test.name} is a {kind}, which has no order; declare it as integer or float to use {test.operator}"
    if test.operator in ("ISSUBSET", "ISSUPERSET") and kind not in NETWORKS:
        return f"{test.name} is a {kind}; {test.operator} is for ipv4-addr and ipv6-addr"
    if test.operator == "MATCHES":
        try:
            _regex(test.literals[0].text)
        except BadCondition as error:
            return str(error)
    return ""


def _unreadable(test: Test, kind: str) -> str:
    if test.path or test.operator in ("LIKE", "MATCHES"):
        return ""
    for each in test.literals:
        if REFERENCE.fullmatch(each.text):
            continue
        try:
            parse(kind, each.text)
        except ValueError as error:
            return f"{test.name} is a {kind}, but {error}"
    return ""


def _judged(condition: Condition, variables: Mapping[str, Variable]) -> bool:
    if isinstance(condition, Both):
        return all(_judged(part, variables) for part in condition.parts)
    if isinstance(condition, Either):
        return any(_judged(part, variables) for part in condition.parts)
    return _passes(condition, variables) != condition.negated


def _passes(test: Test, variables: Mapping[str, Variable]) -> bool:
    found = variables.get(test.name)
    if found is None:
        raise BadCondition(f"there is no variable {test.name}")
    kind, text = _inside(found, test.path) if test.path else (found.type, found.value)
    if test.operator == "EXISTS":
        return text is not None
    if text is None:
        raise BadCondition(f"{test.name} has no value; ask first with EXISTS {test.name}:value")
    literals = [_resolved(each, variables) for each in test.literals]
    return _compares(test.operator, kind, text, literals)


def _inside(variable: Variable, path: tuple[str | int, ...]) -> tuple[str, str | None]:
    """Type and text of what is in a dictionary at a path."""
    value = variable.parsed
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return "string", None
    if isinstance(value, bool):
        return "bool", as_text(value)
    return ("float" if isinstance(value, int | float) else "string"), as_text(value)


def _resolved(literal: Literal, variables: Mapping[str, Variable]) -> str:
    found = REFERENCE.fullmatch(literal.text)
    if not found:
        return literal.text
    other = variables.get(found.group(1))
    if other is None or other.value is None:
        raise BadCondition(f"{found.group(1)} has no value")
    return other.value


def _compares(operator: str, kind: str, text: str, literals: list[str]) -> bool:
    if operator == "MATCHES":
        return _regex(literals[0]).search(text) is not None
    if operator == "LIKE":
        return _like(literals[0]).fullmatch(text) is not None
    try:
        value, others = parse(kind, text), [parse(kind, each) for each in literals]
    except ValueError as error:
        raise BadCondition(str(error)) from error
    if operator in ORDER:
        return _ordered(operator, kind, value, others[0])
    if operator == "ISSUBSET":
        return _within(value, others[0])
    if operator == "ISSUPERSET":
        return _within(others[0], value)
    return value in others


def _ordered(operator: str, kind: str, value: object, other: object) -> bool:
    if kind not in ORDERED:
        raise BadCondition(f"a {kind} has no order")
    return ORDER[operator](value, other)


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


@lru_cache(maxsize=512)
def _regex(text: str) -> Any:
    """RE2 takes time that grows with the text alone, whatever the expression."""
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise BadCondition(f"the expression after MATCHES is not understood: {error.args[0]!r}") from error


@lru_cache(maxsize=512)
def _like(text: str) -> Any:
    """% stands for any letters, _ for one."""
    pattern = "".join({"%": ".*", "_": "."}.get(letter, re2.escape(letter)) for letter in text[:MOST_TEXT])
    return re2.compile(f"(?s){pattern}")


def variables_in(condition: str) -> set[str]:
    """The variables that a condition looks at. Raises BadCondition."""
    return {name for test in tests(parsed(condition)) for name in _named(test)}
