"""Why an alert did or did not wake anybody: what every rule says about it now, and what was decided. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.frequency import Count, Flapping, Threshold
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import Matchers, first_miss, labels_of
from tocsin_detection.noise.rules import Rules, matchers_of
from tocsin_detection.noise.silence import Silence, State, in_time
from tocsin_detection.noise.storm import StormRule
from tocsin_detection.noise.window import Window, occurrences


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says about an alert. `failed` is the matcher that does not match, as it is written; empty if all do."""

    kind: HoldKind
    rule: str
    by: str
    holds: bool
    reason: str
    failed: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the alert: what explains it, by inhibition; how often it opened, and happened; whether a storm goes on."""

    explained: Mapping[str, Hold]
    openings: int
    count: Count | None
    storm: Hold | None
    storm_alert: str = ""


def verdicts(alert: Alert, rules: Rules, known: Known, now: datetime) -> list[Verdict]:
    """Of every rule, those that hold first."""
    labels = labels_of(alert)
    given = [
        *(_of_silence(silence, labels, now) for silence in rules.silences),
        *(_of_window(window, labels, now) for window in rules.windows),
        *(_of_inhibition(rule, labels, known.explained.get(rule.name)) for rule in rules.inhibitions),
        *_of_frequency(alert, rules, labels, known, now),
        *_of_storm(alert, rules, known),
    ]
    return sorted(given, key=lambda verdict: (not verdict.holds, bool(verdict.failed)))


def summary(alert: Alert, now: datetime) -> str:
    """In one sentence, whether it was told, and why or why not."""
    held = "; ".join(hold.reason for hold in alert.holds)
    if alert.open and alert.told:
        aside = f", and is put aside until {alert.snoozed_until:%Y-%m-%d %H:%M:%S}Z" if _aside(alert, now) else ""
        return f"It was told to triage, which decides whom it wakes{aside}."
    if alert.open:
        return f"It wakes nobody: {held}." if held else "It was not told yet."
    if alert.told:
        return f"It was told to triage, and so was its end at {alert.resolved_at:%Y-%m-%d %H:%M:%S}Z."
    return "It woke nobody: it ended before what held it back did, or as soon as it opened. The log says what held it."


def grouping(alert: Alert) -> str:
    """Why its signals count as one alert."""
    thing = f"of {alert.integration} with the fingerprint {alert.fingerprint!r}"
    if alert.occurrences == 1:
        counted = f"1 signal {thing} opened this alert, and no other came since."
    else:
        counted = f"{alert.occurrences} signals {thing} count as this one alert, because it was open when they came."
    return f"{counted} Into which incident it goes is for triage to say."


def _aside(alert: Alert, now: datetime) -> bool:
    return alert.snoozed_until is not None and alert.snoozed_until > now


def _of_silence(silence: Silence, labels: Mapping[str, str], now: datetime) -> Verdict:
    state = silence.state(now)
    miss = _miss(silence.matchers, labels)
    holds = not miss and state is State.ACTIVE
    reason = silence.reason if holds else _does_not_match(miss) if miss else f"it would, but it is {state.lower()}: {silence.reason}"
    return Verdict(HoldKind.SILENCE, silence.id, silence.created_by, holds, reason, miss, silence.starts_at, silence.ends_at)


def _of_window(window: Window, labels: Mapping[str, str], now: datetime) -> Verdict:
    miss = _miss(matchers_of(window), labels)
    following = next(iter(occurrences(window, now, 1)), None)
    if following is None:
        return Verdict(HoldKind.MAINTENANCE, window.name, window.created_by, False, _does_not_match(miss) if miss else "it is over", miss)
    opened = following.starts_at <= now
    opens = f"it would, but it opens at {following.starts_at:%Y-%m-%d %H:%M:%S}Z"
    reason = _does_not_match(miss) if miss else window.reason if opened else opens
    times = (following.starts_at, following.ends_at)
    return Verdict(HoldKind.MAINTENANCE, window.name, window.created_by, opened and not miss, reason, miss, *times)


def _of_inhibition(rule: Inhibition, labels: Mapping[str, str], hold: Hold | None) -> Verdict:
    miss = _miss(rule.targets, labels)
    if hold is not None:
        return Verdict(HoldKind.INHIBITION, rule.name, "", True, f"{hold.reason}: alert {hold.rule}", starts_at=hold.since)
    reason = _does_not_match(miss) if miss else "nothing fires that explains it"
    return Verdict(HoldKind.INHIBITION, rule.name, "", False, reason, miss)


def _of_frequency(alert: Alert, rules: Rules, labels: Mapping[str, str], known: Known, now: datetime) -> Iterable[Verdict]:
    flapping, threshold = rules.flapping(labels), rules.threshold(labels)
    for rule in rules.noise_rules:
        if isinstance(rule, Flapping):
            hold = rule.hold(alert, known.openings, now) if rule == flapping else None
            often = f"it opened {known.openings} times within {in_time(rule.within)}, fewer than {rule.openings}, or has been calm since"
            yield _of_rule(HoldKind.FLAPPING, rule, rule == flapping, labels, hold, often)
        elif isinstance(rule, Threshold):
            count = known.count or Count(alert.integration, alert.fingerprint, alert.id, 0, ())
            hold = rule.hold(count, now) if rule == threshold and known.count is not None else None
            often = f"it has happened {rule.occurrences} times within {in_time(rule.within)}, or has never been counted"
            yield _of_rule(HoldKind.THRESHOLD, rule, rule == threshold, labels, hold, often)


def _of_rule(
    kind: HoldKind, rule: Flapping | Threshold, nearest: bool, labels: Mapping[str, str], hold: Hold | None, otherwise: str
) -> Verdict:
    miss = _miss(rule.matchers, labels)
    if hold is not None:
        return Verdict(kind, rule.name, "", True, hold.reason, starts_at=hold.since, ends_at=hold.until)
    if miss:
        return Verdict(kind, rule.name, "", False, _does_not_match(miss), miss)
    return Verdict(kind, rule.name, "", False, otherwise if nearest else "a rule with more matchers acts instead")


def _of_storm(alert: Alert, rules: Rules, known: Known) -> Sequence[Verdict]:
    acting = rules.storm_rule(alert.integration)
    held = next((hold for hold in alert.holds if hold.kind is HoldKind.STORM), None)
    stands = f"; alert {known.storm_alert} stands for it" if known.storm_alert else ""
    given = (
        [Verdict(HoldKind.STORM, held.rule, "", True, held.reason + stands, starts_at=held.since, ends_at=held.until)]
        if held is not None
        else []
    )
    for rule in rules.noise_rules:
        if isinstance(rule, StormRule) and held is None:
            miss = _miss(rule.matchers, {"integration": alert.integration})
            floods = known.storm.reason if known.storm is not None else f"{alert.integration} does not flood"
            passed = "; this alert opened before, or was the first of its service" if known.storm is not None else ""
            said = _does_not_match(miss) if miss else floods + passed if rule == acting else "a rule with more matchers acts instead"
            given.append(Verdict(HoldKind.STORM, rule.name, "", False, said, miss))
    return given


def _miss(matchers: Matchers, labels: Mapping[str, str]) -> str:
    found = first_miss(matchers, labels)
    return str(found) if found is not None else ""


def _does_not_match(miss: str) -> str:
    return f"{miss} does not match"
