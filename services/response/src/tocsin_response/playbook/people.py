"""Who is meant by the roles that a playbook names: incident roles, teams, responders."""

from collections.abc import Sequence
from typing import Protocol

from tocsin_chassis.postgres.database import Tx
from tocsin_response.oncall import people_store


class IncidentRoles(Protocol):
    """Who holds which role in an incident."""

    async def holders(self, tx: Tx, incident_id: str, roles: Sequence[str]) -> set[str]:
        """The responders who hold one of these roles now, by name."""
        ...

    async def held(self, tx: Tx, responder: str) -> set[str]:
        """The roles that a responder holds in any incident now."""
        ...


class People:
    """Finds who may answer, and whom to tell."""

    def __init__(self, roles: IncidentRoles | None = None) -> None:
        self._roles = roles

    async def asked(self, tx: Tx, incident_id: str, roles: Sequence[str]) -> set[str] | None:
        """Who may answer; None: any responder.

        Where nobody is meant by the roles it is the platform's fallback: a run waits for somebody.
        """
        if not roles:
            return None
        found = await people_store.meant(tx, roles)
        if incident_id:
            found |= await self.holders(tx, incident_id, roles)
        return found or await people_store.fallback(tx)

    async def holders(self, tx: Tx, incident_id: str, roles: Sequence[str]) -> set[str]:
        """Who holds one of these roles in an incident now."""
        return await self._roles.holders(tx, incident_id, roles) if self._roles is not None else set()

    async def names(self, tx: Tx, responder: str) -> list[str]:
        """Everything that a responder may be called in roles: by name, by team, by role."""
        teams = await people_store.teams(tx, responder)
        roles = await self._roles.held(tx, responder) if self._roles is not None else set()
        return [responder, *sorted(teams | roles)]
