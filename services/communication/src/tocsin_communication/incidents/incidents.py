"""Hears of incidents: keeps the copies, drops pages that are not needed any more."""

from collections.abc import Sequence

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.incidents import store
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.delivery import Stop, verdict
from tocsin_communication.pages.follow_ups import FollowUps
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.telling import tell
from tocsin_kernel.clock import Clock

# Which waiting pages a state of the incident makes pointless; those about an earlier turn fall to the delivery rules.
POINTLESS = {
    IncidentState.OPEN: (Kind.TAKEN, Kind.RESOLVED),
    IncidentState.ACKNOWLEDGED: (Kind.SUMMONS, Kind.DIRECT, Kind.TAKEN, Kind.RESOLVED),
    IncidentState.RESOLVED: (Kind.SUMMONS, Kind.DIRECT, Kind.TAKEN),
}


class Incidents:
    """Keeps what was heard of incidents; what that changes for pages happens in the same transaction."""

    def __init__(self, clock: Clock, follow_ups: FollowUps) -> None:
        self._clock = clock
        self._follow_ups = follow_ups

    async def hear(self, tx: Tx, heard: Incident) -> Incident:
        """Keep the copy of the incident if it is newer. Where its state or taker is new, drop what waits and tell who was told.

        Returns the newest copy.
        """
        if await store.keep_new(tx, [heard.following(None)]):
            # Of an incident that is new and open nobody was told anything yet.
            if heard.state is not IncidentState.OPEN:
                await self._go_on(tx, heard.following(None))
            return heard.following(None)
        before = await store.incident(tx, heard.id)
        if before is not None and before.version >= heard.version:
            return before
        incident = heard.following(await store.lock_incident(tx, heard.id))
        if not await store.keep_incident(tx, incident):
            return await store.incident(tx, heard.id) or incident
        if incident.turn == incident.version:
            await self._go_on(tx, incident)
        return incident

    async def news(self, tx: Tx, heard: Sequence[Incident]) -> list[Incident]:
        """Those of these copies that are to be heard of one by one, as they are newer than what is kept.

        Of incidents that are new and open nothing but the copy is to be kept. That is done for all at once and soon over: a summons
        that brings the same incident along would wait for it.
        """
        versions = await store.versions(tx, [incident.id for incident in heard])
        opened = {incident.id: incident for incident in reversed(heard) if incident.id not in versions}
        opened = {incident.id: incident for incident in opened.values() if incident.state is IncidentState.OPEN}
        kept = await store.keep_new(tx, [opened[incident_id].following(None) for incident_id in sorted(opened)])
        versions.update({incident_id: opened[incident_id].version for incident_id in kept})
        return [incident for incident in heard if versions.get(incident.id, -1) < incident.version]

    async def _go_on(self, tx: Tx, incident: Incident) -> None:
        """Its state or taker is new."""
        await self._drop(tx, incident)
        await self._follow_ups.tell(tx, incident)

    async def _drop(self, tx: Tx, incident: Incident) -> None:
        for page in await page_store.lock_pending(tx, incident.id, POINTLESS[incident.state]):
            match verdict(page, incident):
                case Stop(reason):
                    await tell(tx, page.cancel(reason), self._clock.now())
                case _:
                    pass
