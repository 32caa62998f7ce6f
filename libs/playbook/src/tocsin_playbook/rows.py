"""Instances, variables and runs as plain values and back, so that a store can keep one row for each step."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tocsin_playbook.playbook import Playbook
from tocsin_playbook.run import Branch, Run, RunState, Slot, SlotState, StepInstance, StepState, Wait
from tocsin_playbook.variables import Variable

Plain = Mapping[str, Any]


def variables_to_plain(variables: Mapping[str, Variable]) -> dict[str, dict[str, Any]]:
    """Variables as JSON holds them."""
    return {
        name: {
            "type": each.type,
            "value": each.value,
            **({"constant": True} if each.constant else {}),
            **({"external": True} if each.external else {}),
            **({"description": each.description} if each.description else {}),
        }
        for name, each in variables.items()
    }


def variables_from_plain(plain: Plain) -> dict[str, Variable]:
    """The variables again."""
    return {name: Variable(name, **each) for name, each in plain.items()}


def to_plain(instance: StepInstance) -> dict[str, Any]:
    """A step as JSON holds it."""
    return {
        "path": instance.path,
        "step_id": instance.step_id,
        "state": instance.state.value,
        "attempt": instance.attempt,
        "waiting_for": instance.waiting_for.value,
        "not_before": _text(instance.not_before),
        "deadline": _text(instance.deadline),
        "slots": [_slot_to_plain(each) for each in instance.slots],
        "command": instance.command,
        "branches": [each.value for each in instance.branches],
        "iteration": instance.iteration,
        "approvals": list(instance.approvals),
        "variables": variables_to_plain(instance.variables),
        "result": instance.result,
        "started_at": _text(instance.started_at),
        "ended_at": _text(instance.ended_at),
        "order": instance.order,
    }


def from_plain(plain: Plain) -> StepInstance:
    """The step again."""
    return StepInstance(
        path=plain["path"],
        step_id=plain["step_id"],
        state=StepState(plain["state"]),
        attempt=plain["attempt"],
        waiting_for=Wait(plain["waiting_for"]),
        not_before=_instant(plain["not_before"]),
        deadline=_instant(plain["deadline"]),
        slots=tuple(_slot_from_plain(each) for each in plain["slots"]),
        command=plain["command"],
        branches=tuple(Branch(each) for each in plain["branches"]),
        iteration=plain["iteration"],
        approvals=tuple(plain["approvals"]),
        variables=variables_from_plain(plain["variables"]),
        result=plain["result"],
        started_at=_instant(plain["started_at"]),
        ended_at=_instant(plain["ended_at"]),
        order=plain["order"],
    )


def run_to_plain(run: Run) -> dict[str, Any]:
    """What a run is beside its playbook and its steps."""
    return {
        "id": run.id,
        "state": run.state.value,
        "variables": variables_to_plain(run.variables),
        "version": run.version,
        "ending": run.ending.value if run.ending else None,
        "reason": run.reason,
        "paused_at": _text(run.paused_at),
        "ended_count": run.ended_count,
    }


def run_from_plain(plain: Plain, playbook: Playbook, steps: Iterable[StepInstance]) -> Run:
    """The run again, with its playbook and its steps in the order in which they were reached."""
    return Run(
        id=plain["id"],
        playbook=playbook,
        state=RunState(plain["state"]),
        variables=variables_from_plain(plain["variables"]),
        steps={each.path: each for each in steps},
        version=plain["version"],
        ending=RunState(plain["ending"]) if plain["ending"] else None,
        reason=plain["reason"],
        paused_at=_instant(plain["paused_at"]),
        ended_count=plain["ended_count"],
    )


def _slot_to_plain(slot: Slot) -> dict[str, Any]:
    return {
        "command": slot.command,
        "target": slot.target,
        "state": slot.state.value,
        "attempt": slot.attempt,
        "tries": slot.tries,
        "look_first": slot.look_first,
        "not_before": _text(slot.not_before),
        "explanation": slot.explanation,
        "undoes": slot.undoes,
        **({"doubted": True} if slot.doubted else {}),
        **({"looks": slot.looks} if slot.looks else {}),
    }


def _slot_from_plain(plain: Plain) -> Slot:
    return Slot(
        command=plain["command"],
        target=plain["target"],
        state=SlotState(plain["state"]),
        attempt=plain["attempt"],
        tries=plain["tries"],
        look_first=plain["look_first"],
        not_before=_instant(plain["not_before"]),
        explanation=plain["explanation"],
        undoes=plain["undoes"],
        doubted=plain.get("doubted", False),
        looks=plain.get("looks", 0),
    )


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
