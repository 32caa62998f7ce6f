"""Undoes what a runner did, or looks at it, after its step and its run are over: an assignment of its own, by what was kept."""

import hashlib
from datetime import datetime

from tocsin.response.v1.runner_service_pb2 import Assignment as WireAssignment

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.playbook import assignment_store
from tocsin_response.playbook.assignment_store import Done, Made
from tocsin_response.playbook.wake import Wake

PREFIX, LOOK_PREFIX = "lift/", "look/"


class NothingToUndo(NotFound):
    reason = "NOTHING_TO_UNDO"
    message = "there is no assignment {assignment} that could be undone"


class Undoing:
    """What undoes single assignments."""

    def __init__(self, clock: Clock, ids: Ids, wake: Wake) -> None:
        self._clock = clock
        self._ids = ids
        self._wake = wake

    async def undo(self, tx: Tx, assignment_id: str) -> str:
        """Have it undone by a runner; returns the id of the run that it belongs to. Tried again, it is looked at first.

        Raises NothingToUndo.
        """
        done = await assignment_store.load_done(tx, assignment_id)
        if done is None:
            raise NothingToUndo(assignment=assignment_id)
        path = f"{PREFIX}{assignment_id}"
        attempt = await assignment_store.tries(tx, done.run_id, path) + 1
        work = _work(done, WireAssignment.VERB_UNDO, path, attempt)
        work.idempotency_key = hashlib.sha256(f"{assignment_id}/lift/{attempt}".encode()).hexdigest()
        await self._hand_out(tx, done, work)
        return done.run_id

    async def look(self, tx: Tx, assignment_id: str) -> None:
        """Have a runner look whether it still stands, unless one is to already; nothing is changed by it. Raises NothingToUndo."""
        done = await assignment_store.load_done(tx, assignment_id)
        if done is None:
            raise NothingToUndo(assignment=assignment_id)
        path = f"{LOOK_PREFIX}{assignment_id}"
        if not await assignment_store.is_open(tx, done.run_id, path):
            attempt = await assignment_store.tries(tx, done.run_id, path) + 1
            await self._hand_out(tx, done, _work(done, WireAssignment.VERB_VERIFY, path, attempt))

    async def _hand_out(self, tx: Tx, done: Done, work: WireAssignment) -> None:
        now, is_undo = self._clock.now(), work.verb == WireAssignment.VERB_UNDO
        made = Made(
            id=self._ids.new(),
            run_id=done.run_id,
            path=work.step_path,
            slot=0,
            command=done.command,
            target=done.target,
            verb="UNDO" if is_undo else "VERIFY",
            attempt=work.attempt,
            idempotency_key=work.idempotency_key,
            needs=done.needs,
            priority=done.priority,
            held=False,
            not_before=now,
            look_first=is_undo and work.attempt > 1,
            work=work.SerializeToString(),
            prior_state=bytes(done.prior_state) if done.prior_state is not None else None,
        )
        await assignment_store.insert(tx, [made], now)
        self._wake.after(tx)


def _work(done: Done, verb: "WireAssignment.Verb.ValueType", path: str, attempt: int) -> WireAssignment:
    """What a runner gets: the work as it was done, to be undone or looked at."""
    work = WireAssignment.FromString(bytes(done.work))
    work.verb, work.step_path, work.attempt = verb, path, attempt
    work.undo_token.ParseFromString(bytes(done.undo_token or b""))
    return work


async def look_again(tx: Tx, assignment_id: str, at: datetime) -> None:
    """An undo was taken on and is not effective yet: hand it out again then, only to look."""
    await assignment_store.look_again(tx, [(assignment_id, True, at, False, 0)])


def lifted_assignment(path: str) -> str:
    """The assignment that is undone at this path; empty if the path is that of a step."""
    return path.removeprefix(PREFIX) if path.startswith(PREFIX) else ""


def looked_assignment(path: str) -> str:
    """The assignment that is looked at at this path; empty if the path is another."""
    return path.removeprefix(LOOK_PREFIX) if path.startswith(LOOK_PREFIX) else ""
