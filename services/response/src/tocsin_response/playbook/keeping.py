"""Runs between the rows of the database and the rules: locked, read, kept; what was read lately is remembered at its version."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_playbook.rows import from_plain, variables_from_plain, variables_to_plain
from tocsin_playbook.run import Run, RunState, StepInstance, changed_steps
from tocsin_response.playbook import run_store
from tocsin_response.playbook.book import Book
from tocsin_response.playbook.run_store import RunRow

# What waits for people is rows only; what is at work is in memory too.
REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A run with its row."""

    row: RunRow
    run: Run


class Keeping:
    """Locks, reads and keeps runs."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: OrderedDict[str, Kept] = OrderedDict()

    async def lock(self, tx: Tx, ids: Sequence[str]) -> dict[str, Kept]:
        """Those of these runs that there are, locked in order."""
        return await self._read(tx, await run_store.lock(tx, sorted(set(ids))))

    async def lock_free(self, tx: Tx, ids: Sequence[str]) -> dict[str, Kept]:
        """Those of these runs that nobody else is at, locked."""
        return await self._read(tx, await run_store.lock_free(tx, sorted(set(ids))))

    async def look(self, tx: Tx, run_id: str) -> Kept | None:
        """A run as it stands, not locked."""
        return (await self._load(tx, [run_id])).get(run_id)

    async def save(self, tx: Tx, changed: Sequence[tuple[Kept | None, Kept]]) -> None:
        """Keep runs, as (before, after); before is None for a new one. They are remembered once that is committed."""
        after = [each for _, each in changed]
        await run_store.insert(tx, [each.row for before, each in changed if before is None])
        await run_store.save(tx, [each.row for before, each in changed if before is not None])
        await run_store.save_steps(tx, [row for before, each in changed for row in _steps(before, each)])
        tx.after_commit(lambda: self._remember(after))

    async def _read(self, tx: Tx, held: Sequence[run_store.Held]) -> dict[str, Kept]:
        found: dict[str, Kept] = {}
        for each in held:
            known = self._known.get(each.id)
            if known is not None and known.row.version == each.version:
                found[each.id] = known
        return found | await self._load(tx, [each.id for each in held if each.id not in found])

    async def _load(self, tx: Tx, ids: Sequence[str]) -> dict[str, Kept]:
        if not ids:
            return {}
        steps: dict[str, dict[str, StepInstance]] = {}
        for step in await run_store.steps(tx, ids):
            instance = from_plain(step.record)
            steps.setdefault(step.run_id, {})[instance.path] = instance
        return {row.id: Kept(row, await self._run(tx, row, steps.get(row.id, {}))) for row in await run_store.load(tx, ids)}

    async def _run(self, tx: Tx, row: RunRow, steps: dict[str, StepInstance]) -> Run:
        return Run(
            id=row.id,
            playbook=await self._book.of(tx, row.playbook, row.playbook_version),
            state=RunState[row.state],
            variables=variables_from_plain(row.variables),
            steps=steps,
            version=row.version,
            ending=RunState[row.ending] if row.ending is not None else None,
            reason=row.explanation,
            paused_at=row.paused_at,
            ended_count=row.ended_count,
        )

    def _remember(self, kept: Sequence[Kept]) -> None:
        for each in kept:
            if each.run.state.final:
                self._known.pop(each.row.id, None)
                continue
            self._known[each.row.id] = each
            self._known.move_to_end(each.row.id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def row_of(row: RunRow, run: Run, now: datetime) -> RunRow:
    """The row of a run as it is now."""
    return replace(
        row,
        state=run.state.name,
        variables=variables_to_plain(run.variables),
        ending=run.ending.name if run.ending is not None else None,
        paused_at=run.paused_at,
        ended_count=run.ended_count,
        explanation=run.reason,
        changed_at=now,
        ended_at=(row.ended_at or now) if run.state.final else None,
        version=run.version,
    )


def _steps(before: Kept | None, after: Kept) -> list[tuple[str, int, StepInstance, datetime | None]]:
    """The rows of steps to write. A paused run has no timers, so that all change when it is paused or resumed."""
    paused = after.run.state is RunState.PAUSED
    turned = before is not None and (before.run.state is RunState.PAUSED) != paused
    changed = list(after.run.steps.values()) if turned else changed_steps(before.run if before is not None else None, after.run)
    numbers = {path: number for number, path in enumerate(after.run.steps)} if changed else {}
    return [(after.row.id, numbers[each.path], each, None if paused else each.due_at) for each in changed]
