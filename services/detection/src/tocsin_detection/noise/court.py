"""The judge of alerts: asks every rule that is about an alert whether it holds it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import CHECKS, Alert
from tocsin_detection.hold import Hold
from tocsin_detection.noise import store
from tocsin_detection.noise.floods import Floods
from tocsin_detection.noise.frequency import counted, strictest
from tocsin_detection.noise.inhibition import Inhibition, hold
from tocsin_detection.noise.matcher import labels_of
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.storm import stands_for_a_storm


@dataclass(frozen=True, slots=True)
class Case:
    """An alert and what matchers see of it."""

    alert: Alert
    labels: Mapping[str, str]


class Court:
    """See `Judge`. Silences, windows and storms are judged from memory; other rules ask the database about what they cover."""

    def __init__(self, rulebook: Rulebook, floods: Floods) -> None:
        self._rulebook = rulebook
        self._floods = floods

    async def judge(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        """For each open alert, in order, what holds it back now. Nothing does with the platform's checks of itself."""
        judged = [alert for alert in alerts if alert.integration != CHECKS]
        held = dict(zip([alert.id for alert in judged], await self._judge(tx, judged, now), strict=True)) if judged else {}
        return [held.get(alert.id, ()) for alert in alerts]

    async def _judge(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        rules = await self._rulebook.rules(tx, now)
        flooding = await self._floods.holds(tx, alerts, rules, now)
        holds: dict[str, list[Hold]] = {alert.id: [] for alert in alerts}
        for alert_id, flood in flooding.items():
            holds[alert_id].append(flood)
        # What floods needs no other reason. But it may be the reason why others are held.
        looked_at = alerts if rules.inhibitions else [alert for alert in alerts if alert.id not in flooding]
        cases = [Case(alert, labels_of(alert)) for alert in looked_at]
        for case in cases:
            if case.alert.id not in flooding:
                holds[case.alert.id] += rules.standing(case.labels, now)
        if rules.asks_others and cases:
            await self._ask_others(tx, rules, cases, [case for case in cases if case.alert.id not in flooding], holds, now)
        return [tuple(holds[alert.id]) for alert in alerts]

    async def explained(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        """See `Judge`."""
        rules = await self._rulebook.rules(tx, now)
        cases = [Case(alert, labels_of(alert)) for alert in alerts]
        holds: dict[str, list[Hold]] = {alert.id: [] for alert in alerts}
        for alert_id, held in await inhibited(tx, rules, (), cases, now):
            holds[alert_id].append(held)
        return [tuple(holds[alert.id]) for alert in alerts]

    async def changed(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> None:
        """See `Judge`."""
        rules = await self._rulebook.rules(tx, now)
        await note_explaining(tx, rules, [Case(alert, labels_of(alert)) for alert in alerts] if rules.inhibitions else [])

    async def _ask_others(
        self, tx: Tx, rules: Rules, all_cases: Sequence[Case], cases: Sequence[Case], holds: Mapping[str, list[Hold]], now: datetime
    ) -> None:
        """Add what depends on other alerts, or on what happened before."""
        found = [
            *await inhibited(tx, rules, all_cases, cases, now),
            *await flapping(tx, rules, cases, now),
            *await below_threshold(tx, rules, cases, now),
        ]
        for alert_id, held in found:
            holds[alert_id].append(held)


async def inhibited(tx: Tx, rules: Rules, all_cases: Sequence[Case], cases: Sequence[Case], now: datetime) -> Sequence[tuple[str, Hold]]:
    """What other alerts explain, as (alert's id, hold). Notes which of all cases may explain others."""
    if not rules.inhibitions:
        return ()
    explaining = await note_explaining(tx, rules, all_cases)
    wanted = [(rule, rule.key(case.labels), case) for case in cases for rule in rules.explained_by(case.labels)]
    if not wanted:
        return ()
    beside: dict[tuple[str, str], list[Case]] = {}
    for rule, key, case in explaining:
        beside.setdefault((rule.name, key), []).append(case)
    stored: dict[tuple[str, str], list[store.Source]] = {}
    for source in await store.sources(tx, [(rule.name, key) for rule, key, _ in wanted]):
        stored.setdefault((source.rule, source.key), []).append(source)
    verdicts = (
        (case, source_of(rule, case, beside.get((rule.name, key), ()), stored.get((rule.name, key), ()))) for rule, key, case in wanted
    )
    return [(case.alert.id, hold(found[0], found[1], found[2], now)) for case, found in verdicts if found is not None]


async def note_explaining(tx: Tx, rules: Rules, cases: Sequence[Case]) -> Sequence[tuple[Inhibition, str, Case]]:
    """Note which of the cases may explain others, as (rule, hash of the equal labels, case)."""
    explaining = [(rule, rule.key(case.labels), case) for case in cases for rule in rules.explains(case.labels)]
    if explaining:
        await store.note_sources(tx, [(rule, key, case.alert.id) for rule, key, case in explaining])
    return explaining


def source_of(rule: Inhibition, target: Case, beside: Sequence[Case], stored: Sequence[store.Source]) -> tuple[Inhibition, str, str] | None:
    """The rule, and the id and title of the alert that explains the target by it. What is stored may have changed since."""
    for case in beside:
        if case.alert.id != target.alert.id and rule.explains(case.labels, target.labels):
            return rule, case.alert.id, case.alert.title
    for source in stored:
        if source.id != target.alert.id and rule.explains(labels_of(source), target.labels):
            return rule, source.id, source.title
    return None


async def flapping(tx: Tx, rules: Rules, cases: Sequence[Case], now: datetime) -> Sequence[tuple[str, Hold]]:
    """What opens too often, as (alert's id, hold)."""
    covered = [(rule, case.alert) for case in cases if (rule := rules.flapping(case.labels)) is not None]
    covered = [(rule, alert) for rule, alert in covered if alert.opened_at + rule.calm_after > now]
    if not covered:
        return ()
    before = await store.openings(
        tx, [(alert.id, alert.integration, alert.fingerprint, alert.opened_at - rule.within, alert.opened_at) for rule, alert in covered]
    )
    holds = ((alert.id, rule.hold(alert, before.get(alert.id, 0) + 1, now)) for rule, alert in covered)
    return [(alert_id, held) for alert_id, held in holds if held is not None]


async def below_threshold(tx: Tx, rules: Rules, cases: Sequence[Case], now: datetime) -> Sequence[tuple[str, Hold]]:
    """What has not happened often enough, as (alert's id, hold). Counts what the alerts have heard since they were last counted."""
    covered = [(rule, case.alert) for case in cases if (rule := rules.threshold(case.labels)) is not None]
    covered = [(rule, alert) for rule, alert in covered if not stands_for_a_storm(alert)]
    if not covered:
        return ()
    before = await store.counts(tx, [(alert.integration, alert.fingerprint) for _, alert in covered])
    most = strictest([rule for rule, _ in covered])
    after = [(rule, alert, counted(before.get((alert.integration, alert.fingerprint)), alert, most)) for rule, alert in covered]
    new = [count for _, _, count in after if count != before.get((count.integration, count.fingerprint))]
    if new:
        await store.save_counts(tx, new, now)
    holds = ((alert.id, rule.hold(count, now)) for rule, alert, count in after)
    return [(alert_id, held) for alert_id, held in holds if held is not None]
