"""Who comes first when many facts wait: those who wait take turns, and what is told of one thing stays in its order. Pure."""

from collections import Counter, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """What waits, by whose turn it is. A storm of one of them holds up the others by no more than what is taken at once."""

    def __init__(self) -> None:
        # Whoever was served last comes last.
        self._queues: dict[str, deque[tuple[int, str, Item]]] = {}
        self._queue_of: dict[str, str] = {}
        self._waiting: Counter[str] = Counter()
        self._arrived = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(self, item: Item, thing: str, whose: str) -> None:
        """It waits from now on; behind what is told of the same `thing` and waits already, whosever turn that is."""
        queue = self._queue_of.setdefault(thing, whose)
        self._waiting[thing] += 1
        self._arrived += 1
        self._queues.setdefault(queue, deque()).append((self._arrived, thing, item))

    def take(self, most: int) -> list[Item]:
        """The next ones, at most so many, in the order in which they arrived."""
        taken: list[tuple[int, Item]] = []
        while self._queues and len(taken) < most:
            whose = next(iter(self._queues))
            queue = self._queues.pop(whose)
            arrived, thing, item = queue.popleft()
            if queue:
                self._queues[whose] = queue
            self._leave(thing)
            taken.append((arrived, item))
        return [item for _, item in sorted(taken, key=lambda each: each[0])]

    def _leave(self, thing: str) -> None:
        self._waiting[thing] -= 1
        if not self._waiting[thing]:
            del self._waiting[thing], self._queue_of[thing]
