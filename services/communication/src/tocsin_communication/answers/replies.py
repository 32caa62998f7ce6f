"""The links in pages: looking at one changes nothing, using it is an answer."""

from dataclasses import dataclass

from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import name_incident
from tocsin_communication.answers import store
from tocsin_communication.answers.answers import Answered, Answers
from tocsin_communication.answers.links import fingerprint
from tocsin_communication.answers.spoken import Verb
from tocsin_communication.answers.store import how_closed
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind, Page
from tocsin_kernel.errors import Conflict, NotFound

ACKNOWLEDGE = "Acknowledge"
APPROVE = "Approve"


class LinkNotFound(NotFound):
    reason = "REPLY_LINK_NOT_FOUND"
    message = "there is no such link; use the one in the newest page"


class LinkUsed(Conflict):
    reason = "REPLY_LINK_USED"
    message = "{responder} has used this link already, at {used_at}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A page with a link, and the incident it is about, if it is about one."""

    page: Page
    incident: Incident | None
    # How the question ended that it is about; empty: it did not, or it is about none.
    closed: str = ""

    @property
    def title(self) -> str:
        """What the page is about."""
        return self.incident.title if self.incident is not None and not self.is_approval else self.page.subject

    @property
    def effect(self) -> str:
        """What using the link would do, for people."""
        if self.closed:
            return f"No answer is needed any more: {self.closed}."
        if self.incident is not None and self.incident.state is IncidentState.RESOLVED and not self.is_approval:
            return "The incident is resolved; there is nothing left to acknowledge."
        if self.page.used_at is not None:
            return f"{self.page.responder} has used this link already."
        return APPROVE if self.is_approval else ACKNOWLEDGE

    @property
    def is_approval(self) -> bool:
        """It asks for an approval."""
        return self.page.kind is Kind.APPROVAL

    @property
    def can_escalate(self) -> bool:
        """It can be passed on to the next one, or denied."""
        return self.page.kind in (Kind.SUMMONS, Kind.APPROVAL) and self.effect in (ACKNOWLEDGE, APPROVE)


class Replies:
    """Takes answers by links."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def find(self, token: str) -> Reply:
        """What a link is for; changes nothing. Raises LinkNotFound."""
        async with self._database.transaction() as tx:
            page = await store.page_by_link(tx, fingerprint(token))
            incident = await incident_store.incident(tx, page.incident_id) if page is not None and page.incident_id else None
            closed = await how_closed(tx, page.summons_id) if page is not None and page.kind is Kind.APPROVAL else ""
        if page is None or (page.incident_id and incident is None):
            raise LinkNotFound()
        if incident is not None:
            name_incident(incident.id)
        return Reply(page, incident, closed)

    async def receive(self, token: str, verb: Verb) -> tuple[Reply, Answered]:
        """Answer by a link, once. Raises LinkNotFound, LinkUsed, and what the answer or triage refuses."""
        reply = await self.find(token)
        page = reply.page
        if page.used_at is not None:
            raise LinkUsed(responder=page.responder, used_at=f"{page.used_at:%Y-%m-%d %H:%M} UTC")
        return reply, await self._answers.answer(page, verb, page.responder)
