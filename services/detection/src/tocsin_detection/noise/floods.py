"""Which integrations flood, as this process knows: what opened lately is counted in memory, a storm itself is a row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_chassis.postgres.database import Contended, Tx
from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise import store
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.storm import MOST_SERVICES_PASSING, Flow, Storm, StormRule, Tally, mostly, stands_for_a_storm
from tocsin_detection.noise.turns import Turns, waits_for_its_turn
from tocsin_kernel.ids import Ids

# Services and severities beyond these are counted together: what a sender makes up must not fill the memory.
MOST_TALLIES = 500


@dataclass(slots=True)
class Current:
    """A storm that goes on, the services that may not pass any more, and what it held back since that was last written."""

    storm: Storm
    passed: set[str]
    held: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            key = (alert.sender_service, alert.sender_severity)
            self.held[key if key in self.held or len(self.held) < MOST_TALLIES else ("…", "")] += 1

    def written(self, counts: Counter[tuple[str, str]]) -> None:
        """These are in the database now."""
        self.held -= counts


class Floods:
    """Holds back what floods. A report's alerts are all of one integration."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._flows: dict[str, Flow] = {}
        self._current: dict[str, Current] = {}
        self._turns = Turns()

    async def holds(self, tx: Tx, alerts: Sequence[Alert], rules: Rules, now: datetime) -> Mapping[str, Hold]:
        """The alerts, by id, that are part of a flood: of those that open now, and of those that were before and still are."""
        new = [alert for alert in alerts if alert.tiny_id == 0 and not stands_for_a_storm(alert)]
        before = await self._before(tx, [alert for alert in alerts if alert.tiny_id != 0], now)
        if not new:
            return before
        rule = rules.storm_rule(new[0].integration)
        current = self._current.get(new[0].integration)
        flooding = await self._opening(tx, new, rule, current, now) if rule is not None or current is not None else {}
        waiting = self._turns.waiting([alert for alert in new if alert.id not in flooding], now)
        return {**before, **flooding, **waiting}

    async def _before(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> dict[str, Hold]:
        """Who was part of a flood stays so, also after its end, unless its storm is released, or its turn has come."""
        held = {alert.id: hold for alert in alerts for hold in alert.holds if hold.kind is HoldKind.STORM}
        waiting = {alert_id: hold for alert_id, hold in held.items() if waits_for_its_turn(hold)}
        storms = {hold.rule for alert_id, hold in held.items() if alert_id not in waiting}
        released = await store.released_storms(tx, sorted(storms)) if storms else set()
        return {
            alert_id: hold
            for alert_id, hold in held.items()
            if (hold.until is not None and hold.until > now if alert_id in waiting else hold.rule not in released)
        }

    async def _opening(
        self, tx: Tx, new: Sequence[Alert], rule: StormRule | None, current: Current | None, now: datetime
    ) -> dict[str, Hold]:
        integration = new[0].integration
        flow = self._flow(integration, rule, current)
        room = 0
        if current is None and rule is not None:
            room = max(rule.alerts - flow.count(now), 0)
            if len(new) > room:
                current = await self._begin(tx, new, room, rule, flow, now)
        tx.after_commit(lambda: flow.add(new, now))
        return await self._held(tx, new[room:], current, now) if current is not None else {}

    def _flow(self, integration: str, rule: StormRule | None, current: Current | None) -> Flow:
        within = current.storm.within if current is not None else rule.within if rule is not None else None
        assert within is not None
        flow = self._flows.get(integration)
        if flow is None or flow.within != within:
            flow = self._flows[integration] = Flow(within)
        return flow

    async def _begin(self, tx: Tx, new: Sequence[Alert], room: int, rule: StormRule, flow: Flow, now: datetime) -> Current:
        """A storm begins; or it has just begun at another process."""
        integration = new[0].integration
        storm = Storm(self._ids.new(), integration, rule.name, rule.alerts, rule.within, mostly(new), now)
        if not await store.begin_storm(tx, storm):
            begun = next((each for each in await store.storms_now(tx) if each.integration == integration), None)
            if begun is None:
                raise Contended()
            storm = begun
        # Whose alerts came through shortly before needs no other one.
        known = flow.services(now) | {alert.sender_service for alert in new[:room]}
        await store.let_pass(tx, storm.id, sorted(known)[:MOST_SERVICES_PASSING])
        current = Current(storm, await store.passed_services(tx, storm.id))
        tx.after_commit(lambda: self._keep(current))
        return current

    async def _held(self, tx: Tx, alerts: Sequence[Alert], current: Current, now: datetime) -> dict[str, Hold]:
        """All but the first alert of every other service."""
        unheard = {alert.sender_service for alert in alerts} - current.passed
        passing = await self._let_pass(tx, unheard, current) if unheard else set()
        hold = current.storm.hold(now)
        held: dict[str, Hold] = {}
        for alert in alerts:
            if alert.sender_service in passing:
                passing.discard(alert.sender_service)
            else:
                held[alert.id] = hold
        counted = [alert for alert in alerts if alert.id in held]
        tx.after_commit(lambda: self._kept(current).count(counted))
        return held

    async def _let_pass(self, tx: Tx, services: set[str], current: Current) -> set[str]:
        room = MOST_SERVICES_PASSING - len(current.passed)
        passing = await store.let_pass(tx, current.storm.id, sorted(services)[: max(room, 0)])
        tx.after_commit(lambda: self._kept(current).passed.update(services))
        return passing

    def _keep(self, current: Current) -> None:
        self._current.setdefault(current.storm.integration, current)

    def _kept(self, current: Current) -> Current:
        """What this process keeps of the storm: two reports may have found it at once."""
        kept = self._current.get(current.storm.integration, current)
        return kept if kept.storm.id == current.storm.id else current

    async def follow(self, tx: Tx) -> Sequence[Storm]:
        """Write what was held back, and learn from the database which storms go on."""
        for current in self._current.values():
            await self._write(tx, current)
        storms = await store.storms_now(tx)
        for storm in storms:
            known = self._current.get(storm.integration)
            if known is None or known.storm.id != storm.id:
                self._current[storm.integration] = Current(storm, await store.passed_services(tx, storm.id))
        going_on = {storm.id for storm in storms}
        self._current = {name: current for name, current in self._current.items() if current.storm.id in going_on}
        return storms

    def ended(self, storm: Storm) -> None:
        """A storm has ended; what opens from now on counts again."""
        self._current.pop(storm.integration, None)
        self._flows.pop(storm.integration, None)

    async def _write(self, tx: Tx, current: Current) -> None:
        written = Counter(current.held)
        if written:
            await store.add_tallies(tx, current.storm.id, [Tally(service, word, number) for (service, word), number in written.items()])
            tx.after_commit(lambda: current.written(written))
