"""What is asked before a runner gets a step that changes something: whether it may be done at all, and now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.response.v1.runner_service_pb2 import Assignment

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step may not be done; `again_at`: it may be then, so that it waits instead of failing."""

    reason: str
    again_at: datetime | None = None


class Guard(Protocol):
    """The guard rails."""

    async def allow(self, tx: Tx, assignment: Assignment) -> Refusal | None:
        """None if it may be handed out now. Called in the transaction that hands it out; what is counted in it counts only then."""
        ...


class NoGuard:
    """Everything is allowed."""

    async def allow(self, tx: Tx, assignment: Assignment) -> Refusal | None:
        return None
