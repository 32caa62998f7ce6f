"""An acknowledgement is good for as long as the policy says; then somebody else has to be asked."""

from datetime import datetime, timedelta

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_response.escalation import timer_store, wire
from tocsin_response.escalation.definition import Policy
from tocsin_response.escalation.timer_store import AcknowledgeTimer, Expiring

BATCH = 50
# After downtime what has happened meanwhile is heard first.
SETTLING = timedelta(seconds=10)


class Acknowledgements:
    """The acknowledgements that are not good for ever."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def follow(self, tx: Tx, policy: Policy, incident: Incident, at: datetime) -> None:
        """Something happened to the incident: the time of its acknowledgement begins anew, or ends."""
        if not policy.timeouts:
            return
        after = policy.timeout(wire.severity(incident))
        if after is None or not wire.is_acknowledged(incident):
            await timer_store.clear_timer(tx, incident.id)
            return
        due_at = max(at + after, self._clock.now() + SETTLING)
        await timer_store.set_timer(tx, AcknowledgeTimer(incident.id, incident.acknowledged_by, after, due_at))

    async def expire_due(self) -> int:
        """Tell triage of every acknowledgement whose time is up; returns how many were."""
        async with self._database.transaction() as tx:
            expiring = await timer_store.take_expired(tx, self._clock.now(), BATCH)
            for each in expiring:
                self._tell(tx, each)
        return len(expiring)

    def _tell(self, tx: Tx, expiring: Expiring) -> None:
        incident = Incident.FromString(expiring.incident)
        # Current state decides: whoever took it over meanwhile, or ended it, has a timer of their own or needs none.
        if wire.is_acknowledged(incident) and incident.acknowledged_by == expiring.acknowledged_by:
            name_incident(incident.id)
            message = wire.expired(expiring, self._clock.now())
            tx.emit(message, aggregate=incident.id, version=incident.version)
