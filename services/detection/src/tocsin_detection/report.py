"""A report: many signals of one request, decided together. Pure."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from tocsin_detection.alert import Alert, Decision, Verdict, observe
from tocsin_detection.signal import Signal
from tocsin_kernel.ids import Ids


def decide(existing: Iterable[Alert], signals: Sequence[Signal], fresh: Collection[str], now: datetime, ids: Ids) -> list[Decision]:
    """Observe every signal after the other, so that two about the same thing in one report meet the same alert.

    A signal whose delivery is not among the `fresh` ones came before and counts nothing. The decisions are in the order of the signals.
    """
    current = {(alert.integration, alert.fingerprint): alert for alert in existing}
    waiting = set(fresh)
    decisions: list[Decision] = []
    for signal in signals:
        thing = (signal.integration, signal.fingerprint)
        if signal.delivery and signal.delivery not in waiting:
            decisions.append(Decision(Verdict.IGNORED, "this delivery came before", current.get(thing)))
            continue
        waiting.discard(signal.delivery)
        decision = observe(current.get(thing), signal, now, ids)
        decisions.append(decision)
        if decision.alert is not None:
            current[thing] = decision.alert
    return decisions
