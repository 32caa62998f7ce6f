"""The words of command between protobuf and the domain."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from tocsin.response.v1 import command_pb2 as pb
from tocsin.response.v1 import command_service_pb2 as service

from tocsin_response.command.phases import Gate
from tocsin_response.command.plan import Phase, Plan
from tocsin_response.command.plans import Kept
from tocsin_response.command.readiness import Finding, Ready
from tocsin_response.command.role import Holding
from tocsin_response.command.store import AnswerRow, AttendantRow, CommandRow, DecisionRow, EntryRow, TickRow
from tocsin_response.command.task import Task
from tocsin_response.oncall.wire import timestamp


def phase_to_proto(phase: int) -> pb.Phase.ValueType:
    return pb.Phase.Value(f"PHASE_{Phase(phase).name}")


def phase_of(number: int) -> Phase | None:
    """The phase that is given; None if none is."""
    return Phase(number) if number else None


def entry_to_proto(row: EntryRow) -> pb.PhaseEntry:
    return pb.PhaseEntry(
        id=row.id,
        phase=phase_to_proto(row.phase),
        entered_at=timestamp(row.entered_at),
        entered_by=row.entered_by,
        reason=row.reason,
        overridden=row.overridden,
        left_at=timestamp(row.left_at),
    )


def holding_to_proto(holding: Holding) -> pb.RoleHolding:
    return pb.RoleHolding(
        id=holding.id,
        role=holding.role,
        responder=holding.responder,
        since=timestamp(holding.since),
        until=timestamp(holding.until),
        assigned_by=holding.assigned_by,
        reason=holding.reason,
        summary=holding.summary,
    )


def task_to_proto(task: Task) -> pb.Task:
    return pb.Task(
        id=task.id,
        incident_id=task.incident_id,
        title=task.title,
        description=task.description,
        state=pb.Task.State.Value(f"STATE_{task.state}"),
        phase=phase_to_proto(task.phase),
        owner=task.owner,
        role=task.role,
        due_at=timestamp(task.due_at),
        remind_at=timestamp(task.remind_at),
        source=task.source,
        source_id=task.source_id,
        created_by=task.created_by,
        created_at=timestamp(task.created_at),
        closed_by=task.closed_by,
        closed_at=timestamp(task.closed_at),
        result=task.result,
        version=task.version,
    )


def decision_to_proto(row: DecisionRow) -> pb.LoggedDecision:
    return pb.LoggedDecision(
        id=row.id,
        text=row.text,
        reason=row.reason,
        alternatives=row.alternatives,
        decided_by=row.decided_by,
        at=timestamp(row.at),
        phase=phase_to_proto(row.phase),
    )


def check_to_proto(phase: Phase, key: str, text: str, row: TickRow | None) -> pb.Check:
    made = pb.Check(key=key, text=text, phase=phase_to_proto(phase))
    if row is not None:
        made.MergeFrom(pb.Check(ticked=row.ticked, by=row.by, at=timestamp(row.at), note=row.note))
    return made


def answer_to_proto(phase: Phase, key: str, question: str, row: AnswerRow | None) -> pb.Answer:
    made = pb.Answer(key=key, question=question, phase=phase_to_proto(phase))
    if row is not None:
        made.MergeFrom(pb.Answer(text=row.text, by=row.by, at=timestamp(row.at)))
    return made


def bridge_to_proto(url: str, dial_in: str, by: str, at: datetime | None) -> pb.Bridge:
    return pb.Bridge(url=url, dial_in=dial_in, set_by=by, at=timestamp(at))


def attendant_to_proto(row: AttendantRow) -> pb.Attendant:
    return pb.Attendant(responder=row.responder, joined_at=timestamp(row.joined_at), reason=row.reason)


def gate_to_proto(gate: Gate) -> pb.Gate:
    criterion = gate.criterion
    return pb.Gate(
        key=criterion.key,
        kind=criterion.kind.value,  # type: ignore[arg-type]  # the numbers are the same
        subject=criterion.subject,
        text=gate.text,
        mandatory=criterion.mandatory,
        met=gate.met,
        seen=gate.seen,
        remedy=gate.remedy,
    )


def roles_to_proto(plan: Plan, holders: Mapping[str, Holding]) -> list[pb.RoleStanding]:
    """Those of the plan first, then those that were made by being assigned."""
    own = sorted(holders.keys() - plan.roles.keys())
    standing = [pb.RoleStanding(key=key, title=each.title, expectations=each.expectations) for key, each in plan.roles.items()]
    standing += [pb.RoleStanding(key=key, title=key) for key in own]
    for each in standing:
        if each.key in holders:
            each.holder.CopyFrom(holding_to_proto(holders[each.key]))
    return standing


def updates_to_proto(row: CommandRow, every: timedelta | None) -> pb.UpdateClock:
    clock = pb.UpdateClock(due_at=timestamp(row.update_due_at), told_at=timestamp(row.told_at), told_by=row.told_by, text=row.told_text)
    if every is not None:
        clock.every.CopyFrom(_duration(every))
    return clock


def due_again(row: CommandRow, due: datetime | None) -> CommandRow:
    """The next word is due then."""
    return replace(row, update_due_at=due, version=row.version + 1)


def plan_to_proto(kept: Kept) -> service.KeptPlan:
    return service.KeptPlan(
        plan=kept.message,
        version=kept.version,
        changed_at=timestamp(kept.changed_at),
        reviewed_at=timestamp(kept.reviewed_at),
        reviewed_by=kept.reviewed_by,
    )


def finding_to_proto(finding: Finding) -> pb.ReadinessFinding:
    return pb.ReadinessFinding(
        check=finding.check, subject=finding.subject, points=finding.points, of=finding.of, seen=finding.seen, remedy=finding.remedy
    )


def readiness_to_proto(ready: Ready) -> pb.Readiness:
    findings = [finding_to_proto(each) for each in ready.findings]
    return pb.Readiness(team=ready.team, service=ready.service, score=ready.score, findings=findings)


def _duration(length: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(length)
    return made
