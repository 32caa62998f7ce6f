"""Replays the stored alerts of the past through other rules. Nothing is sent or written."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.detection.v1 import noise_pb2
from tocsin.detection.v1 import noise_service_pb2 as pb

from tocsin_chassis.postgres.database import Database
from tocsin_detection.alert import CHECKS, Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise import store
from tocsin_detection.noise.noise_configuration import Given, given_rules
from tocsin_detection.noise.rulebook import load
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.silence import Silence
from tocsin_detection.noise.simulation import Outcome, Replay
from tocsin_detection.noise.wire import KINDS, RuleInvalid, hold_message, wanted_silence
from tocsin_detection.wire import timestamp
from tocsin_kernel.clock import Clock

AT_ONCE = 1_000
# An alert may have many labels, and a message has a limit.
PLAYED_AT_ONCE = 200
MOST_DIFFERENCES = 10_000
MOST_RULES = 1_000
TRYING = "what if"


@dataclass(slots=True)
class _Figures:
    """What came out so far."""

    alerts: int = 0
    did_wake: int = 0
    would_wake: int = 0
    differences: int = 0
    would_hold: Counter[tuple[HoldKind, str]] = field(default_factory=Counter)
    did_hold: Counter[tuple[HoldKind, str]] = field(default_factory=Counter)

    def count_stored(self, outcomes: Iterable[Outcome]) -> None:
        """Count what the stored rules hold back in the same replay: what held alerts that have ended is in their logs only."""
        for outcome in outcomes:
            self.did_hold.update({_rule(hold) for hold in outcome.holds})

    def count(self, outcomes: Iterable[Outcome], waking: list[Outcome] | None = None) -> list[pb.Difference]:
        """Count; returns those that differ, as far as they are shown. Those that woke somebody or would have are added to `waking`."""
        shown: list[pb.Difference] = []
        for outcome in outcomes:
            did, would = outcome.alert.told, outcome.wakes_at is not None
            if waking is not None and (did or would) and outcome.alert.integration != CHECKS:
                waking.append(outcome)
            self.alerts += 1
            self.did_wake += did
            self.would_wake += would
            self.would_hold.update({_rule(hold) for hold in outcome.holds})
            if did != would:
                self.differences += 1
                if self.differences <= MOST_DIFFERENCES:
                    shown.append(_difference(outcome))
        return shown

    def message(self) -> pb.SimulateResponse.Result:
        most = (self.would_hold + self.did_hold).most_common(MOST_RULES)
        held = [
            pb.RuleCount(kind=KINDS[kind], rule=rule, did_hold=self.did_hold[kind, rule], would_hold=self.would_hold[kind, rule])
            for (kind, rule), _ in most
        ]
        return pb.SimulateResponse.Result(
            alerts=self.alerts, did_wake=self.did_wake, would_wake=self.would_wake, rules=held, differences=self.differences
        )


def _rule(hold: Hold) -> tuple[HoldKind, str]:
    """What is counted: an inhibition by its name, whichever alert explains."""
    return hold.kind, hold.named or hold.rule


class Simulations:
    """Tries rules out. One at a time in each process: others wait."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._alone = asyncio.Semaphore(1)

    async def run(self, request: pb.SimulateRequest) -> AsyncIterator[pb.SimulateResponse]:
        """Progress and differences as they are found, and at last the result. Raises Invalid."""
        now = self._clock.now()
        since = now - request.since.ToTimedelta()
        given = given_rules(request.configuration, now)
        silences = _given_silences(request.silences, since, now)
        async with self._alone:
            stored, rules, of = await self._prepare(request, given, silences, since)
            replay, as_stored, figures = Replay(rules, now), Replay(stored, now), _Figures()
            async for page in self._before(since):
                for alert in page:
                    replay.known(alert)
                    as_stored.known(alert)
            async for page in self._alerts(since, now):
                figures.count_stored(outcome for alert in page for outcome in as_stored.opens(alert))
                waking: list[Outcome] | None = [] if request.with_alerts else None
                yield _differing(figures.count((outcome for alert in page for outcome in replay.opens(alert)), waking))
                for step in _played(waking):
                    yield step
                yield pb.SimulateResponse(progress=pb.SimulateResponse.Progress(done=figures.alerts, of=of))
            figures.count_stored(as_stored.ends())
            waking = [] if request.with_alerts else None
            yield _differing(figures.count(replay.ends(), waking))
            for step in _played(waking):
                yield step
            yield pb.SimulateResponse(result=figures.message())

    async def _prepare(
        self, request: pb.SimulateRequest, given: Given, silences: Sequence[Silence], since: datetime
    ) -> tuple[Rules, Rules, int]:
        """The stored rules, those to try, and how many alerts there are."""
        async with self._database.transaction() as tx:
            stored = await load(tx, since)
            of = await store.count_episodes(tx, since)
        kept = [] if request.without_silences else stored.silences
        return stored, replace(_merged(Rules() if request.alone else stored, given), silences=[*kept, *silences]), of

    async def _before(self, since: datetime) -> AsyncIterator[list[Alert]]:
        """What opened before and was still open then."""
        after = ""
        while True:
            async with self._database.transaction() as tx:
                page = await store.episodes_before(tx, since, after, AT_ONCE)
            yield page
            if len(page) < AT_ONCE:
                return
            after = page[-1].id

    async def _alerts(self, since: datetime, now: datetime) -> AsyncIterator[list[Alert]]:
        """Page by page in the order in which they opened, each read by itself."""
        after: tuple[datetime, str] = (since, "00000000-0000-0000-0000-000000000000")
        while True:
            async with self._database.transaction() as tx:
                page = await store.episodes(tx, after, now, AT_ONCE)
            yield page
            if len(page) < AT_ONCE:
                return
            after = (page[-1].opened_at, page[-1].id)


def _merged(stored: Rules, given: Given) -> Rules:
    """Given rules stand in the place of stored ones with the same names."""
    return Rules(
        windows=[*(window for window in stored.windows if window.name not in given.windows), *given.windows.values()],
        inhibitions=[*(rule for rule in stored.inhibitions if rule.name not in given.inhibitions), *given.inhibitions.values()],
        noise_rules=[*(rule for rule in stored.noise_rules if rule.name not in given.noise_rules), *given.noise_rules.values()],
    )


def _given_silences(messages: Sequence[noise_pb2.Silence], since: datetime, now: datetime) -> list[Silence]:
    """Silences to try; one without a start acts from the beginning. Raises RuleInvalid, MatcherInvalid."""
    found: list[Silence] = []
    for index, message in enumerate(messages):
        wanted = wanted_silence(message)
        starts_at = wanted.starts_at or since
        if not wanted.matchers or wanted.ends_at <= starts_at:
            raise RuleInvalid(field=f"silences[{index}]", detail="needs matchers, and an end after its start")
        name = f"{TRYING} {index + 1}"
        found.append(Silence(name, wanted.matchers, starts_at, wanted.ends_at, TRYING, wanted.comment, now))
    return found


def _differing(differences: list[pb.Difference]) -> pb.SimulateResponse:
    return pb.SimulateResponse(differences=pb.SimulateResponse.Differences(differences=differences))


def _played(waking: Sequence[Outcome] | None) -> Iterator[pb.SimulateResponse]:
    """The alerts that woke somebody or would have, some at once."""
    for start in range(0, len(waking or ()), PLAYED_AT_ONCE):
        played = map(_replayed, (waking or ())[start : start + PLAYED_AT_ONCE])
        yield pb.SimulateResponse(alerts=pb.SimulateResponse.Alerts(alerts=played))


def _replayed(outcome: Outcome) -> noise_pb2.ReplayedAlert:
    alert = outcome.alert
    return noise_pb2.ReplayedAlert(
        alert_id=alert.id,
        title=alert.title,
        integration=alert.integration,
        labels=alert.labels,
        sender_severity=alert.sender_severity,
        sender_service=alert.sender_service,
        opened_at=timestamp(alert.opened_at),
        ended_at=timestamp(alert.resolved_at),
        did_wake=alert.told,
        would_wake_at=timestamp(outcome.wakes_at),
    )


def _difference(outcome: Outcome) -> pb.Difference:
    alert = outcome.alert
    return pb.Difference(
        alert_id=alert.id,
        title=alert.title,
        integration=alert.integration,
        service=alert.sender_service,
        severity=alert.sender_severity,
        opened_at=timestamp(alert.opened_at),
        did_wake=alert.told,
        would_wake=outcome.wakes_at is not None,
        would_wake_at=timestamp(outcome.wakes_at),
        holds=map(hold_message, outcome.holds),
    )
