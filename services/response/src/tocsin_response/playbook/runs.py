"""Starts runs, and what people do about them: pause, resume, cancel, skip a step, run again from one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import NotFound
from tocsin_kernel.ids import Ids
from tocsin_playbook import engine
from tocsin_playbook.run import Run, RunState
from tocsin_response.playbook import assignment_store, library_store, question_store, run_store
from tocsin_response.playbook.asking import Incidents
from tocsin_response.playbook.assignment_store import Assignment
from tocsin_response.playbook.book import Book
from tocsin_response.playbook.keeping import Keeping, Kept
from tocsin_response.playbook.moves import Event, Moves, Step
from tocsin_response.playbook.question import Question
from tocsin_response.playbook.run_store import RunRow

USUAL_PRIORITY = 3
NEWEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class RunNotFound(NotFound):
    reason = "RUN_NOT_FOUND"
    message = "there is no run {run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWish:
    """A run to start. `priority`: 1 (first) to 5; 0: by the incident's severity."""

    playbook: str
    started_by: str
    variables: Mapping[str, str | None] = field(default_factory=dict)
    incident_id: str = ""
    reason: str = ""
    dry_run: bool = False
    simulated: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A run with all that people want to see of it."""

    row: RunRow
    sha256: str
    run: Run
    work: Sequence[Assignment]
    questions: Sequence[Question]


class Runs:
    """Runs of playbooks."""

    def __init__(self, clock: Clock, ids: Ids, book: Book, keeping: Keeping, moves: Moves, incidents: Incidents) -> None:
        self._clock = clock
        self._ids = ids
        self._book = book
        self._keeping = keeping
        self._moves = moves
        self._incidents = incidents

    async def start(self, tx: Tx, wish: StartWish) -> RunRow:
        """Begin to carry out the newest version of a playbook. A dry run is kept as one that ended, and touches nothing.

        Raises PlaybookNotFound, PlaybookRetired, Invalid.
        """
        version, playbook = await self._book.newest(tx, wish.playbook)
        run_id, now = self._ids.new(), self._clock.now()
        started = engine.begin(playbook, wish.variables, now, run_id)
        incident = await self._incidents.copy(tx, wish.incident_id) if wish.incident_id else None
        row = _row(wish, run_id, version.version, _priority(wish, incident), now)
        if wish.dry_run:
            return await self._keep_dry_run(tx, row, started.state, now)
        return (await self._moves.begin(tx, row, started)).row

    async def of_incident(self, tx: Tx, incident_id: str) -> list[run_store.Ran]:
        """The runs of an incident: for criteria of phases."""
        return await run_store.of_incident(tx, incident_id)

    async def tried(self, tx: Tx, playbooks: Sequence[str], since: datetime) -> dict[str, datetime]:
        """When each of these was tried last since an instant: for readiness."""
        return {each.playbook: each.at for each in await run_store.tried(tx, playbooks, since)}

    async def exercised(self, tx: Tx, since: datetime) -> run_store.Exercised | None:
        """The last run since an instant that went well on simulated systems: for readiness."""
        return await run_store.exercised(tx, since)

    async def pause(self, tx: Tx, run_id: str, by: str, why: str) -> RunRow:
        """Let nothing new begin, neither in the run nor in its parts. Raises RunNotFound, RunEnded."""
        return await self._steer_all(tx, run_id, lambda run, now: engine.pause(run, now, by, why))

    async def resume(self, tx: Tx, run_id: str, by: str) -> RunRow:
        """Let it go on, and its parts. Raises RunNotFound, RunEnded."""
        return await self._steer_all(tx, run_id, lambda run, now: engine.resume(run, now, by))

    async def cancel(self, tx: Tx, run_id: str, by: str, why: str) -> RunRow:
        """End it; one that is cancelled stays as it is. Raises RunNotFound, RunEnded."""

        def step(run: Run, now: datetime) -> Decision[Run]:
            return Decision(run) if run.state is RunState.CANCELLED else engine.cancel(run, now, by, why)

        return await self._steer(tx, run_id, step)

    async def skip(self, tx: Tx, run_id: str, path: str, by: str, why: str) -> RunRow:
        """Go on as if a step had gone well. Raises RunNotFound, NoSuchStep, RunEnded, StepEnded."""
        return await self._steer(tx, run_id, lambda run, now: engine.skip(run, path, now, by, why))

    async def rerun(self, tx: Tx, run_id: str, path: str, by: str, why: str) -> RunRow:
        """Go on from a step of a run that has ended. Raises RunNotFound, NoSuchStep, RunNotEnded."""
        return await self._steer(tx, run_id, lambda run, now: engine.rerun_from(run, path, now, by, why))

    async def show(self, tx: Tx, run_id: str) -> Shown:
        """All there is of a run. Raises RunNotFound."""
        kept = await self._keeping.look(tx, run_id)
        if kept is None:
            raise RunNotFound(run=run_id)
        version = await library_store.load(tx, kept.row.playbook, kept.row.playbook_version)
        work = await assignment_store.of_run(tx, run_id)
        questions = await question_store.of_run(tx, run_id)
        sha256 = version.sha256 if version is not None else ""
        return Shown(kept.row, sha256, kept.run, work, questions)

    async def listed(
        self, tx: Tx, incident_id: str, playbook: str, states: Sequence[str], size: int, token: str
    ) -> tuple[list[tuple[RunRow, int]], str]:
        """A page of runs, newest first, each with how many questions are open; and the token of the next page."""
        limit = page_size(size)
        before = _id(decode(token, 1)[0]) if token else NEWEST
        found = await run_store.list_runs(tx, _id(incident_id) if incident_id else None, playbook, states, before, limit + 1)
        counts = {each.run_id: each.count for each in await run_store.open_questions(tx, [row.id for row in found])}
        next_token = encode(found[limit - 1].id) if len(found) > limit else ""
        return [(row, counts.get(row.id, 0)) for row in found[:limit]], next_token

    async def _keep_dry_run(self, tx: Tx, row: RunRow, run: Run, now: datetime) -> RunRow:
        await library_store.note_dry_run(tx, row.playbook, now)
        ended = Run(run.id, run.playbook, RunState.SUCCEEDED, run.variables, reason="a dry run: nothing was touched")
        return (await self._moves.begin(tx, row, Decision(ended))).row

    async def _steer(self, tx: Tx, run_id: str, step: Step) -> RunRow:
        locked = await self._locked(tx, run_id)
        moved = await self._moves.apply(tx, locked, [Event(run_id, step)])
        return moved.get(run_id, locked[run_id]).row

    async def _steer_all(self, tx: Tx, run_id: str, step: Step) -> RunRow:
        locked = await self._locked(tx, run_id)
        parts = [part for part in _parts(locked, run_id) if not locked[part].run.state.final]
        moved = await self._moves.apply(tx, locked, [Event(run_id, step), *(Event(part, step) for part in parts)])
        return moved.get(run_id, locked[run_id]).row

    async def _locked(self, tx: Tx, run_id: str) -> dict[str, Kept]:
        locked = await self._moves.lock(tx, [run_id])
        if run_id not in locked:
            raise RunNotFound(run=run_id)
        return locked


def _row(wish: StartWish, run_id: str, version: int, priority: int, now: datetime) -> RunRow:
    return RunRow(
        id=run_id,
        incident_id=wish.incident_id,
        parent=None,
        parent_path="",
        playbook=wish.playbook,
        playbook_version=version,
        state=RunState.RUNNING.name,
        dry_run=wish.dry_run,
        simulated=wish.simulated,
        priority=priority,
        started_by=wish.started_by,
        reason=wish.reason,
        variables={},
        ending=None,
        paused_at=None,
        ended_count=0,
        explanation="",
        started_at=now,
        changed_at=now,
        ended_at=None,
        version=0,
    )


def _priority(wish: StartWish, incident: Incident | None) -> int:
    return wish.priority or (incident.severity if incident is not None and incident.severity else USUAL_PRIORITY)


def _parts(locked: Mapping[str, Kept], run_id: str) -> list[str]:
    """The runs that are parts of one, at any depth."""
    found: list[str] = []
    wanted = [run_id]
    while wanted:
        parent = wanted.pop()
        below = [each for each, kept in locked.items() if kept.row.parent == parent]
        found += below
        wanted += below
    return found


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise refused() from None
