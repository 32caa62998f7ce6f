"""A playbook in a file: CACAO in JSON or YAML, or the short form; read, checked, and written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from tocsin_playbook import check
from tocsin_playbook.shape import Problem
from tocsin_playbook.short import compiled, is_short

MOST_BYTES = check.MOST_BYTES


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: the playbook as CACAO, whether the file has the short form, and everything wrong."""

    plain: Mapping[str, Any]
    short: bool
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that have to be mended."""
        return tuple(each for each in self.problems if not each.warning)


def loaded(text: str) -> Document:
    """The playbook in a text, with all its problems."""
    try:
        plain = _read(text)
    except ValueError as error:
        return Document({}, False, (Problem("", "", str(error)),))
    return understood(plain)


def understood(plain: Any) -> Document:
    """The playbook in plain values, with all its problems."""
    if not is_short(plain):
        return Document(plain if isinstance(plain, dict) else {}, False, tuple(check.problems(plain)))
    if check.too_much(plain):
        return Document({}, True, tuple(check.problems(plain)))
    document, problems = compiled(plain)
    if problems:
        return Document(document, True, tuple(problems))
    return Document(document, True, tuple(_named(each, document) for each in check.problems(document)))


def _named(problem: Problem, document: Mapping[str, Any]) -> Problem:
    """In the short form a step is known by its name."""
    step = document["workflow"].get(problem.step, {})
    return replace(problem, step=f"{step['name']} ({problem.step})") if step.get("name") else problem


def _read(text: str) -> Any:
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is neither YAML nor JSON: {error}") from error


class _Loader(yaml.SafeLoader):
    """Without anchors, which can make a small file huge, and without dates: a version is a text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):  # type: ignore[no-untyped-call]
            raise yaml.YAMLError("anchors and aliases are not understood; write it out")
        return super().compose_node(parent, index)  # type: ignore[no-untyped-call]


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
