"""A report: many signals of one request, decided together. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_detection.alert import Alert, Decision, Verdict, observe
from tocsin_detection.signal import Signal
from tocsin_kernel.ids import Ids


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a report: the decisions in the order of its signals, and the alerts to save, each once, as they ended up."""

    decisions: Sequence[Decision]
    opened: Sequence[Alert]
    changed: Sequence[Alert]
    repeated: Sequence[Alert]


def decide(existing: Iterable[Alert], signals: Sequence[Signal], now: datetime, ids: Ids) -> Decided:
    """Observe every signal after the other, so that two about the same thing in one report meet the same alert."""
    current = {(alert.integration, alert.fingerprint): alert for alert in existing}
    decisions: list[Decision] = []
    touched: dict[str, Alert] = {}
    opened: set[str] = set()
    told: set[str] = set()
    for signal in signals:
        thing = (signal.integration, signal.fingerprint)
        decision = observe(current.get(thing), signal, now, ids)
        decisions.append(decision)
        if decision.alert is None or decision.verdict is Verdict.IGNORED:
            continue
        touched[decision.alert.id] = current[thing] = decision.alert
        if decision.verdict is Verdict.OPENED:
            opened.add(decision.alert.id)
        elif decision.verdict is not Verdict.REPEATED:
            told.add(decision.alert.id)
    return Decided(
        decisions,
        opened=[alert for alert in touched.values() if alert.id in opened],
        changed=[alert for alert in touched.values() if alert.id in told - opened],
        repeated=[alert for alert in touched.values() if alert.id not in told | opened],
    )
