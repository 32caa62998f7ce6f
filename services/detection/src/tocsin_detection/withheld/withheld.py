"""Keeps the alerts of private incidents from everybody but the incidents' members: triage tells which alerts these are."""

from collections.abc import Sequence
from datetime import timedelta

from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.triage.v1.events_pb2 import AlertsWithheld, PrivacyChanged

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.privacy import note_privacy
from tocsin_detection.withheld import store
from tocsin_kernel.clock import Clock


class Withheld:
    """What was heard of private incidents."""

    def __init__(self, database: Database, clock: Clock, kept_for: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._kept_for = kept_for

    async def on_withheld(self, tx: Tx, fact: Fact[AlertsWithheld]) -> None:
        """These alerts belong to a private incident."""
        told = fact.message
        await note_privacy(tx, [told.incident])
        await store.withhold(tx, told.incident.id, list(told.alert_ids), self._clock.now())

    async def on_privacy(self, tx: Tx, fact: Fact[PrivacyChanged]) -> None:
        """Others may know of it now, or everybody."""
        await note_privacy(tx, [fact.message.incident])

    async def marked(self, messages: Sequence[AlertMessage]) -> list[AlertMessage]:
        """The same, each that belongs to a private incident with that: lists leave it out for whoever may not know of it."""
        if not messages:
            return []
        async with self._database.transaction() as tx:
            found = {each.id: each.incident_id for each in await store.of_alerts(tx, [message.id for message in messages])}
        for message in messages:
            if message.id in found:
                message.incident_id = found[message.id]
        return list(messages)

    async def forget(self) -> None:
        """Forget alerts that are not kept any more themselves."""
        async with self._database.transaction() as tx:
            await store.forget(tx, self._clock.now() - self._kept_for)
