"""Tells which alerts belong to a private incident: whoever keeps alerts shows them to its members only."""

from collections.abc import Sequence

from tocsin.triage.v1.events_pb2 import AlertsWithheld

from tocsin_chassis.postgres.database import Tx
from tocsin_triage.incident import Incident
from tocsin_triage.wire import incident_message

MOST_TOLD = 1000


def withhold(tx: Tx, incident: Incident, alert_ids: Sequence[str]) -> None:
    """These alerts belong to a private incident. Nothing is told of a public one."""
    if not incident.private:
        return
    for begin in range(0, len(alert_ids), MOST_TOLD):
        told = AlertsWithheld(incident=incident_message(incident), alert_ids=alert_ids[begin : begin + MOST_TOLD])
        tx.emit(told, aggregate=incident.id, version=incident.version)
