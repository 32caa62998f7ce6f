"""Hands pages to providers: many at once, each under a lease, so that every page leaves though processes die."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from opentelemetry.trace import INVALID_SPAN, SpanKind, Status, StatusCode
from prometheus_client import Counter

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import trace_context, tracer
from tocsin_communication.answers.answers import reply_code
from tocsin_communication.answers.links import Links
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.delivery import Stop, verdict
from tocsin_communication.pages.page import LEASE, NOBODY, Kind, Page
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_communication.pages.telling import tell
from tocsin_communication.sending import departures, store
from tocsin_communication.sending.bundling import Bundler
from tocsin_communication.sending.departures import Departures, Leaving
from tocsin_communication.sending.recorder import Attempt, Recorder, within
from tocsin_communication.sending.threads import Threads
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError

log = logging.getLogger(__name__)

SEND_SECONDS = 10.0
POLL_SECONDS = 0.25
RECOVER_SECONDS = 4.0
STOP_SECONDS = 3.0
GATHER_SECONDS = 0.02

pages_total = Counter("tocsin_pages_total", "attempts to send a page, by what became of them", ["channel", "outcome"])


class Sender:
    """Sends what is due. Setting `woken` makes it look at once; it also looks several times a second."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        links: Links,
        channels: Channels,
        departures: Departures,
        bundler: Bundler,
        recorder: Recorder,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._channels = channels
        self._departures = departures
        self._bundler = bundler
        self._recorder = recorder
        self._woken = woken
        self._threads = Threads(database)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send for ever. When cancelled, attempts under way may end; one that does not is found again by its lease."""
        try:
            await self._links.load()
            self._departures.start = self._start
            more = True
            while True:
                look = more or self._woken.is_set()
                self._woken.clear()
                try:
                    more = (look or await self._is_due()) and await self._send_due()
                except DomainError as error:
                    log.warning("nothing can be sent for the moment: %s", error)
                    more = False
                if not more:
                    await self._rest()
        finally:
            self._departures.start = None
            await self._finish()

    async def _is_due(self) -> bool:
        """Nearly always nothing is: what is made leaves with its commit, so that looking must cost little."""
        (due,) = await self._database.ask(store.PAGES_DUE, {"now": self._clock.now()})
        return bool(due)

    async def _send_due(self) -> bool:
        """Begin to send what is due and has room; True if more may be due that has room too."""
        await self._departures.hearing.wait()
        room = self._departures.room
        claimed = await self._claim(room) if room > 0 else []
        for leaving in claimed:
            self._departures.take(leaving.page)
            self._start(leaving)
        return 0 < room == len(claimed)

    def _start(self, leaving: Leaving) -> None:
        task = asyncio.create_task(self._deliver(leaving))
        self._under_way.add(task)
        lingers = asyncio.get_running_loop().call_later(departures.LINGERS_AFTER_SECONDS, self._departures.linger, leaving.page)

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            lingers.cancel()
            self._departures.leave(leaving.page)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a page was left unfinished and is found again by its lease", exc_info=error)

        task.add_done_callback(done)

    async def _rest(self) -> None:
        """Wait until there may be something to do. Where all places are taken one after the other becomes free, and a moment later
        several are: they are filled with one look."""
        crowded = self._departures.crowded
        await within(self._woken, POLL_SECONDS)
        if crowded:
            await asyncio.sleep(GATHER_SECONDS)

    async def _finish(self) -> None:
        """Let attempts under way end and be recorded."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
        await self._recorder.finish(STOP_SECONDS)
        late = list(self._under_way)
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
            incidents = await incident_store.incidents(tx, list({page.incident_id for page in due if page.incident_id}))
            needed = [page for page in await self._bundler.refreshed(tx, due) if await self._is_needed(tx, page, incidents)]
            claimed = [
                Leaving(self._over_account(page).begin(self._departures.presence.number), incidents.get(page.incident_id))
                for page in await self._bundler.admit(tx, needed)
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
        if why := await self._why_not(leaving):
            receipt = Receipt(Outcome.TRANSIENT, f"not handed over: {why}")
            self._recorder.record(Attempt(page, receipt, self._clock.now(), INVALID_SPAN))
            return
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
        self._recorder.record(Attempt(sent, receipt, self._clock.now(), span))

    async def _why_not(self, leaving: Leaving) -> str:
        """Why it is not handed over after all; empty if it is. A database that does not answer holds up no page."""
        page = leaving.page
        if leaving.is_too_late:
            return "its sender stood still"
        if not leaving.is_to_be_judged_again or not page.incident_id:
            return ""
        try:
            async with self._database.transaction() as tx:
                known = await incident_store.incidents(tx, [page.incident_id])
        except DomainError:
            return ""
        match verdict(replace(page, attempts=page.attempts - 1), known.get(page.incident_id)):
            case Stop(reason):
                return reason
            case _:
                return ""

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
            reply_code(page, incident) if asks and page.kind in (Kind.SUMMONS, Kind.DIRECT, Kind.APPROVAL) else "",
            self._links.escalate_url(page),
        )
