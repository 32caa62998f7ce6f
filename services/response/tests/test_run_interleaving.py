"""Claims, reports, dead runners, zombies, votes, timers, pauses and restarts in any order: the rows are what the rules say."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tocsin.response.v1.runner_service_pb2 import Assignment, Outcome

from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.errors import DomainError
from tocsin_kernel.ids import RandomIds
from tocsin_playbook import engine
from tocsin_playbook.assignments import assignments_of
from tocsin_playbook.rows import to_plain
from tocsin_playbook.run import Run, RunState, Say
from tocsin_response.playbook import assignment_store, keeping, question_store, reading
from tocsin_response.playbook.book import Book
from tocsin_response.playbook.compose import Playbooks, playbooks
from tocsin_response.playbook.moves import Event
from tocsin_response.playbook.question import Kind, State
from tocsin_response.playbook.questions import Told
from tocsin_response.playbook.runs import StartWish
from tocsin_testkit.playbook_stage import END, action, cacao, step
from tocsin_testkit.world import World

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEEDS = range(25)
MOVES = 40
A, B, C, D, E = (step("action", number) for number in range(10, 15))
CONTENT = cacao(
    {
        A: action(step("parallel", 5), number=0, options={"retry": {"attempts": 2, "backoff_seconds": 5}}),
        step("parallel", 5): {"type": "parallel", "next_steps": [B, C], "on_completion": D},
        B: action(number=1, options={"approval": {"ttl_seconds": 120, "on_timeout": "approve"}}),
        C: action(number=2, timeout=90_000),
        D: action(number=3, on_success=E, on_failure=END, options={"on_unknown": "skip"}),
        E: action(number=4, delay=20_000),
    }
)
# What a version says never changes, so it is read once; the rows are read anew each time.
BOOK = Book(reading.read)
PLAYBOOK = reading.read(CONTENT)
STATES = [Outcome.STATE_SUCCEEDED] * 5 + [Outcome.STATE_FAILED, Outcome.STATE_ACCEPTED, Outcome.STATE_UNKNOWN, Outcome.STATE_TIMED_OUT]


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_response"), "response") as opened:
        yield opened


class Interleaving:
    """One run, two runners, and moves in an order that the seed decides; every event that is applied is noted for the rules alone."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.chance = random.Random(seed)
        self.clock = ManualClock(MONDAY_NOON)
        self.log: list[tuple[Event, datetime]] = []
        self.held: list[Assignment] = []
        self.unclear: Counter[str] = Counter()
        self.played = self.fresh()

    def fresh(self) -> Playbooks:
        """A process that was just started."""
        made = playbooks(self.database, self.clock, RandomIds(), None)
        apply = made.moves.apply

        async def noted(tx: Tx, locked: Mapping[str, Any], events: Sequence[Event]) -> Any:
            applied = await apply(tx, locked, events)
            self.log += [(event, self.clock.now()) for event in events if event.run_id in locked]
            return applied

        made.moves.apply = noted  # type: ignore[method-assign]
        return made

    async def go(self) -> None:
        async with self.database.transaction() as tx:
            await self.played.library.put(tx, "try", CONTENT, "alice")
            row = await self.played.runs.start(tx, StartWish(playbook="try", started_by="alice"))
        self.run_id = row.id
        self.pure = engine.begin(PLAYBOOK, {}, self.clock.now(), row.id).state
        moves = [self.claim, self.claim, self.report, self.report, self.report, self.die, self.zombie, self.vote, self.wait, self.timers]
        moves += [self.pause, self.resume, self.restart, self.skip]
        for _ in range(MOVES):
            await self.chance.choice(moves)()
            await self.compare()
        await self.end()
        await self.compare()

    async def claim(self, most: int = 3) -> list[Assignment]:
        """No attempt is handed out a third time without anybody knowing what came of it."""
        given = await self.played.leases.claim("r", ["http-api"], most, timedelta())
        self.unclear.update(each.idempotency_key for each in given)
        assert max(self.unclear.values(), default=0) <= 2
        self.held += given
        return given

    async def report(self) -> None:
        if self.held:
            given = self.held.pop(self.chance.randrange(len(self.held)))
            told = Outcome(lease=given.lease, state=self.chance.choice(STATES), explanation="so")
            if not await self.played.reports.take([told]) and told.state == Outcome.STATE_ACCEPTED:
                self.unclear[given.idempotency_key] = 0

    async def die(self) -> None:
        """A runner is gone with all that it had; somebody else gets it, and what it says later is a zombie's."""
        self.clock.forward(timedelta(seconds=15))
        await self.played.expiry.end_due()

    async def zombie(self) -> None:
        """Something is told again, or by a lease that nobody has."""
        if self.held:
            given = self.chance.choice(self.held)
            stale = Outcome(lease=given.lease, state=Outcome.STATE_FAILED)
            stale.lease.fence += 7
            assert await self.played.reports.take([stale]) == [given.lease.assignment_id]

    async def vote(self) -> None:
        async with self.database.transaction() as tx:
            for question in await question_store.open_of_run(tx, self.run_id):
                if question.kind is Kind.APPROVAL:
                    await self.played.questions.vote(tx, question.id, "bob", approve=self.chance.random() < 0.8, reason="")
                else:
                    said = self.chance.choice([Say.DONE, Say.FAILED, Say.RETRY])
                    await self.played.questions.answer(tx, Told(question.id, "bob", said))

    async def wait(self) -> None:
        self.clock.forward(timedelta(seconds=self.chance.choice([1, 6, 21, 130])))

    async def timers(self) -> None:
        await self.played.timers.fire_due()

    async def pause(self) -> None:
        await self.steer(lambda tx: self.played.runs.pause(tx, self.run_id, "alice", ""))

    async def resume(self) -> None:
        await self.steer(lambda tx: self.played.runs.resume(tx, self.run_id, "alice"))

    async def skip(self) -> None:
        left = [path for path, each in self.pure.steps.items() if not each.state.ended]
        if left and self.chance.random() < 0.3:
            path = self.chance.choice(left)
            await self.steer(lambda tx: self.played.runs.skip(tx, self.run_id, path, "alice", "enough"))

    async def restart(self) -> None:
        self.played = self.fresh()

    async def steer(self, work: Any) -> None:
        try:
            async with self.database.transaction() as tx:
                await work(tx)
        except DomainError:
            return

    async def end(self) -> None:
        """Let it come to its end, or cancel it."""
        await self.resume()
        for _ in range(60):
            if self.pure.state.final:
                return
            await self.die()
            await self.wait()
            await self.timers()
            await self.vote()
            for given in await self.claim(10):
                await self.played.reports.take([Outcome(lease=given.lease, state=Outcome.STATE_SUCCEEDED)])
            self.replay()
        await self.steer(lambda tx: self.played.runs.cancel(tx, self.run_id, "alice", ""))

    def replay(self) -> Run:
        for event, now in self.log:
            self.pure = event.step(self.pure, now).state
        self.log.clear()
        return self.pure

    async def compare(self) -> None:
        """The rows, read anew, against the rules alone; and what runners can take against what the rules want."""
        pure = self.replay()
        async with self.database.transaction() as tx:
            kept = await keeping.Keeping(BOOK).look(tx, self.run_id)
            work = await assignment_store.of_run(tx, self.run_id)
            questions = await question_store.of_run(tx, self.run_id)
        assert kept is not None
        assert (kept.run.state, kept.run.ending, kept.run.version) == (pure.state, pure.ending, pure.version)
        assert {path: to_plain(each) for path, each in kept.run.steps.items()} == {
            path: to_plain(each) for path, each in pure.steps.items()
        }
        live = sorted((each.path, each.slot, each.attempt) for each in work if each.state in ("READY", "HELD", "LEASED"))
        wanted = [each for instance in pure.steps.values() for each in assignments_of(pure, instance)]
        assert live == sorted((each.path, each.index, each.attempt) for each in wanted)
        assert not [each for each in work if each.state == ("READY" if pure.state is RunState.PAUSED else "HELD")]
        asking = sorted(path for path, each in pure.steps.items() if each.waiting_for.value in ("approval", "manual", "unknown"))
        assert sorted(each.path for each in questions if each.state is State.OPEN) == asking


def _plain(run: Run) -> dict[str, Any]:
    return {path: to_plain(each) for path, each in run.steps.items()}


async def test_the_rows_are_what_the_rules_say_whatever_the_order(database: Database) -> None:
    for seed in SEEDS:
        try:
            await Interleaving(database, seed).go()
        except AssertionError as problem:
            raise AssertionError(f"with seed {seed}: {problem}") from problem
