"""What others are told of obligations."""

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.message import Message
from tocsin.response.v1 import obligation_events_pb2 as pb

from tocsin_response.obligation.obligation import Obligation
from tocsin_response.obligation.wire import obligation_to_proto
from tocsin_response.oncall.wire import timestamp


def started(kept: Obligation, now: datetime) -> Message:
    return pb.ObligationStarted(obligation=obligation_to_proto(kept, now), at=timestamp(now))


def due(kept: Obligation, percent: int, remind: Sequence[str], now: datetime) -> Message:
    return pb.ObligationDue(obligation=obligation_to_proto(kept, now), percent=percent, remind=remind, at=timestamp(now))


def paused(kept: Obligation, by: str, now: datetime) -> Message:
    return pb.ObligationPaused(obligation=obligation_to_proto(kept, now), by=by, at=timestamp(now))


def resumed(kept: Obligation, by: str, reason: str, now: datetime) -> Message:
    return pb.ObligationResumed(obligation=obligation_to_proto(kept, now), by=by, reason=reason, at=timestamp(now))


def answered(kept: Obligation, now: datetime) -> Message:
    return pb.ObligationAnswered(obligation=obligation_to_proto(kept, now), at=timestamp(now))
