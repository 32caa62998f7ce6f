"""Edits messages: who took the incident, that it is over. An edit that fails holds up nothing and is tried again for a while."""

import asyncio
import logging
from datetime import timedelta

from prometheus_client import Counter

from tocsin_chassis.postgres.database import Database
from tocsin_communication.answers import store as answers
from tocsin_communication.answers.links import Links
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.edits import store as edits
from tocsin_communication.edits.store import EditRow
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.follow_ups import FollowUps
from tocsin_communication.pages.page import Page
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

AT_ONCE = 16
SECONDS = 8.0
LEASE = timedelta(seconds=20)
POLL_SECONDS = 2.0
# Nobody is called to hear that nothing is asked of them any more.
NO_MESSAGES = (Channel.VOICE,)
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300))

edits_total = Counter(
    "tocsin_page_edits_total", "messages brought to what their incident is now, by what became of it", ["channel", "outcome"]
)


class Editor:
    """Edits what is to be edited. Setting `woken` makes it look at once."""

    def __init__(
        self, database: Database, clock: Clock, links: Links, channels: Channels, follow_ups: FollowUps, woken: asyncio.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._channels = channels
        self._follow_ups = follow_ups
        self._woken = woken

    async def run(self) -> None:
        """Edit for ever; where no channel can, wait for ever."""
        while not self._channels.edited:
            await asyncio.Event().wait()
        while True:
            self._woken.clear()
            try:
                more = await self._edit_due()
            except DomainError as error:
                log.warning("nothing can be edited for the moment: %s", error)
                more = False
            if not more:
                try:
                    await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
                except TimeoutError:
                    pass

    async def _edit_due(self) -> bool:
        """Edit what is due, so many at once; True if more may be."""
        async with self._database.transaction() as tx:
            claimed = await edits.claim(tx, self._clock.now(), LEASE, AT_ONCE)
            pages = {page.id: page for page in await page_store.pages_by_id(tx, [row.page_id for row in claimed])} if claimed else {}
            incidents = await incident_store.incidents(tx, list({page.incident_id for page in pages.values()})) if pages else {}
        await asyncio.gather(*(self._edit(row, pages[row.page_id], incidents.get(pages[row.page_id].incident_id)) for row in claimed))
        return len(claimed) == AT_ONCE

    async def _edit(self, row: EditRow, page: Page, incident: Incident | None) -> None:
        receipt = await self._try(page, incident) if incident is not None else Receipt(Outcome.PERMANENT_CONFIG, "no incident")
        edits_total.labels(page.channel.value.lower(), receipt.outcome.value.lower() if receipt is not None else "cannot").inc()
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if receipt is not None:
                await answers.note_attempt(tx, page, now, f"EDIT_{receipt.outcome.value}", receipt.detail)
            if receipt is None or receipt.outcome.permanent:
                await edits.done(tx, row.page_id, row.turn)
                if incident is not None and page.channel not in NO_MESSAGES and not _by_themselves(page, incident):
                    await self._follow_ups.tell_by_message(tx, page, incident)
            elif receipt.outcome.taken or row.attempts > len(BACKOFF):
                await edits.done(tx, row.page_id, row.turn)
            else:
                wait = max(BACKOFF[row.attempts - 1], min(receipt.retry_after or timedelta(), BACKOFF[-1]))
                await edits.later(tx, row.page_id, now + wait)

    async def _try(self, page: Page, incident: Incident) -> Receipt | None:
        answerable = incident.state is IncidentState.OPEN
        outgoing = Outgoing(
            page,
            incident.as_told_to(page.responder),
            self._links.acknowledge_url(page) if answerable else "",
            self._links.incident_url(page, incident),
            "",
            self._links.escalate_url(page) if answerable else "",
        )
        try:
            async with asyncio.timeout(SECONDS + 2.0):
                return await self._channels.driver(page.channel, page.account).edit(outgoing, page.provider_id, SECONDS)
        except Exception as error:  # a fault of the driver must not stop the others
            log.error("page %s: the channel failed to edit", page.id, exc_info=error)
            return Receipt(Outcome.UNKNOWN, f"the channel failed: {type(error).__name__}")


def _by_themselves(page: Page, incident: Incident) -> bool:
    """Whoever took it knows."""
    return incident.state is IncidentState.OPEN or (
        incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_by == page.responder
    )
