"""Everything that is wrong with a playbook, found before anything runs: each problem with its step, its field and what to do."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tocsin_kernel.errors import Invalid
from tocsin_playbook import paths, shape
from tocsin_playbook.actions import problems_of_commands
from tocsin_playbook.playbook import EXTENSION, RESULTS, Kind, Playbook, extension, read
from tocsin_playbook.scoping import problems_of_variables
from tocsin_playbook.shape import Problem, Shape, fitted

MOST_BYTES = 1 << 20
MOST_PROBLEMS = 200
# Which options of our extension make sense for which steps.
FOR_ACTIONS = ("retry", "on_unknown", "undo_on_failure", "idempotent")
FOR_PARALLEL = ("join", "on_branch_failure")


def problems(plain: object) -> list[Problem]:
    """What is wrong with a CACAO document. Errors first; a playbook with warnings alone may run."""
    found = list(dict.fromkeys(_found(plain)))
    return sorted(found, key=lambda each: each.warning)[:MOST_PROBLEMS]


def errors(plain: object) -> list[Problem]:
    """The problems that have to be mended."""
    return [each for each in problems(plain) if not each.warning]


def checked(plain: Mapping[str, Any]) -> Playbook:
    """The playbook. Raises Invalid that names everything wrong."""
    if wrong := errors(plain):
        raise Invalid(field="playbook", detail="; ".join(str(each) for each in wrong[:20]))
    return read(plain)


def too_much(plain: object) -> Problem | None:
    """Whether a document is too large or too deep to be looked at."""
    if shape.too_deep(plain):
        return Problem("", "", f"it is nested deeper than {shape.DEEPEST}")
    if len(json.dumps(plain, default=str)) > MOST_BYTES:
        return Problem("", "", f"it is larger than {MOST_BYTES} bytes")
    return None


def _found(plain: object) -> Iterator[Problem]:
    """In layers: what cannot be read says nothing about where it leads."""
    if not isinstance(plain, dict):
        yield Problem("", "", "a playbook is an object: {type: playbook, …}")
        return
    if found := too_much(plain):
        yield found
        return
    misshapen = list(_shapes(plain))
    yield from misshapen
    if not any(not each.warning for each in misshapen):
        yield from _meaning(read(plain))


def _meaning(playbook: Playbook) -> Iterator[Problem]:
    lost = paths.dangling(playbook)
    yield from lost
    yield from _definitions(playbook)
    if lost:
        return
    reached, circles = paths.places(playbook)
    yield from circles
    yield from paths.unreachable(playbook, reached)
    yield from problems_of_variables(playbook, reached)
    for place in reached:
        yield from problems_of_commands(playbook, place.step)
    if not circles:
        yield from paths.endless(playbook, reached)


def _shapes(plain: Mapping[str, Any]) -> Iterator[Problem]:
    yield from fitted(plain, shape.PLAYBOOK, "", "")
    yield from shape.variables(plain.get("playbook_variables"), "", "playbook_variables")
    steps = plain.get("workflow")
    if isinstance(steps, dict):
        if len(steps) > shape.MOST_STEPS:
            yield Problem("", "workflow", f"it has more than {shape.MOST_STEPS} steps; take parts out into other playbooks")
            return
        for name, each in steps.items():
            yield from _step(str(name), each)
        yield from _ends(plain, steps)
    for field, shapes in DEFINITIONS.items():
        yield from _defined(plain.get(field), field, shapes)
    yield from _plain_secrets(plain.get("authentication_info_definitions"))
    if plain.get("revoked") is True:
        yield Problem("", "revoked", "the playbook was revoked by who wrote it", warning=True)


DEFINITIONS: Mapping[str, Mapping[str, Shape]] = {
    "agent_definitions": shape.PARTIES,
    "target_definitions": shape.PARTIES,
    "authentication_info_definitions": shape.SECRETS,
}


def _step(name: str, plain: Any) -> Iterator[Problem]:
    kind = plain.get("type") if isinstance(plain, dict) else None
    if not isinstance(kind, str) or kind not in shape.STEPS:
        yield Problem(name, "type", f"there is no such step; the types are {', '.join(shape.STEPS)}")
        return
    if wrong := shape.identifier(name):
        yield Problem(name, "id", wrong)
    elif not name.startswith(f"{kind}--"):
        yield Problem(name, "id", f"the id of this step must begin with {kind}--")
    yield from fitted(plain, shape.STEPS[kind], name, "")
    yield from _flow(name, kind, plain)
    yield from shape.variables(plain.get("step_variables"), name, "step_variables")
    yield from _commands(name, plain.get("commands"))
    yield from _extension(name, kind, plain)
    for case, target in plain["cases"].items() if isinstance(plain.get("cases"), dict) else ():
        if wrong := shape.identifier(target):
            yield Problem(name, f"cases.{case}", wrong)


def _flow(name: str, kind: str, plain: Mapping[str, Any]) -> Iterator[Problem]:
    """Which of on_completion, on_success and on_failure go together."""
    has = {field for field in ("on_completion", "on_success", "on_failure") if field in plain}
    if kind == "end":
        yield from (Problem(name, field, "nothing comes after an end step") for field in sorted(has))
    elif kind == "start":
        yield from (Problem(name, field, "a start step has only on_completion") for field in sorted(has - {"on_completion"}))
    elif "on_completion" in has and len(has) > 1:
        told = "on_completion goes with neither on_success nor on_failure; use on_success and on_failure"
        yield Problem(name, "on_completion", told)
    elif not has & {"on_completion", "on_success"}:
        yield Problem(name, "on_completion", "it is required, or on_success: say which step comes next")


def _ends(plain: Mapping[str, Any], steps: Mapping[str, Any]) -> Iterator[Problem]:
    starts = [name for name, each in steps.items() if isinstance(each, dict) and each.get("type") == "start"]
    if len(starts) != 1:
        yield Problem("", "workflow", f"it has {len(starts)} start steps; one is needed")
    elif plain.get("workflow_start") != starts[0]:
        yield Problem("", "workflow_start", f"it must name the start step: {starts[0]}")
    if not any(isinstance(each, dict) and each.get("type") == "end" for each in steps.values()):
        yield Problem("", "workflow", "it has no end step")


def _commands(name: str, commands: Any) -> Iterator[Problem]:
    for number, each in enumerate(commands if isinstance(commands, list) else ()):
        kind = each.get("type") if isinstance(each, dict) else None
        known = ", ".join(shape.COMMANDS)
        if kind in shape.ELSEWHERE:
            yield Problem(name, f"commands[{number}].type", f"nothing here carries out {kind} commands; there are {known}")
        elif not isinstance(kind, str) or kind not in shape.COMMANDS:
            yield Problem(name, f"commands[{number}].type", f"there is no command type {kind!r}; there are {known}")
        else:
            yield from fitted(each, shape.COMMANDS[kind], name, f"commands[{number}].")


def _extension(name: str, kind: str, plain: Mapping[str, Any]) -> Iterator[Problem]:
    ours = extension(plain) if isinstance(plain.get("step_extensions"), dict) else {}
    path = "step_extensions.tocsin."
    yield from fitted(ours, shape.OPTIONS, name, path)
    if not isinstance(ours, dict):
        return
    for field, inner in (("retry", shape.RETRY), ("approval", shape.APPROVAL)):
        if field in ours:
            yield from fitted(ours[field], inner, name, f"{path}{field}.")
    for fields, only in ((FOR_ACTIONS, "action"), (FOR_PARALLEL, "parallel")):
        for field in fields:
            if field in ours and kind != only:
                yield Problem(name, f"{path}{field}", f"only {only} steps have it")
    if "approval" in ours and kind in ("start", "end"):
        yield Problem(name, f"{path}approval", "a start or an end does nothing that could be approved")


def _defined(plain: Any, field: str, shapes: Mapping[str, Shape]) -> Iterator[Problem]:
    for name, each in plain.items() if isinstance(plain, dict) else ():
        kind = each.get("type") if isinstance(each, dict) else None
        if wrong := shape.identifier(name):
            yield Problem("", f"{field}.{name}", wrong)
        if isinstance(kind, str) and kind not in shapes and shapes is shape.PARTIES:
            # The vocabulary of agents and targets is open: others have types of their own.
            told = f"there is no type {kind} in CACAO; it is taken as a name only"
            yield Problem("", f"{field}.{name}.type", told, warning=True)
            yield from fitted(each, shape.OTHER_PARTY, "", f"{field}.{name}.")
            continue
        if not isinstance(kind, str) or kind not in shapes:
            yield Problem("", f"{field}.{name}.type", f"there is no such type; the types are {', '.join(shapes)}")
            continue
        yield from fitted(each, shapes[kind], "", f"{field}.{name}.")


def _plain_secrets(plain: Any) -> Iterator[Problem]:
    """Secrets are named, never written down."""
    for name, each in plain.items() if isinstance(plain, dict) else ():
        for field in ("password", "token", "private_key"):
            value = each.get(field) if isinstance(each, dict) else None
            if isinstance(value, str) and value and not value.startswith("secret:") and not value.startswith("__"):
                told = "a playbook holds no secrets; give it to the runner as a file and write secret:NAME"
                yield Problem("", f"authentication_info_definitions.{name}.{field}", told)


def _definitions(playbook: Playbook) -> Iterator[Problem]:
    for step in playbook.steps.values():
        if step.kind is Kind.ACTION and step.agent not in playbook.agents:
            yield Problem(step.id, "agent", f"there is no agent {step.agent}; define it in agent_definitions")
        for number, each in enumerate(step.targets):
            if each not in playbook.targets:
                yield Problem(step.id, f"targets[{number}]", f"there is no target {each}; define it in target_definitions")
    for kind, parties in (("agent", playbook.agents), ("target", playbook.targets)):
        for name, party in parties.items():
            secret = party.get("authentication_info")
            if secret and secret not in playbook.authentication:
                path = f"{kind}_definitions.{name}.authentication_info"
                yield Problem("", path, f"there is no {secret}; define it in authentication_info_definitions")
    foreign = {each for step in playbook.plain["workflow"].values() for each in step.get("step_extensions", {})} - {EXTENSION, RESULTS}
    for each in sorted(foreign):
        yield Problem("", "extension_definitions", f"{each} is not understood and has no effect", warning=True)
