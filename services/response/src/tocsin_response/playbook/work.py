"""What the rules want carried out, as the rows that runners take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from tocsin.response.v1.runner_service_pb2 import Assignment as WireAssignment

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.ids import Ids
from tocsin_playbook.assignments import assignments_of
from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.once import Once
from tocsin_playbook.run import Assignment, Run, RunState, SlotState, StepInstance, Verb, changed_steps, idempotency_key
from tocsin_response.playbook import assignment_store
from tocsin_response.playbook.assignment_store import Made, Place
from tocsin_response.playbook.deeds import hold_of
from tocsin_response.playbook.keeping import Kept
from tocsin_response.playbook.wire import wire_variables

# In front of the connector that an exercise needs.
SIMULATED = "simulated:"
Key = tuple[str, int, int]


@dataclass(slots=True)
class Work:
    """What is to be written of assignments after some runs moved on."""

    made: list[Made] = field(default_factory=list)
    again: list[tuple[str, bool, datetime, bool, int]] = field(default_factory=list)
    given_up: list[tuple[str, str, int, int, str]] = field(default_factory=list)

    async def save(self, tx: Tx, now: datetime) -> bool:
        """Write it; True if there is something that a runner can take."""
        await assignment_store.cancel(tx, self.given_up, now)
        await assignment_store.look_again(tx, self.again)
        await assignment_store.insert(tx, self.made, now)
        return bool(self.made or self.again)


async def gather(tx: Tx, work: Work, before: Kept | None, after: Kept, reported: Mapping[Key, Place], ids: Ids, now: datetime) -> None:
    """Note what a run wants that moved on.

    `reported` are its assignments of which something was told just now, by path, slot and attempt.
    """
    was = before.run if before is not None else None
    held = after.run.state is RunState.PAUSED
    for instance in _to_look_at(was, after.run, reported):
        old = _open(was.steps.get(instance.path)) if was is not None else set()
        wanted = {(each.path, each.index, each.attempt): each for each in assignments_of(after.run, instance)}
        for key, assignment in wanted.items():
            if key in reported:
                later = assignment.not_before or now
                looks = instance.slots[assignment.index].looks
                work.again.append((reported[key].id, assignment.look_first, later, held, looks))
            elif key not in old:
                work.made.append(await _made(tx, after, assignment, held, ids, now))
        given_up = [key for key in old if key not in wanted and key not in reported]
        work.given_up += [(after.row.id, *key, instance.result or "its step went on without it") for key in given_up]


def _to_look_at(was: Run | None, run: Run, reported: Mapping[Key, Place]) -> list[StepInstance]:
    """The steps that changed, and those of which something was told: what is the same as before has to be handed out again, too."""
    changed = changed_steps(was, run)
    told = {path for path, _, _ in reported} - {each.path for each in changed}
    return changed + [run.steps[path] for path in told if path in run.steps]


def _open(instance: StepInstance | None) -> set[Key]:
    """The assignments of a step that runners had before."""
    if instance is None or instance.state.ended:
        return set()
    slots = enumerate(instance.slots)
    return {(instance.path, index, slot.attempt) for index, slot in slots if slot.state is SlotState.OPEN}


async def _made(tx: Tx, kept: Kept, assignment: Assignment, held: bool, ids: Ids, now: datetime) -> Made:
    message = work_of(kept, assignment, now)
    if assignment.deadline is not None:
        message.timeout.FromTimedelta(max(assignment.deadline - now, timedelta()))
    prior_state = None
    if assignment.undo_of is not None:
        undoing = await assignment_store.kept_for_undo(tx, kept.row.id, *assignment.undo_of)
        if undoing is not None:
            prior_state = undoing.prior_state
            message.undo_token.ParseFromString(bytes(undoing.undo_token or b""))
    return Made(
        id=ids.new(),
        run_id=kept.row.id,
        path=assignment.path,
        slot=assignment.index,
        command=str(assignment.command.get("action") or assignment.command["type"]),
        target=target_name(assignment),
        verb=("UNDO" if assignment.verb is Verb.UNDO else "EXECUTE"),
        attempt=assignment.attempt,
        idempotency_key=message.idempotency_key,
        needs=needs_of(kept, assignment),
        priority=kept.row.priority,
        held=held,
        not_before=assignment.not_before or now,
        look_first=assignment.look_first,
        work=message.SerializeToString(),
        prior_state=bytes(prior_state) if prior_state is not None else None,
    )


def work_of(kept: Kept, assignment: Assignment, now: datetime) -> WireAssignment:
    """What a runner gets, but for the lease."""
    return WireAssignment(
        run_id=kept.row.id,
        incident_id=kept.row.incident_id,
        step_path=assignment.path,
        attempt=assignment.attempt,
        idempotency_key=idempotency_key(kept.row.id, assignment),
        verb=WireAssignment.VERB_UNDO if assignment.verb is Verb.UNDO else WireAssignment.VERB_EXECUTE,
        command=_part(assignment.command),
        agent=_part(assignment.agent),
        target=_part(assignment.target),
        authentication=struct(assignment.authentication),
        variables=wire_variables(assignment.variables),
        out_args=assignment.out_args,
        simulated=kept.row.simulated,
        hold=_hold(assignment, now),
    )


def _hold(assignment: Assignment, now: datetime) -> Duration | None:
    """How long the effect is to hold."""
    values = {name: each.value for name, each in assignment.variables.items() if each.value}
    return duration_of(hold_of(assignment.command.get("until"), values, now))


def duration_of(length: timedelta | None) -> Duration | None:
    made = Duration()
    made.FromTimedelta(length or timedelta())
    return made if length else None


def needs_of(kept: Kept, assignment: Assignment) -> str:
    """What a runner must have for it. In an exercise it is a twin of the connector."""
    is_action = assignment.command["type"] == ACTION_TYPE
    return f"{SIMULATED}{assignment.capability}" if kept.row.simulated and is_action else assignment.capability


def struct(plain: Mapping[str, Any]) -> Struct:
    made = Struct()
    if plain:
        json_format.ParseDict(dict(plain), made)
    return made


# Commands, agents and targets are parts of playbooks.
_part = Once(struct)


def target_name(assignment: Assignment) -> str:
    """The target for people."""
    return str(assignment.target.get("name") or assignment.target_id)
