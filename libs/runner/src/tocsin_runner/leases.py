"""What a runner holds: its leases, the work on each, and when they were last good."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.response.v1 import runner_service_pb2 as pb

# What response grants; the runner counts by its own steady clock, from before it asked.
LEASE_SECONDS = 15.0


@dataclass(slots=True)
class Held:
    """One lease and the work on it."""

    lease: pb.Lease
    good_until: float
    work: asyncio.Task[None] | None = None
    stopped: bool = False


class Leases:
    """Everything that is held, by the assignment's id."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._held: dict[str, Held] = {}
        self.freed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, lease: pb.Lease, asked_at: float) -> Held | None:
        """A lease that was granted; None if this very one is held already."""
        known = self._held.get(lease.assignment_id)
        if known is not None and known.lease.fence >= lease.fence:
            return None
        if known is not None and known.work is not None:
            known.work.cancel()
        held = Held(lease, asked_at + LEASE_SECONDS)
        self._held[lease.assignment_id] = held
        return held

    def renewed(self, leases: list[pb.Lease], asked_at: float) -> None:
        """These are good for another while."""
        for lease in leases:
            held = self._held.get(lease.assignment_id)
            if held is not None and held.lease.fence == lease.fence:
                held.good_until = asked_at + LEASE_SECONDS

    def good(self, held: Held) -> bool:
        """True while nobody else can have it."""
        return not held.stopped and self._steady() < held.good_until

    def stop(self, assignment_id: str) -> None:
        """Stop the work at once."""
        held = self._held.get(assignment_id)
        if held is not None and not held.stopped:
            held.stopped = True
            if held.work is not None:
                held.work.cancel()

    def drop(self, held: Held) -> None:
        """It is over."""
        if self._held.get(held.lease.assignment_id) is held:
            del self._held[held.lease.assignment_id]
            self.freed.set()

    def leases(self) -> list[pb.Lease]:
        """Those to be renewed."""
        return [held.lease for held in self._held.values() if not held.stopped]

    def work(self) -> list[asyncio.Task[None]]:
        """What is being done."""
        return [held.work for held in self._held.values() if held.work is not None and not held.work.done()]
