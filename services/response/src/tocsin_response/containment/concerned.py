"""Whom to tell what becomes of the measures of an incident."""

from collections.abc import Sequence

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_response.command.holders import RoleHolders
from tocsin_response.command.plan import COMMANDER
from tocsin_response.escalation.on_call import on_call_for
from tocsin_response.playbook.incidents import HeardIncidents


class ConcernedByMeasures:
    """Who commands the incident, else who is on call for its service; of a private one its members only."""

    def __init__(self, clock: Clock, roles: RoleHolders, incidents: HeardIncidents) -> None:
        self._clock = clock
        self._roles = roles
        self._incidents = incidents

    async def by(self, tx: Tx, incident_id: str) -> tuple[Sequence[str], Incident | None]:
        """See Concerned."""
        incident = await self._incidents.copy(tx, incident_id)
        names = await self._roles.holders(tx, incident_id, [COMMANDER])
        names = names or {each.responder for each in await on_call_for(tx, incident, self._clock.now())}
        if incident is not None and incident.private:
            names = names & set(incident.members) or set(incident.members)
        return sorted(names), incident
