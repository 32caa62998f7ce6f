"""The fields of Opsgenie's bodies: each is read with its limit, and what is wrong with any of them is collected by name."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from tocsin_detection.intake.decoding import decode_instant
from tocsin_detection.signal import shortened, storable

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
USUAL_PRIORITY = "P3"
MOST_MESSAGE = 130
MOST_ALIAS = 512
MOST_DESCRIPTION = 15_000
MOST_PARTIES = 50
MOST_ACTIONS = 10
MOST_TAGS = 20
MOST_WORD = 50
MOST_DETAILS = 8_000
MOST_ENTITY = 512
MOST_NAME = 100
MOST_NOTE = 25_000
MOST_ID = 512
PARTIES = ("team", "user", "escalation", "schedule")
IDENTITIES = ("id", "name", "username")
COMMA = re.compile(r"\s*,\s*")


class Fields:
    """One JSON object. Reading a field that is wrong gives an empty value and an entry of `errors`, so that all are told at once."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.errors: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether it is there, and not null."""
        return self._content.get(name) is not None

    def text(self, name: str, most: int, *, required: bool = False) -> str:
        """A text, or a number as text: senders fill templates."""
        given = self._content.get(name)
        if given is not None and not _is_scalar(given):
            return self._wrong(name, "it is not a text; put it in quotes")
        text = "" if given is None else storable(str(given)).strip()
        if not text and required:
            return self._wrong(name, "it is missing or blank; it is needed")
        return self._wrong(name, f"it has {len(text)} characters; at most {most} are taken") if len(text) > most else text

    def texts(self, name: str, most: int, longest: int, *, required: bool = False) -> tuple[str, ...]:
        """An array of texts, or a text with commas; each once, in their order."""
        given = self._content.get(name)
        items = COMMA.split(given) if isinstance(given, str) else given if isinstance(given, list) else None
        if given is not None and (items is None or not all(_is_scalar(item) for item in items)):
            self._wrong(name, 'it is not an array of texts; send one like ["a", "b"]')
            return ()
        texts = tuple(dict.fromkeys(text for item in items or () if (text := storable(str(item)).strip())))
        if required and not texts:
            self._wrong(name, "it is missing or empty; it is needed")
        elif len(texts) > most:
            self._wrong(name, f"there are {len(texts)}; at most {most} are taken")
        elif any(len(text) > longest for text in texts):
            self._wrong(name, f"one has more than {longest} characters; shorten it")
        return texts if name not in self.errors else ()

    def details(self, name: str, *, required: bool = False) -> dict[str, str]:
        """A map of texts; anything else in it that is no object or array becomes text."""
        given = self._content.get(name)
        if given is None:
            if required:
                self._wrong(name, 'it is missing; send a map of texts like {"host": "db-1"}')
            return {}
        if not isinstance(given, dict):
            self._wrong(name, 'it is not a JSON object; send a map of texts like {"host": "db-1"}')
            return {}
        details = {storable(key): detail for key in given if (detail := _detail(given[key])) is not None}
        if any(isinstance(value, dict | list) for value in given.values()):
            self._wrong(name, "a value is an object or an array; send texts")
        elif size_of(details) > MOST_DETAILS:
            self._wrong(name, f"it has {size_of(details)} characters in all; at most {MOST_DETAILS} are taken")
        return details if name not in self.errors else {}

    def parties(self, name: str, kinds: Collection[str] = PARTIES) -> tuple[dict[str, str], ...]:
        """An array of responders: `{type, id | name | username}`."""
        given = self._content.get(name)
        if given is None:
            return ()
        if not isinstance(given, list):
            self._wrong(name, 'it is not an array; send one like [{"type": "team", "name": "sre"}]')
            return ()
        if len(given) > MOST_PARTIES:
            self._wrong(name, f"there are {len(given)}; at most {MOST_PARTIES} are taken")
            return ()
        return tuple(party for item in given if (party := self._party(name, item, kinds)) is not None)

    def party(self, name: str, kinds: Collection[str] = PARTIES, *, kind: str = "") -> dict[str, str]:
        """One responder that is needed; `kind` is its type where the field says it."""
        given = self._content.get(name)
        return self._party(name, given, kinds, kind) or {}

    def priority(self, name: str, *, required: bool = False) -> str:
        """P1 … P5; the usual one where none is given."""
        given = self.text(name, MOST_WORD, required=required).upper()
        if given and given not in PRIORITIES:
            return self._wrong(name, f"{shortened(given, 16)!r} is none of {', '.join(PRIORITIES)}") or USUAL_PRIORITY
        return given or USUAL_PRIORITY

    def choice(self, name: str, choices: Collection[str]) -> str:
        """One of some words that is needed, in lower case."""
        given = self.text(name, MOST_WORD, required=True).lower()
        if given and given not in choices:
            return self._wrong(name, f"{given!r} is none of {', '.join(choices)}")
        return given

    def number(self, name: str, least: int, most: int) -> int:
        """A whole number that is needed."""
        given = self._content.get(name)
        text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            self._wrong(name, f"it is not a whole number from {least} to {most}")
            return least
        return int(text)

    def flag(self, name: str) -> bool | None:
        """True or false; None if it is absent."""
        given = self._content.get(name)
        if given is not None and not isinstance(given, bool):
            self._wrong(name, "it is neither true nor false")
            return None
        return given

    def instant(self, name: str) -> datetime | None:
        """An instant that is needed, in UTC."""
        try:
            instant = decode_instant(self._content.get(name))
        except ValueError as error:
            self._wrong(name, str(error))
            return None
        if instant is None:
            self._wrong(name, "it is missing; send an instant like 2026-11-23T07:00:00Z")
        return instant

    def _party(self, name: str, given: object, kinds: Collection[str], kind: str = "") -> dict[str, str] | None:
        if not isinstance(given, dict):
            self._wrong(name, 'it is missing or no object; send one like {"type": "team", "name": "sre"}')
            return None
        kind = kind or str(given.get("type", "")).lower()
        if kind not in kinds:
            self._wrong(name, f"type: {shortened(storable(kind), 32)!r} is none of {', '.join(kinds)}")
            return None
        identity = {field: text for field in IDENTITIES if (text := _identity(given.get(field)))}
        if not identity:
            self._wrong(name, f"it names nobody; send one of {', '.join(IDENTITIES)}, at most {MOST_ID} characters")
            return None
        return {"type": kind, **identity}

    def _wrong(self, name: str, why: str) -> str:
        self.errors.setdefault(name, why)
        return ""


def size_of(details: Mapping[str, str]) -> int:
    """How many characters the details have in all."""
    return sum(map(len, _flat(details)))


def _flat(details: Mapping[str, str]) -> Iterator[str]:
    for key, text in details.items():
        yield key
        yield text


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _detail(value: object) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else storable(str(value))


def _identity(value: object) -> str:
    text = storable(value).strip() if isinstance(value, str) else ""
    return text if len(text) <= MOST_ID else ""
