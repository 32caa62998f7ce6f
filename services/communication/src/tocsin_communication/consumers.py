"""Facts of response and triage, translated."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1.events_pb2 import EscalationExhausted, ResponderSummoned
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved, SeverityChanged

from tocsin_chassis.events.consumer import Handler
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_communication.pages import Pages
from tocsin_communication.wire import to_incident


class Consumers:
    """What communication does when it hears something."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    @property
    def handlers(self) -> Mapping[type[Message], Handler]:
        """By fact."""
        changed = (IncidentOpened, SeverityChanged, IncidentAcknowledged, IncidentResolved, IncidentReopened)
        return {
            ResponderSummoned: self.on_responder_summoned,
            EscalationExhausted: self.on_escalation_exhausted,
            **dict.fromkeys(changed, self.on_incident),
        }

    async def on_responder_summoned(self, tx: Tx, fact: Fact[ResponderSummoned]) -> None:
        """Response wants this person now: page them."""
        summons = fact.message.summons
        at = summons.at.ToDatetime(UTC)
        await self._pages.summon(
            tx, to_incident(fact.message.incident), summons.responder, summons.id, summons.explanation or summons.reason, at
        )

    async def on_incident(self, tx: Tx, fact: Fact[Any]) -> None:
        """The incident changed: keep the copy, drop what is pointless now, tell who was told."""
        name_incident(fact.message.incident.id)
        await self._pages.hear(tx, to_incident(fact.message.incident))

    async def on_escalation_exhausted(self, tx: Tx, fact: Fact[EscalationExhausted]) -> None:
        """Nobody answered. Whom to tell of that is response's decision; there is nobody left to page here."""
        name_incident(fact.message.escalation.incident_id)
