"""Words of containment between protobuf and the domain."""

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from tocsin.response.v1 import containment_events_pb2 as events
from tocsin.response.v1 import containment_pb2 as pb

from tocsin_response.containment.measure import (
    Applied,
    Expired,
    Kept,
    Lifted,
    Lost,
    Measure,
    NotVerified,
    Prolonged,
    State,
    TargetKind,
    Verification,
    Verified,
)
from tocsin_response.oncall.wire import timestamp

_STATES = {
    State.IN_FORCE: pb.Measure.STATE_IN_FORCE,
    State.LIFTING: pb.Measure.STATE_LIFTING,
    State.LIFTED: pb.Measure.STATE_LIFTED,
    State.LOST: pb.Measure.STATE_LOST,
}


_VERIFICATIONS = {
    Verification.NONE: pb.Measure.VERIFICATION_UNSPECIFIED,
    Verification.AWAITED: pb.Measure.VERIFICATION_AWAITED,
    Verification.EFFECTIVE: pb.Measure.VERIFICATION_EFFECTIVE,
    Verification.NOT_VERIFIED: pb.Measure.VERIFICATION_NOT_VERIFIED,
}


def kind_to_proto(kind: TargetKind) -> "pb.TargetKind.ValueType":
    return pb.TargetKind.ValueType(int(kind))


def measure_to_proto(measure: Measure) -> pb.Measure:
    """What undoing needs is for the runner alone, so it is left out."""
    made = pb.Measure(
        id=measure.id,
        incident_id=measure.incident_id,
        action=measure.action,
        connector=measure.connector,
        target_kind=kind_to_proto(measure.target_kind),
        target=measure.target,
        reason=measure.reason,
        applied_by=measure.applied_by,
        applied_at=timestamp(measure.applied_at),
        until=timestamp(measure.until),
        state=_STATES[measure.state],
        verified_at=timestamp(measure.verified_at),
        reversible=measure.reversible,
        run_id=measure.run_id,
        step_path=measure.step_path,
        undo_run_id=measure.undo_run_id,
        lifted_by=measure.lifted_by,
        lifted_at=timestamp(measure.lifted_at),
        decision=measure.decision,
        kept=measure.kept,
        trouble=measure.trouble,
        verification=_VERIFICATIONS[measure.verification],
        finding=measure.finding,
        version=measure.version,
        simulated=measure.simulated,
        next_look_at=timestamp(measure.next_look_at),
        looks=measure.looks,
    )
    if measure.prior_state is not None:
        made.prior_state.CopyFrom(_struct(measure.prior_state))
    return made


def fact_to_proto(fact: object) -> Message:
    match fact:
        case Applied(measure):
            return events.MeasureApplied(measure=measure_to_proto(measure))
        case Expired(measure, at):
            return events.MeasureExpired(measure=measure_to_proto(measure), at=timestamp(at))
        case Lifted(measure):
            return events.MeasureLifted(measure=measure_to_proto(measure))
        case Kept(measure, by, at):
            return events.MeasureKept(measure=measure_to_proto(measure), by=by, at=timestamp(at))
        case Prolonged(measure, by, at):
            return events.MeasureProlonged(measure=measure_to_proto(measure), by=by, at=timestamp(at))
        case Verified(measure, at):
            return events.MeasureVerified(measure=measure_to_proto(measure), at=timestamp(at))
        case NotVerified(measure, at):
            return events.MeasureNotVerified(measure=measure_to_proto(measure), at=timestamp(at))
        case Lost(measure, finding, at):
            return events.MeasureLost(measure=measure_to_proto(measure), finding=finding, at=timestamp(at))
    raise TypeError(f"{type(fact).__name__} is no fact about measures")


def _struct(plain: object) -> Struct:
    made = Struct()
    made.update(plain)  # type: ignore[arg-type]  # a mapping of plain values
    return made
