"""Whether the commands of an action can be carried out: their texts, their targets, their arguments."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tocsin_playbook import ends
from tocsin_playbook.catalogue import ACTION_TYPE, ACTIONS, Action, Argument, Weight, action_of, undoable
from tocsin_playbook.playbook import Kind, Playbook, Step
from tocsin_playbook.shape import ADDRESSED, Problem
from tocsin_playbook.variables import REFERENCE, as_text, parse

NEED_TARGET = ("http-api", "ssh", "openc2-http")
REQUEST = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+( HTTP/\d(\.\d)?)?")
MOST_ASSIGNMENTS = 500


def problems_of_commands(playbook: Playbook, step: Step) -> Iterator[Problem]:
    """What is wrong with the commands of a step."""
    if step.kind is not Kind.ACTION:
        return
    for number, command in enumerate(step.commands):
        path = f"commands[{number}]"
        yield from _texts(step, command, path)
        yield from _target(playbook, step, command, path)
        if command["type"] == ACTION_TYPE:
            yield from _action(step, command, path)
    if len(step.commands) * max(1, len(step.targets)) > MOST_ASSIGNMENTS:
        yield Problem(step.id, "targets", f"commands times targets are more than {MOST_ASSIGNMENTS}; make several steps")
    if step.options.undo_on_failure and not any(undoable(each) for each in step.commands):
        known = ", ".join(each.name for each in ACTIONS.values() if each.reversible)
        yield Problem(step.id, "step_extensions.tocsin.undo_on_failure", f"none of its commands can be undone; those that can are {known}")


def _texts(step: Step, command: Mapping[str, Any], path: str) -> Iterator[Problem]:
    kind = command["type"]
    if kind in ("manual", "bash", "ssh", "powershell"):
        given = [field for field in ("command", "command_b64") if command.get(field)]
        if len(given) != 1 and not (kind == "manual" and command.get("description") and not given):
            yield Problem(step.id, path, "give either command or command_b64")
    if kind in ("bash", "ssh", "powershell") and REFERENCE.search(command.get("command", "")):
        told = "a value is never put into the text of a command; it is in the environment: write $TOCSIN_host for __host__"
        yield Problem(step.id, f"{path}.command", told)
    if kind in ("http-api", "openc2-http") and not REQUEST.fullmatch(command["command"]):
        yield Problem(step.id, f"{path}.command", "write method and path: POST /api/v1/hosts HTTP/1.1")
    if command.get("content") and command.get("content_b64"):
        yield Problem(step.id, path, "give either content or content_b64")
    for field in ("command_b64", "content_b64"):
        try:
            base64.b64decode(command.get(field, ""), validate=True)
        except binascii.Error:
            yield Problem(step.id, f"{path}.{field}", "it is no Base64")


def _target(playbook: Playbook, step: Step, command: Mapping[str, Any], path: str) -> Iterator[Problem]:
    kind = command["type"]
    agent = playbook.agents.get(step.agent, {})
    if kind in NEED_TARGET and not step.targets and agent.get("type") not in ADDRESSED:
        told = f"{kind} needs a target: name one in targets, with an address, or nothing would be done"
        yield Problem(step.id, "targets", told)
    if kind in NEED_TARGET:
        for number, each in enumerate(step.targets):
            found = playbook.targets.get(each, {}).get("type", "")
            if found and found not in ADDRESSED:
                yield Problem(
                    step.id, f"targets[{number}]", f"{kind} needs a target with an address ({', '.join(ADDRESSED)}), not a {found}"
                )


def _action(step: Step, command: Mapping[str, Any], path: str) -> Iterator[Problem]:
    action = action_of(command)
    if action is None:
        yield Problem(step.id, f"{path}.action", f"there is no action {command['action']}; there are {', '.join(ACTIONS)}")
        return
    given = command["arguments"]
    for name, argument in action.arguments.items():
        if name not in given and argument.required:
            yield Problem(step.id, f"{path}.arguments.{name}", f"{action.name} needs it")
    for name, value in given.items():
        if name not in action.arguments:
            known = ", ".join(action.arguments)
            yield Problem(step.id, f"{path}.arguments.{name}", f"{action.name} has no such argument; it has {known}")
        elif wrong := _misfit(action.arguments[name], value):
            yield Problem(step.id, f"{path}.arguments.{name}", wrong)
    yield from _until(step, action, command, path)
    if action.weight is Weight.GRAVE and not action.reversible and step.options.approval is None:
        told = f"{action.name} cannot be undone and nobody has to approve it; add an approval"
        yield Problem(step.id, "step_extensions.tocsin.approval", told, warning=True)


def _until(step: Step, action: Action, command: Mapping[str, Any], path: str) -> Iterator[Problem]:
    until = command.get("until")
    if until is None:
        return
    if not action.timed:
        yield Problem(step.id, f"{path}.until", f"{action.name} has no end")
    elif not REFERENCE.fullmatch(until) and (wrong := ends.flaw(until)):
        yield Problem(step.id, f"{path}.until", wrong)


def _misfit(argument: Argument, value: object) -> str:
    """What is wrong with a value that is written down. What comes from a variable is judged when it is known."""
    text = as_text(value) or ""
    if REFERENCE.search(text):
        return ""
    if argument.choices and text not in argument.choices:
        return f"it must be {' or '.join(argument.choices)}"
    kinds = ("ipv4-addr", "ipv6-addr") if argument.type == "address" else (argument.type,)
    wrong = ""
    for kind in kinds:
        try:
            parse(kind, text)
            return ""
        except ValueError as error:
            wrong = str(error)
    return "it must be an IPv4 or IPv6 address or network" if argument.type == "address" else wrong
