"""What providers say of messages that they had accepted: arrived, not arrived, nothing at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.answers import store as answers
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.contacts import store as contacts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.delivery import Stop, verdict
from tocsin_communication.pages.page import Page, State
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_communication.pages.telling import tell
from tocsin_communication.sending import store
from tocsin_communication.sending.failures import Failures
from tocsin_kernel.clock import Clock

AT_ONCE = 100


class Receipts:
    """Takes receipts; late ones and those of earlier messages of a page change nothing that is wrong."""

    def __init__(self, database: Database, clock: Clock, channels: Channels, failures: Failures, wake: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._failures = failures
        self._wake = wake

    async def delivered(self, tx: Tx, page: Page, at: datetime) -> None:
        """It arrived. One that was to be sent again, because nobody knew, is not."""
        if page.state is State.SENT or (page.state is State.PENDING and page.outcome_unknown):
            await tell(tx, page.delivered(at), at)
            await answers.note_attempt(tx, page, at, Outcome.DELIVERED.value, "arrived")

    async def undelivered(self, tx: Tx, page: Page, provider_id: str, why: str, outcome: Outcome) -> None:
        """It did not arrive: another account is asked, or the next contact method."""
        if page.state is not State.SENT or (provider_id and page.provider_id and provider_id != page.provider_id):
            return
        now = self._clock.now()
        await answers.note_attempt(tx, page, now, outcome.value, why)
        self._channels.note(page.channel, page.account, Receipt(outcome, why))
        incident = await incident_store.incident(tx, page.incident_id) if page.incident_id else None
        if isinstance(verdict(page, incident), Stop):
            return
        decision = page.undelivered(why, outcome, now, self._channels.ways(page.channel, page.account))
        moved = _readdressed(decision.state)
        await page_store.save_all(tx, [moved])
        if moved.state is State.FAILED:
            await tell(tx, decision, now)
            await self._failures.failed(tx, moved)
        else:
            tx.after_commit(self._wake)

    async def opted_out(self, tx: Tx, channel: Channel, address: str, again: bool) -> None:
        """Whoever is there wants no more messages, or wants them again."""
        for name in await contacts.opt_out(tx, channel, address, None if again else self._clock.now()):
            await self._failures.tell_contact(tx, name)

    async def look_for_missing(self) -> None:
        """Pages whose receipt should have come go over another account, if they are still needed."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            for page in await store.lock_unreceipted(tx, now, AT_ONCE):
                incident = await incident_store.incident(tx, page.incident_id) if page.incident_id else None
                needless = isinstance(verdict(page, incident), Stop)
                ways = self._channels.ways(page.channel, page.account)
                decision = page.unreceipted(now, ways)
                if needless or decision.state.state is State.SENT:
                    await store.receipt_not_awaited(tx, page.id)
                else:
                    self._channels.note(page.channel, page.account, Receipt(Outcome.UNKNOWN, "no receipt in time"))
                    await answers.note_attempt(tx, page, now, "NO_RECEIPT", decision.reason)
                    await page_store.save_all(tx, [_readdressed(decision.state)])
                    tx.after_commit(self._wake)


def _readdressed(page: Page) -> Page:
    """The page in the queue of the account that it goes over now."""
    return replace(page, provider=provider(page.channel, page.address, page.account))
