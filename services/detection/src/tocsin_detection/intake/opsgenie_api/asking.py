"""What Opsgenie's clients want of those who respond, as a fact."""

from datetime import datetime

from tocsin.detection.v1 import alert_pb2 as pb
from tocsin.detection.v1.events_pb2 import AlertResponseAsked

from tocsin_detection.alert import Alert
from tocsin_detection.intake.opsgenie_api.actions import Asked
from tocsin_detection.wire import alert_message, party_message, timestamp


def asked_fact(alert: Alert, asked: Asked, by: str, note: str, at: datetime) -> AlertResponseAsked:
    """The fact that tells it."""
    wanted = pb.Asked(
        how=pb.Asked.How.Value(f"HOW_{asked.how}"),
        party=party_message(asked.party) if asked.party else None,
        action=asked.action,
        by=by,
        note=note,
        at=timestamp(at),
    )
    return AlertResponseAsked(alert=alert_message(alert), asked=wanted)
