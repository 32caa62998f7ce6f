"""Moves runs on: what happened goes through the rules, and everything that follows from it is kept in the same transaction."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import DomainError
from tocsin_kernel.ids import Ids
from tocsin_playbook import engine
from tocsin_playbook.facts import ChildUnwanted, ChildWanted, RunFinished
from tocsin_playbook.run import Run, RunState
from tocsin_response.playbook import assignment_store, library_store, run_store
from tocsin_response.playbook.asking import Asking
from tocsin_response.playbook.assignment_store import Place
from tocsin_response.playbook.book import Book
from tocsin_response.playbook.keeping import Keeping, Kept, row_of
from tocsin_response.playbook.run_store import RunRow
from tocsin_response.playbook.telling import tell
from tocsin_response.playbook.wake import Wake
from tocsin_response.playbook.work import Key, Work, gather

# How deep playbooks may run playbooks.
MOST_DEEP = 8

Step = Callable[[Run, datetime], Decision[Run]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a run. `by_timer`: nobody did it, a time was up. `place`: the assignment of which something was told."""

    run_id: str
    step: Step
    by_timer: bool = False
    place: Place | None = None


@dataclass(slots=True)
class Moved:
    """A run that moved on; `before` is None for one that just began."""

    before: Kept | None
    after: Kept
    facts: list[object] = field(default_factory=list)
    by_timer: bool = False
    places: dict[Key, Place] = field(default_factory=dict)


class Watcher(Protocol):
    """Somebody who wants to know in the same transaction how runs move on: phases that look at them, automation."""

    async def moved(self, tx: Tx, run: RunRow, facts: Sequence[object]) -> None:
        """A run moved on."""
        ...


class Moves:
    """Applies events to runs that are locked."""

    def __init__(self, clock: Clock, ids: Ids, book: Book, keeping: Keeping, asking: Asking, wake: Wake) -> None:
        self._clock = clock
        self._ids = ids
        self._book = book
        self._keeping = keeping
        self._asking = asking
        self._wake = wake
        self.watchers: list[Watcher] = []

    async def lock(self, tx: Tx, ids: Iterable[str]) -> dict[str, Kept]:
        """These runs and all that are parts of them, or that they are parts of, locked."""
        return await self._keeping.lock(tx, await run_store.family(tx, list(ids)))

    async def lock_free(self, tx: Tx, ids: Iterable[str]) -> dict[str, Kept]:
        """The same for those that nobody else is at. A part whose whole is somebody else's waits for the next time."""
        locked = await self._keeping.lock_free(tx, await run_store.family(tx, list(ids)))
        return {each: kept for each, kept in locked.items() if kept.row.parent is None or kept.row.parent in locked}

    async def apply(self, tx: Tx, locked: Mapping[str, Kept], events: Sequence[Event]) -> dict[str, Kept]:
        """Let these happen, in order; returns the runs that changed, as they are now. Raises what the rules refuse."""
        moving = _Moving(self, tx, self._clock.now(), dict(locked))
        for event in events:
            await moving.happen(event)
        return await moving.keep()

    async def begin(self, tx: Tx, row: RunRow, started: Decision[Run]) -> Kept:
        """Keep a run that just began."""
        moving = _Moving(self, tx, self._clock.now(), {})
        await moving.begin(row, started)
        return (await moving.keep())[row.id]


class _Moving:
    """One transaction's worth of moves."""

    def __init__(self, moves: Moves, tx: Tx, now: datetime, locked: dict[str, Kept]) -> None:
        self._moves = moves
        self._tx = tx
        self._now = now
        self._runs = locked
        self._moved: dict[str, Moved] = {}
        self._todo: deque[Event] = deque()

    async def happen(self, event: Event) -> None:
        """The event, and what it causes in other runs."""
        self._todo.append(event)
        while self._todo:
            await self._one(self._todo.popleft())

    async def begin(self, row: RunRow, started: Decision[Run]) -> None:
        """A run that just began."""
        kept = Kept(row_of(row, started.state, self._now), started.state)
        self._runs[row.id] = kept
        self._moved[row.id] = Moved(None, kept, list(started.facts))
        await self._follow(kept, started.facts)
        while self._todo:
            await self._one(self._todo.popleft())

    async def keep(self) -> dict[str, Kept]:
        """Write everything."""
        moves, work = self._moves, Work()
        everything = list(self._moved.values())
        await moves._keeping.save(self._tx, [(each.before, each.after) for each in everything])
        for each in everything:
            await self._hold(each)
            await gather(self._tx, work, each.before, each.after, each.places, moves._ids, self._now)
        if await work.save(self._tx, self._now):
            moves._wake.after(self._tx)
        for each in everything:
            await moves._asking.follow(self._tx, each.before, each.after, each.facts, by_timer=each.by_timer)
            tell(self._tx, each.after, each.facts, self._now)
            for watcher in moves.watchers:
                await watcher.moved(self._tx, each.after.row, each.facts)
        return {run_id: each.after for run_id, each in self._moved.items()}

    async def _one(self, event: Event) -> None:
        kept = self._runs.get(event.run_id)
        if kept is None:
            return
        decision = event.step(kept.run, self._now)
        moved = self._moved.get(event.run_id)
        if decision.state is kept.run and event.place is None:
            return
        after = Kept(row_of(kept.row, decision.state, self._now), decision.state)
        if moved is None:
            moved = self._moved[event.run_id] = Moved(kept, after)
        moved.after = self._runs[event.run_id] = after
        moved.facts += decision.facts
        moved.by_timer = event.by_timer
        if event.place is not None:
            moved.places[event.place.path, event.place.slot, event.place.attempt] = event.place
        await self._follow(after, decision.facts)

    async def _follow(self, kept: Kept, facts: Iterable[object]) -> None:
        """What a run's facts mean for runs that are parts of it, or that it is a part of."""
        for fact in facts:
            match fact:
                case ChildWanted():
                    await self._begin_part(kept, fact)
                case ChildUnwanted():
                    self._end_part(kept, fact)
                case RunFinished() if kept.row.parent is not None:
                    self._todo.append(_finished(kept, fact))

    async def _begin_part(self, kept: Kept, wanted: ChildWanted) -> None:
        row, tx = kept.row, self._tx
        try:
            if self._depth(kept) >= MOST_DEEP:
                raise DomainError(detail=f"playbooks run playbooks more than {MOST_DEEP} deep")
            name = await library_store.called(tx, wanted.playbook_id)
            version, playbook = await self._moves._book.newest(tx, name or wanted.playbook_id)
            given = {name: each.value for name, each in wanted.variables.items() if _takes(playbook.variables.get(name))}
            part_id = self._moves._ids.new()
            started = engine.begin(playbook, given, self._now, part_id)
        except DomainError as problem:
            self._todo.append(Event(row.id, _part_ended(wanted.path, False, {}, str(problem))))
            return
        part = replace(
            row,
            id=part_id,
            parent=row.id,
            parent_path=wanted.path,
            playbook=version.playbook,
            playbook_version=version.version,
            reason=f"a step of playbook {row.playbook}",
            started_at=self._now,
            ended_at=None,
        )
        made = Kept(row_of(part, started.state, self._now), started.state)
        self._runs[part_id] = made
        self._moved[part_id] = Moved(None, made, list(started.facts))
        await self._follow(made, started.facts)

    def _end_part(self, kept: Kept, unwanted: ChildUnwanted) -> None:
        for part in list(self._runs.values()):
            if part.row.parent == kept.row.id and part.row.parent_path == unwanted.path and not part.run.state.final:
                self._todo.append(Event(part.row.id, lambda run, now: engine.cancel(run, now, "", unwanted.why)))

    def _depth(self, kept: Kept) -> int:
        depth, parent = 0, kept.row.parent
        while parent is not None and parent in self._runs:
            depth, parent = depth + 1, self._runs[parent].row.parent
        return depth

    async def _hold(self, moved: Moved) -> None:
        """What runners may not take while a run is paused."""
        before = moved.before.run.state if moved.before is not None else RunState.RUNNING
        after = moved.after.run.state
        if (before is RunState.PAUSED) != (after is RunState.PAUSED):
            await assignment_store.hold(self._tx, moved.after.row.id, held=after is RunState.PAUSED)


def _takes(variable: object) -> bool:
    return variable is not None and not getattr(variable, "constant", False)


def _finished(part: Kept, fact: RunFinished) -> Event:
    """How a part ended, for the step that ran it."""
    values = {name: each.value for name, each in part.run.variables.items()}
    well = fact.state is RunState.SUCCEEDED
    return Event(str(part.row.parent), _part_ended(part.row.parent_path, well, values, fact.reason))


def _part_ended(path: str, well: bool, values: Mapping[str, str | None], why: str) -> Step:
    def step(run: Run, now: datetime) -> Decision[Run]:
        if path not in run.steps:
            return Decision(run)
        wanted = run.step(run.steps[path]).out_args
        return engine.child_finished(run, path, well, {name: values[name] for name in wanted if name in values}, now, why)

    return step
