"""How alerts change: decisions about them become rows, log lines and facts, in the transaction of whoever decided."""

from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from contextvars import Context
from datetime import datetime
from functools import partial
from types import MappingProxyType

from msgspec.structs import replace
from prometheus_client import Counter

from tocsin_chassis.postgres.database import Tx
from tocsin_detection import store
from tocsin_detection.alert import Alert, Decision, Verdict
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.judge import Judge
from tocsin_detection.repeats import Repeats
from tocsin_detection.report import decide
from tocsin_detection.signal import Signal
from tocsin_detection.telling import Telling, Told, reconsidered, snoozed, tell
from tocsin_detection.wire import fact_of
from tocsin_kernel.ids import Ids

# The contexts of those who reported something, by its fingerprint.
Origins = Mapping[str, Context]
NO_ORIGINS: Origins = MappingProxyType({})

decided = Counter("tocsin_signals_total", "signals, by integration and by what they did to an alert", ["integration", "verdict"])


class Observer:
    """Observes signals, and keeps what was decided about alerts. The caller brings the transaction."""

    def __init__(self, judge: Judge, repeats: Repeats, ids: Ids) -> None:
        self._judge = judge
        self._repeats = repeats
        self._ids = ids

    async def observe(self, tx: Tx, signals: Sequence[Signal], now: datetime, origins: Origins = NO_ORIGINS) -> Sequence[Decision]:
        """Decide and keep the signals of one integration. Raises Contended if the transaction must start again.

        What is told goes on with the trace of whoever reported it: the `origins`, by fingerprint, or else the caller.
        """
        integration = signals[0].integration
        fingerprints = list({signal.fingerprint for signal in signals})
        await store.lock_things(tx, integration, fingerprints)
        fresh = await self._undelivered(tx, signals, now)
        existing = self._repeats.caught_up(tx, await store.lock_open_alerts(tx, integration, fingerprints))
        decisions = decide(existing, signals, fresh, now, self._ids)
        kept = {alert.id: alert for alert in await self.keep(tx, existing, decisions, now, origins)}
        tx.after_commit(lambda: _count(integration, decisions))
        return [_with(item, kept.get(item.alert.id)) if item.alert is not None else item for item in decisions]

    async def keep(
        self, tx: Tx, before: Sequence[Alert], decisions: Sequence[Decision], now: datetime, origins: Origins = NO_ORIGINS
    ) -> Sequence[Alert]:
        """Keep and tell what was decided about alerts that are locked; `before` holds those that were there. Returns each as it is kept."""
        known = {alert.id: alert for alert in before}
        about: dict[str, list[Decision]] = {}
        for decision in decisions:
            if decision.alert is not None and decision.verdict is not Verdict.IGNORED:
                about.setdefault(decision.alert.id, []).append(decision)
        holds = await self._holds(tx, [made[-1].alert for made in about.values() if made[-1].alert is not None], known, now)
        tellings = {
            alert_id: tell(known.get(alert_id), made, holds.get(alert_id, known[alert_id].holds if alert_id in known else ()), now)
            for alert_id, made in about.items()
        }
        await self._judge_what_explains(tx, about, now)
        await _write(tx, known, about, tellings)
        await _say(tx, tellings, [_line(made, tellings[alert_id], now) for alert_id, made in about.items()], origins)
        await store.append_log(tx, _notes(decisions, now))
        self._repeats.unwritten(alert_id for alert_id in known if alert_id not in about)
        otherwise = [alert_id for alert_id, made in about.items() if alert_id in known and not _merely_repeated(made)]
        if otherwise:
            tx.after_commit(lambda: self._repeats.changed(otherwise))
        return [told.alert for told in tellings.values()]

    async def reconsider(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> None:
        """Judge held alerts, which are locked, again, and tell those that nothing holds any more."""
        holds = await self._judged(tx, [alert for alert in alerts if not alert.told], now)
        told = [alert for alert in alerts if alert.told and alert.snoozed_until is None]
        holds |= zip((alert.id for alert in told), await self._judge.explained(tx, told, now) if told else (), strict=True)
        tellings = {alert.id: reconsidered(alert, holds.get(alert.id, ()), now) for alert in alerts}
        as_before = [alert for alert in alerts if tellings[alert.id].telling is None and tellings[alert.id].alert.holds == alert.holds]
        await store.look_again(tx, [tellings[alert.id].alert for alert in as_before])
        same = {alert.id for alert in as_before}
        await store.update_alerts(tx, [told.alert for alert_id, told in tellings.items() if alert_id not in same])
        entries = [store.LogEntry(told.alert.id, now, _word(told), told.reason) for told in tellings.values() if told.telling is not None]
        await _say(tx, tellings, entries)

    async def _undelivered(self, tx: Tx, signals: Sequence[Signal], now: datetime) -> set[str]:
        """The deliveries that have not come before. A signal without one always counts."""
        given = {signal.delivery for signal in signals if signal.delivery}
        return await store.note_deliveries(tx, signals[0].integration, given, now) if given else set()

    async def _holds(self, tx: Tx, alerts: Sequence[Alert], known: dict[str, Alert], now: datetime) -> dict[str, tuple[Hold, ...]]:
        """What holds those back whose telling is open. One that floods with others waits for the end of the flood."""
        asked = [alert for alert in alerts if alert.open and not alert.told and not _only_floods(known.get(alert.id))]
        return await self._judged(tx, asked, now)

    async def _judge_what_explains(self, tx: Tx, about: dict[str, list[Decision]], now: datetime) -> None:
        """What was told is not judged any more, but may explain others once it says something else."""
        last = [made[-1].alert for made in about.values() if any(item.verdict is Verdict.CHANGED for item in made)]
        otherwise = [alert for alert in last if alert is not None and alert.open and alert.told]
        if otherwise:
            await self._judge.changed(tx, otherwise, now)

    async def _judged(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> dict[str, tuple[Hold, ...]]:
        if not alerts:
            return {}
        judged = await self._judge.judge(tx, alerts, now)
        return {alert.id: (*snoozed(alert, now), *holds) for alert, holds in zip(alerts, judged, strict=True)}


def _with(decision: Decision, kept: Alert | None) -> Decision:
    return decision if kept is None else replace(decision, alert=kept)


def _only_floods(alert: Alert | None) -> bool:
    return alert is not None and bool(alert.holds) and all(hold.kind is HoldKind.STORM for hold in alert.holds)


async def _write(tx: Tx, known: dict[str, Alert], about: dict[str, list[Decision]], tellings: dict[str, Told]) -> None:
    opened = [told.alert for alert_id, told in tellings.items() if alert_id not in known]
    there = [told.alert for alert_id, told in tellings.items() if alert_id in known]
    resolved = [alert for alert in there if not alert.open and known[alert.id].open]
    gone = {alert.id for alert in resolved}
    repeated = {alert.id for alert in there if _merely_repeated(about[alert.id]) and alert.holds == known[alert.id].holds} - gone
    await store.insert_alerts(tx, [alert for alert in opened if alert.open])
    await store.insert_resolved(tx, [alert for alert in opened if not alert.open])
    await store.move_resolved(tx, resolved)
    await store.count_repeats(tx, [alert for alert in there if alert.id in repeated and alert.told == known[alert.id].told])
    changed = [alert for alert in there if alert.id not in gone and not (alert.id in repeated and alert.told == known[alert.id].told)]
    await store.update_alerts(tx, [alert for alert in changed if alert.open])
    await store.update_resolved(tx, [alert for alert in changed if not alert.open])


async def _say(tx: Tx, tellings: dict[str, Told], entries: Sequence[store.LogEntry | None], origins: Origins = NO_ORIGINS) -> None:
    for told in tellings.values():
        if told.telling is not None:
            emit = partial(tx.emit, fact_of(told), aggregate=told.alert.id, version=told.alert.version)
            origin = origins.get(told.alert.fingerprint)
            origin.copy().run(emit) if origin is not None else emit()
    await store.append_log(tx, [entry for entry in entries if entry is not None])


def _line(made: Sequence[Decision], told: Told, now: datetime) -> store.LogEntry | None:
    """What the log keeps: a first opening stands in the alert itself, and a repeat is only counted."""
    opening = made[0].verdict is Verdict.OPENED
    if told.telling is Telling.SUPPRESSED or (told.telling is Telling.OPENED and not opening):
        return store.LogEntry(told.alert.id, now, _word(told), told.reason)
    decision = next((item for item in reversed(made) if item.verdict not in (Verdict.REPEATED, Verdict.OPENED)), None)
    if decision is None:
        return None
    reason = decision.reason if told.alert.open else told.reason
    return store.LogEntry(told.alert.id, now, decision.verdict.value, reason, decision.by)


def _notes(decisions: Sequence[Decision], now: datetime) -> list[store.LogEntry]:
    return [
        store.LogEntry(decision.alert.id, now, "NOTED", decision.note, decision.by)
        for decision in decisions
        if decision.note and decision.alert is not None
    ]


def _word(told: Told) -> str:
    return "TOLD" if told.telling is Telling.OPENED else str(told.telling)


def _merely_repeated(made: Sequence[Decision]) -> bool:
    return all(decision.verdict is Verdict.REPEATED for decision in made)


def _count(integration: str, decisions: Sequence[Decision]) -> None:
    for verdict, number in Counts(decision.verdict for decision in decisions).items():
        decided.labels(integration, verdict.value).inc(number)
