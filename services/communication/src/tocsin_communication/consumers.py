"""Facts of response and triage, translated."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from opentelemetry.trace import SpanKind
from tocsin.response.v1.events_pb2 import EscalationExhausted, EscalationStopped, ResponderSummoned
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved, SeverityChanged

from tocsin_chassis.events.consumer import Handler, Together
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident, trace_context, tracer
from tocsin_communication.pages import Asked, Pages
from tocsin_communication.wire import to_incident, urgency_of


class Consumers:
    """What communication does when it hears something."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    @property
    def handlers(self) -> Mapping[type[Message], Handler]:
        """By fact, what response says."""
        return {
            ResponderSummoned: self.on_responder_summoned,
            EscalationStopped: self.on_escalation_stopped,
            EscalationExhausted: self.on_escalation_exhausted,
        }

    @property
    def of_incidents(self) -> Together:
        """What triage says. Most of it came along with a summons before, so that one look tells what is new of many."""
        return Together((IncidentOpened, SeverityChanged, IncidentAcknowledged, IncidentResolved, IncidentReopened), self.on_incidents)

    async def on_responder_summoned(self, tx: Tx, fact: Fact[ResponderSummoned]) -> None:
        """Response wants this person now: page them."""
        summons = fact.message.summons
        at = summons.at.ToDatetime(UTC)
        asked = Asked(
            responder=summons.responder,
            summons_id=summons.id,
            explanation=summons.explanation or summons.reason,
            at=at,
            escalation_id=summons.escalation_id,
            urgency=urgency_of(summons.urgency),
            contact=summons.contact,
            stands=summons.stands_when_acknowledged,
            every_channel=summons.every_channel,
        )
        await self._pages.summon(tx, to_incident(fact.message.incident), asked)

    async def on_escalation_stopped(self, tx: Tx, fact: Fact[EscalationStopped]) -> None:
        """Nobody is asked any more: pages that were to be answered all the same are dropped."""
        escalation = fact.message.escalation
        name_incident(escalation.incident_id)
        await self._pages.escalation_ended(tx, escalation.id, escalation.incident_id)

    async def on_incidents(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        """Incidents changed: keep the copies, drop what is pointless now, tell who was told; each in the trace of its fact."""
        news = await self._pages.news(tx, [to_incident(fact.message.incident) for fact in facts])
        traces = {(fact.message.incident.id, fact.message.incident.version): fact.traceparent for fact in facts}
        for incident in news:
            context = trace_context({"traceparent": traces[incident.id, incident.version]})
            with tracer.start_as_current_span("hear of incident", context=context, kind=SpanKind.CONSUMER):
                name_incident(incident.id)
                await self._pages.hear(tx, incident)

    async def on_escalation_exhausted(self, tx: Tx, fact: Fact[EscalationExhausted]) -> None:
        """Nobody answered. Whom to tell of that is response's decision; there is nobody left to page here."""
        name_incident(fact.message.escalation.incident_id)
