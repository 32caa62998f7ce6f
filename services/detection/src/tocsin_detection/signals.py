"""The use case of detection: a report comes in, and what it means for the alerts is decided and kept in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from prometheus_client import Counter

from tocsin_chassis.postgres.database import Contended, Database, Tx
from tocsin_detection.alert import Decision, Verdict
from tocsin_detection.gathering import Gathering
from tocsin_detection.intake.intake import HttpAnswer, Intake, Outcome, Rejection, Report, Request, SenderApi
from tocsin_detection.intake.registry import INTAKES, REPEATING
from tocsin_detection.intake.signature import verify
from tocsin_detection.integration import Integration, IntegrationKeyUnknown
from tocsin_detection.integrations import Integrations
from tocsin_detection.observer import Observer, Origins
from tocsin_detection.rate import Rates
from tocsin_detection.repeats import Repeats
from tocsin_detection.signal import Signal
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Overloaded

ATTEMPTS = 3
NO_APIS: Mapping[str, SenderApi] = MappingProxyType({})

Result = TypeVar("Result")

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
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the sender gets, how many signals were stored, and what was not."""

    answer: HttpAnswer
    accepted: int
    rejections: Sequence[Rejection]


class Signals:
    """Takes reports."""

    def __init__(
        self,
        database: Database,
        observer: Observer,
        repeats: Repeats,
        integrations: Integrations,
        rates: Rates,
        clock: Clock,
        apis: Mapping[str, SenderApi] = NO_APIS,
    ) -> None:
        """`apis` holds, by kind, what senders' own APIs do beside reporting."""
        self._apis = apis
        self._database = database
        self._observer = observer
        self._gathering = Gathering(self._keep)
        self._repeats = repeats
        self._integrations = integrations
        self._rates = rates
        self._clock = clock

    async def report(self, submission: Submission) -> Answered:
        """Store what is valid in a request, and answer in its sender's words.

        Raises IntegrationKeyUnknown, ReportContended; IntegrationTooFast when not all signals were let in: those that were are stored.
        """
        intake = INTAKES.get(submission.kind)
        if intake is None:
            raise IntegrationKeyUnknown(kind=submission.kind)
        integration = await self._integrations.behind(submission.key, submission.kind)
        now = self._clock.now()
        answered = await self._taken(intake, integration, submission, now)
        headers = {**self._rates.headers(integration, now), **answered.answer.headers}
        return replace(answered, answer=replace(answered.answer, headers=headers))

    async def _taken(self, intake: Intake, integration: Integration, submission: Submission, now: datetime) -> Answered:
        """Raises ReportContended, IntegrationTooFast."""
        request = Request(integration, now, submission.method, submission.path, submission.body, submission.headers, submission.query)
        if unsigned := verify(submission.kind, integration, submission.headers, submission.body, now):
            return Answered(unsigned, 0, ())
        api = self._apis.get(submission.kind)
        served = await api.serve(request) if api else None
        if isinstance(served, HttpAnswer):
            self._integrations.heard(integration, now)
            return Answered(served, 0, ())
        report, said = self._read(intake, served or request)
        if report.refusal is not None:
            return Answered(report.refusal, 0, ())
        admission = self._rates.admit(integration, report.signals, now)
        decisions = await self._gathering.keep(admission.signals, now) if admission.signals else ()
        if admission.refusal is not None:
            raise admission.refusal
        news = ((digest, made.alert) for digest, made in zip(said, decisions, strict=False) if made.verdict is not Verdict.IGNORED)
        self._repeats.remember(news)
        self._integrations.heard(integration, now)
        refused.labels(integration.name).inc(len(report.rejections))
        outcome = Outcome(tuple(decision.alert.id if decision.alert else None for decision in decisions))
        return Answered(intake.answer(report, outcome), len(report.signals), report.rejections)

    def _read(self, intake: Intake, request: Request) -> tuple[Report, list[bytes]]:
        """What the request says that is not said already; and by which digest each signal is known again, if its sender repeats itself."""
        repeating = REPEATING.get(request.integration.kind)
        if repeating is None:
            return intake.read(request), []
        statements = repeating.statements(request)
        if isinstance(statements, Report):
            return statements, []
        news: list[tuple[int, Any]] = []
        digests: list[bytes] = []
        for index, statement in enumerate(statements):
            said = repeating.said(statement, request.received_at)
            if said is None or not self._repeats.is_repeat(request.integration.name, *said, request.received_at):
                news.append((index, statement))
                digests.append(said[0] if said else b"")
        report = repeating.read_statements(news, request)
        refused_ones = {rejection.index for rejection in report.rejections}
        return report, [digest for (index, _), digest in zip(news, digests, strict=True) if index not in refused_ones]

    async def _keep(self, signals: Sequence[Signal], now: datetime, origins: Origins) -> Sequence[Decision]:
        """All in one transaction."""

        async def observe(tx: Tx) -> Sequence[Decision]:
            return await self._observer.observe(tx, signals, now, origins)

        return await contending(self._database, observe, plans_once=True)


async def contending(database: Database, work: Callable[[Tx], Awaitable[Result]], *, plans_once: bool = False) -> Result:
    """Do `work` in a transaction, and once more where another one changed the same things meanwhile. Raises ReportContended."""
    for _ in range(ATTEMPTS):
        try:
            async with database.transaction(plans_once=plans_once) as tx:
                return await work(tx)
        except Contended:
            continue
    raise ReportContended()
