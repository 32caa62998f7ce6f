"""Hands steps to runners, with a lease that has to be renewed and a fence that only the newest holder knows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1.runner_service_pb2 import Assignment

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Stale
from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_response.playbook import assignment_store
from tocsin_response.playbook.assignment_store import Claimed
from tocsin_response.playbook.guard import Guard, Refusal
from tocsin_response.playbook.wake import Wake

# A dead runner's step is another's within 15 s: the lease, and the tick that ends it.
LEASE = timedelta(seconds=14)
LOOK_AGAIN_SECONDS = 1.0


class LeaseLost(Stale):
    reason = "LEASE_LOST"
    message = "assignment {assignment} is not yours any more: stop what you do for it"


@dataclass(frozen=True, slots=True)
class Refused:
    """A step that may not be done, with the lease under which it was to be handed out."""

    id: str
    fence: int
    reason: str


class Refusals(Protocol):
    """Where refused steps go."""

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """They have failed, each for its reason."""
        ...


class Leases:
    """Claims, renewals, prior states."""

    def __init__(self, database: Database, clock: Clock, wake: Wake, guard: Guard, refusals: Refusals) -> None:
        self._database = database
        self._clock = clock
        self._wake = wake
        self._guard = guard
        self._refusals = refusals

    async def claim(self, runner: str, capabilities: Sequence[str], most: int, wait: timedelta) -> list[Assignment]:
        """What this runner is to do now; waits a little if there is nothing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait.total_seconds()
        while True:
            # Whatever becomes ready from here on wakes this call, though it may be looking just then.
            woken = self._wake.next()
            found = await self._claim_now(runner, capabilities, most)
            left = until - loop.time()
            if found or left <= 0:
                return found
            await self._wake.wait(woken, min(left, LOOK_AGAIN_SECONDS))

    async def renew(self, leases: Sequence[tuple[str, int]]) -> tuple[datetime, list[str]]:
        """Prolong the leases (id, fence); returns until when, and the ids of those that are lost."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            kept = {(each.id, each.fence) for each in await assignment_store.renew(tx, leases, now, now + LEASE)}
        return now + LEASE, [lease for lease, fence in leases if (lease, fence) not in kept]

    async def give_back(self, leases: Sequence[tuple[str, int]]) -> None:
        """The holder of these leases (id, fence) stops: they are over now, and the tick that ends leases hands the steps out again."""
        async with self._database.transaction() as tx:
            await assignment_store.give_back(tx, leases, self._clock.now())

    async def keep_prior_state(self, assignment_id: str, fence: int, prior_state: bytes) -> bytes:
        """Keep what a target was like; returns what stands. Raises LeaseLost."""
        async with self._database.transaction() as tx:
            kept = await assignment_store.keep_prior_state(tx, assignment_id, fence, self._clock.now(), prior_state)
        if kept is None:
            raise LeaseLost(assignment=assignment_id)
        return bytes(kept)

    async def _claim_now(self, runner: str, capabilities: Sequence[str], most: int) -> list[Assignment]:
        now = self._clock.now()
        refused: list[Refused] = []
        async with self._database.transaction() as tx:
            claimed = await assignment_store.claim(tx, runner, capabilities, now, now + LEASE, most)
            offered = [(each, _offered(each, now + LEASE)) for each in claimed]
            given = [assignment for each, assignment in offered if await self._may_go(tx, each, assignment, refused)]
        if refused:
            await self._refusals.refuse(refused)
        return given

    async def _may_go(self, tx: Tx, claimed: Claimed, assignment: Assignment, refused: list[Refused]) -> bool:
        """What may not be done now waits or fails; an undo is never held up: it puts back what was there."""
        refusal: Refusal | None = None
        if assignment.verb == Assignment.VERB_EXECUTE:
            refusal = await self._guard.allow(tx, assignment)
        if refusal is None:
            return True
        if refusal.again_at is not None:
            await assignment_store.postpone(tx, [(claimed.id, claimed.fence, refusal.again_at)])
        else:
            refused.append(Refused(claimed.id, claimed.fence, refusal.reason))
        return False


def _offered(claimed: Claimed, until: datetime) -> Assignment:
    assignment = Assignment.FromString(claimed.work)
    assignment.lease.assignment_id = claimed.id
    assignment.lease.fence = claimed.fence
    assignment.lease_until.CopyFrom(_timestamp(until))
    assignment.look_first = claimed.look_first
    if claimed.looks and assignment.verb == Assignment.VERB_EXECUTE and _is_action(assignment):
        # It was taken on: nothing is done again, it is only looked what became of it.
        assignment.verb = Assignment.VERB_VERIFY
        assignment.undo_token.ParseFromString(bytes(claimed.undo_token or b""))
    if claimed.prior_state is not None:
        assignment.prior_state.ParseFromString(bytes(claimed.prior_state))
    return assignment


def _is_action(assignment: Assignment) -> bool:
    return assignment.command.fields["type"].string_value == ACTION_TYPE


def _timestamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at.astimezone(UTC))
    return made
