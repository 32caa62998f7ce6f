"""What follows from a page that will not arrive: the next contact method at once, and that this one fails."""

from collections.abc import Callable

from tocsin.communication.v1.events_pb2 import ContactFailing

from tocsin_chassis.postgres.database import Tx
from tocsin_communication import wire
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts import store as contacts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.page import ASKING, Kind, Page
from tocsin_communication.pages.telling import emit
from tocsin_communication.sending import store
from tocsin_kernel.clock import Clock


class Failures:
    """Looks after what failed. `wake` tells the sender that a page is due earlier."""

    def __init__(self, clock: Clock, channels: Channels, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._channels = channels
        self._wake = wake

    async def failed(self, tx: Tx, page: Page) -> None:
        """A page failed for good. It is nobody's fault at the responder's if the channel is off."""
        if page.kind in ASKING:
            await self._fall_through(tx, page)
        if page.channel is not Channel.NONE and page.contact_method and not self._channels.off(page.channel):
            now = self._clock.now()
            if await contacts.note_failing(tx, page.contact_method, page.address, page.state_reason, now):
                await self.tell_contact(tx, page.contact_method)

    async def _fall_through(self, tx: Tx, page: Page) -> None:
        failed = [page]
        if page.kind is Kind.BUNDLE:
            failed = await store.members(tx, [page.id])
            decisions = [member.fail(f"told together, and that failed: {page.state_reason}") for member in failed]
            await page_store.save_all(tx, [decision.state for decision in decisions])
            for decision in decisions:
                emit(tx, decision, self._clock.now())
        pulled = 0
        for each in failed:
            if each.ask_id:
                pulled += await store.pull_forward(tx, each, self._clock.now())
        if pulled:
            tx.after_commit(self._wake)

    async def tell_contact(self, tx: Tx, name: str) -> None:
        """Tell others how a contact method is."""
        row = await contacts.contact(tx, name)
        if row is not None:
            contact = row.to_domain(self._channels.off(Channel(row.channel)))
            tx.emit(ContactFailing(contact=wire.contact_to_proto(contact)), aggregate=name, version=1)
