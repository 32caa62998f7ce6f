"""Who has which role in an incident, for approvals that a playbook wants of roles."""

from collections.abc import Sequence

from tocsin_chassis.postgres.database import Tx
from tocsin_response.command import store


class RoleHolders:
    """Asks what `moves.py` keeps."""

    async def holders(self, tx: Tx, incident_id: str, roles: Sequence[str]) -> set[str]:
        """The responders who have one of these roles now, by name."""
        return set(await store.holders_of(tx, incident_id, roles))

    async def held(self, tx: Tx, responder: str) -> set[str]:
        """The roles that a responder has in any incident now."""
        return set(await store.roles_of(tx, responder))
