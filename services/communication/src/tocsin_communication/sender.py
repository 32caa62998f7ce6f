"""Hands pages to providers: many at once, each under a lease, so that every page leaves though processes die."""

import asyncio
import logging
from collections import Counter as Count
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Histogram

from tocsin_chassis.postgres.database import Database
from tocsin_chassis.telemetry import trace_context, tracer
from tocsin_communication import store
from tocsin_communication.channels.channel import ChannelDriver, Outgoing
from tocsin_communication.contact import Channel
from tocsin_communication.delivery import Stop, verdict
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import Links
from tocsin_communication.page import Kind, Page
from tocsin_communication.pages import Pages, tell
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

AT_ONCE = 64
EACH_PROVIDER = 16
SEND_SECONDS = 10.0
# Longer than any attempt with its record may take: when it ends, the process that sent is gone or cut off.
LEASE = timedelta(seconds=20)
POLL_SECONDS = 0.25
STOP_SECONDS = 3.0

pages_total = Counter("tocsin_pages_total", "attempts to send a page, by what became of them", ["channel", "outcome"])
first_page_seconds = Histogram(
    "tocsin_first_page_seconds",
    "from the opening of an incident to the first summons that a provider accepted",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A page that this process is to send, with the incident as of the claim."""

    page: Page
    incident: Incident | None


class Sender:
    """Sends what is due. Setting `woken` makes it look at once; it also looks several times a second."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        links: Links,
        drivers: Mapping[Channel, ChannelDriver],
        pages: Pages,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._drivers = drivers
        self._pages = pages
        self._woken = woken
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._full = False

    async def run(self) -> None:
        """Send for ever. When cancelled, attempts under way may end; one that does not is found again by its lease."""
        try:
            await self._links.load()
            while True:
                self._woken.clear()
                try:
                    more = await self._send_due()
                except DomainError as error:
                    log.warning("nothing can be sent for the moment: %s", error)
                    more = False
                if not more:
                    await self._rest()
        finally:
            await self._finish()

    async def _send_due(self) -> bool:
        """Begin to send what is due and has room; True if more may be due that has room too."""
        room = AT_ONCE - len(self._under_way)
        claimed = await self._claim(room) if room > 0 else []
        for item in claimed:
            task = asyncio.create_task(self._deliver(item))
            self._under_way[task] = item.page.provider
            task.add_done_callback(self._done)
        self._full = len(self._under_way) >= AT_ONCE or max(Count(self._under_way.values()).values(), default=0) >= EACH_PROVIDER
        return 0 < room == len(claimed)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a page was left unfinished and is found again by its lease", exc_info=error)
        if self._full:
            # Something may have waited for this place; otherwise looking again would only cost a transaction.
            self._woken.set()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        tasks = list(self._under_way)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _claim(self, room: int) -> list[Claimed]:
        """Take what is due and still needed; drop the rest. The incident is read in the transaction that marks the page."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim(tx, now, Count(self._under_way.values()), EACH_PROVIDER, room)
            incidents = await store.incidents(tx, list({page.incident_id for page in due if page.incident_id})) if due else {}
            claimed = []
            for page in due:
                incident = incidents.get(page.incident_id)
                match verdict(page, incident):
                    case Stop(reason, failed):
                        await tell(tx, page.fail(reason) if failed else page.cancel(reason))
                    case _:
                        claimed.append(Claimed(page.begin(), incident))
            if claimed:
                await store.begin(tx, [item.page for item in claimed], LEASE)
        return claimed

    async def _deliver(self, claimed: Claimed) -> None:
        page = claimed.page
        context = trace_context({"traceparent": page.traceparent})
        with tracer.start_as_current_span(f"send {page.channel.value.lower()}", context=context, kind=SpanKind.CLIENT) as span:
            span.set_attribute("tocsin.page.id", page.id)
            span.set_attribute("tocsin.page.attempt", page.attempts)
            if page.incident_id:
                span.set_attribute("tocsin.incident.id", page.incident_id)
            receipt = await self._send(claimed)
            span.set_attribute("tocsin.page.outcome", receipt.outcome.value)
            if receipt.outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED):
                span.set_status(Status(StatusCode.ERROR, receipt.detail))
            pages_total.labels(page.channel.value.lower(), receipt.outcome.value.lower()).inc()
            await self._record_surely(page, receipt)

    async def _send(self, claimed: Claimed) -> Receipt:
        page = claimed.page
        outgoing = Outgoing(page, claimed.incident, self._links.acknowledge_url(page), self._links.incident_url(page, claimed.incident))
        try:
            async with asyncio.timeout(SEND_SECONDS + 2.0):
                return await self._drivers[page.channel].send(outgoing, page.id, SEND_SECONDS)
        except Exception as error:  # a fault of the driver: whether the page left is not known, and it must not be lost
            log.error("page %s: the channel failed", page.id, exc_info=error)
            return Receipt(Outcome.UNKNOWN, f"the channel failed: {type(error).__name__}")

    async def _record_surely(self, page: Page, receipt: Receipt) -> None:
        """Record the outcome; a database that is away for a moment is tried again while the lease lasts."""
        ends_at = asyncio.get_running_loop().time() + LEASE.total_seconds()
        while True:
            try:
                return await self._record(page, receipt)
            except Exception as error:
                if asyncio.get_running_loop().time() > ends_at:
                    raise
                log.warning("page %s: the outcome %s is recorded again later: %s", page.id, receipt.outcome, error)
                await asyncio.sleep(0.5)

    async def _record(self, page: Page, receipt: Receipt) -> None:
        """Keep the outcome, unless another attempt was begun. Who was reached after the incident went on is told so."""
        now = self._clock.now()
        first = False
        async with self._database.transaction() as tx:
            incident = await store.lock_incident(tx, page.incident_id) if page.kind is Kind.SUMMONS else None
            decision = page.finish(receipt, now)
            if not await tell(tx, decision):
                log.warning("page %s: the outcome %s came too late, another attempt was begun", page.id, receipt.outcome)
                return
            if incident is not None and decision.state.sent_at is not None:
                first = await store.note_first_told(tx, incident.id, now)
            if incident is not None and incident.state is not IncidentState.OPEN:
                await self._pages.follow_up(tx, incident)
        if first and incident is not None:
            first_page_seconds.observe((now - incident.opened_at).total_seconds())
