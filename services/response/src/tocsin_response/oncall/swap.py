"""A swap asks for somebody to take over duties; it changes nothing until it is taken."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Forbidden, NotFound
from tocsin_oncall.schedule import Kind, Override


class SwapNotFound(NotFound):
    reason = "SWAP_NOT_FOUND"
    message = "there is no swap {swap}"


class SwapNotOpen(Conflict):
    reason = "SWAP_NOT_OPEN"
    message = "swap {swap} is {state}; only an open swap can be taken or cancelled"


class SwapNotForYou(Forbidden):
    reason = "SWAP_NOT_FOR_YOU"
    message = "swap {swap} asks {asked}, not {responder}"


class State(Enum):
    """Where a swap is in its life. One whose range is over without being taken has expired; nothing has to be done for that."""

    OPEN = "open"
    TAKEN = "taken"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Swap:
    """`responder` gives away the duties in `range`; who takes it may give away those `in_return`."""

    id: str
    schedule: str
    responder: str
    asked: str
    range: tuple[datetime, datetime]
    in_return: tuple[datetime, datetime] | None
    state: State
    taken_by: str
    created_by: str
    created_at: datetime
    reason: str

    def has_expired(self, now: datetime) -> bool:
        return self.state is State.OPEN and self.range[1] <= now

    def take(self, by: str, now: datetime) -> Decision["Swap"]:
        """Take it. Taking it twice by the same person changes nothing."""
        if self.state is State.TAKEN and self.taken_by == by:
            return Decision(self)
        if self.state is not State.OPEN or self.has_expired(now):
            raise SwapNotOpen(swap=self.id, state="expired" if self.has_expired(now) else self.state.value)
        if self.asked and self.asked != by:
            raise SwapNotForYou(swap=self.id, asked=self.asked, responder=by)
        return Decision(replace(self, state=State.TAKEN, taken_by=by), (), f"{by} takes it")

    def cancel(self) -> Decision["Swap"]:
        """Withdraw it. Cancelling twice changes nothing."""
        if self.state is State.CANCELLED:
            return Decision(self)
        if self.state is not State.OPEN:
            raise SwapNotOpen(swap=self.id, state=self.state.value)
        return Decision(replace(self, state=State.CANCELLED))

    def overrides(self, ids: tuple[str, str], now: datetime) -> tuple[Override, ...]:
        """What a taken swap changes: the taker wherever the responder would be, and the other way round in return."""
        there = self._override(ids[0], self.taken_by, self.responder, self.range, now)
        if self.in_return is None:
            return (there,)
        return (there, self._override(ids[1], self.responder, self.taken_by, self.in_return, now))

    def _override(self, id: str, comes: str, goes: str, range: tuple[datetime, datetime], now: datetime) -> Override:
        why = f"swap: {self.reason}" if self.reason else "swap"
        return Override(id, self.schedule, comes, *range, self.taken_by, now, why, Kind.REPLACE, goes)
