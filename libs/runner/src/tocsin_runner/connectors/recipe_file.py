"""Reads a connector from its YAML file; what is wrong is told with its place and the fix."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import yaml

from tocsin_runner.assignment import Json
from tocsin_runner.connectors.expressions import BadExpression, Expression, Text, template
from tocsin_runner.connectors.interface import TYPES, Argument, Description
from tocsin_runner.connectors.recipe import (
    ActionRecipe,
    Authentication,
    Brought,
    ErrorRule,
    Means,
    Recipe,
    Rule,
    SettingRule,
    Step,
    TokenRequest,
    Undo,
)

COMMON_TO_STEPS = "when each save errors"
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
MACHINE = "host hosts port user private_key host_keys"
SEEN = re.compile(r"[a-z][a-z0-9_]{0,62}")
REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (\S.*)")
Found = TypeVar("Found")


class BadRecipe(Exception):
    """A file that is no connector; the text says where and why."""


def parse(text: str) -> Recipe:
    """Raises BadRecipe naming the place and the fix."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadRecipe(f"it is not YAML: {error}") from error
    try:
        return _recipe(_Place("", content))
    except BadExpression as error:
        raise BadRecipe(str(error)) from error


class _Place:
    """A value of the file, and where it stands."""

    def __init__(self, where: str, value: Json) -> None:
        self.where = where
        self.value = value

    def map(self, allowed: str, required: str = "") -> dict[str, "_Place"]:
        """The members of an object that has no others than `allowed`."""
        if not isinstance(self.value, Mapping):
            raise BadRecipe(f"{self.where or 'the file'}: must be a map")
        names = set(map(str, self.value))
        if allowed and (unknown := sorted(names - set(allowed.split()))):
            raise BadRecipe(f"{self._at(unknown[0])}: is not known here; known are {', '.join(allowed.split())}")
        if missing := [name for name in required.split() if name not in names]:
            raise BadRecipe(f"{self._at(missing[0])}: is missing")
        return {str(name): _Place(self._at(str(name)), item) for name, item in self.value.items()}

    def list(self) -> list["_Place"]:
        """The items."""
        if not isinstance(self.value, list):
            raise BadRecipe(f"{self.where}: must be a list")
        return [_Place(f"{self.where}[{index}]", item) for index, item in enumerate(self.value)]

    def text(self) -> str:
        """A text, or what is written like one."""
        if isinstance(self.value, dict | list) or self.value is None:
            raise BadRecipe(f"{self.where}: must be a text")
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)

    def of(self, make: Callable[[Any], Found], kind: type = str) -> Found:
        """What `make` makes of it."""
        value = self.text() if kind is str else self.value
        try:
            return make(value)
        except (BadExpression, ValueError, TypeError) as error:
            raise BadRecipe(f"{self.where}: {error}") from error

    def _at(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def _recipe(place: _Place) -> Recipe:
    found = place.map("connector title settings authentication shell errors check actions", "connector title settings check actions")
    name = found["connector"].text()
    if NAME.fullmatch(name) is None:
        raise BadRecipe("connector: must be a lower-case name with dashes")
    authentication = found["authentication"].map("") if "authentication" in found else {}
    if "shell" in found:
        found["shell"].map(MACHINE, MACHINE)
    return Recipe(
        connector=name,
        title=found["title"].text(),
        settings={name: _setting(item) for name, item in found["settings"].map("").items()},
        authentication={base: _authentication(item) for base, item in authentication.items()},
        errors=_errors(found),
        check=_step(found["check"]),
        actions={name: _action(name, item) for name, item in found["actions"].map("").items()},
        shell=found["shell"].of(template, object) if "shell" in found else None,
    )


def _setting(place: _Place) -> SettingRule:
    found = place.map("about secret default simulated")
    return SettingRule(
        about=found["about"].text() if "about" in found else "",
        secret=found["secret"].value is True if "secret" in found else False,
        default=found["default"].text() if "default" in found else None,
        simulated=found["simulated"].text() if "simulated" in found else None,
    )


def _authentication(place: _Place) -> Authentication:
    found = place.map("headers token aws", "headers")
    token = None
    if "token" in found:
        parts = found["token"].map("request base form json headers value seconds", "request value seconds")
        step = _step(_Place(found["token"].where, {name: part.value for name, part in parts.items() if name not in ("value", "seconds")}))
        token = TokenRequest(step, parts["value"].of(Expression), parts["seconds"].of(Expression))
    aws = None
    if "aws" in found:
        found["aws"].map("service region key_id secret", "service region key_id secret")
        aws = found["aws"].of(template, object)
    return Authentication(found["headers"].of(template, object), token, aws)


def _action(name: str, place: _Place) -> ActionRecipe:
    found = place.map(
        "about arguments permission effect verified repeatable look state refuse mine effective pending failed execute complete undo"
        " poll patience again lag brings",
        "look state effective execute",
    )
    return ActionRecipe(
        description=_description(name, found),
        look=_steps(found["look"]),
        state={part: item.of(template, object) for part, item in found["state"].map("").items()},
        effective=found["effective"].of(Expression),
        pending=found["pending"].of(Expression) if "pending" in found else None,
        failed=_rules(found, "failed"),
        mine=found["mine"].of(Expression) if "mine" in found else None,
        refuse=_rules(found, "refuse"),
        execute=_steps(found["execute"]),
        complete=found["complete"].of(Expression) if "complete" in found else None,
        undo=_undo(found["undo"]) if "undo" in found else None,
        brings=_brought(found["brings"]) if "brings" in found else None,
        fresh="${fresh}" in str(found["execute"].value),
    )


def _description(name: str, found: Mapping[str, _Place]) -> Description:
    numbers: dict[str, Any] = {part: found[part].of(float) for part in ("poll", "patience", "again", "lag") if part in found}
    texts: dict[str, Any] = {part: found[part].text() for part in ("about", "permission", "effect") if part in found}
    arguments = found["arguments"].map("") if "arguments" in found else {}
    return Description(
        action=name,
        arguments={part: _argument(item) for part, item in arguments.items()},
        reversible="undo" in found,
        verified="verified" not in found or found["verified"].value is not False,
        repeatable="repeatable" in found and found["repeatable"].value is True,
        **texts,
        **numbers,
    )


def _argument(place: _Place) -> Argument:
    found = place.map("type about required default")
    kind = found["type"].text() if "type" in found else "string"
    if kind not in TYPES:
        raise BadRecipe(f"{place.where}.type: {kind} is not known; known are {', '.join(TYPES)}")
    required = found["required"].value is not False if "required" in found else "default" not in found
    about = found["about"].text() if "about" in found else ""
    return Argument(kind, about, required, found["default"].value if "default" in found else None)


def _brought(place: _Place) -> Brought:
    found = place.map("name look content", "name look content")
    return Brought(found["name"].of(Text), _steps(found["look"]), found["content"].of(template, object))


def _undo(place: _Place) -> Undo:
    found = place.map("execute undone pending ours", "execute undone")
    return Undo(
        steps=_steps(found["execute"]),
        undone=found["undone"].of(Expression),
        pending=found["pending"].of(Expression) if "pending" in found else None,
        ours=_rules(found, "ours"),
    )


def _steps(place: _Place) -> tuple[Step, ...]:
    return tuple(_step(item) for item in place.list())


def _step(place: _Place) -> Step:
    if isinstance(place.value, Mapping) and "run" in place.value:
        return _script(place)
    found = place.map(f"request base query json form headers until may_be_missing {COMMON_TO_STEPS}", "request")
    line = REQUEST.fullmatch(found["request"].text())
    if line is None:
        raise BadRecipe(f"{place.where}.request: must read like 'POST /path'")
    templates: dict[str, Any] = {name: found[name].of(template, object) for name in ("query", "json", "form", "headers") if name in found}
    return Step(
        method=line[1],
        path=_Place(found["request"].where, line[2]).of(Text),
        base=found["base"].text() if "base" in found else "url",
        until=found["until"].of(Expression) if "until" in found else None,
        may_be_missing=found["may_be_missing"].value is True if "may_be_missing" in found else False,
        **templates,
        **_common(found),
    )


def _script(place: _Place) -> Step:
    found = place.map(f"run environment {COMMON_TO_STEPS}", "run")
    if "environment" in found and (odd := [name for name in found["environment"].map("") if SEEN.fullmatch(name) is None]):
        raise BadRecipe(f"{place.where}.environment.{odd[0]}: must be a lower-case name; scripts see it as TOCSIN_NAME")
    environment = found["environment"].of(template, object) if "environment" in found else None
    return Step("RUN", Text(""), script=found["run"].text(), environment=environment, **_common(found))


def _common(found: Mapping[str, _Place]) -> dict[str, Any]:
    """What requests and scripts have alike."""
    return {
        "when": found["when"].of(Expression) if "when" in found else None,
        "each": found["each"].of(Expression) if "each" in found else None,
        "save": {name: item.of(Expression) for name, item in found["save"].map("").items()} if "save" in found else {},
        "errors": _errors(found),
    }


def _rules(found: Mapping[str, _Place], name: str) -> tuple[Rule, ...]:
    if name not in found:
        return ()
    parts = [item.map("when because", "when because") for item in found[name].list()]
    return tuple(Rule(part["when"].of(Expression), part["because"].of(Text)) for part in parts)


def _errors(found: Mapping[str, _Place]) -> tuple[ErrorRule, ...]:
    if "errors" not in found:
        return ()
    parts = [item.map("when means because", "when means because") for item in found["errors"].list()]
    return tuple(ErrorRule(part["when"].of(Expression), part["means"].of(Means), part["because"].of(Text)) for part in parts)
