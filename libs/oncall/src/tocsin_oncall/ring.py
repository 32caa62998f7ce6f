"""Whose turn it is: the participants in order, the stored position, and who joins and leaves when."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tocsin_oncall.rhythm import Rhythm


@dataclass(frozen=True, slots=True)
class Participant:
    """One place in a rotation: the people who have the duty together, none if nobody has it.

    `policy` is an escalation policy that has the place: who it stands for changes from instant to instant, and it has no people of its own.
    `label` says what the configuration names ("ann", "team ops", "nobody") and tells participants apart.
    A planned join or leave never cuts a turn: the first turn is the first that begins at `joins` or later, the last one ends at `leaves` or
    before.
    """

    label: str
    people: tuple[str, ...]
    joins: datetime | None = None
    leaves: datetime | None = None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the ring stands: this turn is that of the participant with this index."""

    turn: int
    index: int


@dataclass(frozen=True)
class Ring:
    """The participants, their places over turns counted by a rhythm."""

    participants: tuple[Participant, ...]
    rhythm: Rhythm
    position: Position | None = None

    def at(self, turn: int) -> Participant | None:
        """Who has this turn; None if nobody takes part then."""
        index = self.index_at(turn)
        return self.participants[index] if index is not None else None

    def index_at(self, turn: int) -> int | None:
        count = len(self.participants)
        if not count:
            return None
        if not self._planned:
            held = self.position or Position(0, 0)
            return (held.index + turn - held.turn) % count
        begins, actives, offsets = self._segments
        number = max(bisect_right(begins, turn) - 1, 0)
        active = actives[number]
        return active[(offsets[number] + turn - begins[number]) % len(active)] if active else None

    @cached_property
    def never_changes(self) -> bool:
        """Whether the same people have every turn."""
        return not self._planned and len({participant.label for participant in self.participants}) == 1

    @cached_property
    def always_somebody(self) -> bool:
        """Whether every turn has people."""
        return bool(self.participants) and not self._planned and all(participant.people for participant in self.participants)

    @cached_property
    def _planned(self) -> bool:
        return any(participant.joins or participant.leaves for participant in self.participants)

    @cached_property
    def _segments(self) -> tuple[list[int], list[tuple[int, ...]], list[int]]:
        """From which turn on which participants take part, and where among them the first of those turns falls."""
        start = self.position.turn if self.position else 0
        turns = sorted({start, *(turn for turn in self._changes() if turn > start)})
        begins: list[int] = []
        actives: list[tuple[int, ...]] = []
        offsets: list[int] = []
        wanted = self.position.index if self.position else 0
        for turn in turns:
            if begins and actives[-1]:
                last = actives[-1][(offsets[-1] + turn - 1 - begins[-1]) % len(actives[-1])]
                wanted = (last + 1) % len(self.participants)
            active = tuple(index for index, each in enumerate(self.participants) if self._takes_part(each, turn))
            begins.append(turn)
            actives.append(active)
            offsets.append(next((place for place, index in enumerate(active) if index >= wanted), 0))
        return begins, actives, offsets

    def _changes(self) -> set[int]:
        found: set[int] = set()
        for each in self.participants:
            if each.joins is not None:
                turn = self.rhythm.turn_at(each.joins)
                found.add(turn if self.rhythm.instant(turn) >= each.joins else turn + 1)
            if each.leaves is not None:
                turn = self.rhythm.turn_at(each.leaves)
                found.add(turn)
        return found

    def _takes_part(self, each: Participant, turn: int) -> bool:
        if each.joins is not None and self.rhythm.instant(turn) < each.joins:
            return False
        return each.leaves is None or self.rhythm.instant(turn + 1) <= each.leaves


def carried(old: Ring, new: Ring, at: datetime) -> Position | None:
    """The position at which the new ring has whoever the old one has at `at`: editing members never changes who is on call now.

    Whoever was removed is followed by the next who is still there. None where the default says the same.
    """
    turn = old.rhythm.turn_at(at)
    index = old.index_at(turn)
    if turn < 0 or index is None or not new.participants:
        return None
    position = Position(turn, _same_place(old, new, index))
    return position if position.index != turn % len(new.participants) or new._planned else None


def _same_place(old: Ring, new: Ring, index: int) -> int:
    """Where in the new ring the participant stands that has this index in the old one, or else the next of the old that is still there."""
    labels = [each.label for each in new.participants]
    order = [(index + step) % len(old.participants) for step in range(len(old.participants))]
    for place in order:
        label = old.participants[place].label
        before = sum(each.label == label for each in old.participants[:place])
        places = [number for number, each in enumerate(labels) if each == label]
        if places:
            return places[min(before, len(places) - 1)]
    return index % len(labels)
