"""Between the messages of the contract and the words of the runner."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1 import runner_service_pb2 as pb

from tocsin_runner.assignment import Assignment, Document, Finding, Json, Outcome, State, Variable, Verb

MOST_EXPLANATION = 4000
MOST_CONTENT = 262_144
MOST_FINDINGS = 20
MOST_CONTENTS = 2 * 1024 * 1024

VERBS = {
    pb.Assignment.VERB_EXECUTE: Verb.EXECUTE,
    pb.Assignment.VERB_UNDO: Verb.UNDO,
    pb.Assignment.VERB_VERIFY: Verb.VERIFY,
}
STATES = {
    State.SUCCEEDED: pb.Outcome.STATE_SUCCEEDED,
    State.ALREADY_IN_STATE: pb.Outcome.STATE_ALREADY_IN_STATE,
    State.ACCEPTED: pb.Outcome.STATE_ACCEPTED,
    State.REJECTED: pb.Outcome.STATE_REJECTED,
    State.FAILED: pb.Outcome.STATE_FAILED,
    State.TIMED_OUT: pb.Outcome.STATE_TIMED_OUT,
    State.UNKNOWN: pb.Outcome.STATE_UNKNOWN,
}


def assignment(given: pb.Assignment) -> Assignment:
    """What is asked."""
    return Assignment(
        id=given.lease.assignment_id,
        fence=given.lease.fence,
        key=given.idempotency_key,
        command=document(given.command),
        verb=VERBS[given.verb],
        run_id=given.run_id,
        incident_id=given.incident_id,
        step_path=given.step_path,
        attempt=given.attempt,
        look_first=given.look_first,
        agent=document(given.agent),
        target=document(given.target),
        authentication=document(given.authentication),
        variables={name: Variable(found.type, found.value) for name, found in given.variables.items()},
        out_args=tuple(given.out_args),
        seconds=given.timeout.ToTimedelta().total_seconds() or 60.0,
        simulated=given.simulated,
        hold_seconds=given.hold.ToTimedelta().total_seconds() if given.HasField("hold") else None,
        prior_state=document(given.prior_state) if given.HasField("prior_state") else None,
        undo_token=document(given.undo_token) if given.HasField("undo_token") else None,
    )


def outcome(came: Outcome, lease: pb.Lease, started_at: datetime, ended_at: datetime) -> pb.Outcome:
    """What came of it, within the limits of the contract."""
    message = pb.Outcome(
        lease=lease,
        state=STATES[came.state],
        explanation=came.explanation[:MOST_EXPLANATION],
        variables=_variables(came.variables),
        verified=came.verified,
        findings=_findings(came.findings),
        started_at=timestamp(started_at),
        ended_at=timestamp(ended_at),
    )
    if came.undo_token is not None:
        message.undo_token.CopyFrom(struct(came.undo_token))
    if came.look_again_at is not None:
        message.look_again_at.CopyFrom(timestamp(came.look_again_at))
    return message


def document(given: Struct) -> Document:
    """A Struct as plain values; whole numbers are integers again."""
    found: dict[str, Json] = _whole(MessageToDict(given))
    return found


def struct(given: Document) -> Struct:
    """Plain values as a Struct."""
    made = Struct()
    made.update(dict(given))
    return made


def timestamp(at: datetime) -> Timestamp:
    """An instant."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


def _variables(given: Mapping[str, Variable]) -> dict[str, pb.Variable]:
    return {name: pb.Variable(type=found.type, value=found.value) for name, found in given.items()}


def _findings(found: Sequence[Finding]) -> list[pb.Finding]:
    """As many as one message holds; what was asked for first."""
    kept: list[pb.Finding] = []
    size = 0
    for each in sorted(found, key=lambda one: not one.evidence)[:MOST_FINDINGS]:
        size += min(len(each.content), MOST_CONTENT)
        if size <= MOST_CONTENTS:
            kept.append(_finding(each))
    return kept


def _finding(found: Finding) -> pb.Finding:
    return pb.Finding(
        name=found.name[:200] or "finding",
        media_type=found.media_type[:100],
        content=found.content[:MOST_CONTENT],
        source=found.source[:500],
        tool=found.tool[:200],
        evidence=found.evidence,
    )


def _whole(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
