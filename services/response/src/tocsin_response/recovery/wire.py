"""Words of recovery watches between protobuf and the domain."""

from tocsin.response.v1 import containment_pb2 as pb

from tocsin_response.containment.measure import TargetKind
from tocsin_response.containment.wire import kind_to_proto
from tocsin_response.oncall.wire import timestamp
from tocsin_response.recovery.watch import Indicator, Watch


def watch_to_proto(watch: Watch) -> pb.RecoveryWatch:
    return pb.RecoveryWatch(
        incident_id=watch.incident_id,
        incident_number=watch.incident_number,
        until=timestamp(watch.until),
        indicators=[pb.Indicator(kind=kind_to_proto(each.kind), value=each.value) for each in watch.indicators],
        set_by=watch.set_by,
        recurred_at=timestamp(watch.recurred_at),
        recurrence=watch.recurrence,
    )


def indicator_of(given: pb.Indicator) -> Indicator:
    return Indicator(TargetKind(given.kind), given.value)
