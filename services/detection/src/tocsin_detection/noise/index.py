"""Finds, among many rules, those whose matchers match: by one look-up for each label instead of a comparison for each rule. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import re2

from tocsin_detection.noise.matcher import Matcher, Matchers, Operator, all_match, options

Rule = TypeVar("Rule")

# So many expressions are tried in one go; together they may take this much memory.
TOGETHER = 32
MOST_MEMORY_TOGETHER = 1 << 28


@dataclass(slots=True)
class _Expressions(Generic[Rule]):
    """Rules found by an expression on the same label, compiled together."""

    rules: list[tuple[Matchers, Rule]] = field(default_factory=list)
    compiled: re2.Set = field(default_factory=lambda: re2.Set.FullMatchSet(_roomy()))

    def found(self, text: str) -> Iterable[tuple[Matchers, Rule]]:
        return [self.rules[position] for position in self.compiled.Match(text) or ()]


class Index(Generic[Rule]):
    """Rules by what their matchers need.

    Each rule is found by one of its matchers that an alert without the label cannot fulfil: by its text if there is an equality,
    otherwise by its expression. The few rules that have no such matcher are always tried.
    """

    def __init__(self, rules: Iterable[tuple[Matchers, Rule]]) -> None:
        self._equal: dict[str, dict[str, list[tuple[Matchers, Rule]]]] = {}
        self._like: dict[str, list[_Expressions[Rule]]] = {}
        self._always: list[tuple[Matchers, Rule]] = []
        for matchers, rule in rules:
            self._add(matchers, rule)
        for groups in self._like.values():
            for group in groups:
                group.compiled.Compile()

    def __bool__(self) -> bool:
        return bool(self._equal or self._like or self._always)

    def matching(self, labels: Mapping[str, str]) -> list[Rule]:
        """The rules all of whose matchers match, in no certain order."""
        found = [rule for matchers, rule in self._always if all_match(matchers, labels)]
        for name, by_text in self._equal.items():
            for matchers, rule in by_text.get(labels.get(name, ""), ()):
                if all_match(matchers, labels):
                    found.append(rule)
        for name, groups in self._like.items():
            if text := labels.get(name, ""):
                found += [rule for group in groups for matchers, rule in group.found(text) if all_match(matchers, labels)]
        return found

    def _add(self, matchers: Matchers, rule: Rule) -> None:
        equality = next((each for each in matchers if each.operator is Operator.EQUAL and each.text), None)
        expression = next((each for each in matchers if each.operator is Operator.LIKE and not each.matches({})), None)
        if equality is not None:
            rules = self._equal.setdefault(equality.name, {}).setdefault(equality.text, [])
            rules.append((_without(matchers, equality), rule))
        elif expression is not None:
            groups = self._like.setdefault(expression.name, [])
            if not groups or len(groups[-1].rules) == TOGETHER:
                groups.append(_Expressions())
            groups[-1].compiled.Add(expression.text)
            groups[-1].rules.append((_without(matchers, expression), rule))
        else:
            self._always.append((matchers, rule))


def _without(matchers: Matchers, found: Matcher) -> Matchers:
    return tuple(each for each in matchers if each is not found)


def _roomy() -> re2.Options:
    chosen = options()
    # An expression that did not fit would match nothing: each fits by itself, and so all of them do together.
    chosen.max_mem = MOST_MEMORY_TOGETHER
    return chosen
