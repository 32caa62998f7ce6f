"""All facts of all services about incidents, as review hears them: one line each, and what the figures need."""

from collections.abc import Sequence
from typing import Any

from tocsin.communication.v1.events_pb2 import PageCancelled, PageDelivered, PageFailed, PageSent, ReplyReceived
from tocsin.detection.v1.events_pb2 import AlertChanged, AlertOpened, AlertResolved
from tocsin.response.v1.evidence_events_pb2 import CustodyHeadSigned
from tocsin.review.v1.events_pb2 import ReviewOpened
from tocsin.triage.v1.events_pb2 import (
    AlertAttached,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUnacknowledged,
    PrivacyChanged,
    SeverityChanged,
    TypeChanged,
)

from tocsin_chassis.events.consumer import Together
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.postgres.privacy import note_privacy
from tocsin_chassis.telemetry import name_incident, trace_context, tracer
from tocsin_review import store
from tocsin_review.line import Line
from tocsin_review.narration import NARRATORS, narrate
from tocsin_review.reviews import Reviews
from tocsin_review.wire import incident_row, instant, page_row

ALERTS = (AlertOpened, AlertChanged, AlertResolved)
INCIDENTS = (
    IncidentOpened,
    AlertAttached,
    SeverityChanged,
    TypeChanged,
    PrivacyChanged,
    IncidentAcknowledged,
    IncidentUnacknowledged,
    IncidentResolved,
    IncidentReopened,
)
PAGES = (PageSent, PageDelivered, PageFailed, PageCancelled)


class AllFacts:
    """Every fact becomes a line. A fact about an alert belongs to the incident that gathers the alert, whenever that is known."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    @property
    def handlers(self) -> Together:
        return Together(tuple(NARRATORS), self.on_facts)

    async def on_facts(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        told = [(fact, line) for fact in facts if (line := narrate(fact.message, fact.occurred_at)).is_asked_for]
        await store.add_entries(tx, [_entry(fact, line) for fact, line in told])
        heads = [fact.message.head for fact in facts if isinstance(fact.message, CustodyHeadSigned)]
        await store.note_custody_heads(tx, [(head.size, head.root, head.SerializeToString()) for head in heads])
        messages = [fact.message for fact, _ in told]
        await self._learn_of_alerts(tx, [message for message in messages if isinstance(message, ALERTS)])
        await self._learn_of_incidents(tx, [message for message in messages if isinstance(message, INCIDENTS)])
        await store.note_pages(tx, [page_row(message.page) for message in messages if isinstance(message, PAGES)])
        for message in messages:
            if isinstance(message, ReplyReceived) and (at := instant(message.at)) is not None:
                await store.note_answer(tx, message.page_id, message.incident_id, message.responder, at)
        for fact, _ in told:
            if isinstance(fact.message, IncidentResolved) and fact.message.incident.service != store.CHECKS:
                await self._open_review(tx, fact)

    async def _learn_of_alerts(self, tx: Tx, messages: Sequence[Any]) -> None:
        starts = [(message.alert.id, instant(message.alert.starts_at)) for message in messages]
        await store.note_alert_starts(tx, [(alert_id, starts_at) for alert_id, starts_at in starts if starts_at is not None])

    async def _learn_of_incidents(self, tx: Tx, messages: Sequence[Any]) -> None:
        await store.note_incidents(tx, [incident_row(message.incident) for message in messages])
        await note_privacy(tx, [message.incident for message in messages])
        attached = [message for message in messages if isinstance(message, IncidentOpened | AlertAttached) and message.alert.alert_id]
        gathered = [(message.alert.alert_id, message.incident.id, isinstance(message, IncidentOpened)) for message in attached]
        await store.note_gathered(tx, gathered)

    async def _open_review(self, tx: Tx, fact: Fact[IncidentResolved]) -> None:
        """In the trace in which the incident was resolved."""
        with tracer.start_as_current_span("open review", context=trace_context({"traceparent": fact.traceparent})):
            name_incident(fact.message.incident.id)
            await self._reviews.open(tx, fact.message.incident.id)


def _entry(fact: Fact[Any], line: Line) -> store.NewEntry:
    assert line.at is not None
    return store.NewEntry(
        id=str(fact.id),
        incident_id=line.incident_id or None,
        alert_id=line.alert_id or None,
        at=line.at,
        rank=line.rank,
        fact=fact.name,
        source=fact.source,
        summary=line.summary,
        actor=line.actor,
        reason=line.reason,
        trace_id=fact.trace_id,
        # That a review was drafted is no reason to draft it again, nor is what was done to a service meanwhile.
        in_draft=isinstance(fact.message, ReviewOpened) or bool(line.service),
        service=line.service,
    )
