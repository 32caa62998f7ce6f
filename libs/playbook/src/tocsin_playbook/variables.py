"""Variables: their types as CACAO names them, their values as text, and who sees which."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

NAME = re.compile(r"__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__")
REFERENCE = re.compile(r"(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}?__):value")
MOST_TEXT = 65_536
MOST_DIGITS = 40

MAC = re.compile(r"[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}")
HEX = re.compile(r"[0-9a-fA-F]+")
WHOLE = re.compile(r"[+-]?[0-9]+")
HASH_LENGTHS = (32, 40, 56, 64, 96, 128)

Parsed = Any


@dataclass(frozen=True, slots=True)
class Variable:
    """A typed value of a playbook. None: it has none yet."""

    name: str
    type: str
    value: str | None = None
    constant: bool = False
    external: bool = False
    description: str = ""

    def given(self, value: str | None) -> "Variable":
        """The same with another value. Raises ValueError that says what is wrong with it."""
        return replace(self, value=checked(self.type, value))

    @property
    def parsed(self) -> Parsed:
        """The value as something that compares as its type does; None if there is none."""
        return None if self.value is None else parse(self.type, self.value)


def checked(kind: str, value: str | None) -> str | None:
    """The value if it is one of the type. An empty text means no value, except for a string. Raises ValueError."""
    if value is None or (value == "" and kind != "string"):
        return None
    parse(kind, value)
    return value


def parse(kind: str, text: str) -> Parsed:
    """The value behind a text. Raises ValueError that says what a value of the type looks like."""
    if len(text) > MOST_TEXT:
        raise ValueError(f"it is longer than {MOST_TEXT} characters")
    if kind not in TYPES:
        raise ValueError(f"there is no type {kind!r}; the types are {', '.join(sorted(TYPES))}")
    reader, shape = TYPES[kind]
    try:
        return reader(text)
    except ValueError as error:
        raise ValueError(f"{_short(text)} is not {shape}") from error


def as_text(value: object) -> str | None:
    """What stands in JSON or YAML, as the text of a value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def names_in(value: object) -> set[str]:
    """The variables that something refers to anywhere: "__host__:value"."""
    if isinstance(value, str):
        return set(REFERENCE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*(names_in(key) | names_in(each) for key, each in value.items())) if value else set()
    if isinstance(value, list | tuple):
        return set().union(*(names_in(each) for each in value)) if value else set()
    return set()


def filled(value: object, values: Mapping[str, str]) -> object:
    """The same for people to read, with the values that are known in place of their variables. Never to be executed."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: values.get(found.group(1), found.group(0)), value)
    if isinstance(value, Mapping):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, values) for each in value]
    return value


def _bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _no()


def _whole(text: str) -> int:
    return int(text) if WHOLE.fullmatch(text) and len(text) <= MOST_DIGITS else _no()


def _float(text: str) -> float:
    found = float(text)
    return found if found == found and abs(found) != float("inf") else _no()


def _hex(*lengths: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        fits = HEX.fullmatch(text) and (not lengths or len(text) in lengths)
        return text.lower() if fits else _no()

    return read


def _mac(text: str) -> str:
    return text.lower().replace("-", ":") if MAC.fullmatch(text) else _no()


def _ipv4(text: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(text, strict=False)


def _ipv6(text: str) -> ipaddress.IPv6Network:
    return ipaddress.IPv6Network(text, strict=False)


def _uri(text: str) -> str:
    found = urlsplit(text)
    return text if found.scheme and (found.netloc or found.path) and not re.search(r"\s", text) else _no()


def _dictionary(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError from error
    return found if isinstance(found, dict) else _no()


def _no() -> Any:
    raise ValueError


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


TYPES: dict[str, tuple[Callable[[str], Parsed], str]] = {
    "bool": (_bool, "true or false"),
    "dictionary": (_dictionary, "a JSON object"),
    "float": (_float, "a number"),
    "hash": (_hex(*HASH_LENGTHS), "a hash in hexadecimal (MD5, SHA-1 or SHA-2)"),
    "hexstring": (_hex(), "hexadecimal digits"),
    "integer": (_whole, "a whole number"),
    "ipv4-addr": (_ipv4, "an IPv4 address or network"),
    "ipv6-addr": (_ipv6, "an IPv6 address or network"),
    "long": (_whole, "a whole number"),
    "mac-addr": (_mac, "a MAC address such as 00:1b:44:11:3a:b7"),
    "md5-hash": (_hex(32), "an MD5 hash: 32 hexadecimal digits"),
    "sha256-hash": (_hex(64), "a SHA-256 hash: 64 hexadecimal digits"),
    "string": (str, "a text"),
    "uri": (_uri, "a URI such as https://example.com/path"),
    "uuid": (UUID, "a UUID"),
}
