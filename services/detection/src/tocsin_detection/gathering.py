"""Reports of one integration that come while others are being kept: they are kept together, so that a flood costs few transactions."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_detection.alert import Decision
from tocsin_detection.observer import NO_ORIGINS, Origins
from tocsin_detection.signal import Signal
from tocsin_detection.store import MOST_SINGLE_LOCKS

# For each integration. While one waits for its commit, the next can be decided.
TRANSACTIONS_AT_ONCE = 2
MOST_TOGETHER = MOST_SINGLE_LOCKS

Keep = Callable[[Sequence[Signal], datetime, Origins], Awaitable[Sequence[Decision]]]


@dataclass(slots=True)
class _Waiting:
    signals: Sequence[Signal]
    now: datetime
    context: Context
    decisions: "asyncio.Future[Sequence[Decision]]"

    @property
    def things(self) -> set[str]:
        return {signal.fingerprint for signal in self.signals}


@dataclass(slots=True)
class _Queue:
    """What is being done for one integration, and what waits."""

    going_on: int = 0
    waiting: deque[_Waiting] = field(default_factory=deque)


class Gathering:
    """Hands reports on to `keep`, which decides and keeps signals of one integration in one transaction.

    Reports that are about the same thing are never kept together: to whoever looks they came one after the other. Where it fails for
    several, it is tried for each by itself: nobody's report is refused for another's.
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._queues: dict[str, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, signals: Sequence[Signal], now: datetime) -> Sequence[Decision]:
        """The decisions about these signals, once they are kept. Raises what `keep` does."""
        integration = signals[0].integration
        queue = self._queues.setdefault(integration, _Queue())
        if queue.going_on >= TRANSACTIONS_AT_ONCE:
            waiting = _Waiting(signals, now, copy_context(), asyncio.get_running_loop().create_future())
            queue.waiting.append(waiting)
            return await waiting.decisions
        queue.going_on += 1
        try:
            return await self._keep(signals, now, NO_ORIGINS)
        finally:
            self._go_on(integration, queue)

    def _go_on(self, integration: str, queue: _Queue) -> None:
        """One transaction is over: the next begins, with all that fits into it."""
        together = _fitting(queue.waiting)
        if together:
            task = asyncio.get_running_loop().create_task(self._keep_together(integration, queue, together), context=together[0].context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        queue.going_on -= 1
        if not queue.going_on:
            del self._queues[integration]

    async def _keep_together(self, integration: str, queue: _Queue, together: Sequence[_Waiting]) -> None:
        signals = [signal for waiting in together for signal in waiting.signals]
        origins = {signal.fingerprint: waiting.context for waiting in together[1:] for signal in waiting.signals}
        try:
            decisions = iter(await self._keep(signals, max(waiting.now for waiting in together), origins))
            for waiting in together:
                _tell(waiting, [next(decisions) for _ in waiting.signals])
        except Exception as error:
            await asyncio.gather(*(self._alone(waiting, error if len(together) == 1 else None) for waiting in together))
        finally:
            for waiting in together:
                waiting.decisions.cancel()
            self._go_on(integration, queue)

    async def _alone(self, waiting: _Waiting, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            _tell(waiting, await self._keep(waiting.signals, waiting.now, NO_ORIGINS))
        except Exception as failed:
            if not waiting.decisions.done():
                waiting.decisions.set_exception(failed)


def _tell(waiting: _Waiting, decisions: Sequence[Decision]) -> None:
    if not waiting.decisions.done():
        waiting.decisions.set_result(decisions)


def _fitting(queue: deque[_Waiting]) -> list[_Waiting]:
    """The first that wait, as many as can be kept together; those whose callers have gone are left out."""
    found: list[_Waiting] = []
    things: set[str] = set()
    number = 0
    while queue:
        waiting = queue[0]
        if not waiting.decisions.done():
            mine = waiting.things
            if found and (number + len(waiting.signals) > MOST_TOGETHER or not mine.isdisjoint(things)):
                break
            found.append(waiting)
            things |= mine
            number += len(waiting.signals)
        queue.popleft()
    return found
