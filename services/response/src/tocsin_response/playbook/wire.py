"""Words about playbooks between protobuf and the domain."""

from collections.abc import Iterable, Mapping

from google.protobuf.struct_pb2 import Struct
from tocsin.response.v1 import playbook_pb2 as pb
from tocsin.response.v1.runner_service_pb2 import Outcome
from tocsin.response.v1.runner_service_pb2 import Variable as WireVariable

from tocsin_playbook.engine import TIMED_OUT
from tocsin_playbook.playbook import Playbook
from tocsin_playbook.rows import variables_from_plain
from tocsin_playbook.run import StepInstance, StepState, Wait
from tocsin_playbook.variables import Variable
from tocsin_response.oncall.wire import timestamp
from tocsin_response.playbook.assignment_store import Assignment
from tocsin_response.playbook.library_store import Version
from tocsin_response.playbook.question import Question
from tocsin_response.playbook.run_store import RunRow

_STEP_STATES = {
    StepState.READY: pb.Step.STATE_RUNNING,
    StepState.CLAIMED: pb.Step.STATE_RUNNING,
    StepState.DONE: pb.Step.STATE_SUCCEEDED,
    StepState.FAILED: pb.Step.STATE_FAILED,
    StepState.SKIPPED: pb.Step.STATE_SKIPPED,
    StepState.CANCELLED: pb.Step.STATE_CANCELLED,
}
_WAITS = {
    Wait.DELAY: pb.Step.STATE_DELAYED,
    Wait.BRANCHES: pb.Step.STATE_RUNNING,
    Wait.CHILD: pb.Step.STATE_RUNNING,
}


def version_to_proto(version: Version) -> pb.PlaybookVersion:
    return pb.PlaybookVersion(
        playbook=version.playbook,
        version=version.version,
        title=version.title,
        description=version.description,
        content=version.content,
        sha256=version.sha256,
        put_by=version.put_by,
        put_at=timestamp(version.put_at),
        retired=version.retired,
        last_dry_run_at=timestamp(version.last_dry_run_at),
    )


def run_to_proto(run: RunRow, sha256: str = "", open_questions: int = 0, *, with_variables: bool = True) -> pb.Run:
    return pb.Run(
        id=run.id,
        playbook=run.playbook,
        playbook_version=run.playbook_version,
        playbook_sha256=sha256,
        incident_id=run.incident_id,
        state=pb.Run.State.Value(f"STATE_{run.state}"),
        dry_run=run.dry_run,
        simulated=run.simulated,
        started_by=run.started_by,
        reason=run.reason,
        variables=wire_variables(variables_from_plain(run.variables)) if with_variables else None,
        started_at=timestamp(run.started_at),
        ended_at=timestamp(run.ended_at),
        explanation=run.explanation,
        version=run.version,
        open_questions=open_questions,
    )


def step_to_proto(instance: StepInstance, playbook: Playbook, work: Iterable[Assignment] = ()) -> pb.Step:
    step = playbook.steps[instance.step_id]
    return pb.Step(
        path=instance.path,
        step_id=instance.step_id,
        name=step.title,
        type=step.kind.value,
        state=step_state(instance),
        attempt=instance.attempt,
        started_at=timestamp(instance.started_at),
        ended_at=timestamp(instance.ended_at),
        due_at=timestamp(instance.due_at),
        explanation=instance.result,
        work=[work_to_proto(each) for each in work],
    )


def step_state(instance: StepInstance) -> "pb.Step.State.ValueType":
    if instance.state is StepState.WAITING:
        return _WAITS.get(instance.waiting_for, pb.Step.STATE_WAITING)
    if instance.state is StepState.FAILED and instance.result == TIMED_OUT:
        return pb.Step.STATE_TIMED_OUT
    return _STEP_STATES[instance.state]


def work_to_proto(assignment: Assignment) -> pb.StepWork:
    state = "READY" if assignment.state == "HELD" else assignment.state
    return pb.StepWork(
        assignment_id=assignment.id,
        command=assignment.command,
        target=assignment.target,
        attempt=assignment.attempt,
        state=pb.StepWork.State.Value(f"STATE_{state}"),
        outcome=Outcome.State.Value(f"STATE_{assignment.outcome or 'UNSPECIFIED'}"),
        explanation=assignment.explanation,
        runner=assignment.lease_owner,
        lease_until=timestamp(assignment.lease_until),
        fence=assignment.fence,
        idempotency_key=assignment.idempotency_key,
        verified=assignment.verified,
        prior_state=Struct.FromString(bytes(assignment.prior_state)) if assignment.prior_state is not None else None,
        undoable=assignment.undo_token is not None,
        looks=assignment.looks,
        needs=assignment.needs,
        not_before=timestamp(assignment.not_before) if state == "READY" else None,
    )


def question_to_proto(question: Question) -> pb.Question:
    return pb.Question(
        id=question.id,
        run_id=question.run_id,
        playbook=question.playbook,
        incident_id=question.incident_id,
        step_path=question.path,
        step_name=question.step_name,
        kind=pb.Question.Kind.Value(f"KIND_{question.kind.name}"),
        text=question.text,
        roles=question.roles,
        quorum=question.quorum,
        votes=[
            pb.Vote(by=each.by, in_place_of=each.in_place_of, approves=each.approves, reason=each.reason, at=timestamp(each.at))
            for each in question.votes
        ],
        state=pb.Question.State.Value(f"STATE_{question.state.name}"),
        asked_at=timestamp(question.asked_at),
        expires_at=timestamp(question.expires_at),
        approved_on_timeout=question.approved_on_timeout,
        ended_at=timestamp(question.ended_at),
        explanation=question.explanation,
        out_args=question.out_args,
        requester=question.requester,
        requester_counts=question.requester_counts,
        simulated=question.simulated,
    )


def wire_variables(variables: Mapping[str, Variable]) -> dict[str, WireVariable]:
    return {name: WireVariable(type=each.type, value=each.value or "") for name, each in variables.items()}
