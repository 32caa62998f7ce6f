"""Hands pages to providers: many at once, each under a lease, so that every page leaves though processes die."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, use_span
from prometheus_client import Counter, Histogram

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import trace_context, tracer
from tocsin_communication import store
from tocsin_communication.answers.answers import reply_code
from tocsin_communication.bundling import Bundler
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.delivery import Stop, verdict
from tocsin_communication.departures import Departures, Leaving
from tocsin_communication.failures import Failures
from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.links import Links
from tocsin_communication.page import LEASE, NOBODY, Kind, Page, State
from tocsin_communication.pages import Pages, emit, tell
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_communication.threads import Threads
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

SEND_SECONDS = 10.0
POLL_SECONDS = 0.25
# Nobody waits for the record of a page that has left, so that several share a transaction. What failed is recorded at once.
RECORD_SECONDS = 0.2
RECOVER_SECONDS = 4.0
STOP_SECONDS = 3.0
GATHER_SECONDS = 0.02

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
        channels: Channels,
        pages: Pages,
        departures: Departures,
        bundler: Bundler,
        failures: Failures,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._channels = channels
        self._pages = pages
        self._departures = departures
        self._bundler = bundler
        self._failures = failures
        self._woken = woken
        self._threads = Threads(database)
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
            self._departures.take(leaving.page)
            self._start(leaving)
        return 0 < room == len(claimed)

    def _start(self, leaving: Leaving) -> None:
        task = asyncio.create_task(self._deliver(leaving))
        self._under_way.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._departures.leave(leaving.page)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a page was left unfinished and is found again by its lease", exc_info=error)

        task.add_done_callback(done)

    async def _rest(self) -> None:
        """Wait until there may be something to do. Where all places are taken one after the other becomes free, and a moment later
        several are: they are filled with one look."""
        crowded = self._departures.crowded
        await _within(self._woken, POLL_SECONDS)
        if crowded:
            await asyncio.sleep(GATHER_SECONDS)

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
            due = await store.claim(tx, now, self._departures.under_way, room)
            if not due:
                return []
            incidents = await store.incidents(tx, list({page.incident_id for page in due if page.incident_id}))
            needed = [page for page in await self._bundler.refreshed(tx, due) if await self._is_needed(tx, page, incidents)]
            claimed = [
                Leaving(self._over_account(page).begin(), incidents.get(page.incident_id)) for page in await self._bundler.admit(tx, needed)
            ]
            if claimed:
                await store.begin(tx, [leaving.page for leaving in claimed], LEASE)
        return claimed

    async def _is_needed(self, tx: Tx, page: Page, incidents: Mapping[str, Incident]) -> bool:
        """It is to be sent; one that is not ends here, with the reason."""
        match verdict(page, incidents.get(page.incident_id)):
            case Stop(reason, failed):
                await tell(tx, page.fail(reason) if failed else page.cancel(reason), self._clock.now())
                return False
            case _ if page.kind is Kind.BUNDLE and not page.body:
                await tell(tx, page.cancel("everything in it is taken or over"), self._clock.now())
                return False
        return True

    def _over_account(self, page: Page) -> Page:
        """The page with the account that its attempt goes over: the one that it was turned to, unless that is left alone now."""
        account = self._channels.account_for(page)
        return page if account == page.account else replace(page, account=account, provider=provider(page.channel, page.address, account))

    async def _deliver(self, leaving: Leaving) -> None:
        page = leaving.page
        context = trace_context({"traceparent": page.traceparent})
        with tracer.start_as_current_span(f"send {page.channel.value.lower()}", context=context, kind=SpanKind.CLIENT) as span:
            span.set_attribute("tocsin.page.id", page.id)
            span.set_attribute("tocsin.page.attempt", page.attempts)
            if page.incident_id:
                span.set_attribute("tocsin.incident.id", page.incident_id)
            sent, receipt = await self._send(leaving)
            span.set_attribute("tocsin.page.outcome", receipt.outcome.value)
            if not receipt.outcome.taken:
                span.set_status(Status(StatusCode.ERROR, receipt.detail))
        self._channels.note(page.channel, page.account, receipt)
        pages_total.labels(page.channel.value.lower(), receipt.outcome.value.lower()).inc()
        self._ended.append(Attempt(sent, receipt, self._clock.now(), span))
        if not receipt.outcome.taken:
            self._urgent.set()
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_ended())

    async def _send(self, leaving: Leaving) -> tuple[Page, Receipt]:
        """Hand it over, after looking whether it was taken before if nobody knows; the page as it was sent."""
        outgoing = replace(self._outgoing(leaving), thread=await self._threads.of(leaving.page))
        try:
            async with asyncio.timeout(RECOVER_SECONDS + SEND_SECONDS + 2.0):
                if outgoing.page.resent_after_unknown:
                    found = await self._recover(outgoing)
                    if found is not None and found.outcome.taken:
                        account = outgoing.page.unknown_account or outgoing.page.account
                        return replace(outgoing.page, resent_after_unknown=False, account=account), found
                    if found is not None and found.outcome is Outcome.TRANSIENT:
                        outgoing = replace(outgoing, page=replace(outgoing.page, resent_after_unknown=False, outcome_unknown=False))
                driver = self._channels.driver(outgoing.page.channel, outgoing.page.account)
                return outgoing.page, await driver.send(outgoing, outgoing.page.id, SEND_SECONDS)
        except Exception as error:  # a fault of the driver: whether the page left is not known, and it must not be lost
            log.error("page %s: the channel failed", outgoing.page.id, exc_info=error)
            return outgoing.page, Receipt(Outcome.UNKNOWN, f"the channel failed: {type(error).__name__}")

    async def _recover(self, outgoing: Outgoing) -> Receipt | None:
        """Ask the account that gave no answer. None: it cannot tell, or gave none again; the page goes out once more and says so."""
        page = outgoing.page
        if page.unknown_account == NOBODY:
            return None
        receipt = await self._channels.driver(page.channel, page.unknown_account or page.account).recover(
            outgoing, page.id, RECOVER_SECONDS
        )
        return receipt if receipt is not None and receipt.outcome is not Outcome.UNKNOWN else None

    def _outgoing(self, leaving: Leaving) -> Outgoing:
        page, incident = leaving.page, leaving.incident
        asks = page.token_hash is not None
        return Outgoing(
            page,
            incident.as_told_to(page.responder) if incident is not None else None,
            self._links.acknowledge_url(page),
            self._links.incident_url(page, incident),
            reply_code(page, incident) if asks and page.kind in (Kind.SUMMONS, Kind.DIRECT) else "",
            self._links.escalate_url(page),
        )

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
        decisions = {attempt.page.id: self._decided(attempt) for attempt in attempts}
        told: dict[str, datetime] = {}
        async with self._database.transaction() as tx:
            summoned = {attempt.page.incident_id for attempt in attempts if attempt.page.kind is Kind.SUMMONS}
            incidents = await store.lock_incidents(tx, list(summoned)) if summoned else {}
            saved = await store.save_all(tx, [decision.state for decision in decisions.values()])
            await self._threads.keep(tx, [(attempt.page, attempt.receipt) for attempt in attempts])
            if worth_noting := [_noted(attempt) for attempt in attempts if not attempt.receipt.outcome.taken or attempt.page.attempts > 1]:
                await store.note_attempts(tx, worth_noting)
            for attempt in attempts:
                page, decision = attempt.page, decisions[attempt.page.id]
                if page.id not in saved:
                    log.warning("page %s: the outcome %s came too late, another attempt was begun", page.id, attempt.receipt.outcome)
                    continue
                incident = incidents.get(page.incident_id) if page.kind is Kind.SUMMONS else None
                await self._tell(tx, attempt, decision, incident)
                if decision.state.state is State.FAILED:
                    await self._failures.failed(tx, decision.state)
                if incident is not None and decision.state.sent_at is not None:
                    told.setdefault(incident.id, attempt.at)
            first = await store.note_first_told(tx, list(told.items())) if told else set()
        for incident_id in first:
            first_page_seconds.observe((told[incident_id] - incidents[incident_id].opened_at).total_seconds())

    def _decided(self, attempt: Attempt) -> Decision[Page]:
        """What becomes of the page, in the queue of the account that it goes over now."""
        page = attempt.page
        decision = page.finish(attempt.receipt, attempt.at, self._channels.ways(page.channel, page.account))
        after = decision.state
        if after.account == page.account:
            return decision
        return replace(decision, state=replace(after, provider=provider(after.channel, after.address, after.account)))

    async def _tell(self, tx: Tx, attempt: Attempt, decision: Decision[Page], incident: Incident | None) -> None:
        """What an outcome means to others, in the trace of the attempt."""
        with use_span(attempt.span):
            emit(tx, decision, attempt.at)
            if incident is not None and incident.state is not IncidentState.OPEN:
                await self._pages.follow_up(tx, incident)


def _noted(attempt: Attempt) -> tuple[str, int, datetime, str, str, str, str]:
    page, receipt = attempt.page, attempt.receipt
    return page.id, page.attempts, attempt.at, page.account, receipt.outcome.value, receipt.detail, receipt.provider_id


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than this."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass
