"""The grammar of conditions: STIX comparison patterns over variables, parsed by the parser that OASIS keeps."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternVisitor import STIXPatternVisitor
from stix2patterns.v21.pattern import Pattern

MOST_LENGTH = 2_000
DEEPEST = 16
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


def tests(condition: Condition) -> Iterator[Test]:
    """Every comparison of a condition."""
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.parts:
            yield from tests(part)
