"""Explains alerts: gathers what is known about one, and asks every rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection import store as alerts
from tocsin_detection.alert import Alert
from tocsin_detection.alerts import MOST_LOG_ENTRIES, AlertNotFound
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise import store
from tocsin_detection.noise.court import Case, source_of
from tocsin_detection.noise.explain import Known, Verdict, verdicts
from tocsin_detection.noise.inhibition import hold
from tocsin_detection.noise.matcher import labels_of
from tocsin_detection.noise.rulebook import load
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.turns import waits_for_its_turn
from tocsin_kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Explanation:
    """An alert, what was decided about it (oldest first), and what every rule says about it now."""

    alert: Alert
    log: list[alerts.LogEntry]
    verdicts: list[Verdict]


class Explanations:
    """Says why. Nothing is changed by asking."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def explain(self, alert_id: str) -> Explanation:
        """Silences that ended while the alert was open are asked too. Raises AlertNotFound."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            alert = await alerts.find_alert(tx, alert_id)
            if alert is None:
                raise AlertNotFound(alert=alert_id)
            rules = await load(tx, min(alert.opened_at, now))
            known = await _known(tx, alert, rules, now)
            return Explanation(alert, await alerts.log_of(tx, alert, MOST_LOG_ENTRIES), verdicts(alert, rules, known, now))


async def _known(tx: Tx, alert: Alert, rules: Rules, now: datetime) -> Known:
    labels = labels_of(alert)
    flapping = rules.flapping(labels)
    openings: Mapping[str, int] = {}
    if flapping is not None:
        openings = await store.openings(
            tx, [(alert.id, alert.integration, alert.fingerprint, alert.opened_at - flapping.within, alert.opened_at)]
        )
    counts = await store.counts(tx, [(alert.integration, alert.fingerprint)])
    storm = next((each for each in await store.storms_now(tx) if each.integration == alert.integration), None)
    held_by = next((each.rule for each in alert.holds if each.kind is HoldKind.STORM and not waits_for_its_turn(each)), "")
    stands = await store.find_storm(tx, held_by) if held_by else None
    return Known(
        await _explained(tx, alert, rules, now) if alert.open else {},
        openings.get(alert.id, 0) + 1,
        counts.get((alert.integration, alert.fingerprint)),
        storm.hold(now) if storm is not None else None,
        stands.alert_id if stands is not None else "",
    )


async def _explained(tx: Tx, alert: Alert, rules: Rules, now: datetime) -> Mapping[str, Hold]:
    """What explains the alert now, by the name of the inhibition."""
    case = Case(alert, labels_of(alert))
    candidates = rules.explained_by(case.labels)
    stored = await store.sources(tx, [(rule.name, rule.key(case.labels)) for rule in candidates]) if candidates else []
    found = {rule.name: source_of(rule, case, (), [each for each in stored if each.rule == rule.name]) for rule in candidates}
    return {name: hold(*source, now) for name, source in found.items() if source is not None}
