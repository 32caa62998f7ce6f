"""What runs need to know of incidents: the newest copy that was heard."""

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation import store


class HeardIncidents:
    """The copies that escalations keep of what triage tells."""

    async def copy(self, tx: Tx, incident_id: str) -> Incident | None:
        """The newest that was heard of one."""
        kept = await store.look_at_copy(tx, incident_id)
        return Incident.FromString(bytes(kept)) if kept is not None else None
