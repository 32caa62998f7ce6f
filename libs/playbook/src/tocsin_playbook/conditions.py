"""Conditions of if and while: STIX comparison patterns over variables, judged by the variables' types."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import re2
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternVisitor import STIXPatternVisitor
from stix2patterns.v21.pattern import Pattern

from tocsin_playbook.variables import MOST_TEXT, REFERENCE, Variable, as_text, parse

MOST_LENGTH = 2_000
DEEPEST = 16
ORDERED = {"integer", "long", "float"}
TEXTUAL = {"string", "uri"}
NETWORKS = {"ipv4-addr", "ipv6-addr"}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
QUOTED = re.compile(r"'(?:[^']|\\')*'")


class BadCondition(ValueError):
    """A condition that cannot be judged; the text says why."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as a pattern writes it."""

    text: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. `path` leads into a dictionary."""

    name: str
    path: tuple[str | int, ...]
    operator: str
    negated: bool = False
    literals: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class Both:
    """True if each part is."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """True if one part is."""

    parts: tuple["Condition", ...]


Condition = Test | Both | Either


def holds(condition: str, variables: Mapping[str, Variable]) -> bool:
    """Whether a condition is true now. Raises BadCondition."""
    return _judged(parsed(condition), variables)


def problems(condition: str, variables: Mapping[str, Variable]) -> list[str]:
    """What is wrong with a condition, whatever values its variables will have."""
    try:
        tests = list(_tests(parsed(condition)))
    except BadCondition as error:
        return [str(error)]
    return [found for test in tests if (found := _unfit(test, variables))]


def unknown(condition: str, variables: Mapping[str, Variable]) -> list[str]:
    """The variables of a condition that have no value yet; those it asks only for whether they have one do not count."""
    tests = _tests(parsed(condition))
    return [each for test in tests if test.operator != "EXISTS" for each in _named(test) if variables[each].value is None]


@lru_cache(maxsize=2_048)
def parsed(text: str) -> Condition:
    """A condition, read. Raises BadCondition."""
    stripped = text.strip()
    if not stripped:
        raise BadCondition("it is empty; write for example __severity__:value > 3")
    if len(stripped) > MOST_LENGTH:
        raise BadCondition(f"it is longer than {MOST_LENGTH} characters")
    if _depth(stripped) > DEEPEST:
        raise BadCondition(f"its parentheses are nested deeper than {DEEPEST}")
    try:
        found: Condition = Pattern(stripped if stripped.startswith(("[", "(")) and "[" in stripped else f"[{stripped}]").visit(_Reader())
    except ParseException as error:
        raise BadCondition(f"it is not a STIX comparison ({error}); write for example __severity__:value > 3") from error
    return found


def _depth(text: str) -> int:
    deepest = depth = 0
    for letter in QUOTED.sub("", text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        deepest = max(deepest, depth)
    return deepest


class _Reader(STIXPatternVisitor):
    """Reads the parser's tree. Its methods are named by the grammar."""

    def visitPattern(self, ctx: Any) -> Condition:
        return self._read(ctx.observationExpressions())

    def visitObservationExpressions(self, ctx: Any) -> Condition:
        if ctx.FOLLOWEDBY():
            raise BadCondition("FOLLOWEDBY says something of events over time; a condition looks at values now")
        return self._read(ctx.observationExpressionOr())

    def visitObservationExpressionOr(self, ctx: Any) -> Condition:
        return self._joined(ctx, Either)

    def visitObservationExpressionAnd(self, ctx: Any) -> Condition:
        return self._joined(ctx, Both)

    def visitObservationExpressionSimple(self, ctx: Any) -> Condition:
        return self._read(ctx.comparisonExpression())

    def visitObservationExpressionCompound(self, ctx: Any) -> Condition:
        return self._read(ctx.observationExpressions())

    def visitObservationExpressionRepeated(self, ctx: Any) -> Condition:
        raise BadCondition("REPEATS says something of events over time; a condition looks at values now")

    def visitObservationExpressionWithin(self, ctx: Any) -> Condition:
        raise BadCondition("WITHIN says something of events over time; a condition looks at values now")

    def visitObservationExpressionStartStop(self, ctx: Any) -> Condition:
        raise BadCondition("START says something of events over time; a condition looks at values now")

    def visitComparisonExpression(self, ctx: Any) -> Condition:
        return self._joined(ctx, Either)

    def visitComparisonExpressionAnd(self, ctx: Any) -> Condition:
        return self._joined(ctx, Both)

    def visitPropTestParen(self, ctx: Any) -> Condition:
        return self._read(ctx.comparisonExpression())

    def visitPropTestEqual(self, ctx: Any) -> Condition:
        negated = bool(ctx.NOT()) != bool(ctx.NEQ())
        return self._test(ctx, "=", (_literal(ctx.primitiveLiteral()),), negated)

    def visitPropTestOrder(self, ctx: Any) -> Condition:
        sign = (ctx.GT() or ctx.LT() or ctx.GE() or ctx.LE()).getText()
        return self._test(ctx, sign, (_literal(ctx.orderableLiteral()),), bool(ctx.NOT()))

    def visitPropTestSet(self, ctx: Any) -> Condition:
        literals = tuple(_literal(each) for each in ctx.setLiteral().primitiveLiteral())
        return self._test(ctx, "IN", literals, bool(ctx.NOT()))

    def visitPropTestLike(self, ctx: Any) -> Condition:
        return self._test(ctx, "LIKE", (_literal(ctx),), bool(ctx.NOT()))

    def visitPropTestRegex(self, ctx: Any) -> Condition:
        return self._test(ctx, "MATCHES", (_literal(ctx),), bool(ctx.NOT()))

    def visitPropTestIsSubset(self, ctx: Any) -> Condition:
        return self._test(ctx, "ISSUBSET", (_literal(ctx),), bool(ctx.NOT()))

    def visitPropTestIsSuperset(self, ctx: Any) -> Condition:
        return self._test(ctx, "ISSUPERSET", (_literal(ctx),), bool(ctx.NOT()))

    def visitPropTestExists(self, ctx: Any) -> Condition:
        return self._test(ctx, "EXISTS", (), bool(ctx.NOT()))

    def _read(self, ctx: Any) -> Condition:
        found: Condition = self.visit(ctx)
        return found

    def _joined(self, ctx: Any, join: type[Both] | type[Either]) -> Condition:
        parts = tuple(self._read(each) for each in ctx.getChildren() if each.getChildCount())
        return parts[0] if len(parts) == 1 else join(parts)

    def _test(self, ctx: Any, operator: str, literals: tuple[Literal, ...], negated: bool) -> Test:
        place = ctx.objectPath()
        name, first = place.objectType().getText(), place.firstPathComponent().getText()
        if first != "value":
            raise BadCondition(f"{name}:{first} is no variable; write {name}:value")
        path = tuple(_path(place.objectPathComponent()))
        return Test(name, path, operator, negated, literals)


def _path(ctx: Any) -> Iterator[str | int]:
    if ctx is None:
        return
    if hasattr(ctx, "objectPathComponent"):
        for each in ctx.objectPathComponent():
            yield from _path(each)
    elif hasattr(ctx, "DOT"):
        yield _unquoted(ctx.getText()[1:])
    else:
        inside = ctx.getText()[1:-1]
        if inside == "*":
            raise BadCondition("[*] is not understood; name one item: [0]")
        yield int(inside)


def _literal(ctx: Any) -> Literal:
    """What stands there as a text. A node that is a test itself has its literal as a child."""
    if hasattr(ctx, "objectPath"):
        return Literal(_unquoted(ctx.StringLiteral().getText()))
    text = ctx.getText()
    if text.startswith("t'"):
        return Literal(text[2:-1])
    if text.startswith(("h'", "b'")):
        return Literal(text[2:-1])
    return Literal(_unquoted(text), number=text[:1] in "+-0123456789.")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith("'") else text


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.parts:
            yield from _tests(part)


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
    return {name for test in _tests(parsed(condition)) for name in _named(test)}
