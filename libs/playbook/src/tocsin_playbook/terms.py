"""The small words of the short form: $host for a variable, 5m for a duration, and the ids that follow from names."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tocsin_playbook.variables import REFERENCE, as_text

DOLLAR = re.compile(r"\$\$|\$\{([a-zA-Z][a-zA-Z0-9_-]*)\}|\$([a-zA-Z](?:[a-zA-Z0-9_]*[a-zA-Z0-9])?)")
PLAIN_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
DURATION = re.compile(r"(\d{1,12})(ms|s|m|h|d)")
ISO = re.compile(r"P(?:(\d+)D|T(\d+)H|T(\d+)M|T(\d+)S)")
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
IN_ISO = {"d": "P{}D", "h": "PT{}H", "m": "PT{}M", "s": "PT{}S"}
SPACE = uuid5(NAMESPACE_URL, "tocsin-playbook")


def made_id(kind: str, *names: str) -> str:
    """The id that follows from names: the same every time."""
    return f"{kind}--{uuid5(SPACE, '/'.join((kind, *names)))}"


def full(name: str) -> str:
    """host -> __host__"""
    return name if name.startswith("__") and name.endswith("__") else f"__{name}__"


def bare(name: str) -> str:
    """__host__ -> host, where that can be turned back."""
    inside = name[2:-2]
    return inside if PLAIN_NAME.fullmatch(inside) else name


def long(value: Any) -> Any:
    """$host becomes __host__:value, wherever it stands; $$ is a dollar."""
    if isinstance(value, str):
        return DOLLAR.sub(lambda found: "$" if found.group(0) == "$$" else f"__{found.group(1) or found.group(2)}__:value", value)
    if isinstance(value, dict):
        return {key: long(each) for key, each in value.items()}
    return [long(each) for each in value] if isinstance(value, list) else value


def short(value: Any) -> Any:
    """__host__:value becomes $host, wherever it stands."""
    if isinstance(value, str):
        parts, last = [], 0
        for found in REFERENCE.finditer(value):
            parts += [value[last : found.start()].replace("$", "$$"), _dollar(found.group(1), value[found.end() :])]
            last = found.end()
        return "".join([*parts, value[last:].replace("$", "$$")])
    if isinstance(value, dict):
        return {key: short(each) for key, each in value.items()}
    return [short(each) for each in value] if isinstance(value, list) else value


def shown(value: object, values: Mapping[str, str]) -> str:
    """A text for people, with what is known in it: nothing that could be compiled again."""
    text = as_text(value) or ""
    return REFERENCE.sub(lambda found: values.get(found.group(1), f"${bare(found.group(1))}"), text)


def milliseconds(value: Any) -> int | None:
    """How long 250ms, 30s, 5m, 2h, 1d or a number of seconds is; None: it is no duration."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1_000 if value >= 0 else None
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    return int(found.group(1)) * UNITS[found.group(2)] if found else None


def duration(value: int) -> str:
    """Milliseconds in the largest unit that fits."""
    unit = next(unit for unit in reversed(UNITS) if value % UNITS[unit] == 0)
    return f"{value // UNITS[unit]}{unit if value else 's'}"


def told(value: timedelta) -> str:
    """A duration for people."""
    return duration(int(value.total_seconds() * 1_000))


def iso(value: str) -> str:
    """8h -> PT8H; what is neither stays as it is."""
    found = DURATION.fullmatch(value)
    return IN_ISO[found.group(2)].format(found.group(1)) if found and found.group(2) in IN_ISO else value


def from_iso(value: str) -> str:
    """PT8H -> 8h; what has several parts stays as it is."""
    found = ISO.fullmatch(value)
    return next(f"{number}{unit}" for number, unit in zip(found.groups(), "dhms", strict=True) if number) if found else value


def _dollar(name: str, rest: str) -> str:
    inside = name[2:-2]
    if not PLAIN_NAME.fullmatch(inside):
        return f"{name}:value"
    return f"${{{inside}}}" if "-" in inside or re.match(r"[a-zA-Z0-9_]", rest) else f"${inside}"
