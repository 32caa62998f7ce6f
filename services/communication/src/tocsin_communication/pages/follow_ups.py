"""Who was told is told the end: that an incident is taken, that it is over."""

from collections.abc import Callable
from dataclasses import replace

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.edits import store as edits
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages import message, store
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.pages import Pages
from tocsin_communication.rules.personal import Planned
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision


class FollowUps:
    """Tells whoever was summoned how it went on. `wake_editor` tells that messages are to be edited."""

    def __init__(self, clock: Clock, pages: Pages, channels: Channels, wake_editor: Callable[[], None]) -> None:
        self._clock = clock
        self._pages = pages
        self._channels = channels
        self._wake_editor = wake_editor

    async def tell(self, tx: Tx, incident: Incident) -> None:
        """Tell everybody who was summoned that the incident is taken or over; once each, however often this is called."""
        kind = {IncidentState.ACKNOWLEDGED: Kind.TAKEN, IncidentState.RESOLVED: Kind.RESOLVED}.get(incident.state)
        if kind is None:
            return
        if self._channels.edited:
            await edits.ask(tx, incident, self._channels.edited, self._clock.now())
            tx.after_commit(self._wake_editor)
        pages = [
            self._following(kind, incident, _same(told))
            for told in await store.told(tx, incident, self._channels.edited)
            if kind is Kind.RESOLVED or told.responder != incident.acknowledged_by
        ]
        await self._pages.keep(tx, [Decision(page) for page in pages])

    async def decided(self, tx: Tx, question_id: str) -> None:
        """Messages that sought an approval are to say how it ended, and to offer nothing any more."""
        if self._channels.edited:
            await edits.ask_decided(tx, question_id, self._channels.edited, self._clock.now())
            tx.after_commit(self._wake_editor)

    async def tell_by_message(self, tx: Tx, page: Page, incident: Incident) -> None:
        """Tell whoever got this page by a message of its own, because the one they have cannot be edited."""
        kind = Kind.RESOLVED if incident.state is IncidentState.RESOLVED else Kind.TAKEN
        method = ContactMethod(page.contact_method, page.responder, page.channel, page.address)
        await self._pages.keep(tx, [Decision(self._following(kind, incident, method))])

    def _following(self, kind: Kind, incident: Incident, method: ContactMethod) -> Page:
        text = message.follow_up(kind, incident.as_told_to(method.responder))
        return replace(self._pages.page(kind, Planned(method, self._clock.now(), ""), text, text.subject, incident), turn=incident.turn)


def _same(told: store.Told) -> ContactMethod:
    """The contact method as it was when the summons went out."""
    return ContactMethod(told.contact_method, told.responder, Channel(told.channel), told.address)
