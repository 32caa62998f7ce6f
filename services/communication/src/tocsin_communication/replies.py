"""Answers of responders: the links in pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.communication.v1.events_pb2 import ReplyReceived
from tocsin.triage.v1.triage_service_pb2 import AcknowledgeIncidentRequest

from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import name_incident
from tocsin_communication import store, wire
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import fingerprint
from tocsin_communication.page import Page
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, NotFound

if TYPE_CHECKING:  # the name is in the stubs only
    from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceAsyncStub

ACKNOWLEDGE = "ACKNOWLEDGE"


class LinkNotFound(NotFound):
    reason = "REPLY_LINK_NOT_FOUND"
    message = "there is no such link; use the one in the newest page"


class LinkUsed(Conflict):
    reason = "REPLY_LINK_USED"
    message = "{responder} has used this link already, at {used_at}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A page with a link, and the incident it is about."""

    page: Page
    incident: Incident

    @property
    def effect(self) -> str:
        """What using the link would do, for people."""
        if self.incident.state is IncidentState.RESOLVED:
            return "The incident is resolved; there is nothing left to acknowledge."
        if self.page.used_at is not None:
            return f"{self.page.responder} has used this link already."
        return "Acknowledge"


class Replies:
    """Takes answers. The incident is acknowledged before a link counts as used: what is lost between the two can be repeated."""

    def __init__(self, database: Database, clock: Clock, triage: "TriageServiceAsyncStub") -> None:
        self._database = database
        self._clock = clock
        self._triage = triage

    async def find(self, token: str) -> Reply:
        """What a link is for; changes nothing. Raises LinkNotFound."""
        async with self._database.transaction() as tx:
            page = await store.page_by_link(tx, fingerprint(token))
            incident = await store.incident(tx, page.incident_id) if page is not None else None
        if page is None or incident is None:
            raise LinkNotFound()
        name_incident(incident.id)
        return Reply(page, incident)

    async def receive(self, token: str) -> Reply:
        """Acknowledge by a link, once. Raises LinkNotFound, LinkUsed, and what triage refuses."""
        reply = await self.find(token)
        page = reply.page
        if page.used_at is not None:
            raise _used(page)
        await self._triage.AcknowledgeIncident(
            AcknowledgeIncidentRequest(request_id=f"reply:{page.id}", incident_id=page.incident_id, acknowledged_by=page.responder)
        )
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if not await store.use_link(tx, page.id, now):
                raise LinkUsed(responder=page.responder, used_at="this moment")
            fact = ReplyReceived(
                page_id=page.id, responder=page.responder, incident_id=page.incident_id, answer=ACKNOWLEDGE, at=wire.instant(now)
            )
            tx.emit(fact, aggregate=page.incident_id, version=page.version)
        return reply


def _used(page: Page) -> LinkUsed:
    return LinkUsed(responder=page.responder, used_at=f"{page.used_at:%Y-%m-%d %H:%M} UTC")
