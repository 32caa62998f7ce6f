"""What others are told of runs: facts of the rules become facts of response."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import playbook_events_pb2 as events

from tocsin_chassis.postgres.database import Tx
from tocsin_playbook.facts import (
    RunFinished,
    RunPaused,
    RunRerun,
    RunResumed,
    RunStarted,
    StepFailed,
    StepSkipped,
    StepSucceeded,
)
from tocsin_playbook.playbook import Kind
from tocsin_response.oncall.wire import timestamp
from tocsin_response.playbook.keeping import Kept
from tocsin_response.playbook.wire import run_to_proto, step_to_proto

ACTS = (Kind.ACTION, Kind.PLAYBOOK)


def tell(tx: Tx, after: Kept, facts: Iterable[object], now: datetime) -> None:
    """Tell what happened to a run."""
    aggregate = after.row.incident_id or after.row.id
    for fact in facts:
        message = _message(after, fact, now)
        if message is not None:
            tx.emit(message, aggregate=aggregate, version=after.row.version)


def _message(kept: Kept, fact: object, now: datetime) -> Message | None:
    match fact:
        case RunStarted():
            return events.RunStarted(run=run_to_proto(kept.row))
        case StepSucceeded() if _acts(kept, fact.path):
            return events.StepSucceeded(**_step(kept, fact.path, now))
        case StepSkipped():
            return events.StepSucceeded(**_step(kept, fact.path, now))
        case StepFailed():
            return events.StepFailed(**_step(kept, fact.path, now))
        case RunPaused():
            return _steered(kept, fact.by, "paused", fact.why, now)
        case RunResumed():
            return _steered(kept, fact.by, "goes on", "", now)
        case RunRerun():
            return _steered(kept, fact.by, f"runs again from step {_title(kept, fact.path)}", fact.why, now)
        case RunFinished():
            return events.RunFinished(run=run_to_proto(kept.row))
        case _:
            return None


def _step(kept: Kept, path: str, now: datetime) -> dict[str, Any]:
    return {
        "run_id": kept.row.id,
        "playbook": kept.row.playbook,
        "incident_id": kept.row.incident_id,
        "step": step_to_proto(kept.run.steps[path], kept.run.playbook),
        "at": timestamp(now),
        "simulated": kept.row.simulated,
    }


def _steered(kept: Kept, by: str, done: str, why: str, now: datetime) -> Message:
    return events.RunSteered(run=run_to_proto(kept.row), by=by, done=done, reason=why, at=timestamp(now))


def _acts(kept: Kept, path: str) -> bool:
    return kept.run.step(kept.run.steps[path]).kind in ACTS


def _title(kept: Kept, path: str) -> str:
    return kept.run.step(kept.run.steps[path]).title
