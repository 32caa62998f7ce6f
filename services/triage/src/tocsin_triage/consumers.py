"""The facts of detection, as triage hears them."""

from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved

from tocsin_chassis.events.consumer import Handlers
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
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
        }

    async def on_opened(self, tx: Tx, fact: Fact[AlertOpened]) -> None:
        await self._placements.open(tx, alert_of(fact.message.alert))

    async def on_changed(self, tx: Tx, fact: Fact[AlertChanged | AlertAcknowledged]) -> None:
        alert = fact.message.alert
        await self._placements.follow(tx, alert_of(alert), alert)

    async def on_resolved(self, tx: Tx, fact: Fact[AlertResolved]) -> None:
        alert = fact.message.alert
        await self._placements.follow(tx, alert_of(alert, fact.message.reason), alert)
