"""All rules of an installation at once, found by what they are about. Pure; what needs to know other alerts is asked of the court."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar

from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.frequency import Flapping, Threshold
from tocsin_detection.noise.index import Index
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import Matcher, Matchers, Operator, all_match
from tocsin_detection.noise.silence import Silence, State
from tocsin_detection.noise.storm import StormRule
from tocsin_detection.noise.window import Calendar, Window

# Where no policy says otherwise.
LONGEST_SILENCE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SilencePolicy:
    """How long silences may be, and how long before their end it is said that they end (None: never)."""

    name: str
    description: str
    longest: timedelta = LONGEST_SILENCE
    notice: timedelta | None = None


NoiseRule = Flapping | Threshold | StormRule | SilencePolicy
# The names of the rules that every installation begins with: whatever people add of the same sort comes before them.
DEFAULTS = ("flapping", "storm")
Sort = TypeVar("Sort", Flapping, Threshold, StormRule)


@dataclass(frozen=True)
class Rules:
    """What holds alerts back, as it is stored at one time."""

    silences: Sequence[Silence] = ()
    windows: Sequence[Window] = ()
    inhibitions: Sequence[Inhibition] = ()
    noise_rules: Sequence[NoiseRule] = ()
    _storm_rules: dict[str, StormRule | None] = field(default_factory=dict)

    def standing(self, labels: Mapping[str, str], now: datetime) -> list[Hold]:
        """The silences and windows that hold an alert back now."""
        holds = [
            Hold(HoldKind.SILENCE, silence.id, silence.created_by, silence.reason, now, silence.ends_at)
            for silence in self._silences.matching(labels)
            if silence.state(now) is State.ACTIVE
        ]
        for calendar in self._windows.matching(labels):
            occurrence = calendar.open_at(now)
            if occurrence is not None:
                window = calendar.window
                holds.append(Hold(HoldKind.MAINTENANCE, window.name, window.created_by, window.reason, now, occurrence.ends_at))
        return holds

    def explained_by(self, labels: Mapping[str, str]) -> list[Inhibition]:
        """The inhibitions that may hold an alert back."""
        return self._targets.matching(labels)

    def explains(self, labels: Mapping[str, str]) -> list[Inhibition]:
        """The inhibitions by which an alert may hold others back."""
        return self._sources.matching(labels)

    def flapping(self, labels: Mapping[str, str]) -> Flapping | None:
        """The rule by which an alert may flap."""
        return _nearest(self._flapping.matching(labels))

    def threshold(self, labels: Mapping[str, str]) -> Threshold | None:
        """The rule by which an alert must happen more than once."""
        return _nearest(self._thresholds.matching(labels))

    def storm_rule(self, integration: str) -> StormRule | None:
        """The rule by which an integration may flood."""
        if integration not in self._storm_rules:
            labels = {"integration": integration}
            found = [rule for rule in self.noise_rules if isinstance(rule, StormRule) and all_match(rule.matchers, labels)]
            self._storm_rules[integration] = _nearest(found)
        return self._storm_rules[integration]

    @cached_property
    def asks_others(self) -> bool:
        """Whether any rule needs to know more than the alert itself."""
        return bool(self.inhibitions) or bool(self._flapping) or bool(self._thresholds)

    @cached_property
    def policy(self) -> SilencePolicy:
        """The tightest bounds of silences."""
        given = [rule for rule in self.noise_rules if isinstance(rule, SilencePolicy)]
        return min(given, key=lambda rule: (rule.longest, rule.name), default=SilencePolicy("", ""))

    @cached_property
    def _silences(self) -> Index[Silence]:
        return Index((silence.matchers, silence) for silence in self.silences)

    @cached_property
    def _windows(self) -> Index[Calendar]:
        return Index((matchers_of(window), Calendar(window)) for window in self.windows)

    @cached_property
    def _targets(self) -> Index[Inhibition]:
        return Index((rule.targets, rule) for rule in self.inhibitions)

    @cached_property
    def _sources(self) -> Index[Inhibition]:
        return Index((rule.sources, rule) for rule in self.inhibitions)

    @cached_property
    def _flapping(self) -> Index[Flapping]:
        return Index((rule.matchers, rule) for rule in self.noise_rules if isinstance(rule, Flapping))

    @cached_property
    def _thresholds(self) -> Index[Threshold]:
        return Index((rule.matchers, rule) for rule in self.noise_rules if isinstance(rule, Threshold))


def matchers_of(window: Window) -> Matchers:
    """What a window is about, services included."""
    if not window.services:
        return window.matchers
    if len(window.services) == 1:
        return (Matcher("service", Operator.EQUAL, window.services[0]), *window.matchers)
    return (Matcher("service", Operator.LIKE, "|".join(map(_literally, window.services))), *window.matchers)


def _nearest(rules: Iterable[Sort]) -> Sort | None:
    """The rule with the most matchers; of several, the first by name, and those that an installation begins with behind all others."""
    return min(rules, key=lambda rule: (-len(rule.matchers), rule.name in DEFAULTS, rule.name), default=None)


def _literally(text: str) -> str:
    return "".join(letter if letter.isalnum() else f"\\x{{{ord(letter):x}}}" for letter in text)
