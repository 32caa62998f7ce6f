"""What if: alerts of the past go through other rules, in the order in which they opened. Pure: alerts in, outcomes out.

How often a thing happened is known, and when first and last, but not when in between: occurrences count as spread evenly.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold
from tocsin_detection.noise.frequency import Count, Threshold
from tocsin_detection.noise.inhibition import Inhibition, hold
from tocsin_detection.noise.matcher import labels_of
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.storm import MOST_SERVICES_PASSING, Flow, Storm, StormRule, stands_for_a_storm

MOST_MARKS = 1_000
Thing = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would have become of an alert: when it would have woken somebody (None: never), and what held it back at first."""

    alert: Alert
    wakes_at: datetime | None
    holds: tuple[Hold, ...]


@dataclass(slots=True)
class _Held:
    """An alert that something holds back, and what did at first."""

    alert: Alert
    labels: Mapping[str, str]
    holds: tuple[Hold, ...]
    flood: "_Flood | None"


@dataclass(slots=True)
class _Flood:
    """A storm of the replay."""

    storm: Storm
    rule: StormRule
    passed: set[str]
    ended_at: datetime | None = None


@dataclass(slots=True)
class _Source:
    """An alert that may explain others, and when it ended."""

    alert: Alert
    labels: Mapping[str, str]
    ends_at: datetime


@dataclass(slots=True)
class Replay:
    """Takes alerts as they opened, and says what would have become of each. `now` is where the replay ends."""

    rules: Rules
    now: datetime
    _later: list[tuple[datetime, int, _Held]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _sources: dict[tuple[str, str], list[_Source]] = field(default_factory=dict)
    _openings: dict[Thing, list[datetime]] = field(default_factory=dict)
    _marks: dict[Thing, list[datetime]] = field(default_factory=dict)
    _flows: dict[str, Flow] = field(default_factory=dict)
    _floods: dict[str, _Flood] = field(default_factory=dict)

    def known(self, alert: Alert) -> None:
        """An alert from before the replay: it wakes nobody anew, and may explain others."""
        self._note_source(alert, labels_of(alert))

    def opens(self, alert: Alert) -> Iterator[Outcome]:
        """The next alert opens. Gives what is certain by then about this one and earlier ones."""
        yield from self._until(alert.opened_at)
        labels = labels_of(alert)
        self._note_source(alert, labels)
        self._note_opening(alert, labels)
        flood = self._flood_of(alert)
        yield from self._judge(_Held(alert, labels, (), flood), alert.opened_at)

    def ends(self) -> Iterator[Outcome]:
        """No more alerts come. Gives what is left."""
        yield from self._until(self.now)
        while self._later:
            _, _, held = heappop(self._later)
            yield Outcome(held.alert, None, held.holds)

    def _until(self, instant: datetime) -> Iterator[Outcome]:
        while self._later and self._later[0][0] <= instant:
            at, _, held = heappop(self._later)
            yield from self._judge(held, at)

    def _judge(self, held: _Held, at: datetime) -> Iterator[Outcome]:
        found = list(self._holds(held, at))
        held.holds = held.holds or tuple(each for each, _ in found)
        following = min((look for _, look in found if look is not None and look > at), default=None)
        if not found:
            yield Outcome(held.alert, at, held.holds)
        elif following is None or following >= _end(held.alert, self.now):
            yield Outcome(held.alert, None, held.holds)
        else:
            heappush(self._later, (following, next(self._numbers), held))

    def _holds(self, held: _Held, at: datetime) -> Iterable[tuple[Hold, datetime | None]]:
        """What holds an alert back, each with when to look again; None: never."""
        if held.flood is not None and (look := self._look_at_flood(held.flood, at)) != at:
            return [(held.flood.storm.hold(at), look)]
        standing = [(each, each.until) for each in self.rules.standing(held.labels, at)]
        return [*standing, *self._inhibitions(held, at), *self._flapping(held, at), *self._threshold(held, at)]

    def _inhibitions(self, held: _Held, at: datetime) -> Iterator[tuple[Hold, datetime | None]]:
        for rule in self.rules.explained_by(held.labels):
            source = self._explaining(rule, held, at)
            if source is not None:
                yield hold(rule, source.alert.id, source.alert.title, at), source.ends_at

    def _explaining(self, rule: Inhibition, held: _Held, at: datetime) -> _Source | None:
        key = (rule.name, rule.key(held.labels))
        firing = [source for source in self._sources.get(key, ()) if source.ends_at > at]
        if key in self._sources:
            self._sources[key] = firing
        others = (source for source in firing if source.alert.id != held.alert.id and source.alert.opened_at <= at)
        return next((source for source in others if rule.explains(source.labels, held.labels)), None)

    def _flapping(self, held: _Held, at: datetime) -> Iterator[tuple[Hold, datetime | None]]:
        rule = self.rules.flapping(held.labels)
        if rule is None:
            return
        opened = held.alert.opened_at
        times = sum(opened - rule.within <= each <= opened for each in self._openings.get(_thing(held.alert), ()))
        found = rule.hold(held.alert, times, at)
        if found is not None:
            yield found, found.until

    def _threshold(self, held: _Held, at: datetime) -> Iterator[tuple[Hold, datetime | None]]:
        rule = self.rules.threshold(held.labels)
        if rule is None or stands_for_a_storm(held.alert):
            return
        thing = _thing(held.alert)
        own = _own_marks(held.alert, rule)
        earlier = [mark for mark in self._marks.get(thing, ()) if mark < held.alert.opened_at]
        happened = Count(*thing, held.alert.id, 0, tuple(mark for mark in (*earlier, *own) if mark <= at))
        found = rule.hold(happened, at)
        if found is not None:
            yield found, next((mark for mark in own if mark > at), None)

    def _note_source(self, alert: Alert, labels: Mapping[str, str]) -> None:
        for rule in self.rules.explains(labels):
            source = _Source(alert, labels, _end(alert, self.now + timedelta(seconds=1)))
            self._sources.setdefault((rule.name, rule.key(labels)), []).append(source)

    def _note_opening(self, alert: Alert, labels: Mapping[str, str]) -> None:
        flapping, threshold = self.rules.flapping(labels), self.rules.threshold(labels)
        if flapping is not None:
            before = self._openings.setdefault(_thing(alert), [])
            before[:] = [each for each in before if each >= alert.opened_at - flapping.within] + [alert.opened_at]
        if threshold is not None:
            marks = self._marks.setdefault(_thing(alert), [])
            marks[:] = [mark for mark in marks if mark > alert.opened_at - threshold.within] + _spread(alert, MOST_MARKS)

    def _flood_of(self, alert: Alert) -> _Flood | None:
        """The storm that an alert is part of as it opens; None if it passes."""
        rule = self.rules.storm_rule(alert.integration)
        if rule is None or stands_for_a_storm(alert):
            return None
        flow = self._flows.setdefault(alert.integration, Flow(rule.within))
        services = flow.services(alert.opened_at)
        flow.add([alert], alert.opened_at)
        flood = self._floods.get(alert.integration)
        if flood is not None and self._over(flood, alert.opened_at):
            flood = None
        if flood is None and flow.count(alert.opened_at) > rule.alerts:
            storm = Storm("storm of " + alert.integration, alert.integration, rule.name, rule.alerts, rule.within, "", alert.opened_at)
            flood = self._floods[alert.integration] = _Flood(storm, rule, services)
        if flood is None:
            return None
        if alert.sender_service not in flood.passed and len(flood.passed) < MOST_SERVICES_PASSING:
            flood.passed.add(alert.sender_service)
            return None
        return flood

    def _over(self, flood: _Flood, at: datetime) -> bool:
        if flood.ended_at is None and self._flows[flood.storm.integration].count(at) <= flood.rule.alerts // 2:
            flood.ended_at = at
        return flood.ended_at is not None

    def _look_at_flood(self, flood: _Flood, at: datetime) -> datetime | None:
        """When an alert of a storm is looked at again: `at` if it is free now, None if never."""
        release = flood.rule.release_after
        if release is None:
            return None
        if not self._over(flood, at) or flood.ended_at is None:
            return at + flood.rule.within
        return max(flood.ended_at + release, at)


def _own_marks(alert: Alert, rule: Threshold) -> list[datetime]:
    """When an alert's signals came, the first so many: spread evenly, later ones come no closer together."""
    return _spread(alert, rule.occurrences, first=True)


def _spread(alert: Alert, most: int, first: bool = False) -> list[datetime]:
    """At most so many of an alert's signals, the first or the last of them."""
    number = max(alert.occurrences, 1)
    length = max(alert.last_signal_at - alert.opened_at, timedelta(0))
    chosen = range(min(number, most)) if first else range(max(number - most, 0), number)
    return [alert.opened_at + length * (each / (number - 1)) if number > 1 else alert.opened_at for each in chosen]


def _thing(alert: Alert) -> Thing:
    return alert.integration, alert.fingerprint


def _end(alert: Alert, otherwise: datetime) -> datetime:
    return alert.resolved_at if alert.resolved_at is not None else otherwise
