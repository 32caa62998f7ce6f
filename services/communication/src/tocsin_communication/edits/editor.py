"""Edits messages: who took an incident, that it is over, how a question ended. A failed edit holds up nothing and is tried again."""

import asyncio
import logging
from dataclasses import dataclass, replace
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
from tocsin_communication.pages.message import Text, decided
from tocsin_communication.pages.page import Kind, Page
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


@dataclass(frozen=True, slots=True)
class News:
    """What a message is to say now: how its incident is, or `how` the question ended that it sought an approval for."""

    page: Page
    incident: Incident | None
    how: str

    @property
    def is_told(self) -> bool:
        """There is something to say, and a message to say it in."""
        return bool(self.page.provider_id and self.how) if self.page.kind is Kind.APPROVAL else self.incident is not None

    @property
    def is_worth_a_message(self) -> bool:
        """Where it cannot be edited a message follows; not to whoever took the incident, and not about a question, whose links say it."""
        page, incident = self.page, self.incident
        if incident is None or page.kind is Kind.APPROVAL or page.channel in NO_MESSAGES or incident.state is IncidentState.OPEN:
            return False
        return incident.state is not IncidentState.ACKNOWLEDGED or incident.acknowledged_by != page.responder


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
            asked = [page.summons_id for page in pages.values() if page.kind is Kind.APPROVAL]
            hows = await answers.hows_closed(tx, asked) if asked else {}
        news = [News(page := pages[row.page_id], incidents.get(page.incident_id), hows.get(page.summons_id, "")) for row in claimed]
        await asyncio.gather(*(self._edit(row, each) for row, each in zip(claimed, news, strict=True)))
        return len(claimed) == AT_ONCE

    async def _edit(self, row: EditRow, news: News) -> None:
        page = news.page
        receipt = await self._try(news) if news.is_told else Receipt(Outcome.PERMANENT_CONFIG, "there is nothing to edit")
        edits_total.labels(page.channel.value.lower(), receipt.outcome.value.lower() if receipt is not None else "cannot").inc()
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if receipt is not None:
                await answers.note_attempt(tx, page, now, f"EDIT_{receipt.outcome.value}", receipt.detail)
            if receipt is None or receipt.outcome.permanent:
                await edits.done(tx, row.page_id, row.turn)
                if news.incident is not None and news.is_worth_a_message:
                    await self._follow_ups.tell_by_message(tx, page, news.incident)
            elif receipt.outcome.taken or row.attempts > len(BACKOFF):
                await edits.done(tx, row.page_id, row.turn)
            else:
                wait = max(BACKOFF[row.attempts - 1], min(receipt.retry_after or timedelta(), BACKOFF[-1]))
                await edits.later(tx, row.page_id, now + wait)

    async def _try(self, news: News) -> Receipt | None:
        page = news.page
        try:
            async with asyncio.timeout(SECONDS + 2.0):
                return await self._channels.driver(page.channel, page.account).edit(self._outgoing(news), page.provider_id, SECONDS)
        except Exception as error:  # a fault of the driver must not stop the others
            log.error("page %s: the channel failed to edit", page.id, exc_info=error)
            return Receipt(Outcome.UNKNOWN, f"the channel failed: {type(error).__name__}")

    def _outgoing(self, news: News) -> Outgoing:
        """The message as it is to be now; a question that is over offers no answer."""
        page, incident = news.page, news.incident
        told = incident.as_told_to(page.responder) if incident is not None else None
        about = self._links.incident_url(page, incident)
        if page.kind is Kind.APPROVAL:
            text = decided(Text(page.subject, page.body), news.how)
            return Outgoing(replace(page, subject=text.subject, body=text.body), told, "", about)
        if incident is None or incident.state is not IncidentState.OPEN:
            return Outgoing(page, told, "", about)
        return Outgoing(page, told, self._links.acknowledge_url(page), about, "", self._links.escalate_url(page))
