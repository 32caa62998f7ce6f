"""Who sees which variable in a run, and who may change it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tocsin_playbook.run import Run, opened, opener_of, prefix_of
from tocsin_playbook.variables import Variable, filled


class NotAllowed(ValueError):
    """A value that a variable cannot take; the text says why."""


def scope(run: Run, path: str) -> dict[str, Variable]:
    """The variables that a step sees: those of the playbook, of the steps around it, and its own, which hide others of the same name."""
    found = dict(run.variables)
    for each in reversed(_places(path)):
        if each in run.steps:
            found |= run.steps[each].variables
    return found


def settled(run: Run, path: str, values: Mapping[str, str | None], out_args: tuple[str, ...]) -> Run:
    """The run after a step set variables: those it may set, each where it was declared closest. Raises NotAllowed."""
    for name, value in values.items():
        if name in out_args:
            run = _set(run, path, name, value)
    return run


def as_manual_text(command: Mapping[str, Any], seen: Mapping[str, Variable]) -> str:
    """What somebody is asked to do, with the values that are known."""
    return str(filled(manual_text(command), {name: each.value for name, each in seen.items() if each.value is not None}))


def manual_text(command: Mapping[str, Any]) -> str:
    """What somebody is asked to do, as the playbook says it."""
    return str(command.get("command") or _decoded(command.get("command_b64", "")) or command.get("description", ""))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _places(path: str) -> list[str]:
    """A step and those around it, the innermost first."""
    found = [path]
    while opened(prefix := prefix_of(found[-1])):
        found.append(opener_of(prefix)[0])
    return found


def _set(run: Run, path: str, name: str, value: str | None) -> Run:
    for place in _places(path):
        if place in run.steps and name in run.steps[place].variables:
            instance = run.steps[place]
            changed = replace(instance, variables={**instance.variables, name: _given(instance.variables[name], value)})
            return replace(run, steps={**run.steps, place: changed})
    if name not in run.variables:
        raise NotAllowed(f"there is no variable {name}")
    return replace(run, variables={**run.variables, name: _given(run.variables[name], value)})


def _given(variable: Variable, value: str | None) -> Variable:
    if variable.constant:
        raise NotAllowed(f"{variable.name} is constant")
    try:
        return variable.given(value)
    except ValueError as error:
        raise NotAllowed(f"{variable.name} is of type {variable.type}, and {error}") from error
