"""Keeps what attempts came to, many at once, and tells who is to know of it."""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.trace import Span, use_span
from prometheus_client import Histogram

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.channels.accounts import Channels, provider
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.follow_ups import FollowUps
from tocsin_communication.pages.page import LEASE, Kind, Page, State
from tocsin_communication.pages.receipt import Receipt
from tocsin_communication.pages.telling import emit
from tocsin_communication.sending import store
from tocsin_communication.sending.failures import Failures
from tocsin_communication.sending.threads import Threads
from tocsin_kernel.decision import Decision

log = logging.getLogger(__name__)

# Nobody waits for the record of a page that has left, so that several share a transaction. What failed is recorded at once.
RECORD_SECONDS = 0.2

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


class Recorder:
    """Records what has ended until nothing is left, a little later, and many at once."""

    def __init__(self, database: Database, channels: Channels, follow_ups: FollowUps, failures: Failures) -> None:
        self._database = database
        self._channels = channels
        self._follow_ups = follow_ups
        self._failures = failures
        self._threads = Threads(database)
        self._ended: list[Attempt] = []
        self._recording: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()

    def record(self, attempt: Attempt) -> None:
        """Record this soon; at once if it was not taken."""
        self._ended.append(attempt)
        if not attempt.receipt.outcome.taken:
            self._urgent.set()
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_ended())

    async def finish(self, seconds: float) -> None:
        """Let what is being recorded end."""
        if (recording := self._recording) is None:
            return
        await asyncio.wait([recording], timeout=seconds)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)

    async def _record_ended(self) -> None:
        try:
            while self._ended:
                await within(self._urgent, RECORD_SECONDS)
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
            incidents = await incident_store.lock_incidents(tx, list(summoned)) if summoned else {}
            saved = await page_store.save_all(tx, [decision.state for decision in decisions.values()])
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
            first = await incident_store.note_first_told(tx, list(told.items())) if told else set()
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
                await self._follow_ups.tell(tx, incident)


def _noted(attempt: Attempt) -> tuple[str, int, datetime, str, str, str, str]:
    page, receipt = attempt.page, attempt.receipt
    return page.id, page.attempts, attempt.at, page.account, receipt.outcome.value, receipt.detail, receipt.provider_id


async def within(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than this."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass
