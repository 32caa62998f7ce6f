"""What senders add as they like: nested values become flat texts with legal names."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from tocsin_detection.signal import LABEL_NAME, MOST_WORD

ILLEGAL = re.compile(r"[^a-zA-Z0-9_]")
MOST_DETAILS = 1_000
MOST_DEPTH = 8


def flattened(details: object) -> dict[str, str]:
    """The values inside a JSON object by their paths: {"disk": {"free": 3}} becomes disk_free. The first 1,000; nulls are left out."""
    return named(islice(_leaves(details, "", MOST_DEPTH), MOST_DETAILS))


def named(texts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Texts by names made legal for labels. A name that is taken gets a number, so that no text replaces another."""
    found: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for given, text in texts:
        name = free = legal_name(given)
        while free in found:
            numbers[name] += 1
            free = f"{name}_{numbers[name] + 1}"
        found[free] = text
    return found


def legal_name(name: str) -> str:
    """The name with underscores for what may not stand in one, at most as long as a word."""
    cleaned = ILLEGAL.sub("_", name[:MOST_WORD])
    return cleaned if LABEL_NAME.fullmatch(cleaned) else f"_{cleaned}"


def text_of(value: object) -> str:
    """A text, number or truth value as text; empty for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth:
        for name, inner in value.items():
            yield from _leaves(inner, _joined(path, name), depth - 1)
    elif isinstance(value, list) and depth:
        yield from _items(value, path, depth)
    elif isinstance(value, dict | list):
        yield path, _packed(value)
    elif value is not None:
        yield path, text_of(value)


def _items(values: list[object], path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Simple values in one text; others each by its number."""
    if not any(isinstance(value, dict | list) for value in values):
        if values:
            yield path, ", ".join(text_of(value) for value in values)
        return
    for number, value in enumerate(values, 1):
        yield from _leaves(value, _joined(path, str(number)), depth - 1)


def _joined(path: str, name: str) -> str:
    # Cut at each step: paths of long names to many values would fill the memory.
    return (f"{path}_{name}" if path else name)[:MOST_WORD]


def _packed(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to be shown)"
