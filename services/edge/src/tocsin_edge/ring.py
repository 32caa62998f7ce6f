"""The last facts, numbered: what a browser has missed, or that it has missed too much. Pure."""

from collections import deque
from dataclasses import dataclass
from itertools import islice

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Happening:
    """One fact as browsers hear of it. `seq` counts up by one within an epoch."""

    seq: int
    fact: str
    source: str
    incident_id: str


class Ring:
    """Holds the last `kept` happenings. Every listener keeps its own place in it, so a slow one costs no memory."""

    def __init__(self, epoch: str, kept: int = KEPT) -> None:
        self.epoch = epoch
        self.last = 0
        self._happenings: deque[Happening] = deque(maxlen=kept)

    def add(self, fact: str, source: str, incident_id: str) -> None:
        self.last += 1
        self._happenings.append(Happening(self.last, fact, source, incident_id))

    def skip(self) -> None:
        """Facts were lost: nobody can follow across this point."""
        self.last += 1
        self._happenings.clear()

    def complete_from(self, seq: int, epoch: str) -> bool:
        """Whether everything after `seq` is still here."""
        return epoch == self.epoch and self.last - len(self._happenings) <= seq <= self.last

    def after(self, seq: int) -> list[Happening]:
        """Everything after `seq`, oldest first; only meaningful where `complete_from` is true."""
        skipped = seq - (self.last - len(self._happenings))
        return list(islice(self._happenings, max(0, skipped), None))
