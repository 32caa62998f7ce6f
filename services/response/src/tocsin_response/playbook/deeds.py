"""What an assignment does to what, as guard rails and the ledger of measures name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from tocsin.response.v1.runner_service_pb2 import Assignment

from tocsin_playbook import ends
from tocsin_playbook.catalogue import ACTION_TYPE, Action, action_of
from tocsin_playbook.terms import shown
from tocsin_response.containment.measure import TargetKind

# Which argument of an action names what it is done to, and what kind of thing that is.
KINDS = {
    "host": TargetKind.HOST,
    "user": TargetKind.USER,
    "address": TargetKind.ADDRESS,
    "domain": TargetKind.DOMAIN,
    "hash": TargetKind.HASH,
    "key": TargetKind.KEY,
    "deployment": TargetKind.WORKLOAD,
}
# What a command line acts on.
ON_HOSTS = ("ssh", "bash", "powershell")


@dataclass(frozen=True, slots=True)
class Deed:
    """`action` is None for a command that is none of the catalogue."""

    name: str
    action: Action | None
    connector: str
    kind: TargetKind
    target: str
    reason: str
    until: datetime | None
    # Why nobody can say when it is to end; empty if that is clear.
    flaw: str = ""


def deed_of(assignment: Assignment, now: datetime) -> Deed | None:
    """What it does; None if it names nothing that it is done to."""
    if assignment.command.fields["type"].string_value not in (ACTION_TYPE, *ON_HOSTS):
        return None
    command: dict[str, Any] = json_format.MessageToDict(assignment.command)
    values = {name: each.value for name, each in assignment.variables.items() if each.value}
    action = action_of(command)
    if action is None:
        target = _target(assignment)
        on_host = command.get("type") in ON_HOSTS and bool(target)
        return Deed(str(command.get("type")), None, "", TargetKind.HOST, target, "", None) if on_host else None
    arguments = command.get("arguments") or {}
    subject = next((name for name, each in action.arguments.items() if each.subject and name in arguments), "")
    if not subject:
        return None
    until, flaw = _end(command.get("until"), values, now)
    return Deed(
        name=action.name,
        action=action,
        connector=str(command.get("connector", "")),
        kind=KINDS.get(subject, TargetKind.OTHER),
        target=shown(arguments[subject], values),
        reason=shown(arguments.get("reason", ""), values),
        until=until,
        flaw=flaw,
    )


def plain(struct: bytes | None) -> dict[str, Any] | None:
    """A struct that was kept, as plain values."""
    return json_format.MessageToDict(Struct.FromString(bytes(struct))) if struct is not None else None


def _target(assignment: Assignment) -> str:
    target: dict[str, Any] = json_format.MessageToDict(assignment.target)
    return str(target.get("name", ""))


def hold_of(text: object, values: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long something is to hold from now on: as it says, or the variable that has it; None: until it is undone."""
    until, _ = _end(text, values, now)
    return max(until - now, timedelta(seconds=1)) if until is not None else None


def _end(text: object, values: Mapping[str, str], now: datetime) -> tuple[datetime | None, str]:
    """When it ends, or why nobody can say: what a variable holds is not known before."""
    if not isinstance(text, str):
        return None, ""
    said = shown(text, values)
    try:
        return ends.end_of(said, now), ends.flaw(said, now)
    except ValueError as error:
        return None, str(error)
