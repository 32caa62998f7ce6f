"""What a schedule is: layers, how they combine, and what goes over them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tocsin_oncall.ical import Event, Events
from tocsin_oncall.rhythm import Occurrences, Rhythm, Stretch, Turns, Unit
from tocsin_oncall.ring import Participant, Ring
from tocsin_oncall.stand import Stand
from tocsin_oncall.wall import FUTURE, PAST
from tocsin_oncall.windows import Window, covered, merged


class Combine(Enum):
    """Who is on call where several layers have somebody. A turn of nobody hides nothing."""

    UNION = "union"
    TOP_WINS = "top_wins"
    LEVEL = "level"


class Kind(Enum):
    """What an override does to those on call."""

    COVER_ALL = "cover_all"
    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


class Piece(NamedTuple):
    """Some people have the duty of a layer, from `start` until just before `end`.

    That of an escalation policy has nobody until somebody says whom the policy stands for (`stands`).
    """

    start: datetime
    end: datetime
    people: tuple[str, ...]
    layer: "Layer"
    turn: int | None = None
    participant: Participant | None = None
    said: str = ""
    stands: tuple[Stand, ...] = ()

    def stand(self, name: str) -> Stand | None:
        """Why one of its people is asked, if an escalation policy says so."""
        return next((each for each in self.stands if each.name == name), None)


@dataclass(frozen=True)
class Rotation:
    """Participants who take turns."""

    rhythm: Rhythm
    ring: Ring

    @cached_property
    def words(self) -> str:
        """The rotation in words: "weekly rotation"."""
        match self.rhythm:
            case Turns(unit=Unit.CUSTOM, lengths=(length,)):
                return f"rotation every {length} seconds"
            case Turns(unit=unit, lengths=(1,)):
                return f"{unit.name.lower()} rotation"
            case Turns(unit=unit, lengths=lengths):
                noun = {Unit.HOURLY: "hours", Unit.DAILY: "days", Unit.WEEKLY: "weeks", Unit.MONTHLY: "months", Unit.CUSTOM: "seconds"}[
                    unit
                ]
                return f"rotation every {' and '.join(str(length) for length in lengths)} {noun}"
            case Occurrences(count=1):
                return "rotation at every shift"
            case Occurrences(count=count):
                return f"rotation every {count} shifts"
            case _:
                return "recurring rotation"


@dataclass(frozen=True)
class Layer:
    """Has somebody on call by a rotation, or by events of a calendar; only within its windows, and while it is in force."""

    name: str
    zone: ZoneInfo
    source: "Rotation | Events | None"
    level: int = 0
    windows: tuple[Window, ...] = ()
    effective_from: datetime = PAST
    effective_until: datetime = FUTURE

    @cached_property
    def hours(self) -> tuple[Window, ...]:
        """The windows that restrict it; a rotation that moves with every window is them already."""
        moved = isinstance(self.source, Rotation) and isinstance(self.source.rhythm, Occurrences)
        return () if moved else merged(self.windows)

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """The escalation policies that have a place in it."""
        ring = self.source.ring.participants if isinstance(self.source, Rotation) else ()
        return tuple(dict.fromkeys(each.policy for each in ring if each.policy))

    @cached_property
    def never_idle(self) -> bool:
        """Whether somebody has every turn, so that only its hours and its limits leave it without anybody."""
        return isinstance(self.source, Rotation) and isinstance(self.source.rhythm, Turns) and self.source.ring.always_somebody

    @cached_property
    def begins(self) -> datetime:
        """When its first turn begins, if it has turns."""
        return self.source.rhythm.instant(0) if isinstance(self.source, Rotation) else self.effective_from

    def pieces(self, since: datetime, until: datetime) -> Iterator[Piece]:
        """Who has its duty over a range, by start. Pieces keep their ends beyond the range, and those of nobody are left out."""
        since, until = max(since, self.effective_from), min(until, self.effective_until)
        if since >= until or self.source is None:
            return
        for piece in self._within_hours(since, until) if self.hours else self._unrestricted(since, until):
            yield self._in_force(piece)

    def _in_force(self, piece: Piece) -> Piece:
        if piece.start >= self.effective_from and piece.end <= self.effective_until:
            return piece
        return _cut(piece, max(piece.start, self.effective_from), min(piece.end, self.effective_until))

    def _unrestricted(self, since: datetime, until: datetime) -> Iterator[Piece]:
        match self.source:
            case Rotation(ring=ring) if not ring.participants:
                return
            case Rotation(rhythm=Turns() as turns, ring=ring) if ring.never_changes:
                yield from self._endless(turns, ring, since, until)
            case Rotation(rhythm=rhythm, ring=ring):
                for stretch in rhythm.stretches(since, until):
                    yield from self._of_turn(ring, stretch)
            case Events() as events:
                for event in events.between(since, until):
                    yield self._of_event(event)
            case None:
                return

    def _within_hours(self, since: datetime, until: datetime) -> Iterator[Piece]:
        spans = list(covered(self.hours, self.zone, since, until))
        if not spans:
            return
        first = 0
        for piece in self._unrestricted(min(since, spans[0][0]), max(until, spans[-1][1])):
            # Pieces come by start, so what ended before this one ended before every later one.
            while first < len(spans) and spans[first][1] <= piece.start:
                first += 1
            for start, end in islice(spans, first, None):
                if start >= piece.end:
                    break
                cut = _cut(piece, max(start, piece.start), min(end, piece.end))
                if cut.end > since and cut.start < until:
                    yield cut

    def _endless(self, turns: Turns, ring: Ring, since: datetime, until: datetime) -> Iterator[Piece]:
        """Who relieves nobody but themselves has one turn without end."""
        start = turns.instant(0)
        if start < until:
            yield from self._of_turn(ring, Stretch(start, FUTURE, 0))

    def _of_turn(self, ring: Ring, stretch: Stretch) -> Iterator[Piece]:
        participant = ring.at(stretch.turn)
        if participant is not None and (participant.people or participant.policy):
            yield Piece(stretch.start, stretch.end, participant.people, self, stretch.turn, participant)

    def _of_event(self, event: Event) -> Piece:
        return Piece(event.start, event.end, event.people, self, said=event.summary)


@dataclass(frozen=True, slots=True)
class Override:
    """Changes who is on call from `starts_at` until just before `ends_at`, for the schedule or for one layer. The newest is applied last.

    `responder` comes (an empty one: nobody); `instead_of` is who goes where `kind` is REPLACE or REMOVE.
    """

    id: str
    schedule: str
    responder: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime
    reason: str
    kind: Kind = Kind.COVER_ALL
    instead_of: str = ""
    layer: str = ""

    def applied(self, people: tuple[str, ...]) -> tuple[str, ...]:
        """Who is on call with it, of those who are without it."""
        match self.kind:
            case Kind.COVER_ALL:
                return (self.responder,) if self.responder else ()
            case Kind.REPLACE:
                return tuple(dict.fromkeys(self.responder if name == self.instead_of else name for name in people))
            case Kind.ADD:
                return tuple(dict.fromkeys((*people, self.responder)))
            case Kind.REMOVE:
                return tuple(name for name in people if name != self.instead_of)


@dataclass(frozen=True, slots=True)
class FixedShift:
    """Some people have the duty from `start` until just before `end`."""

    start: datetime
    end: datetime
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Temporary:
    """Replaces the whole schedule over a range: layers and overrides say nothing there. Where two overlap the newest counts."""

    id: str
    schedule: str
    starts_at: datetime
    ends_at: datetime
    shifts: tuple[FixedShift, ...]
    created_by: str
    created_at: datetime
    reason: str


@dataclass(frozen=True)
class Schedule:
    """Says who is on call when. What goes over its layers may come with it (from its file) or be given when it is asked."""

    name: str
    zone: ZoneInfo
    layers: tuple[Layer, ...] = ()
    combine: Combine = Combine.UNION
    overrides: tuple[Override, ...] = ()
    temporaries: tuple[Temporary, ...] = ()
    rest: float = 11.0

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """The escalation policies that have a slot in it."""
        return tuple(dict.fromkeys(policy for layer in self.layers for policy in layer.policies))


def _cut(piece: Piece, start: datetime, end: datetime) -> Piece:
    return Piece(start, end, piece.people, piece.layer, piece.turn, piece.participant, piece.said, piece.stands)
