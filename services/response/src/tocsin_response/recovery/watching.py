"""Sets the watch when an incident that needed measures ends, notices its return, and has it opened again."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from tocsin.response.v1 import containment_events_pb2 as events
from tocsin.triage.v1.events_pb2 import AlertAttached, IncidentOpened, IncidentResolved
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Unavailable
from tocsin_response.containment.measure import TargetKind
from tocsin_response.containment.measures import IncidentNotFound
from tocsin_response.containment.store import list_measures
from tocsin_response.escalation.store import lock_copy
from tocsin_response.glance.store import glance
from tocsin_response.oncall.wire import timestamp
from tocsin_response.recovery import store, wire
from tocsin_response.recovery.watch import USUAL, Indicator, Sign, Watch, spelled, why_it_is_back

log = logging.getLogger(__name__)

BATCH = 20
LEASE = timedelta(seconds=30)
MOST_LISTED = 500
MOST_MATCHES = 100


class Incidents(Protocol):
    """Where incidents are opened again."""

    async def reopen(self, incident_id: str, request_id: str, reason: str) -> None:
        """Open it again; one that is open already stays so. Raises Unavailable."""
        ...


class RecoveryWatching:
    """The watches of the installation."""

    def __init__(self, database: Database, clock: Clock, incidents: Incidents | None) -> None:
        self._database = database
        self._clock = clock
        self._incidents = incidents

    async def on_alert(self, tx: Tx, fact: Fact[Any]) -> None:
        """An incident opened, or got an alert: keep what it is known by, and see whether an older one is back."""
        message: IncidentOpened | AlertAttached = fact.message
        incident, now = message.incident, self._clock.now()
        if incident.number < 0:
            return
        if message.HasField("alert"):
            await self._keep_title(tx, incident.id, message.alert.title)
        if (await glance(tx, now)).watches:
            title = message.alert.title if message.HasField("alert") else incident.title
            await self._notice(tx, Sign(incident.id, incident.number, incident.service, title, (title, incident.title, incident.summary)))

    async def _keep_title(self, tx: Tx, incident_id: str, title: str) -> None:
        """Once for all alerts of a batch that bear it: a flood bears few titles."""
        await tx.read_once(f"title {incident_id} {title}", lambda: store.keep_title(tx, incident_id, title))

    async def on_resolved(self, tx: Tx, fact: Fact[IncidentResolved]) -> None:
        """An incident that needed measures is looked out for by itself; one that is over already is not looked out for anew."""
        incident = fact.message.incident
        if incident.number < 0 or not await list_measures(tx, incident.id, False, None, 1):
            return
        copy = await lock_copy(tx, incident.id)
        if copy is not None and copy.version > fact.version:
            return
        await self._set(tx, incident, USUAL, (), "")

    async def set(self, incident_id: str, length: timedelta, indicators: Sequence[Indicator], by: str) -> Watch:
        """Look out for its return from now on. Raises IncidentNotFound."""
        async with self._database.transaction() as tx:
            copy = await lock_copy(tx, incident_id)
            if copy is None:
                raise IncidentNotFound(incident=incident_id)
            return await self._set(tx, Incident.FromString(copy.incident), length, indicators, by)

    async def end(self, incident_id: str) -> None:
        """Look out no more."""
        async with self._database.transaction() as tx:
            await store.end_watch(tx, incident_id, self._clock.now())

    async def listed(self, incident_id: str) -> list[Watch]:
        """Those that look out now; of one incident also the one that is over."""
        async with self._database.transaction() as tx:
            if incident_id:
                return await store.with_indicators(tx, [incident_id])
            return await store.list_watches(tx, self._clock.now(), MOST_LISTED)

    async def reopen_due(self) -> int:
        """Have every incident that came back opened again; returns how many were tried."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim_reopenings(tx, now, now + LEASE, BATCH) if self._incidents is not None else []
        for each in due:
            await self._reopen(each)
        return len(due)

    async def _reopen(self, each: store.Reopening) -> None:
        assert self._incidents is not None
        try:
            request_id = f"recurrence-{each.incident_id}-{each.recurred_at.timestamp():.0f}"
            await self._incidents.reopen(each.incident_id, request_id, f"it came back: {each.recurrence}")
        except Unavailable as error:
            log.warning("incident %s came back and cannot be opened again yet: %s", each.incident_id, error)
            return
        async with self._database.transaction() as tx:
            await store.settle_reopening(tx, each.incident_id, self._clock.now())

    async def _set(self, tx: Tx, incident: Incident, length: timedelta, more: Sequence[Indicator], by: str) -> Watch:
        now = self._clock.now()
        titles = [Indicator(TargetKind.OTHER, title) for title in await store.titles_of(tx, incident.id)]
        measures = await list_measures(tx, incident.id, False, None, MOST_LISTED)
        targets = [Indicator(each.target_kind, each.target) for each in measures if each.target_kind is not TargetKind.OTHER]
        watch = Watch(
            incident.id,
            incident.number,
            incident.service,
            incident.title,
            now + length,
            by,
            now,
            spelled([*titles, *targets, *more]),
        )
        await store.put_watch(tx, watch)
        tx.emit(
            events.RecoveryWatchSet(watch=wire.watch_to_proto(watch), at=timestamp(now)), aggregate=incident.id, version=incident.version
        )
        return watch

    async def _notice(self, tx: Tx, sign: Sign) -> None:
        now = self._clock.now()
        for watch in await store.matching(tx, now, sign.words(), sign.alert_title, MOST_MATCHES):
            why = next((said for each in watch.indicators if (said := why_it_is_back(watch, each, sign))), "")
            decision = watch.recur(sign, why, now)
            if why and decision.facts:
                await store.save_recurrence(tx, decision.state)
                fact = events.IncidentRecurred(watch=wire.watch_to_proto(decision.state), seen_in_incident_id=sign.incident_id)
                tx.emit(fact, aggregate=watch.incident_id, version=0)
