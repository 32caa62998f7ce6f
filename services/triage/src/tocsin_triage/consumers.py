"""The facts of detection and response, as triage hears them."""

from datetime import UTC

from tocsin.detection.v1.alert_pb2 import Asked, Party
from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved, AlertResponseAsked
from tocsin.response.v1.events_pb2 import AcknowledgementExpired, ResponderSummoned

from tocsin_chassis.events.consumer import Handlers
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_triage.incidents import Incidents
from tocsin_triage.placements import Placements
from tocsin_triage.wire import alert_of


class AlertFacts:
    """Facts become calls of the use cases."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements

    @property
    def handlers(self) -> Handlers:
        return {
            AlertOpened: self.on_opened,
            AlertChanged: self.on_changed,
            AlertAcknowledged: self.on_changed,
            AlertResolved: self.on_resolved,
            AlertResponseAsked: self.on_asked,
        }

    async def on_opened(self, tx: Tx, fact: Fact[AlertOpened]) -> None:
        alert = fact.message.alert
        if await self._placements.open(tx, alert_of(alert)):
            for party in alert.responders:
                # A team is not a person: routes say what becomes of its alerts.
                if party.kind != Party.KIND_TEAM:
                    wanted = Asked(how=Asked.HOW_ADD, party=party, by=alert.integration, at=alert.opened_at)
                    await self._placements.ask(tx, alert.id, wanted)

    async def on_asked(self, tx: Tx, fact: Fact[AlertResponseAsked]) -> None:
        await self._placements.ask(tx, fact.message.alert.id, fact.message.asked)

    async def on_changed(self, tx: Tx, fact: Fact[AlertChanged | AlertAcknowledged]) -> None:
        alert = fact.message.alert
        by = fact.message.put_aside_by if isinstance(fact.message, AlertChanged) else ""
        await self._placements.follow(tx, alert_of(alert, put_aside_by=by), alert)

    async def on_resolved(self, tx: Tx, fact: Fact[AlertResolved]) -> None:
        alert = fact.message.alert
        await self._placements.follow(tx, alert_of(alert, fact.message.reason), alert)


class ResponseFacts:
    """What response decided about the incidents of triage."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    @property
    def handlers(self) -> Handlers:
        return {AcknowledgementExpired: self.on_expired, ResponderSummoned: self.on_summoned}

    async def on_summoned(self, tx: Tx, fact: Fact[ResponderSummoned]) -> None:
        """Whoever is asked to respond may know of the incident."""
        await self._incidents.involve(tx, fact.message.incident.id, fact.message.summons.responder, "was summoned")

    async def on_expired(self, tx: Tx, fact: Fact[AcknowledgementExpired]) -> None:
        """Somebody took the incident and nothing followed: it waits for somebody again."""
        expired = fact.message
        await self._incidents.unacknowledge(tx, expired.incident_id, expired.acknowledged_by, expired.reason, expired.at.ToDatetime(UTC))
