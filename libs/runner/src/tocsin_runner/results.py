"""What a step may set: from what a command brought, only the variables that the step names."""

import json
from collections.abc import Mapping

from tocsin_runner.assignment import Json, Variable

LARGEST = 16_384


def taken(out_args: tuple[str, ...], fixed: Mapping[str, Json], document: Json) -> dict[str, Variable]:
    """The variables that a step may set: __name__ is the part `name` of what came back, or one of the fixed ones."""
    found: dict[str, Variable] = {}
    parts = document if isinstance(document, Mapping) else {}
    for name in out_args:
        plain = name.strip("_")
        for source in (fixed, parts):
            if plain in source:
                found[name] = variable(source[plain])
                break
    return found


def variable(value: Json) -> Variable:
    """A value with the type that CACAO has for it."""
    if isinstance(value, bool):
        return Variable("bool", str(value).lower())
    if isinstance(value, int):
        return Variable("integer", str(value))
    if isinstance(value, float):
        return Variable("float", str(value))
    if value is None:
        return Variable("string", "")
    if isinstance(value, str):
        return Variable("string", value[:LARGEST])
    return Variable("dictionary", json.dumps(value)[:LARGEST])
