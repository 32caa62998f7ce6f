"""Matchers: which alerts a rule is about, in Alertmanager's syntax and with its meaning. Expressions are RE2's, which nothing can hang.

A label that an alert does not have counts as an empty one. An expression must match all of a text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

import re2

from tocsin_kernel.errors import Invalid

MOST_TEXT = 1_000
MOST_MATCHERS = 20
# What one expression may take of memory, compiled.
MOST_MEMORY = 1 << 20

# name, operator and text; the text is quoted, or goes on to the next comma.
PART = re.compile(
    r"""\s*(?:"(?P<quoted_name>(?:[^"\\]|\\.)*)"|(?P<name>[^\s{}!=~,\\"'`]+))\s*(?P<operator>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<text>[^",]*))\s*(?:,|$)""",
    re.DOTALL,
)
PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class MatcherInvalid(Invalid):
    """A matcher that cannot be read; `field` names it, `detail` says what is wrong with it and how to mend it."""

    reason = "MATCHER_INVALID"


class Operator(StrEnum):
    """How a label is compared with the text."""

    EQUAL = "="
    DIFFERENT = "!="
    LIKE = "=~"
    UNLIKE = "!~"


class Expression(Protocol):
    """A compiled expression."""

    def fullmatch(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label. Made by `matcher` or `read`, which refuse what cannot be compared."""

    name: str
    operator: Operator
    text: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the label, or its absence, is as wanted."""
        found = labels.get(self.name, "")
        match self.operator:
            case Operator.EQUAL:
                return found == self.text
            case Operator.DIFFERENT:
                return found != self.text
            case Operator.LIKE:
                return expression(self.text).fullmatch(found) is not None
            case Operator.UNLIKE:
                return expression(self.text).fullmatch(found) is None

    def __str__(self) -> str:
        name = self.name if PLAIN_NAME.fullmatch(self.name) else _quoted(self.name)
        return f"{name}{self.operator}{_quoted(self.text)}"


Matchers = tuple[Matcher, ...]


def matcher(name: str, operator: Operator, text: str, field: str = "matchers") -> Matcher:
    """A matcher that can be used. Raises MatcherInvalid, which names `field`."""
    if not name or "\0" in name + text:
        raise MatcherInvalid(field=field, detail='a matcher needs the name of a label, and no NUL character; write name="text"')
    if len(name) + len(text) > MOST_TEXT:
        raise MatcherInvalid(field=field, detail=f"the matcher of {name[:40]!r} is longer than {MOST_TEXT} characters; split it")
    if operator in (Operator.LIKE, Operator.UNLIKE):
        try:
            expression(text)
        except (re2.error, UnicodeEncodeError) as error:
            raise MatcherInvalid(field=field, detail=f"{text[:100]!r} is no expression of RE2: {_said(error)}") from error
    return Matcher(name, operator, text)


def read(text: str, field: str = "matchers") -> Matchers:
    """The matchers of a text such as `{a="b", c=~"d|e"}`; braces and quotes may be left out. Raises MatcherInvalid."""
    inner = text.strip()
    inner = inner.removeprefix("{").removesuffix("}") if inner.startswith("{") else inner
    found: list[Matcher] = []
    position = 0
    while inner[position:].strip():
        part = PART.match(inner, position)
        if part is None:
            near = inner[position : position + 40].strip()
            raise MatcherInvalid(field=field, detail=f'cannot be read near {near!r}; write name="text", name!="text", name=~"expression" …')
        position = part.end()
        found.append(_matcher(part, field))
        if len(found) > MOST_MATCHERS:
            raise MatcherInvalid(field=field, detail=f"there are more than {MOST_MATCHERS} matchers; split them")
    return tuple(found)


def read_all(texts: Iterable[str], field: str = "matchers") -> Matchers:
    """The matchers of several texts, in order. Raises MatcherInvalid, which names the one that is wrong as `field[index]`."""
    return tuple(found for index, text in enumerate(texts) for found in read(text, f"{field}[{index}]"))


def all_match(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    """Whether the labels are as all matchers want them; without any they are."""
    return all(matcher.matches(labels) for matcher in matchers)


def first_miss(matchers: Matchers, labels: Mapping[str, str]) -> Matcher | None:
    """The first matcher that does not match; None if all do."""
    return next((matcher for matcher in matchers if not matcher.matches(labels)), None)


def match_nothing_said(matchers: Matchers) -> bool:
    """Whether they would match an alert without any labels, and so nearly everything."""
    return all(matcher.matches({}) for matcher in matchers)


def in_words(matchers: Sequence[Matcher]) -> str:
    """The matchers as people write them."""
    return "{" + ", ".join(map(str, matchers)) + "}"


class Labelled(Protocol):
    """What an alert is, or a row that stands for one."""

    @property
    def id(self) -> str: ...
    @property
    def integration(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def sender_service(self) -> str: ...
    @property
    def sender_severity(self) -> str: ...


class Seen(Protocol):
    """What matchers look at: an alert, or as much of it as they need."""

    @property
    def id(self) -> str: ...
    @property
    def integration(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def sender_severity(self) -> str: ...
    @property
    def sender_service(self) -> str: ...


def labels_of(alert: Seen) -> Mapping[str, str]:
    """What matchers see of an alert: its labels, and what Tocsin knows of it.

    `service` and `severity` are there where the sender has no labels of these names. `integration`, `fingerprint` and `alert_id`
    are always Tocsin's own, so that no sender can pass for another.
    """
    return {
        "service": alert.sender_service,
        "severity": alert.sender_severity,
        **alert.labels,
        "integration": alert.integration,
        "fingerprint": alert.fingerprint,
        "alert_id": alert.id,
    }


@lru_cache(maxsize=4_096)
def expression(text: str) -> Expression:
    """The compiled expression. Raises re2.error."""
    compiled: Expression = re2.compile(text, options())
    return compiled


def options() -> re2.Options:
    """How expressions are compiled."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = MOST_MEMORY
    return chosen


def _matcher(part: re.Match[str], field: str) -> Matcher:
    name = part["name"] if part["name"] is not None else _unescaped(part["quoted_name"])
    text = part["text"].strip() if part["text"] is not None else _unescaped(part["quoted"])
    return matcher(name, Operator(part["operator"]), text, field)


def _unescaped(text: str) -> str:
    """A backslash before anything else than n, quote and backslash stays, so that expressions need no second one."""
    return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[0]), text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)
