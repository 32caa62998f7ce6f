"""What time brings to storms: the alert that stands for each, its figures, its end."""

from dataclasses import replace
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.telemetry import tracer
from tocsin_detection import store as alerts
from tocsin_detection.noise import store
from tocsin_detection.noise.floods import Floods
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.storm import Storm, summary
from tocsin_detection.observer import Observer
from tocsin_kernel.clock import Clock

SUMMARISED_EVERY = timedelta(seconds=5)
KEPT = timedelta(days=90)


class Storms:
    """Looks after storms."""

    def __init__(self, database: Database, floods: Floods, rulebook: Rulebook, observer: Observer, clock: Clock) -> None:
        self._database = database
        self._floods = floods
        self._rulebook = rulebook
        self._observer = observer
        self._clock = clock

    async def tend(self) -> None:
        """Open, update and end the alerts that stand for storms, and release what is to be told one by one."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            storms = await self._floods.follow(tx)
            released = await store.release_storms(tx, now)
            if released:
                await alerts.reconsider_floods(tx, released, now)
        for storm in storms:
            async with self._database.transaction() as tx:
                locked = await store.lock_storm(tx, storm.id, now - SUMMARISED_EVERY)
                if locked is not None:
                    with tracer.start_as_current_span("summarise a storm"):
                        await self._summarise(tx, locked, now)

    async def forget_old(self) -> None:
        """Forget storms, counts and sources that nobody asks for any more."""
        async with self._database.transaction() as tx:
            await store.forget_storms(tx, self._clock.now() - KEPT)
            await store.forget_counts(tx, self._clock.now() - timedelta(days=8))
            await store.forget_ended_sources(tx)

    async def _summarise(self, tx: Tx, storm: Storm, now: datetime) -> None:
        # One that has just begun is told first, even if it is over by now.
        over = bool(storm.alert_id) and await self._calm(tx, storm, now)
        after = await self._ended(tx, storm, now) if over else storm
        standing = await alerts.find_alert(tx, storm.alert_id) if storm.alert_id else None
        # Whoever ended its alert by hand is not woken by it again.
        if standing is None or standing.open:
            told = summary(after, await store.tallies(tx, storm.id), now, resolved=over)
            [decision] = await self._observer.observe(tx, [told], now)
            after = replace(after, alert_id=decision.alert.id) if decision.alert is not None else after
        await store.save_storm(tx, after, now)

    async def _calm(self, tx: Tx, storm: Storm, now: datetime) -> bool:
        """At most half of what makes a storm opened lately, at any process."""
        enough = storm.alerts // 2 + 1
        return await store.count_opened(tx, storm.integration, now - storm.within, enough) < enough

    async def _ended(self, tx: Tx, storm: Storm, now: datetime) -> Storm:
        rule = (await self._rulebook.rules(tx, now)).storm_rule(storm.integration)
        tx.after_commit(lambda: self._floods.ended(storm))
        release_at = now + rule.release_after if rule is not None and rule.release_after is not None else None
        return replace(storm, ended_at=now, release_at=release_at)
