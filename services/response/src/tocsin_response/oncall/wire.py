"""On-call words between protobuf and the domain."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1 import oncall_pb2 as oncall_pb
from tocsin.response.v1 import response_service_pb2 as pb

from tocsin_kernel.errors import Invalid
from tocsin_oncall.schedule import Kind, Override, Temporary
from tocsin_response.oncall.oncall import NamedDuty, OverrideWish
from tocsin_response.oncall.swap import Swap

KINDS = {
    oncall_pb.Override.KIND_COVER_ALL: Kind.COVER_ALL,
    oncall_pb.Override.KIND_REPLACE: Kind.REPLACE,
    oncall_pb.Override.KIND_ADD: Kind.ADD,
    oncall_pb.Override.KIND_REMOVE: Kind.REMOVE,
}
MESSAGE_KINDS = {kind: number for number, kind in KINDS.items()}
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


def instant(field: str, given: Timestamp) -> datetime:
    """The instant. Raises Invalid beyond 1970 and 2999, where calendars and zones end."""
    if not EARLIEST.timestamp() <= given.seconds <= LATEST.timestamp():
        raise Invalid(field=field, detail="must lie between the years 1970 and 2999")
    return given.ToDatetime(UTC)


def text(field: str, given: str) -> str:
    """The text. Raises Invalid when it holds what the database cannot keep."""
    if "\0" in given:
        raise Invalid(field=field, detail="must not hold a NUL character")
    return given


def timestamp(at: datetime | None) -> Timestamp | None:
    """The instant as a message; None stays None."""
    if at is None:
        return None
    made = Timestamp()
    made.FromDatetime(at)
    return made


def override_wish(request: pb.CreateOverrideRequest, created_by: str) -> OverrideWish:
    return OverrideWish(
        schedule=text("schedule", request.schedule),
        responder=text("responder", request.responder),
        starts_at=instant("starts_at", request.starts_at) if request.HasField("starts_at") else None,
        ends_at=instant("ends_at", request.ends_at),
        created_by=created_by,
        reason=text("reason", request.reason),
        kind=KINDS.get(request.kind, Kind.COVER_ALL),
        instead_of=text("instead_of", request.instead_of),
        layer=text("layer", request.layer),
    )


def override_to_proto(override: Override) -> oncall_pb.Override:
    return oncall_pb.Override(
        id=override.id,
        schedule=override.schedule,
        responder=override.responder,
        starts_at=timestamp(override.starts_at),
        ends_at=timestamp(override.ends_at),
        created_by=override.created_by,
        created_at=timestamp(override.created_at),
        reason=override.reason,
        kind=MESSAGE_KINDS[override.kind],
        instead_of=override.instead_of,
        layer=override.layer,
    )


def temporary_to_proto(temporary: Temporary) -> oncall_pb.Temporary:
    return oncall_pb.Temporary(
        id=temporary.id,
        schedule=temporary.schedule,
        starts_at=timestamp(temporary.starts_at),
        ends_at=timestamp(temporary.ends_at),
        shifts=[
            oncall_pb.TemporaryShift(responders=each.people, starts_at=timestamp(each.start), ends_at=timestamp(each.end))
            for each in temporary.shifts
        ],
        created_by=temporary.created_by,
        created_at=timestamp(temporary.created_at),
        reason=temporary.reason,
    )


def swap_to_proto(swap: Swap, now: datetime) -> oncall_pb.Swap:
    given = swap.in_return or (None, None)
    state = oncall_pb.Swap.STATE_EXPIRED if swap.has_expired(now) else oncall_pb.Swap.State.Value(f"STATE_{swap.state.name}")
    return oncall_pb.Swap(
        id=swap.id,
        schedule=swap.schedule,
        responder=swap.responder,
        asked=swap.asked,
        starts_at=timestamp(swap.range[0]),
        ends_at=timestamp(swap.range[1]),
        return_starts_at=timestamp(given[0]),
        return_ends_at=timestamp(given[1]),
        state=state,
        taken_by=swap.taken_by,
        created_by=swap.created_by,
        created_at=timestamp(swap.created_at),
        reason=swap.reason,
    )


def duty_to_proto(named: NamedDuty) -> oncall_pb.Duty:
    return oncall_pb.Duty(
        schedule=named.schedule,
        responder="" if named.duty.contact else named.duty.responder,
        display_name=named.display_name if named.duty.responder else "",
        contact=named.duty.contact,
        since=timestamp(named.duty.since),
        until=timestamp(named.duty.until),
        reason=named.duty.reason,
    )
