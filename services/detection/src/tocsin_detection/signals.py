"""The use case of detection: a report comes in, and what it means for the alerts is decided and kept in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from prometheus_client import Counter

from tocsin_chassis.postgres.database import Contended, Database, Tx
from tocsin_detection import store
from tocsin_detection.alert import Decision
from tocsin_detection.intake.intake import HttpAnswer, Outcome, Rejection, Request
from tocsin_detection.intake.registry import INTAKES
from tocsin_detection.integration import IntegrationKeyUnknown
from tocsin_detection.integrations import Integrations
from tocsin_detection.report import decide
from tocsin_detection.signal import Signal
from tocsin_detection.wire import fact_of
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Overloaded
from tocsin_kernel.ids import Ids

ATTEMPTS = 3

Result = TypeVar("Result")

decided = Counter("tocsin_signals_total", "signals, by integration and by what they did to an alert", ["integration", "verdict"])
refused = Counter("tocsin_signals_rejected_total", "parts of reports that were not valid", ["integration"])


class ReportContended(Overloaded):
    reason = "REPORT_CONTENDED"
    message = "too many reports about the same things at once; try again"


@dataclass(frozen=True, slots=True)
class Submission:
    """One HTTP request of a sender, as it came to the edge."""

    key: str
    kind: str
    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What the sender gets, how many signals were stored, and what was not."""

    answer: HttpAnswer
    accepted: int
    rejections: Sequence[Rejection]


class Signals:
    """Takes reports."""

    def __init__(self, database: Database, integrations: Integrations, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._integrations = integrations
        self._clock = clock
        self._ids = ids

    async def report(self, submission: Submission) -> Answered:
        """Store what is valid in a request, and answer in its sender's words. Raises IntegrationKeyUnknown, ReportContended."""
        intake = INTAKES.get(submission.kind)
        if intake is None:
            raise IntegrationKeyUnknown(kind=submission.kind)
        integration = await self._integrations.behind(submission.key, submission.kind)
        now = self._clock.now()
        report = intake.read(Request(integration, now, submission.method, submission.path, submission.body))
        if report.refusal is not None:
            return Answered(report.refusal, 0, ())
        decisions = await self._observe(report.signals, now)
        self._integrations.heard(integration, now)
        refused.labels(integration.name).inc(len(report.rejections))
        outcome = Outcome(tuple(decision.alert.id if decision.alert else None for decision in decisions))
        return Answered(intake.answer(report, outcome), len(report.signals), report.rejections)

    async def _observe(self, signals: Sequence[Signal], now: datetime) -> Sequence[Decision]:
        """All in one transaction."""
        if not signals:
            return ()

        async def observe(tx: Tx) -> Sequence[Decision]:
            return await observe_in(tx, signals, now, self._ids)

        return await contending(self._database, observe)


async def contending(database: Database, work: Callable[[Tx], Awaitable[Result]]) -> Result:
    """Do `work` in a transaction, and once more where another one changed the same things meanwhile. Raises ReportContended."""
    for _ in range(ATTEMPTS):
        try:
            async with database.transaction() as tx:
                return await work(tx)
        except Contended:
            continue
    raise ReportContended()


async def observe_in(tx: Tx, signals: Sequence[Signal], now: datetime, ids: Ids) -> Sequence[Decision]:
    """Decide and save the signals of one integration. Raises Contended if the transaction must start again."""
    integration = signals[0].integration
    fingerprints = list({signal.fingerprint for signal in signals})
    await store.lock_things(tx, integration, fingerprints)
    existing = await store.lock_open_alerts(tx, integration, fingerprints)
    outcome = decide(existing, signals, now, ids)
    if outcome.repeated:
        await store.count_repeats(tx, outcome.repeated)
    if outcome.changed:
        await store.update_alerts(tx, outcome.changed)
    if outcome.opened and await store.insert_alerts(tx, outcome.opened) < len(outcome.opened):
        raise Contended()
    await tell(tx, outcome.decisions, now)
    tx.after_commit(lambda: _count(integration, outcome.decisions))
    return outcome.decisions


async def tell(tx: Tx, decisions: Sequence[Decision], now: datetime) -> None:
    """Log and emit the decisions that others need to know."""
    entries: list[store.LogEntry] = []
    for decision in decisions:
        fact = fact_of(decision)
        if fact is None or decision.alert is None:
            continue
        entries.append(store.LogEntry(decision.alert.id, now, decision.verdict.value, decision.reason))
        tx.emit(fact, aggregate=decision.alert.id, version=decision.alert.version)
    if entries:
        await store.append_log(tx, entries)


def _count(integration: str, decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        decided.labels(integration, decision.verdict.value).inc()
