"""Texts of playbooks: the short form and CACAO v2.0, read, checked, planned and written by the rules of playbooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.response.v1.playbook_pb2 import Plan as WirePlan
from tocsin.response.v1.playbook_pb2 import PlannedStep

from tocsin_kernel.errors import Invalid
from tocsin_playbook import plan as planning
from tocsin_playbook.document import loaded
from tocsin_playbook.export import exported
from tocsin_playbook.playbook import Playbook
from tocsin_playbook.playbook import read as read_plain
from tocsin_playbook.run import Run


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a text, and what is only remarkable; each says of which step."""

    problems: list[str]
    warnings: list[str]


def read(content: str) -> Playbook:
    """The playbook in a text that was checked."""
    return read_plain(loaded(content).plain)


def check(content: str) -> Checked:
    """Everything that is wrong with a text."""
    found = loaded(content).problems
    return Checked([str(each) for each in found if not each.warning], [str(each) for each in found if each.warning])


def plan(playbook: Playbook, variables: Mapping[str, str | None]) -> WirePlan:
    """What would happen with these values. Raises Invalid for one that does not fit."""
    try:
        made = planning.plan(playbook, variables)
    except ValueError as error:
        raise Invalid(field="variables", detail=str(error)) from error
    touched = {"host": made.hosts, "user": made.users, "address": made.addresses, "workload": made.workloads}
    return WirePlan(
        steps=[_planned(each, playbook) for each in made.lines],
        blast_radius=[f"{kind} {name}" for kind, names in touched.items() for name in names],
        remarks=[f"cannot be undone: {each}" for each in made.irreversible],
        problems=[f"{name} has no value" for name in made.missing],
    )


def as_cacao(content: str) -> str:
    """A text in CACAO v2.0, whatever form it has."""
    return written(loaded(content).plain)


def with_results(run: Run, now: datetime) -> str:
    """A run as its playbook with what came of each step, in CACAO v2.0."""
    return written(exported(run, now))


def written(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, ensure_ascii=False, indent=2)


def _planned(line: planning.Line, playbook: Playbook) -> PlannedStep:
    step = playbook.steps[line.step_id]
    where = f" at {', '.join(line.targets)}" if line.targets else ""
    made = PlannedStep(
        step_id=line.step_id,
        name=line.name,
        type=step.kind.value,
        depth=line.depth,
        actions=[*(f"{each}{where}" for each in line.does), *line.notes],
        condition=line.when,
        approval=line.approval,
        reversible=bool(line.undo),
    )
    if step.timeout is not None:
        made.timeout.FromTimedelta(step.timeout)
    return made
