"""Schedules to shifts: who is on call over a range, at an instant, next and before, and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tocsin_oncall.plain import Known
from tocsin_oncall.policy import CURRENT, NEXT, Aim
from tocsin_oncall.schedule import Combine, FixedShift, Kind, Layer, Override, Piece, Rotation, Schedule, Temporary
from tocsin_oncall.stand import WORST, Asked, Stand, contact_of
from tocsin_oncall.standing import ALONE, Around, around
from tocsin_oncall.wall import FUTURE, PAST

FARTHEST = timedelta(days=400)
STEPS = (timedelta(days=2), timedelta(days=16), timedelta(days=100), FARTHEST)
# By way of policies every change of every schedule that they ask has to be looked at.
NEAR_STEPS = (timedelta(days=2), timedelta(days=14), timedelta(days=35))

Source = Piece | Override | Temporary
Serving = tuple[tuple[str, Source], ...]
_Event = tuple[datetime, int, Piece | None]


class Shift(NamedTuple):
    """The same people are on call from `start` until just before `end`, for this reason. Without people it is a gap."""

    start: datetime
    end: datetime
    responders: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Duty:
    """One person who is on call, since when and until when without a pause; None is without limit, as far as one can see.

    By way of an escalation policy it may be a contact (`contact`); one of those with the same `turn` is asked, and the others are not;
    and `gap` may have nobody, so that this one is asked instead.
    """

    responder: str
    since: datetime | None
    until: datetime | None
    reason: str
    turn: str = ""
    gap: str = ""

    @property
    def contact(self) -> str:
        return contact_of(self.responder)


class _Segment(NamedTuple):
    """An elementary part of a range: nothing changes within it."""

    start: datetime
    end: datetime
    serving: Serving


@dataclass(frozen=True)
class Plan:
    """A schedule with everything that goes over its layers, and what its slots lead to by way of escalation policies.

    `severity` is that of the incident by which such policies are asked.
    """

    schedule: Schedule
    overrides: tuple[Override, ...] = ()
    temporaries: tuple[Temporary, ...] = ()
    around: Around = field(default=ALONE, compare=False, repr=False)
    severity: int = WORST

    def __post_init__(self) -> None:
        # By age: the newest is applied last, and what stands in the schedule's own file is older than what people did.
        age = attrgetter("created_at", "id")
        overrides, temporaries = dict.fromkeys((*self.schedule.overrides, *self.overrides)), (*self.schedule.temporaries, *self.temporaries)
        object.__setattr__(self, "overrides", tuple(sorted(overrides, key=age)))
        object.__setattr__(self, "temporaries", tuple(sorted(dict.fromkeys(temporaries), key=age)))

    def at_severity(self, severity: int) -> "Plan":
        """The same, asked for an incident of this severity."""
        return self if severity == self.severity or not self.schedule.policies else replace(self, severity=severity)

    def of_layer(self, name: str) -> "Plan":
        """As if the schedule had this layer only; overrides of others do not count."""
        layers = tuple(each for each in self.schedule.layers if each.name == name)
        overrides = tuple(each for each in self.overrides if each.layer in ("", name))
        return replace(self, schedule=replace(self.schedule, layers=layers, overrides=(), temporaries=()), overrides=overrides)

    def edges(self, aim: Aim, since: datetime, until: datetime, severity: int) -> Iterable[datetime]:
        """When others may be meant by a policy that asks this schedule."""
        plan = self._meant(aim, severity)
        return [segment.start for segment in plan._segments(since, until)]

    def asked(self, aim: Aim, at: datetime, severity: int) -> Asked:
        """Who is meant by a policy that asks this schedule."""
        plan = self._meant(aim, severity)
        if aim.turn != CURRENT:
            duties = plan.after(at) if aim.turn == NEXT else plan.before(at)
            found = [Stand(duty.responder, duty.reason, duty.turn, duty.gap) for duty in duties]
            return Asked(tuple(found), "" if found else f"nobody comes {'after' if aim.turn == NEXT else 'before'} those of now")
        [here] = plan._segments(at, at + timedelta(microseconds=1))
        stands = [_stand(name, source, plan.schedule) for name, source in here.serving]
        return Asked(tuple(stands), "" if stands else plan._why_nobody(at))

    def shifts(self, since: datetime, until: datetime) -> list[Shift]:
        """The whole range, gaps included: what the same people do in a row is one shift, with the reason for its beginning."""
        found: list[Shift] = []
        for segment in self._segments(since, until):
            people = tuple([name for name, _ in segment.serving])
            if found and _same(found[-1].responders, people):
                found[-1] = found[-1]._replace(end=segment.end)
            else:
                found.append(Shift(segment.start, segment.end, people, self._reason(segment)))
        return found

    def duties_at(self, at: datetime) -> tuple[Duty, ...]:
        """Everybody on call at an instant; nobody gives one duty without a responder."""
        [here] = self._segments(at, at + timedelta(microseconds=1))
        if not here.serving:
            return (Duty("", None, self._until_anybody(at), self._reason(here)),)
        return tuple(self._duty(at, name, source) for name, source in here.serving)

    def after(self, at: datetime) -> tuple[Duty, ...]:
        """Those who come next: of the first later change, whoever is not on call at `at`."""
        current = set(self._people_at(at))
        for segment in self._later(at):
            coming = [(name, source) for name, source in segment.serving if name not in current]
            if coming:
                return tuple(self._duty(segment.start, name, source) for name, source in coming)
        return ()

    def before(self, at: datetime) -> tuple[Duty, ...]:
        """Those who had it before: of the last earlier change, whoever is not on call at `at`."""
        current = set(self._people_at(at))
        for segment in self._earlier(at):
            gone = [(name, source) for name, source in segment.serving if name not in current]
            if gone:
                return tuple(self._duty(segment.start, name, source) for name, source in gone)
        return ()

    def next_change(self, at: datetime) -> datetime | None:
        """When other people are on call than at `at`; None if that is not in sight."""
        current = set(self._people_at(at))
        return next((segment.start for segment in self._later(at) if {name for name, _ in segment.serving} != current), None)

    def holds_until(self, at: datetime) -> datetime | None:
        """Until when the same are on call for the same reasons; None if the end is not in sight."""
        return next((segment.start for segment in self._later(at)), None)

    def next_handoff(self, at: datetime) -> datetime | None:
        """When somebody comes who is not on call at `at`; None if that is not in sight."""
        current = set(self._people_at(at))
        return next((segment.start for segment in self._later(at) if {name for name, _ in segment.serving} - current), None)

    def gaps(self, since: datetime, until: datetime) -> list[Shift]:
        """The times at which nobody is on call."""
        return [shift for shift in self.shifts(since, until) if not shift.responders]

    def explain(self, at: datetime) -> tuple[str, ...]:
        """Layer by layer, then what went over them: why these people, and nobody else, are on call."""
        [here] = self._segments(at, at + timedelta(microseconds=1))
        temporary = self._temporary(at)
        if temporary is not None:
            return (temporary_words(temporary), "layers and overrides say nothing in its range", _result(here))
        lines = [self._layer_words(layer, at, self._layer_overrides(layer, at)) for layer in self.schedule.layers] or [
            "the schedule has no layer"
        ]
        lines.append(self._combination(at))
        lines += [f"{override_words(each)}: {deed(each)}" for each in self._active(at) if not each.layer]
        return (*filter(None, lines), _result(here))

    def _meant(self, aim: Aim, severity: int) -> "Plan":
        plan = self.at_severity(severity)
        return plan.of_layer(aim.layer) if aim.layer else plan

    def _pieces(self, layer: Layer, since: datetime, until: datetime) -> Iterator[Piece]:
        """Who has a layer's duty over a range, those included for whom policies stand."""
        pieces = layer.pieces(since, until)
        return self._standing(pieces, since, until) if layer.policies else pieces

    def _standing(self, pieces: Iterable[Piece], since: datetime, until: datetime) -> Iterator[Piece]:
        for piece in pieces:
            policy = piece.participant.policy if piece.participant is not None else ""
            if not policy:
                yield piece
                continue
            start, end = max(piece.start, since), min(piece.end, until)
            for spell in self.around.spells(policy, self.schedule.zone.key, self.severity, start, end):
                if spell.stands:
                    people = tuple(each.name for each in spell.stands)
                    yield piece._replace(start=spell.start, end=spell.end, people=people, stands=spell.stands)

    def _people_at(self, at: datetime) -> tuple[str, ...]:
        [here] = self._segments(at, at + timedelta(microseconds=1))
        return tuple(name for name, _ in here.serving)

    def _duty(self, at: datetime, name: str, source: Source) -> Duty:
        stand = _stand(name, source, self.schedule)
        return Duty(name, self._since(at, name), self._until(at, name), stand.why, stand.turn, stand.gap)

    def _until(self, at: datetime, name: str) -> datetime | None:
        for segment in self._later(at):
            if not any(name == other for other, _ in segment.serving):
                return segment.start
        return None

    def _since(self, at: datetime, name: str) -> datetime | None:
        begun = at
        for segment in self._earlier(at):
            if not any(name == other for other, _ in segment.serving):
                return segment.end
            begun = segment.start
        # Nothing changed as far as one can see. A turn that never ends says itself when it began.
        [here] = self._segments(begun, begun + timedelta(microseconds=1))
        source = next(source for other, source in here.serving if other == name)
        return source.start if isinstance(source, Piece) and source.start > PAST and source.end == FUTURE else None

    def _until_anybody(self, at: datetime) -> datetime | None:
        return next((segment.start for segment in self._later(at) if segment.serving), None)

    @property
    def _reaches(self) -> tuple[timedelta, ...]:
        return NEAR_STEPS if self.schedule.policies else STEPS

    def _later(self, at: datetime) -> Iterator[_Segment]:
        """What follows the segment that holds `at`, one after the other; looked up in ever longer steps."""
        done = at
        for reach in self._reaches:
            for segment in self._segments(done, at + reach):
                if segment.start > at:
                    yield segment
            done = at + reach

    def _earlier(self, at: datetime) -> Iterator[_Segment]:
        """What goes before `at`, backwards, its own segment first."""
        done = at + timedelta(microseconds=1)
        for reach in self._reaches:
            yield from reversed(list(self._segments(at - reach, done)))
            done = at - reach

    def _segments(self, since: datetime, until: datetime) -> Iterator[_Segment]:
        """The range cut wherever anything changes."""
        overrides = [each for each in self.overrides if each.starts_at < until and each.ends_at > since]
        temporaries = [each for each in self.temporaries if each.starts_at < until and each.ends_at > since]
        events: list[_Event] = [(edge, -1, None) for edge in _edges(overrides, temporaries, since, until)]
        for number, layer in enumerate(self.schedule.layers):
            for piece in self._pieces(layer, since, until):
                events.append((piece.start if piece.start > since else since, number, piece))
                if piece.end < until:
                    events.append((piece.end, number, None))
        events.sort(key=itemgetter(0))
        held: list[list[Piece]] = [[] for _ in self.schedule.layers]
        served: list[Serving] = [() for _ in self.schedule.layers]
        start = since
        for at, number, begun in events:
            if at > start:
                yield _Segment(start, at, self._serving(start, served, overrides, temporaries))
                start = at
            if number >= 0:
                held[number] = [each for each in held[number] if each.end > at]
                if begun is not None:
                    held[number].append(begun)
                served[number] = _served(held[number])
        yield _Segment(start, until, self._serving(start, served, overrides, temporaries))

    def _serving(self, at: datetime, layers: Sequence[Serving], overrides: Sequence[Override], temporaries: Sequence[Temporary]) -> Serving:
        for temporary in reversed(temporaries):
            if temporary.starts_at <= at < temporary.ends_at:
                return tuple((name, temporary) for name in _fixed(temporary.shifts, at))
        current = [each for each in overrides if each.starts_at <= at < each.ends_at] if overrides else overrides
        if not current:
            return combine(self.schedule, layers)
        layers = [
            _overridden(serving, [each for each in current if each.layer == layer.name])
            for layer, serving in zip(self.schedule.layers, layers, strict=True)
        ]
        return _overridden(combine(self.schedule, layers), [each for each in current if not each.layer])

    def _reason(self, segment: _Segment) -> str:
        if not segment.serving:
            return self._why_nobody(segment.start)
        if len(segment.serving) == 1:
            return _why(*segment.serving[0], self.schedule)
        return "; ".join([f"{name}: {_why(name, source, self.schedule)}" for name, source in segment.serving])

    def _why_nobody(self, at: datetime) -> str:
        temporary = self._temporary(at)
        if temporary is not None:
            return f"{temporary_words(temporary)} names nobody at this time"
        taken = [each for each in self._active(at) if not each.layer and each.kind in (Kind.COVER_ALL, Kind.REMOVE)]
        if taken:
            return override_words(taken[-1])
        if not self.schedule.layers:
            return "no rotation, and no override at this time"
        return "; ".join(self._why_idle(layer, at) for layer in self.schedule.layers)

    def _why_idle(self, layer: Layer, at: datetime) -> str:
        turn = next(layer.pieces(at, at + timedelta(microseconds=1)), None) if layer.policies else None
        if turn is not None and turn.participant is not None and turn.participant.policy:
            return f"{_for_policy(turn)}, which asks nobody: {self._by_policy(turn, at).why}"
        return _why_idle(layer, at)

    def _by_policy(self, piece: Piece, at: datetime) -> Asked:
        assert piece.participant is not None
        return self.around.asked(piece.participant.policy, self.schedule.zone.key, self.severity, at)

    def _layer_words(self, layer: Layer, at: datetime, overrides: Sequence[Override]) -> str:
        pieces = list(self._pieces(layer, at, at + timedelta(microseconds=1)))
        people = ", ".join(dict.fromkeys(name for piece in pieces for name in piece.people))
        if not pieces:
            said = f"layer {layer.name}: nobody, because {self._why_idle(layer, at)}"
        elif pieces[0].stands:
            said = f"layer {layer.name}: {_for_policy(pieces[0])}: {self._by_policy(pieces[0], at).why}: {people}"
        else:
            said = f"layer {layer.name}: {_piece_words(pieces[0], several=False)}: {people}"
        return "; ".join([said, *(f"{override_words(each)} for this layer: {deed(each)}" for each in overrides)])

    def _combination(self, at: datetime) -> str:
        layers = [
            [piece for piece in self._pieces(layer, at, at + timedelta(microseconds=1)) if piece.people] for layer in self.schedule.layers
        ]
        if sum(map(bool, layers)) < 2:
            return ""
        match self.schedule.combine:
            case Combine.UNION:
                return "layers add up: everybody named by one is on call"
            case Combine.TOP_WINS:
                top = next(layer.name for layer, pieces in zip(self.schedule.layers, layers, strict=True) if pieces)
                return f"the first layer with somebody wins: {top} hides those below it"
            case Combine.LEVEL:
                level = max(layer.level for layer, pieces in zip(self.schedule.layers, layers, strict=True) if pieces)
                return f"the highest level with somebody wins: level {level}; its layers share the duty"

    def _active(self, at: datetime) -> list[Override]:
        return [each for each in self.overrides if each.starts_at <= at < each.ends_at]

    def _layer_overrides(self, layer: Layer, at: datetime) -> list[Override]:
        return [each for each in self._active(at) if each.layer == layer.name]

    def _temporary(self, at: datetime) -> Temporary | None:
        return next((each for each in reversed(self.temporaries) if each.starts_at <= at < each.ends_at), None)


def together(known: Known, schedules: Iterable[Schedule]) -> dict[str, Plan]:
    """The plans of schedules that may lead to each other, by name, with nothing over them but what stands in them."""
    listed, plans = list(schedules), dict[str, Plan]()
    there = around(known, plans, listed)
    plans.update({each.name: Plan(each, around=there) for each in listed})
    return plans


def combine(schedule: Schedule, layers: Sequence[Serving]) -> Serving:
    """Who is on call of those that the layers name, in the order of the schedule's layers."""
    match schedule.combine:
        case Combine.TOP_WINS:
            return next((serving for serving in layers if serving), ())
        case Combine.LEVEL:
            levels = [layer.level for layer, serving in zip(schedule.layers, layers, strict=True) if serving]
            top = max(levels, default=0)
            layers = [serving for layer, serving in zip(schedule.layers, layers, strict=True) if layer.level == top]
    held = [serving for serving in layers if serving]
    if len(held) < 2:
        return held[0] if held else ()
    return _once(tuple(pair for serving in held for pair in serving))


def _edges(overrides: Iterable[Override], temporaries: Iterable[Temporary], since: datetime, until: datetime) -> set[datetime]:
    """Where what goes over the layers may change anything, within the range."""
    edges = {edge for override in overrides for edge in (override.starts_at, override.ends_at)}
    for temporary in temporaries:
        edges.update((temporary.starts_at, temporary.ends_at))
        for shift in temporary.shifts:
            edges.update((max(shift.start, temporary.starts_at), min(shift.end, temporary.ends_at)))
    return {edge for edge in edges if since < edge < until}


def _same(people: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return people == others or (len(people) == len(others) > 1 and set(people) == set(others))


def _served(pieces: Sequence[Piece]) -> Serving:
    if len(pieces) == 1 and len(pieces[0].people) == 1:
        return ((pieces[0].people[0], pieces[0]),)
    return _once(tuple((name, piece) for piece in pieces for name in piece.people))


def _once(serving: Serving) -> Serving:
    """Each person once, for the first reason, unless that is only one of those who take turns, or only a fallback."""
    if len(serving) < 2:
        return serving
    first: dict[str, Source] = {}
    for name, source in serving:
        if name not in first or _weakness(name, source) < _weakness(name, first[name]):
            first[name] = source
    return tuple(first.items())


def _weakness(name: str, source: Source) -> int:
    stand = _by_policy(name, source)
    return stand.weakness if stand is not None else 0


def _overridden(serving: Serving, overrides: Iterable[Override]) -> Serving:
    for override in overrides:
        known: dict[str, Source] = {} if override.kind is Kind.COVER_ALL else dict(serving)
        comes = _in_place(override, known.get(override.instead_of))
        serving = tuple((name, known.get(name, comes)) for name in override.applied(tuple(known)))
    return serving


def _in_place(override: Override, source: Source | None) -> Source:
    """Whoever comes for somebody that takes turns with others takes theirs."""
    held = source.stand(override.instead_of) if isinstance(source, Piece) and override.kind is Kind.REPLACE else None
    if held is None or not held.turn or not isinstance(source, Piece):
        return override
    stand = held._replace(name=override.responder, why=f"{override_words(override)}; {held.why}")
    return source._replace(stands=(*source.stands, stand))


def _fixed(shifts: Iterable[FixedShift], at: datetime) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for shift in shifts if shift.start <= at < shift.end for name in shift.people))


def _source_words(source: Source, schedule: Schedule) -> str:
    match source:
        case Override():
            return override_words(source)
        case Temporary():
            return temporary_words(source)
        case Piece():
            return _piece_words(source, several=len(schedule.layers) > 1)


def _stand(name: str, source: Source, schedule: Schedule) -> Stand:
    """Who is on call, and why."""
    why, by_policy = _why(name, source, schedule), _by_policy(name, source)
    return by_policy._replace(why=why) if by_policy is not None else Stand(name, why)


def _why(name: str, source: Source, schedule: Schedule) -> str:
    words, by_policy = _source_words(source, schedule), _by_policy(name, source)
    return words if by_policy is None else f"{words}; {by_policy.why}"


def _by_policy(name: str, source: Source) -> Stand | None:
    return source.stand(name) if isinstance(source, Piece) and source.stands else None


def _for_policy(piece: Piece) -> str:
    assert piece.participant is not None
    return f"{_piece_words(piece, several=False)} is for {piece.participant.label}"


def _piece_words(piece: Piece, *, several: bool) -> str:
    layer = f" of layer {piece.layer.name}" if several else ""
    if isinstance(piece.layer.source, Rotation) and piece.turn is not None:
        return f"shift {piece.turn + 1} of the {piece.layer.source.words}{layer}"
    return f"calendar event {piece.said!r}{layer}"


def override_words(override: Override) -> str:
    """Who made an override, and why."""
    said = f"override by {override.created_by}" if override.created_by else "override in the schedule's file"
    return f"{said}: {override.reason}" if override.reason else said


def temporary_words(temporary: Temporary) -> str:
    """Who made a temporary schedule, and why."""
    said = f"temporary schedule by {temporary.created_by}" if temporary.created_by else "temporary schedule in the schedule's file"
    return f"{said}: {temporary.reason}" if temporary.reason else said


def deed(override: Override) -> str:
    """What an override does."""
    match override.kind:
        case Kind.COVER_ALL:
            return f"{override.responder or 'nobody'} is on call instead of everybody"
        case Kind.REPLACE:
            return f"{override.responder} is on call wherever {override.instead_of} would be"
        case Kind.ADD:
            return f"{override.responder} is on call too"
        case Kind.REMOVE:
            return f"{override.instead_of} is not on call"


def _why_idle(layer: Layer, at: datetime) -> str:
    """Why a layer has nobody at an instant."""
    if at < layer.effective_from:
        return f"{layer.name} is in force from {_said(layer, layer.effective_from)}"
    if at >= layer.effective_until:
        return f"{layer.name} was in force until {_said(layer, layer.effective_until)}"
    if layer.never_idle and at >= layer.begins:
        return f"this time is outside the hours of {layer.name}"
    if not isinstance(layer.source, Rotation):
        return f"{layer.name} has no event that names a responder at this time"
    if not layer.source.ring.participants:
        return "the rotation has no responders"
    turn = layer.source.rhythm.turn_at(at)
    if turn < 0:
        begin = layer.source.rhythm.wall(0)
        return f"the rotation starts on {begin:%Y-%m-%d} at {begin:%H:%M} ({layer.zone.key})"
    participant = layer.source.ring.at(turn)
    if participant is None:
        return f"nobody takes part in {layer.name} at this time"
    if not participant.people:
        return f"shift {turn + 1} of the {layer.source.words} is for {participant.label}"
    return f"this time is outside the hours of {layer.name}"


def _said(layer: Layer, at: datetime) -> str:
    return f"{at.astimezone(layer.zone):%Y-%m-%d %H:%M} ({layer.zone.key})"


def _result(segment: _Segment) -> str:
    people = ", ".join(name for name, _ in segment.serving)
    return f"so on call: {people}" if people else "so nobody is on call"
