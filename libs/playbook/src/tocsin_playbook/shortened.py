"""A CACAO playbook in the short YAML form: what `short` compiles, back again. Ids that follow from names are left out."""

from collections.abc import Mapping
from typing import Any

import yaml

from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.playbook import EXTENSION, Kind, Playbook, Step, read
from tocsin_playbook.short import AUTHOR, COPIED, DEFINED, NEVER, OPTIONS_COPIED, RUNNER
from tocsin_playbook.terms import bare, duration, from_iso, made_id, short

Plain = dict[str, Any]
# Fields of the document that the short form says otherwise, or not at all.
SAID = {
    "type",
    "spec_version",
    "name",
    "playbook_types",
    "playbook_variables",
    "workflow",
    "workflow_start",
    "workflow_exception",
    "extension_definitions",
    *DEFINED.values(),
}
ARGUMENTS = {"takes": "in_args", "gives": "out_args"}
UNSAID = {"created_by": AUTHOR, "created": NEVER, "modified": NEVER}


def shortened(plain: Mapping[str, Any]) -> Plain:
    """The short form of a playbook that was found well-formed. Shared end steps become ends of their own."""
    return _Shortener(read(plain)).document()


def as_yaml(plain: Mapping[str, Any]) -> str:
    """As a file shows it."""
    text: str = yaml.dump(dict(plain), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


class _Shortener:
    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._plain = playbook.plain
        self._names = _unique({each.id: each.title for each in playbook.steps.values() if each.kind not in (Kind.START, Kind.END)})
        self._done: set[str] = set()
        self._defined: dict[str, dict[str, str]] = {
            field: _unique({name: str(each.get("name") or name) for name, each in self._plain.get(place, {}).items()})
            for field, place in DEFINED.items()
        }

    def document(self) -> Plain:
        plain = self._plain
        made: Plain = {"playbook": plain["name"]}
        if plain["id"] != made_id("playbook", plain["name"]):
            made["id"] = plain["id"]
        made |= {"types": plain["playbook_types"]} if "playbook_types" in plain else {}
        made |= {key: each for key, each in plain.items() if key not in SAID and key != "id" and UNSAID.get(key) != each}
        made |= {"variables": _variables(plain["playbook_variables"])} if plain.get("playbook_variables") else {}
        made |= {field: each for field in DEFINED if (each := self._definitions(field))}
        others = {key: each for key, each in plain.get("extension_definitions", {}).items() if key != EXTENSION}
        made |= {"extension_definitions": others} if others else {}
        made["steps"] = self._sequence(self._playbook.steps[self._playbook.start].after, None)
        if self._playbook.exception:
            made["on_exception"] = self._sequence(self._playbook.exception, None)
        return made

    def _definitions(self, field: str) -> Plain:
        made: Plain = {}
        for name, each in self._plain.get(DEFINED[field], {}).items():
            key = self._defined[field][name]
            if field == "agents" and (each == {"name": key, "type": "organization"} or each == {"name": key, "type": "group"}):
                title = RUNNER if each["type"] == "organization" else key
                if name == made_id(each["type"], self._playbook.id, "agents", title):
                    continue
            body = {inner: short(value) for inner, value in each.items() if inner not in ("name", "authentication_info")}
            if "authentication_info" in each:
                body["authentication"] = self._defined["authentication"][each["authentication_info"]]
            if name != made_id(each["type"], self._playbook.id, field, key):
                body["id"] = name
            made[key] = body
        return made

    def _sequence(self, first: str, opener: Step | None) -> list[Plain]:
        """The steps of a branch. Those in a row are taken first, so that whatever leads back to them can name them."""
        row, current = [], first
        while current and not self._ends(current, opener) and current not in self._done:
            self._done.add(current)
            row.append(self._playbook.steps[current])
            current = row[-1].after
        made: list[Plain] = [{self._names[step.id]: self._step(step)} for step in row]
        if current and not self._ends(current, opener):
            made.append({"next": self._names[current]})
        return made

    def _ends(self, step_id: str, opener: Step | None) -> bool:
        step = self._playbook.steps[step_id]
        if step.kind is Kind.END:
            return True
        return opener is not None and (step_id == opener.after or (opener.kind is Kind.WHILE and step_id == opener.id))

    def _step(self, step: Step) -> Plain:
        plain = self._plain["workflow"][step.id]
        name = self._names[step.id]
        made: Plain = {}
        if step.id != made_id(step.kind.value, self._playbook.id, name):
            made["id"] = step.id
        if step.name and step.name != name:
            made["title"] = step.name
        made |= {field: plain[field] for field in COPIED if field in plain}
        made |= self._does(step, plain)
        made |= {field: duration(plain[field]) for field in ("delay", "timeout") if plain.get(field)}
        made |= {"variables": _variables(plain["step_variables"])} if plain.get("step_variables") else {}
        made |= {
            word: [bare(each) for each in plain[field]] for word, field in (("takes", "in_args"), ("gives", "out_args")) if field in plain
        }
        made |= _options(plain)
        if step.on_failure:
            made["on_failure"] = self._sequence(step.on_failure, None)
        return made

    def _does(self, step: Step, plain: Mapping[str, Any]) -> Plain:
        match step.kind:
            case Kind.PLAYBOOK:
                version = {"version": plain["playbook_version"]} if "playbook_version" in plain else {}
                return {"playbook": plain["playbook_id"], **version}
            case Kind.PARALLEL:
                branches = [self._sequence(each, step) for each in step.next_steps]
                return {"parallel": [each[0] if len(each) == 1 else each for each in branches]}
            case Kind.IF:
                made: Plain = {"if": short(step.condition), "then": self._sequence(step.on_true, step)}
                return made | ({"else": self._sequence(step.on_false, step)} if step.on_false else {})
            case Kind.WHILE:
                return {"while": short(step.condition), "do": self._sequence(step.on_true, step)}
            case Kind.SWITCH:
                cases = {case: self._sequence(first, step) for case, first in step.cases.items()}
                return {"switch": short(step.switch), "cases": cases}
            case _:
                return self._acts(step, plain)

    def _acts(self, step: Step, plain: Mapping[str, Any]) -> Plain:
        agent = self._defined["agents"][step.agent]
        made = _command(plain["commands"])
        if agent != RUNNER or step.agent != made_id("organization", self._playbook.id, "agents", RUNNER):
            made["agent"] = agent
        if step.targets:
            made["targets"] = [self._defined["targets"][each] for each in step.targets]
        return made


def _unique(titles: Mapping[str, str]) -> dict[str, str]:
    """Names that are different, by id."""
    found: dict[str, str] = {}
    for name, title in titles.items():
        taken = set(found.values())
        free = title if title != "next" else "next step"
        number = 2
        while free in taken:
            free, number = f"{title} {number}", number + 1
        found[name] = free
    return found


def _variables(plain: Mapping[str, Any]) -> Plain:
    return {bare(name): each["type"] if set(each) == {"type", "external"} and each["external"] else each for name, each in plain.items()}


def _options(plain: Mapping[str, Any]) -> Plain:
    extensions = plain.get("step_extensions", {})
    ours = extensions.get(EXTENSION, {})
    made: Plain = {field: ours[field] for field in OPTIONS_COPIED if field in ours}
    for field, inner, outer in (("retry", "backoff", "backoff_seconds"), ("approval", "within", "ttl_seconds")):
        if field in ours:
            made[field] = {
                (inner if key == outer else key): duration(each * 1_000) if key == outer else each for key, each in ours[field].items()
            }
    others = {key: each for key, each in extensions.items() if key != EXTENSION}
    return made | ({"step_extensions": others} if others else {})


def _command(commands: list[Plain]) -> Plain:
    """The word for a command, if it has one; otherwise the commands as they are."""
    if len(commands) == 1:
        command = commands[0]
        fields = set(command)
        if command["type"] == ACTION_TYPE and fields <= {"type", "action", "connector", "arguments", "until"}:
            until = {"until": from_iso(short(command["until"]))} if "until" in command else {}
            return {"action": command["action"], "using": command["connector"], "with": short(command["arguments"]), **until}
        if command["type"] in ("bash", "ssh", "powershell") and fields == {"type", "command"}:
            return {command["type"]: command["command"]}
        if command["type"] == "manual" and fields == {"type", "command"}:
            return {"ask": short(command["command"])}
        if command["type"] in ("http-api", "openc2-http") and fields <= {"type", "command", "headers", "content"}:
            return _request(command)
    return {"commands": commands}


def _request(command: Plain) -> Plain:
    made: Plain = {"http" if command["type"] == "http-api" else "openc2": short(command["command"])}
    if "headers" in command:
        made["headers"] = {key: short(each[0] if len(each) == 1 else each) for key, each in command["headers"].items()}
    return made | ({"body": short(command["content"])} if "content" in command else {})
