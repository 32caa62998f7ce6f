"""Expressions of RE2 in the words of Postgres, where both mean the same. Pure.

The database finds in a moment what it would take long to hand out, value by value, to be looked at here.

All that is translated are the constructs of regular languages, matched against the whole of a text: which way a match is found makes
no difference there. What the two understand otherwise (classes by name, boundaries, letters of other alphabets whatever their case)
or what could grow large is not translated.
"""

import re
import string
from collections.abc import Iterator

MOST = 300
MOST_REPEATED = 16

_FLAG = "(?i)"
_META = set("\\^$.|?*+()[]{}")
_PLAIN = set(string.ascii_letters + string.digits)
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\t\n\f\r "}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_COUNT = re.compile(r"\{(\d{1,3})(,?)(\d{0,3})\}")
_WILD = {".": "_", ".*": "%", ".+": "_%"}
_PART = re.compile(r"(?P<any>\.\*\??|\.\+\??|\.)|\\(?P<escaped>[!-/:-@\[-^`{-~])|(?P<plain>[^\\^$.|?*+()\[\]{}\n\0])")
# The letters beyond ASCII that fold to one of ASCII's.
_FOLDED = {"k": "\u212a", "s": "\u017f"}


def translated(expression: str) -> str | None:
    """The expression as Postgres takes it, anchored; None if it is not translated. It has to be one of RE2's."""
    if len(expression) > MOST or "\0" in expression:
        return None
    folding = expression.startswith(_FLAG)
    try:
        return f"^(?:{_Reader(expression.removeprefix(_FLAG), folding).whole()})$"
    except _Untranslated:
        return None


def pattern(expression: str) -> str | None:
    """The pattern of LIKE that fits the same texts, as long as they have one line; None if there is none. It takes half the time."""
    rest = expression.removeprefix("^")
    rest = rest.removesuffix("$") if not rest.endswith("\\$") else rest
    parts = list(_PART.finditer(rest))
    if len(expression) > MOST or sum(len(part[0]) for part in parts) < len(rest):
        return None
    return "".join(_WILD[part["any"].rstrip("?")] if part["any"] else _exactly(part["escaped"] or part["plain"]) for part in parts)


def _exactly(character: str) -> str:
    return f"\\{character}" if character in "%_\\" else character


class _Untranslated(Exception):
    """Something that is not translated."""


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str, folding: bool) -> None:
        self._text = text
        self._folding = folding
        self._at = 0

    def whole(self) -> str:
        found = self._branches(outermost=True)
        if self._at < len(self._text):
            raise _Untranslated
        return found

    def _next(self) -> str:
        """The next character, which stays; empty at the end."""
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> bool:
        """Whether these characters come next; then they are read."""
        there = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if there else 0
        return there

    def _any(self) -> str:
        found = self._next()
        if not found:
            raise _Untranslated
        self._at += 1
        return found

    def _branches(self, outermost: bool = False) -> str:
        branches = [self._branch(outermost)]
        while self._take("|"):
            branches.append(self._branch(outermost))
        return "|".join(branches)

    def _branch(self, outermost: bool) -> str:
        """Anchors at the ends of the whole say what is meant anyway."""
        if outermost:
            self._take("^")
        pieces = list(self._pieces())
        if outermost:
            self._take("$")
        return "".join(pieces) or "(?:)"

    def _pieces(self) -> Iterator[str]:
        while self._next() not in ("", "|", ")", "$"):
            grouped = self._next() == "("
            yield self._atom() + self._quantifier(grouped)

    def _atom(self) -> str:
        character = self._any()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._bracket()
            case ".":
                return "[^\n]"
            case "\\":
                return self._escaped()
            case _ if character in _META:
                raise _Untranslated
        return self._literal(character)

    def _group(self) -> str:
        if self._next() == "?" and not self._take("?:"):
            raise _Untranslated
        found = self._branches()
        if not self._take(")") or found == "(?:)":
            raise _Untranslated
        return f"(?:{found})"

    def _quantifier(self, grouped: bool) -> str:
        found = self._next()
        if found == "{":
            found = self._count(grouped)
        elif found in ("*", "+", "?") and found:
            self._at += 1
        else:
            return ""
        # How much of a text a part takes makes no difference to whether all of it matches.
        self._take("?")
        if self._next() in ("*", "+", "?", "{"):
            raise _Untranslated
        return found

    def _count(self, grouped: bool) -> str:
        count = _COUNT.match(self._text, self._at)
        if count is None or grouped or max(int(count[1]), int(count[3] or 0)) > MOST_REPEATED:
            raise _Untranslated
        self._at = count.end()
        return count[0]

    def _escaped(self) -> str:
        character = self._any()
        if character.lower() in _CLASSES:
            return f"[{'^' if character.isupper() else ''}{self._class(character.lower())}]"
        return self._literal(_escape(character))

    def _class(self, letter: str) -> str:
        return _CLASSES[letter] + ("".join(_FOLDED.values()) if self._folding and letter == "w" else "")

    def _literal(self, character: str) -> str:
        if not self._folding:
            return _quoted(character)
        both = _folds(character)
        return _quoted(both) if len(both) == 1 else f"[{both}]"

    def _bracket(self) -> str:
        negated = "^" if self._take("^") else ""
        if self._next() == "]":
            raise _Untranslated
        items = []
        while not self._take("]"):
            items.append(self._item())
        return f"[{negated}{''.join(items)}]"

    def _item(self) -> str:
        character = self._any()
        if character == "\\" and self._next() in _CLASSES:
            return self._class(self._any())
        if character == "[":
            raise _Untranslated
        first = _escape(self._any()) if character == "\\" else character
        if self._next() != "-" or self._text.startswith("-]", self._at):
            return "".join(map(_quoted, _folds(first))) if self._folding else _quoted(first)
        self._at += 1
        return self._range(first, self._any())

    def _range(self, first: str, last: str) -> str:
        for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
            if first in kind and last in kind and first <= last:
                found = f"{first}-{last}"
                if self._folding and kind is not string.digits:
                    inside = kind[kind.index(first) : kind.index(last) + 1].lower()
                    found += found.swapcase() + "".join(more for letter, more in _FOLDED.items() if letter in inside)
                return found
        raise _Untranslated


def _escape(character: str) -> str:
    """What a backslash before a character means: that character, unless it is a letter, a digit or beyond ASCII."""
    if character in _CONTROLS:
        return _CONTROLS[character]
    if character.isalnum() or character == "_" or not character.isascii():
        raise _Untranslated
    return character


def _folds(character: str) -> str:
    """The character in every case."""
    if not character.isascii():
        raise _Untranslated
    lower = character.lower()
    return lower + character.upper() + _FOLDED.get(lower, "") if character.isalpha() else character


def _quoted(character: str) -> str:
    """A character that stands for itself, within brackets and without."""
    return character if character in _PLAIN or not character.isascii() or character.isspace() else f"\\{character}"
