"""All facts of all services about incidents, as review hears them: one line each, and what the figures need."""

from typing import Any

from google.protobuf.message import Message
from tocsin.communication.v1.events_pb2 import PageCancelled, PageDelivered, PageFailed, PageSent, ReplyReceived
from tocsin.detection.v1.events_pb2 import AlertChanged, AlertOpened, AlertResolved
from tocsin.review.v1.events_pb2 import ReviewOpened
from tocsin.triage.v1.events_pb2 import (
    AlertAttached,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    SeverityChanged,
)

from tocsin_chassis.events.consumer import Handlers
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_review import store
from tocsin_review.narration import NARRATORS, Line, narrate
from tocsin_review.reviews import Reviews
from tocsin_review.wire import incident_row, instant, page_row

ALERTS = (AlertOpened, AlertChanged, AlertResolved)
INCIDENTS = (IncidentOpened, AlertAttached, SeverityChanged, IncidentAcknowledged, IncidentResolved, IncidentReopened)
PAGES = (PageSent, PageDelivered, PageFailed, PageCancelled)


class AllFacts:
    """Every fact becomes a line. A fact about an alert belongs to the incident that gathers the alert, whenever that is known."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    @property
    def handlers(self) -> Handlers:
        return dict.fromkeys(NARRATORS, self.on_fact)

    async def on_fact(self, tx: Tx, fact: Fact[Any]) -> None:
        line = narrate(fact.message, fact.occurred_at)
        if line.incident_id:
            name_incident(line.incident_id)
        if line.incident_id or line.alert_id:
            await store.add_entry(tx, _entry(fact, line))
            await self._learn(tx, fact.message)

    async def _learn(self, tx: Tx, message: Message) -> None:
        if isinstance(message, ALERTS):
            starts_at = instant(message.alert.starts_at)
            if starts_at is not None:
                await store.note_alert_start(tx, message.alert.id, starts_at)
        elif isinstance(message, INCIDENTS):
            await self._learn_of_incident(tx, message)
        elif isinstance(message, PAGES):
            await store.note_page(tx, page_row(message.page))
        elif isinstance(message, ReplyReceived) and (at := instant(message.at)) is not None:
            await store.note_answer(tx, message.page_id, message.incident_id, message.responder, at)

    async def _learn_of_incident(self, tx: Tx, message: Any) -> None:
        incident = message.incident
        await store.note_incident(tx, incident_row(incident))
        if isinstance(message, IncidentOpened | AlertAttached) and message.alert.alert_id:
            await store.note_gathered(tx, message.alert.alert_id, incident.id, isinstance(message, IncidentOpened))
        if isinstance(message, IncidentResolved):
            await self._reviews.open(tx, incident.id)


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
        # That a review was drafted is no reason to draft it again.
        in_draft=isinstance(fact.message, ReviewOpened),
    )
