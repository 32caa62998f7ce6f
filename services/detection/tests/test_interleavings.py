"""Duplicates, late ends, silences, flapping, time and restarts in any order: the tables say what a plain list of what happened says."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import psycopg
import pytest
from detection_words import NOON
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg import sql
from tocsin.detection.v1 import events_pb2

from tocsin_chassis.postgres.database import Database, postgres
from tocsin_detection.alert import Alert
from tocsin_detection.alert_list_store import list_alerts
from tocsin_detection.alerts import Alerts
from tocsin_detection.integration import RateLimit, key_hash
from tocsin_detection.integrations import Integrations
from tocsin_detection.listing import Wanted
from tocsin_detection.noise.court import Court
from tocsin_detection.noise.floods import Floods
from tocsin_detection.noise.frequency import DEFAULT_FLAPPING
from tocsin_detection.noise.matcher import read_all
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.silence import Wanted as WantedSilence
from tocsin_detection.noise.silences import Silences
from tocsin_detection.observer import Observer
from tocsin_detection.rate import Rates
from tocsin_detection.repeats import Repeats
from tocsin_detection.signals import Signals, Submission
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import RandomIds
from tocsin_testkit.template import copy_template, drop

THINGS = ("disk", "cpu", "net")
KEY = "key"
END = timedelta(minutes=4)
TABLES = "alert, resolved_alert, alert_log, outbox, silence, noise_source, noise_count, storm, delivery"
FACTS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (events_pb2.AlertOpened, events_pb2.AlertChanged, events_pb2.AlertSuppressed, events_pb2.AlertResolved)
}

Result = TypeVar("Result")


@dataclass
class Episode:
    """One alert as it should be."""

    words: str
    starts_at: datetime
    ends_at: datetime
    opened_at: datetime
    occurrences: int = 1
    told: bool = False
    holds: frozenset[str] = frozenset()
    ended: str = ""
    facts: list[str] = field(default_factory=list)

    def judge(self, holds: frozenset[str]) -> None:
        """What holds it back now, where it is not told yet."""
        if self.told:
            return
        if not holds:
            self.told = True
            self.facts.append("AlertOpened")
        elif holds != self.holds:
            self.facts.append("AlertSuppressed")
        self.holds = holds

    def end(self, why: str) -> None:
        if self.told or self.holds:
            self.facts.append("AlertResolved")
        self.ended, self.holds = why, frozenset()

    @property
    def seen(self) -> tuple[object, ...]:
        return self.words, self.starts_at, self.occurrences, self.told, self.holds, self.ended, self.facts


class History:
    """The list of what happened, without tables, transactions or memory that a restart could lose."""

    def __init__(self) -> None:
        self.episodes: dict[str, list[Episode]] = {thing: [] for thing in THINGS}
        self.silences: dict[str, tuple[set[str], datetime]] = {}
        self.look_at: dict[str, datetime] = {}

    def open(self, thing: str) -> Episode | None:
        newest = self.episodes[thing][-1:]
        return newest[0] if newest and not newest[0].ended else None

    def fires(self, thing: str, words: str, starts_at: datetime, now: datetime) -> None:
        episode = self.open(thing)
        if episode is None:
            episode = Episode(words, starts_at, now + END, now)
            self.episodes[thing].append(episode)
            self._judge(thing, episode, now)
            return
        episode.occurrences += 1
        episode.ends_at = max(episode.ends_at, now + END)
        if words != episode.words or starts_at < episode.starts_at:
            episode.words, episode.starts_at = words, min(episode.starts_at, starts_at)
            if episode.told:
                episode.facts.append("AlertChanged")
        self._judge(thing, episode, now)

    def ends(self, thing: str, starts_at: datetime, ends_at: datetime) -> None:
        episode = self.open(thing)
        if episode is None or starts_at < ends_at < episode.starts_at:
            return
        episode.occurrences += 1
        episode.starts_at = min(episode.starts_at, starts_at)
        episode.end("RESOLVED_BY_SENDER")

    def silenced(self, silence: str, things: set[str], until: datetime) -> None:
        self.silences[silence] = (things, until)

    def silence_ended(self, silence: str, now: datetime) -> None:
        things, until = self.silences[silence]
        self.silences[silence] = (things, min(until, now))
        for thing in THINGS:
            if (episode := self.open(thing)) is not None and silence in episode.holds:
                self.look_at[thing] = now

    def time_passed(self, now: datetime) -> None:
        for thing in THINGS:
            episode = self.open(thing)
            if episode is not None and episode.ends_at <= now:
                episode.end("ENDED_SILENTLY")

    def looked_again(self, now: datetime) -> None:
        for thing in THINGS:
            episode = self.open(thing)
            if episode is not None and episode.holds and self.look_at[thing] <= now:
                self._judge(thing, episode, now)

    def _judge(self, thing: str, episode: Episode, now: datetime) -> None:
        holding = {silence: until for silence, (things, until) in self.silences.items() if thing in things and until > now}
        calm_at = episode.opened_at + DEFAULT_FLAPPING.calm_after
        if calm_at > now and self._openings(thing, episode.opened_at) >= DEFAULT_FLAPPING.openings:
            holding[DEFAULT_FLAPPING.name] = calm_at
        episode.judge(frozenset(holding))
        self.look_at[thing] = min(holding.values(), default=now)

    def _openings(self, thing: str, until: datetime) -> int:
        return sum(until - DEFAULT_FLAPPING.within <= episode.opened_at for episode in self.episodes[thing])


class Process:
    """One process of detection: what it remembers goes when it goes."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        ids = RandomIds()
        self.database = database
        self.repeats = Repeats(database)
        rulebook, floods = Rulebook(database, clock), Floods(ids)
        observer = Observer(Court(rulebook, floods), self.repeats, ids)
        rates = Rates(RateLimit(1_000_000, 1_000_000))
        self.signals = Signals(database, observer, self.repeats, Integrations(database, None, clock, ids), rates, clock)
        self.alerts = Alerts(database, observer, self.repeats, clock, timedelta(0))
        self.silences = Silences(database, rulebook, clock, ids)
        self._hearing = asyncio.get_running_loop().create_task(self.repeats.run())

    async def started(self) -> "Process":
        while not self.repeats.hears_others:
            await asyncio.sleep(0.002)
        return self

    async def died(self) -> None:
        self._hearing.cancel()
        await asyncio.wait([self._hearing])


class Interleavings(RuleBasedStateMachine):
    """Does things, in any order, and compares after each."""

    url = ""
    silences: Bundle[str] = Bundle("silences")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock(NOON)
        self.history = History()
        self.started_at: dict[str, datetime] = {}
        self.numbers = count(1)
        self.stack = AsyncExitStack()

    def do(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    @initialize()
    def begins(self) -> None:
        async def begin() -> None:
            self.database = await self.stack.enter_async_context(postgres(self.url, "detection", size=4))
            async with self.database.transaction() as tx:
                await tx.connection.execute(sql.SQL("TRUNCATE {}, storm_service, storm_tally, integration").format(sql.SQL(TABLES)))
                await tx.execute(
                    "INSERT INTO integration (name, kind, key_hash, created_at) VALUES ('door', 'alertmanager', %s, now())",
                    (key_hash(KEY),),
                )
            self.process = await Process(self.database, self.clock).started()

        self.do(begin())

    def teardown(self) -> None:
        async def end() -> None:
            await self.process.died()
            await self.stack.aclose()

        if hasattr(self, "process"):
            self.do(end())
        self.runner.close()

    # What senders do

    @rule(thing=some.sampled_from(THINGS), words=some.sampled_from(["", "", "", "worse"]), copies=some.sampled_from([1, 1, 1, 2, 5]))
    def it_fires(self, thing: str, words: str, copies: int) -> None:
        """The same from several replicas at once counts as often, and opens once."""
        now = self.clock.now()
        started = self.started_at.setdefault(thing, now)
        for _ in range(copies):
            self.history.fires(thing, words, started, now)
        self._send([[_said(thing, words, started, now + END)]] * copies)

    @rule(words=some.sampled_from(["", "worse"]))
    def everything_fires_in_one_report(self, words: str) -> None:
        now = self.clock.now()
        for thing in THINGS:
            self.history.fires(thing, words, self.started_at.setdefault(thing, now), now)
        self._send([[_said(thing, words, self.started_at[thing], now + END) for thing in THINGS]])

    @rule(thing=some.sampled_from(THINGS), copies=some.sampled_from([1, 1, 3]))
    def it_ends(self, thing: str, copies: int) -> None:
        now = self.clock.now()
        started = self.started_at.pop(thing, now - timedelta(seconds=1))
        for _ in range(copies):
            self.history.ends(thing, started, now)
        self._send([[_said(thing, "", started, now)]] * copies)

    @rule(thing=some.sampled_from(THINGS))
    def the_end_of_an_episode_long_ago_comes_late(self, thing: str) -> None:
        self.history.ends(thing, NOON - timedelta(hours=2), NOON - timedelta(hours=1))
        self._send([[_said(thing, "", NOON - timedelta(hours=2), NOON - timedelta(hours=1))]])

    # What people do

    @rule(target=silences, things=some.sets(some.sampled_from(THINGS), min_size=1), minutes=some.sampled_from([1, 3, 30]))
    def somebody_silences(self, things: set[str], minutes: int) -> str:
        until = self.clock.now() + timedelta(minutes=minutes)
        wanted = WantedSilence(read_all([f'alertname=~"{"|".join(sorted(things))}"']), None, until, "planned")

        async def create() -> str:
            async with self.database.transaction() as tx:
                return (await self.process.silences.create(tx, wanted, "ada")).id

        silence = self.do(create())
        self.history.silenced(silence, things, until)
        return silence

    @rule(silence=silences)
    def somebody_ends_a_silence(self, silence: str) -> None:
        async def expire() -> None:
            async with self.database.transaction() as tx:
                await self.process.silences.expire(tx, silence, "ada")

        if self.history.silences[silence][1] > self.clock.now():
            self.history.silence_ended(silence, self.clock.now())
        self.do(expire())

    # What time and chance do

    @rule(seconds=some.sampled_from([1, 20, 60, 61, 130, 300]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(timedelta(seconds=seconds))

    @rule()
    def silent_ones_end(self) -> None:
        self.do(self.process.alerts.end_silent())
        self.history.time_passed(self.clock.now())

    @rule()
    def held_ones_are_judged_again(self) -> None:
        self.do(self.process.alerts.reconsider())
        self.history.looked_again(self.clock.now())

    @rule()
    def counts_are_written(self) -> None:
        self.do(self.process.repeats.write(self.clock.now()))

    @rule()
    def the_process_stops_and_another_starts(self) -> None:
        async def restart() -> None:
            await self.process.died()
            await self.process.repeats.write_all()
            self.process = await Process(self.database, self.clock).started()

        self.do(restart())

    @rule()
    def the_process_is_killed_and_another_starts(self) -> None:
        """Lost are counts, and ends that are at least half as far away in the tables: what was said stays durable."""

        async def restart() -> Sequence[Alert]:
            await self.process.died()
            self.process = await Process(self.database, self.clock).started()
            async with self.database.transaction() as tx:
                return (await list_alerts(tx, Wanted(open=True))).found

        for alert in self.do(restart()):
            episode = self.history.open(alert.labels["alertname"])
            assert episode is not None and alert.ends_at is not None
            assert alert.occurrences <= episode.occurrences
            last_said = max(episode.ends_at - END, NOON)
            assert (alert.ends_at - last_said) * 2 >= episode.ends_at - last_said
            episode.occurrences, episode.ends_at = alert.occurrences, alert.ends_at

    # What must be so after each

    @invariant()
    def tables_say_what_happened(self) -> None:
        if hasattr(self, "process"):
            assert self.do(self._tables()) == {
                thing: [episode.seen for episode in episodes] for thing, episodes in self.history.episodes.items()
            }

    async def _tables(self) -> dict[str, list[tuple[object, ...]]]:
        async with self.database.transaction() as tx:
            alerts = (await list_alerts(tx, Wanted(limit=10_000))).found
            facts: dict[str, list[str]] = {}
            for subject in await tx.values(str, "SELECT subject FROM outbox WHERE subject LIKE 'tocsin.detection.v1.Alert%%' ORDER BY id"):
                kind, _, alert_id = subject.rpartition(".")
                facts.setdefault(alert_id, []).append(FACTS[kind].DESCRIPTOR.name)
        found: dict[str, list[tuple[object, ...]]] = {thing: [] for thing in THINGS}
        for alert in sorted(alerts, key=lambda item: item.id):
            held = frozenset(hold.rule for hold in alert.holds)
            counted = alert.occurrences + (self.process.repeats.since_written(alert.id) if alert.open else 0)
            words = alert.annotations.get("summary", "")
            told = facts.pop(alert.id, [])
            found[alert.labels["alertname"]].append((words, alert.starts_at, counted, alert.told, held, alert.resolve_reason, told))
        assert not facts
        return found

    def _send(self, reports: Sequence[Sequence[dict[str, Any]]]) -> None:
        async def send() -> None:
            answers = await asyncio.gather(*(self._report(json.dumps(report).encode()) for report in reports))
            assert answers == [200] * len(reports)

        self.do(send())

    async def _report(self, body: bytes) -> int:
        submission = Submission(KEY, "alertmanager", "POST", "/api/v2/alerts", body)
        return (await self.process.signals.report(submission)).answer.status


def _said(thing: str, words: str, starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    annotations = {"summary": words} if words else {}
    return {"labels": {"alertname": thing}, "annotations": annotations, "startsAt": starts_at.isoformat(), "endsAt": ends_at.isoformat()}


@pytest.fixture
def empty(servers):
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        copy_template(connection, "interleavings")
        yield servers.postgres_url("interleavings", "tocsin_detection")
        drop(connection, "interleavings")


def test_any_interleaving_ends_in_the_same_tables(empty: str) -> None:
    machine = type("Machine", (Interleavings,), {"url": empty})
    few = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=few)
