"""A run as a CACAO playbook: what was run, with what came of each step in an extension."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tocsin_playbook.playbook import RESULTS
from tocsin_playbook.rows import variables_to_plain
from tocsin_playbook.run import Run, StepInstance
from tocsin_playbook.short import AUTHOR
from tocsin_playbook.terms import made_id


def exported(run: Run, now: datetime) -> dict[str, Any]:
    """The document. It is a playbook of its own, derived from the one that was run, and can be run again."""
    plain = run.playbook.plain
    by_step: dict[str, list[StepInstance]] = {}
    for each in run.steps.values():
        by_step.setdefault(each.step_id, []).append(each)
    summary = {
        "run_id": run.id,
        "state": run.state.value,
        "reason": run.reason,
        "variables": variables_to_plain(run.variables),
    }
    return {
        **plain,
        "id": made_id("playbook", "run", run.id),
        "modified": _stamp(now),
        "derived_from": [plain["id"]],
        "workflow": {name: _step(each, by_step.get(name, [])) for name, each in plain["workflow"].items()},
        "playbook_extensions": {**plain.get("playbook_extensions", {}), RESULTS: summary},
        "extension_definitions": {**plain.get("extension_definitions", {}), RESULTS: DEFINITION},
    }


DEFINITION = {
    "type": "extension-definition",
    "name": "tocsin-results",
    "description": "What came of a run and of each of its steps",
    "created_by": AUTHOR,
    "schema": "tocsin-playbook-results",
    "version": "1",
}


def _step(plain: Mapping[str, Any], instances: list[StepInstance]) -> dict[str, Any]:
    if not instances:
        return dict(plain)
    results = {"instances": [_result(each) for each in instances]}
    return {**plain, "step_extensions": {**plain.get("step_extensions", {}), RESULTS: results}}


def _result(instance: StepInstance) -> dict[str, Any]:
    return {
        "path": instance.path,
        "state": instance.state.value,
        "attempt": instance.attempt,
        "result": instance.result,
        "started_at": _stamp(instance.started_at),
        "ended_at": _stamp(instance.ended_at),
        "approved_by": list(instance.approvals),
        "assignments": [
            {
                "command": slot.command,
                "target": slot.target,
                "state": slot.state.value,
                "attempt": slot.attempt,
                "explanation": slot.explanation,
            }
            for slot in instance.slots
        ],
    }


def _stamp(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z") if instant else None
