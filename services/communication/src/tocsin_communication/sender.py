"""Hands pages to providers: many at once, each under a lease, so that every page leaves though processes die."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, use_span
from prometheus_client import Counter, Histogram

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import trace_context, tracer
from tocsin_communication import store
from tocsin_communication.channels.channel import ChannelDriver, Outgoing
from tocsin_communication.contact import Channel
from tocsin_communication.delivery import Stop, verdict
from tocsin_communication.departures import EACH_PROVIDER, Departures, Leaving
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import Links
from tocsin_communication.page import LEASE, Kind, Page
from tocsin_communication.pages import Pages, emit, tell
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

SEND_SECONDS = 10.0
POLL_SECONDS = 0.25
# Nobody waits for the record of a page that has left, so that several share a transaction. What failed is recorded at once.
RECORD_SECONDS = 0.2
LEFT = (Outcome.ACCEPTED, Outcome.DELIVERED)
STOP_SECONDS = 3.0

pages_total = Counter("tocsin_pages_total", "attempts to send a page, by what became of them", ["channel", "outcome"])
first_page_seconds = Histogram(
    "tocsin_first_page_seconds",
    "from the opening of an incident to the first summons that a provider accepted",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt came to, and when; `span` is that of the attempt."""

    page: Page
    receipt: Receipt
    at: datetime
    span: Span


class Sender:
    """Sends what is due. Setting `woken` makes it look at once; it also looks several times a second."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        links: Links,
        drivers: Mapping[Channel, ChannelDriver],
        pages: Pages,
        departures: Departures,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._drivers = drivers
        self._pages = pages
        self._departures = departures
        self._woken = woken
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[Attempt] = []
        self._recording: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()

    async def run(self) -> None:
        """Send for ever. When cancelled, attempts under way may end; one that does not is found again by its lease."""
        try:
            await self._links.load()
            self._departures.start = self._start
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
            self._departures.start = None
            await self._finish()

    async def _send_due(self) -> bool:
        """Begin to send what is due and has room; True if more may be due that has room too."""
        room = self._departures.room
        claimed = await self._claim(room) if room > 0 else []
        for leaving in claimed:
            self._departures.take(leaving.page.provider)
            self._start(leaving)
        return 0 < room == len(claimed)

    def _start(self, leaving: Leaving) -> None:
        task = asyncio.create_task(self._deliver(leaving))
        self._under_way.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._departures.leave(leaving.page.provider)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a page was left unfinished and is found again by its lease", exc_info=error)

        task.add_done_callback(done)

    async def _rest(self) -> None:
        await _within(self._woken, POLL_SECONDS)

    async def _finish(self) -> None:
        """Let attempts under way end and be recorded."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
        if self._recording is not None:
            await asyncio.wait([self._recording], timeout=STOP_SECONDS)
        late = [*self._under_way, *([self._recording] if self._recording is not None else [])]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _claim(self, room: int) -> list[Leaving]:
        """Take what is due and still needed; drop the rest. The incident is read in the transaction that marks the page."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim(tx, now, self._departures.under_way, EACH_PROVIDER, room)
            incidents = await store.incidents(tx, list({page.incident_id for page in due if page.incident_id})) if due else {}
            claimed = []
            for page in due:
                incident = incidents.get(page.incident_id)
                match verdict(page, incident):
                    case Stop(reason, failed):
                        await tell(tx, page.fail(reason) if failed else page.cancel(reason))
                    case _:
                        claimed.append(Leaving(page.begin(), incident))
            if claimed:
                await store.begin(tx, [leaving.page for leaving in claimed], LEASE)
        return claimed

    async def _deliver(self, leaving: Leaving) -> None:
        page = leaving.page
        context = trace_context({"traceparent": page.traceparent})
        with tracer.start_as_current_span(f"send {page.channel.value.lower()}", context=context, kind=SpanKind.CLIENT) as span:
            span.set_attribute("tocsin.page.id", page.id)
            span.set_attribute("tocsin.page.attempt", page.attempts)
            if page.incident_id:
                span.set_attribute("tocsin.incident.id", page.incident_id)
            receipt = await self._send(leaving)
            span.set_attribute("tocsin.page.outcome", receipt.outcome.value)
            if receipt.outcome not in LEFT:
                span.set_status(Status(StatusCode.ERROR, receipt.detail))
        pages_total.labels(page.channel.value.lower(), receipt.outcome.value.lower()).inc()
        self._ended.append(Attempt(page, receipt, self._clock.now(), span))
        if receipt.outcome not in LEFT:
            self._urgent.set()
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_ended())

    async def _send(self, leaving: Leaving) -> Receipt:
        page = leaving.page
        outgoing = Outgoing(page, leaving.incident, self._links.acknowledge_url(page), self._links.incident_url(page, leaving.incident))
        try:
            async with asyncio.timeout(SEND_SECONDS + 2.0):
                return await self._drivers[page.channel].send(outgoing, page.id, SEND_SECONDS)
        except Exception as error:  # a fault of the driver: whether the page left is not known, and it must not be lost
            log.error("page %s: the channel failed", page.id, exc_info=error)
            return Receipt(Outcome.UNKNOWN, f"the channel failed: {type(error).__name__}")

    async def _record_ended(self) -> None:
        """Record what has ended until nothing is left, a little later, and many at once."""
        try:
            while self._ended:
                await _within(self._urgent, RECORD_SECONDS)
                self._urgent.clear()
                attempts, self._ended = self._ended, []
                await self._record_surely(attempts)
        finally:
            self._recording = None

    async def _record_surely(self, attempts: list[Attempt]) -> None:
        """One that cannot be recorded does not hold up the others; a database that is away is tried again while the lease lasts."""
        ends_at = asyncio.get_running_loop().time() + LEASE.total_seconds()
        while True:
            try:
                return await self._record(attempts)
            except Exception as error:
                if len(attempts) > 1:
                    await asyncio.gather(*(self._record_surely([attempt]) for attempt in attempts))
                    return
                [attempt] = attempts
                if asyncio.get_running_loop().time() > ends_at:
                    log.error("page %s was left unfinished and is found again by its lease", attempt.page.id, exc_info=error)
                    return
                log.warning("page %s: the outcome %s is recorded again later: %s", attempt.page.id, attempt.receipt.outcome, error)
                await asyncio.sleep(0.5)

    async def _record(self, attempts: list[Attempt]) -> None:
        """Keep the outcomes, unless another attempt was begun. Who was reached after the incident went on is told so."""
        decisions = {attempt.page.id: attempt.page.finish(attempt.receipt, attempt.at) for attempt in attempts}
        told: dict[str, datetime] = {}
        async with self._database.transaction() as tx:
            summoned = {attempt.page.incident_id for attempt in attempts if attempt.page.kind is Kind.SUMMONS}
            incidents = await store.lock_incidents(tx, list(summoned)) if summoned else {}
            saved = await store.save_all(tx, [decision.state for decision in decisions.values()])
            for attempt in attempts:
                page, decision = attempt.page, decisions[attempt.page.id]
                if page.id not in saved:
                    log.warning("page %s: the outcome %s came too late, another attempt was begun", page.id, attempt.receipt.outcome)
                    continue
                incident = incidents.get(page.incident_id) if page.kind is Kind.SUMMONS else None
                await self._tell(tx, attempt, decision, incident)
                if incident is not None and decision.state.sent_at is not None:
                    told.setdefault(incident.id, attempt.at)
            first = await store.note_first_told(tx, list(told.items())) if told else set()
        for incident_id in first:
            first_page_seconds.observe((told[incident_id] - incidents[incident_id].opened_at).total_seconds())

    async def _tell(self, tx: Tx, attempt: Attempt, decision: Decision[Page], incident: Incident | None) -> None:
        """What an outcome means to others, in the trace of the attempt."""
        with use_span(attempt.span):
            emit(tx, decision)
            if incident is not None and incident.state is not IncidentState.OPEN:
                await self._pages.follow_up(tx, incident)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than this."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass
