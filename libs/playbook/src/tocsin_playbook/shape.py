"""The shape of a CACAO v2.0 document: which fields each object has, which it must have, and what a value looks like."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.variables import MOST_TEXT, NAME, TYPES, as_text, checked

IDENTIFIER = re.compile(
    r"[a-z][a-z0-9-]+[a-z0-9]--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
TIMESTAMP = re.compile(r"\d{4}-(0[1-9]|1[012])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?Z")
VERSION = "cacao-2.0"
DEEPEST = 32
MOST_STEPS = 500
MOST_ITEMS = 500
ADDRESSES = ("url", "dname", "ipv4", "ipv6", "l2mac", "vlan")
LONGEST_MILLISECONDS = 400 * 24 * 3600 * 1000

# What is wrong with a value; empty: nothing.
Rule = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to mend: in which step (empty: in the playbook itself), in which field, what and how. A warning stops nobody."""

    step: str
    field: str
    detail: str
    warning: bool = False

    def __str__(self) -> str:
        place = ".".join(part for part in (self.step, self.field) if part)
        return f"{place}: {self.detail}" if place else self.detail


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an object; `required` are those it must have."""

    fields: Mapping[str, Rule]
    required: tuple[str, ...] = ()


def text(value: Any) -> str:
    if not isinstance(value, str):
        return "it must be a text"
    return f"it is longer than {MOST_TEXT} characters" if len(value) > MOST_TEXT else ""


def flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "it must be true or false"


def whole(least: int, most: int) -> Rule:
    def rule(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fits else f"it must be a whole number from {least} to {most}"

    return rule


def word(*words: str) -> Rule:
    return lambda value: "" if isinstance(value, str) and value in words else f"it must be {' or '.join(words)}"


def timestamp(value: Any) -> str:
    fits = isinstance(value, str) and TIMESTAMP.fullmatch(value)
    return "" if fits else "it must be a time in UTC such as 2026-01-31T12:00:00.000Z"


def identifier(value: Any) -> str:
    fits = isinstance(value, str) and IDENTIFIER.fullmatch(value)
    return "" if fits else "it must be an id: a type, two hyphens and a UUID, such as action--6bd8a0b2-6e7c-4d1e-9d0a-0f6a5a3f2b11"


def listed(rule: Rule, least: int = 1) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, list) or not least <= len(value) <= MOST_ITEMS:
            return f"it must be a list of {least} to {MOST_ITEMS}"
        return next((f"item {number}: {wrong}" for number, each in enumerate(value) if (wrong := rule(each))), "")

    return check


def addresses(value: Any) -> str:
    """Where something is: lists by kind of address."""
    if not isinstance(value, dict):
        return "it must be an object such as {url: [https://example.com]}"
    for kind, each in value.items():
        if kind not in ADDRESSES:
            return f"there is no address {kind}; there are {', '.join(ADDRESSES)}"
        if wrong := listed(whole(0, 4_095) if kind == "vlan" else text)(each):
            return f"{kind}: {wrong}"
    return "" if value else "it is empty"


def dictionary(value: Any) -> str:
    return "" if isinstance(value, dict) and len(value) <= MOST_ITEMS else f"it must be an object of at most {MOST_ITEMS} fields"


def anything(value: Any) -> str:
    return ""


def too_deep(value: Any, left: int = DEEPEST) -> bool:
    """Whether something is nested deeper than anything sensible."""
    if left < 0:
        return True
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(too_deep(each, left - 1) for each in inside)


def fitted(plain: Any, shape: Shape, step: str, path: str) -> Iterator[Problem]:
    """What an object lacks, what it has too much, and what is wrong with the rest."""
    if not isinstance(plain, dict):
        yield Problem(step, path.rstrip("."), "it must be an object")
        return
    for name in shape.required:
        if name not in plain:
            yield Problem(step, f"{path}{name}", "it is required")
    for name, value in plain.items():
        if name not in shape.fields:
            close = difflib.get_close_matches(str(name), shape.fields, 1)
            hint = f"did you mean {close[0]}?" if close else f"the fields here are {', '.join(shape.fields)}"
            yield Problem(step, f"{path}{name}", f"there is no such field; {hint}")
        elif wrong := shape.fields[name](value):
            yield Problem(step, f"{path}{name}", wrong)


def variables(plain: Any, step: str, path: str) -> Iterator[Problem]:
    """What is wrong with a dictionary of variables."""
    if not isinstance(plain, dict):
        return
    for name, each in plain.items():
        if not NAME.fullmatch(str(name)):
            yield Problem(step, f"{path}.{name}", "a name begins and ends with two underscores: __host__")
        wrong = list(fitted(each, VARIABLE, step, f"{path}.{name}."))
        yield from wrong or _valued(each, step, f"{path}.{name}")


def _valued(plain: Mapping[str, Any], step: str, path: str) -> Iterator[Problem]:
    value = plain.get("value")
    if value is not None and not isinstance(value, str | dict):
        yield Problem(step, f"{path}.value", f'write it as a text: "{as_text(value)}"')
    elif plain["type"] in TYPES:
        try:
            checked(plain["type"], as_text(value))
        except ValueError as error:
            yield Problem(step, f"{path}.value", str(error))
    if plain.get("constant") and value is None:
        yield Problem(step, f"{path}.constant", "a constant needs a value")
    if step and plain.get("external"):
        yield Problem(step, f"{path}.external", "only variables of the playbook come from outside; declare it in playbook_variables")


def _type(value: Any) -> str:
    return "" if isinstance(value, str) and value in TYPES else f"there is no such type; the types are {', '.join(sorted(TYPES))}"


VARIABLE = Shape(
    {"type": _type, "description": text, "value": anything, "constant": flag, "external": flag},
    ("type",),
)
PLAYBOOK = Shape(
    {
        "type": word("playbook"),
        "spec_version": lambda value: "" if value == VERSION else f'only version "{VERSION}" is understood',
        "id": identifier,
        "name": text,
        "description": text,
        "playbook_types": listed(text),
        "playbook_activities": listed(text),
        "playbook_processing_summary": dictionary,
        "created_by": identifier,
        "created": timestamp,
        "modified": timestamp,
        "revoked": flag,
        "valid_from": timestamp,
        "valid_until": timestamp,
        "derived_from": listed(identifier),
        "related_to": listed(identifier),
        "priority": whole(0, 100),
        "severity": whole(0, 100),
        "impact": whole(0, 100),
        "industry_sectors": listed(text),
        "labels": listed(text),
        "external_references": listed(dictionary),
        "markings": listed(identifier),
        "playbook_variables": dictionary,
        "workflow_start": identifier,
        "workflow_exception": identifier,
        "workflow": dictionary,
        "playbook_extensions": dictionary,
        "authentication_info_definitions": dictionary,
        "agent_definitions": dictionary,
        "target_definitions": dictionary,
        "extension_definitions": dictionary,
        "data_marking_definitions": dictionary,
        "signatures": listed(dictionary),
    },
    ("type", "spec_version", "id", "name", "created_by", "created", "modified", "workflow_start", "workflow"),
)

_STEP: Mapping[str, Rule] = {
    "type": text,
    "name": text,
    "description": text,
    "external_references": listed(dictionary),
    "delay": whole(0, LONGEST_MILLISECONDS),
    "timeout": whole(0, LONGEST_MILLISECONDS),
    "step_variables": dictionary,
    "owner": identifier,
    "on_completion": identifier,
    "on_success": identifier,
    "on_failure": identifier,
    "step_extensions": dictionary,
}
_ARGUMENTS: Mapping[str, Rule] = {"in_args": listed(text), "out_args": listed(text)}
STEPS: Mapping[str, Shape] = {
    "start": Shape(_STEP, ("on_completion",)),
    "end": Shape(_STEP),
    "action": Shape(
        {**_STEP, **_ARGUMENTS, "commands": listed(dictionary), "agent": identifier, "targets": listed(identifier)}, ("commands", "agent")
    ),
    "playbook-action": Shape({**_STEP, **_ARGUMENTS, "playbook_id": identifier, "playbook_version": timestamp}, ("playbook_id",)),
    "parallel": Shape({**_STEP, "next_steps": listed(identifier, 2)}, ("next_steps",)),
    "if-condition": Shape({**_STEP, "condition": text, "on_true": identifier, "on_false": identifier}, ("condition", "on_true")),
    "while-condition": Shape({**_STEP, "condition": text, "on_true": identifier}, ("condition", "on_true")),
    "switch-condition": Shape({**_STEP, "switch": text, "cases": dictionary}, ("switch", "cases")),
}

_COMMAND: Mapping[str, Rule] = {
    "type": text,
    "description": text,
    "version": text,
    "playbook_activity": text,
    "external_references": listed(dictionary, 0),
}
_SHELL = Shape({**_COMMAND, "command": text, "command_b64": text})
_HTTP: Mapping[str, Rule] = {**_COMMAND, "command": text, "headers": dictionary, "content": text, "content_b64": text}
# What can be carried out, by the type of the command.
COMMANDS: Mapping[str, Shape] = {
    "manual": _SHELL,
    "bash": _SHELL,
    "powershell": _SHELL,
    "ssh": _SHELL,
    "http-api": Shape(_HTTP, ("command",)),
    "openc2-http": Shape(_HTTP, ("command",)),
    ACTION_TYPE: Shape(
        {**_COMMAND, "action": text, "connector": text, "arguments": dictionary, "until": text}, ("action", "connector", "arguments")
    ),
}
# What CACAO knows and nothing here carries out.
ELSEWHERE = ("caldera-cmd", "elastic", "jupyter", "kestrel", "sigma", "yara")

_PARTY: Mapping[str, Rule] = {
    "type": text,
    "name": text,
    "description": text,
    "location": dictionary,
    "agent_target_extensions": dictionary,
}
_TECHNICAL: Mapping[str, Rule] = {**_PARTY, "address": addresses, "authentication_info": identifier, "category": listed(text)}
PARTIES: Mapping[str, Shape] = {
    "group": Shape({**_PARTY, "contact": dictionary}, ("type", "name")),
    "individual": Shape({**_PARTY, "contact": dictionary}, ("type", "name")),
    "organization": Shape({**_PARTY, "contact": dictionary}, ("type", "name")),
    "location": Shape({**_PARTY, "logical": listed(text)}, ("type", "name")),
    "sector": Shape({**_PARTY, "sector": text}, ("type", "name", "sector")),
    "security-category": Shape({**_PARTY, "category": listed(text)}, ("type", "name", "category")),
    "net-address": Shape({**_TECHNICAL, "port": text}, ("type", "name", "address")),
    "http-api": Shape({**_TECHNICAL, "port": text}, ("type", "name", "address")),
    "linux": Shape({**_TECHNICAL, "port": text}, ("type", "name", "address")),
    "ssh": Shape({**_TECHNICAL, "port": text}, ("type", "name", "address")),
}
OTHER_PARTY = Shape({**_TECHNICAL, "port": text, "contact": dictionary, "logical": listed(text), "sector": text}, ("type", "name"))
ADDRESSED = ("net-address", "http-api", "linux", "ssh")

_SECRET: Mapping[str, Rule] = {
    "type": text,
    "name": text,
    "description": text,
    "authentication_info_extensions": dictionary,
    "kms": flag,
    "kms_key_identifier": text,
}
SECRETS: Mapping[str, Shape] = {
    "http-basic": Shape({**_SECRET, "user_id": text, "username": text, "password": text}, ("type",)),
    "user-auth": Shape({**_SECRET, "username": text, "password": text, "private_key": text}, ("type",)),
    "oauth2": Shape({**_SECRET, "oauth_header": text, "token": text}, ("type", "oauth_header", "token")),
}

OPTIONS = Shape(
    {
        "retry": dictionary,
        "on_unknown": word("ask", "skip", "retry"),
        "approval": dictionary,
        "join": word("all", "any"),
        "on_branch_failure": word("fail", "continue"),
        "undo_on_failure": flag,
        "idempotent": flag,
    }
)
RETRY = Shape({"attempts": whole(1, 20), "backoff_seconds": whole(0, 3_600)}, ("attempts",))
APPROVAL = Shape(
    {"roles": listed(text, 0), "quorum": whole(1, 20), "ttl_seconds": whole(1, 30 * 24 * 3_600), "on_timeout": word("deny", "approve")}
)
