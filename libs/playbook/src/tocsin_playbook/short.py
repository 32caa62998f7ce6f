"""The short YAML form of a playbook, compiled to CACAO v2.0: steps in a list, branches as lists in it, ids from names."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tocsin_playbook.phrases import commands_of
from tocsin_playbook.playbook import EXTENSION
from tocsin_playbook.shape import PLAYBOOK, VERSION, Problem
from tocsin_playbook.terms import full, long, made_id, milliseconds

Plain = dict[str, Any]

AUTHOR = made_id("identity", "tocsin")
NEVER = "2026-01-01T00:00:00.000Z"
RUNNER = "Tocsin runner"
DEEPEST = 24
# What a step does, by the word that says so, and which kind of step that makes.
KINDS: Mapping[str, str] = {
    "action": "action",
    "ask": "action",
    "bash": "action",
    "ssh": "action",
    "powershell": "action",
    "http": "action",
    "openc2": "action",
    "commands": "action",
    "playbook": "playbook-action",
    "parallel": "parallel",
    "if": "if-condition",
    "while": "while-condition",
    "switch": "switch-condition",
}
BESIDE: Mapping[str, tuple[str, ...]] = {
    "action": ("using", "with", "until"),
    "http": ("headers", "body"),
    "openc2": ("headers", "body"),
    "playbook": ("version",),
    "parallel": ("join", "on_branch_failure"),
    "if": ("then", "else"),
    "while": ("do",),
    "switch": ("cases",),
}
FOR_ACTIONS = ("agent", "targets", "retry", "on_unknown", "undo_on_failure", "idempotent")
COMMON = (
    "id",
    "title",
    "description",
    "delay",
    "timeout",
    "variables",
    "takes",
    "gives",
    "approval",
    "on_failure",
    "owner",
    "external_references",
    "step_extensions",
)
COPIED = ("description", "owner", "external_references")
TOP = ("playbook", "variables", "agents", "targets", "authentication", "steps", "on_exception", "types")
OPTIONS_COPIED = ("on_unknown", "undo_on_failure", "idempotent", "join", "on_branch_failure")
DEFINED = {"agents": "agent_definitions", "targets": "target_definitions", "authentication": "authentication_info_definitions"}


def is_short(plain: object) -> bool:
    """Whether something looks like the short form."""
    return isinstance(plain, dict) and "playbook" in plain and "workflow" not in plain


def compiled(plain: Mapping[str, Any]) -> tuple[Plain, list[Problem]]:
    """The CACAO document, and what could not be understood. Problems name steps by their names."""
    compiler = _Compiler(plain)
    return compiler.document(), compiler.problems


class _Compiler:
    def __init__(self, plain: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._plain = plain
        self._id = str(plain.get("id") or made_id("playbook", str(plain.get("playbook"))))
        self._steps: dict[str, Plain] = {}
        self._named: dict[str, str] = {}
        self._definitions: dict[str, dict[str, Plain]] = {field: {} for field in DEFINED}

    def document(self) -> Plain:
        """The whole."""
        plain = self._plain
        for name in plain:
            if name not in TOP and name not in PLAYBOOK.fields:
                self._wrong("", str(name), f"there is no such field; there are {', '.join(TOP)} and those of CACAO")
        self._define()
        items, handler = self._listed("", "steps", plain.get("steps")), plain.get("on_exception")
        unexpected = self._listed("", "on_exception", handler) if handler is not None else []
        self._collect(items, 0)
        self._collect(unexpected, 0)
        start = made_id("start", self._id)
        first = self._sequence(items, "steps")
        self._steps = {start: {"type": "start", "on_completion": first}, **self._steps}
        kept = {key: each for key, each in plain.items() if key in PLAYBOOK.fields and key not in TOP}
        return {
            "type": "playbook",
            "spec_version": VERSION,
            "id": self._id,
            "name": str(plain.get("playbook")),
            **({"playbook_types": plain["types"]} if "types" in plain else {}),
            "created_by": AUTHOR,
            "created": NEVER,
            "modified": NEVER,
            **kept,
            **({"playbook_variables": self._variables("", plain["variables"])} if plain.get("variables") else {}),
            "workflow_start": start,
            **({"workflow_exception": self._sequence(unexpected, "on_exception")} if unexpected else {}),
            "workflow": self._steps,
            **{DEFINED[field]: each for field, each in self._definitions.items() if each},
            **self._extensions(),
        }

    def _extensions(self) -> Plain:
        given = dict(self._plain.get("extension_definitions") or {})
        if any(EXTENSION in step.get("step_extensions", {}) for step in self._steps.values()):
            given[EXTENSION] = {
                "type": "extension-definition",
                "name": "tocsin",
                "description": "Retries, approvals, joins and undo of steps",
                "created_by": AUTHOR,
                "schema": "tocsin-playbook",
                "version": "1",
            }
        return {"extension_definitions": given} if given else {}

    def _define(self) -> None:
        for field in DEFINED:
            given = self._plain.get(field) or {}
            if not isinstance(given, dict):
                self._wrong("", field, "it must be an object of definitions by name")
                continue
            for name, each in given.items():
                if not isinstance(each, dict) or "type" not in each:
                    self._wrong("", f"{field}.{name}", "it must be an object with a type")
                    continue
                body = {key: long(value) for key, value in each.items() if key not in ("id", "authentication")}
                if "authentication" in each:
                    body["authentication_info"] = self._reference(
                        "", f"{field}.{name}.authentication", "authentication", each["authentication"]
                    )
                self._definitions[field][self._defined_id(field, str(name), each)] = {"name": str(name), **body}

    def _defined_id(self, field: str, name: str, plain: Mapping[str, Any]) -> str:
        return str(plain.get("id") or made_id(str(plain["type"]), self._id, field, name))

    def _reference(self, step: str, path: str, field: str, name: Any) -> str:
        """The id of something that is defined by name."""
        plain = (self._plain.get(field) or {}).get(name)
        if isinstance(plain, dict) and "type" in plain:
            return self._defined_id(field, str(name), plain)
        self._wrong(step, path, f"there is no {name} in {field}")
        return str(name)

    def _listed(self, step: str, field: str, value: Any) -> list[tuple[str, Plain]]:
        """A list of steps as names and what they say."""
        if not isinstance(value, list) or (not value and field == "steps"):
            self._wrong(step, field, "it must be a list of steps: - name: {…}")
            return []
        found = []
        for number, each in enumerate(value):
            if not isinstance(each, dict) or len(each) != 1:
                self._wrong(
                    step, f"{field}[{number}]", "a step is one name with what it does: - isolate the host: {action: isolate-host, …}"
                )
                continue
            ((name, body),) = each.items()
            if name != "next" and not isinstance(body, dict):
                self._wrong(str(name), "", "say what it does: {action: …}")
            else:
                found.append((str(name), body))
        return found

    def _collect(self, items: Sequence[tuple[str, Any]], depth: int) -> None:
        """Note the name and the id of every step, wherever it is."""
        if depth > DEEPEST:
            self._wrong("", "steps", f"they are nested deeper than {DEEPEST}")
            return
        for name, body in items:
            if name == "next":
                continue
            if name in self._named:
                self._wrong(name, "", "there are two steps of this name")
            self._named[name] = str(body.get("id") or made_id(self._kind(name, body), self._id, name))
            for _, inner in self._inner(name, body):
                self._collect(inner, depth + 1)

    def _kind(self, name: str, body: Plain) -> str:
        verbs = [verb for verb in KINDS if verb in body]
        if len(verbs) != 1:
            self._wrong(name, "", f"say one thing that it does: {', '.join(KINDS)}")
        return KINDS[verbs[0]] if verbs else "action"

    def _inner(self, name: str, body: Plain) -> list[tuple[str, list[tuple[str, Plain]]]]:
        """The lists of steps in a step, each with the field that holds it."""
        lists: list[tuple[str, Any]] = [(field, body[field]) for field in ("then", "else", "do", "on_failure") if field in body]
        if isinstance(body.get("parallel"), list):
            lists += [(f"parallel[{number}]", each if isinstance(each, list) else [each]) for number, each in enumerate(body["parallel"])]
        if isinstance(body.get("cases"), dict):
            lists += [(f"cases.{case}", each) for case, each in body["cases"].items()]
        return [(field, self._listed(name, field, each)) for field, each in lists]

    def _sequence(self, items: Sequence[tuple[str, Any]], where: str) -> str:
        """Make the steps of a list, one behind the other and an end behind them; returns the first."""
        ids = [self._target(body) if name == "next" else self._named[name] for name, body in items if name == "next" or name in self._named]
        jumps = bool(items) and items[-1][0] == "next"
        end = made_id("end", self._id, where)
        for (name, body), after in zip(items, [*ids[1:], end], strict=False):
            if name != "next":
                self._step(name, body, after)
        if not jumps:
            self._steps[end] = {"type": "end"}
        return ids[0] if ids else end

    def _target(self, name: Any) -> str:
        if name not in self._named:
            self._wrong("", "next", f"there is no step {name}")
        return self._named.get(name, str(name))

    def _step(self, name: str, body: Plain, after: str) -> None:
        kind = self._kind(name, body)
        known = {*COMMON, *(FOR_ACTIONS if kind == "action" else ())}
        for verb in KINDS:
            known |= {verb, *BESIDE.get(verb, ())} if verb in body else set()
        for field in body:
            if field not in known:
                self._wrong(name, str(field), f"there is no such field; there are {', '.join(sorted(known))}")
        branches = {field: self._sequence(items, f"{name}/{field}") for field, items in self._inner(name, body)}
        flow = {"on_success": after, "on_failure": branches["on_failure"]} if "on_failure" in branches else {"on_completion": after}
        made = {
            "type": kind,
            "name": str(body.get("title", name)),
            **{field: body[field] for field in COPIED if field in body},
            **self._times(name, body),
            **({"step_variables": self._variables(name, body["variables"])} if body.get("variables") else {}),
            **self._does(name, body, branches),
            **{field: [full(each) for each in body[word]] for word, field in (("takes", "in_args"), ("gives", "out_args")) if word in body},
            **flow,
            **self._options(name, body),
        }
        self._steps[self._named[name]] = made

    def _does(self, name: str, body: Plain, branches: Mapping[str, str]) -> Plain:
        if "parallel" in body:
            return {"next_steps": [each for field, each in branches.items() if field.startswith("parallel[")]}
        if "if" in body:
            chosen = {"on_true": branches.get("then"), "on_false": branches.get("else")}
            return {"condition": long(body["if"]), **{field: each for field, each in chosen.items() if each}}
        if "while" in body:
            return {"condition": long(body["while"]), "on_true": branches.get("do", "")}
        if "switch" in body:
            return {
                "switch": long(body["switch"]),
                "cases": {field[6:]: each for field, each in branches.items() if field.startswith("cases.")},
            }
        if "playbook" in body:
            version = {"playbook_version": body["version"]} if "version" in body else {}
            return {"playbook_id": body["playbook"], **version}
        made: Plain = {"commands": commands_of(body), "agent": self._agent(name, body)}
        if "targets" in body:
            made["targets"] = [self._reference(name, "targets", "targets", each) for each in body["targets"]]
        return made

    def _agent(self, name: str, body: Plain) -> str:
        """Who does it. Somebody who is asked need not be defined: they are a group of that name."""
        agents = self._definitions["agents"]
        wanted = body.get("agent")
        if wanted is not None and wanted in (self._plain.get("agents") or {}):
            return self._reference(name, "agent", "agents", wanted)
        if wanted is not None and "ask" not in body and "commands" not in body:
            self._wrong(name, "agent", f"there is no {wanted} in agents")
        kind, title = ("group", str(wanted)) if wanted is not None else ("organization", RUNNER)
        made = made_id(kind, self._id, "agents", title)
        agents.setdefault(made, {"name": title, "type": kind})
        return made

    def _times(self, name: str, body: Plain) -> Plain:
        made: Plain = {}
        for field in ("delay", "timeout"):
            if field in body:
                found = milliseconds(body[field])
                if found is None:
                    self._wrong(name, field, "write how long: 30s, 5m, 2h, 1d")
                made[field] = found or 0
        return made

    def _variables(self, step: str, plain: Any) -> Plain:
        """`host: string` is a variable that comes from outside; `{type: …, value: …}` says more."""
        if not isinstance(plain, dict):
            self._wrong(step, "variables", "it must be an object of variables by name")
            return {}
        made = {}
        for name, each in plain.items():
            given = {"type": each, "external": True} if isinstance(each, str) else dict(each) if isinstance(each, dict) else {}
            if isinstance(given.get("value"), bool | int | float):
                given["value"] = json.dumps(given["value"])
            made[full(str(name))] = given
        return made

    def _options(self, name: str, body: Plain) -> Plain:
        ours: Plain = {field: body[field] for field in OPTIONS_COPIED if field in body}
        for field, inner, outer in (("retry", "backoff", "backoff_seconds"), ("approval", "within", "ttl_seconds")):
            if field in body:
                ours[field] = self._timed(name, field, body[field], inner, outer)
        others = dict(body.get("step_extensions") or {})
        made = {**others, **({EXTENSION: ours} if ours else {})}
        return {"step_extensions": made} if made else {}

    def _timed(self, name: str, field: str, plain: Any, inner: str, outer: str) -> Any:
        if not isinstance(plain, dict) or inner not in plain:
            return plain
        found = milliseconds(plain[inner])
        if found is None or found % 1_000:
            self._wrong(name, f"{field}.{inner}", "write whole seconds or more: 30s, 5m, 2h, 1d")
        rest = {key: each for key, each in plain.items() if key != inner}
        return {**rest, outer: (found or 0) // 1_000}

    def _wrong(self, step: str, field: str, detail: str) -> None:
        problem = Problem(step, field, detail)
        if problem not in self.problems:
            self.problems.append(problem)
