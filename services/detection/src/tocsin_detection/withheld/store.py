"""Which alerts belong to private incidents, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx

# Requests name alerts of private incidents by their ids.
WITHHELD = "withheld_alert"


@dataclass(frozen=True, slots=True)
class Belongs:
    """An alert of an incident that is or was private."""

    id: str
    incident_id: str


async def withhold(tx: Tx, incident_id: str, alert_ids: Sequence[str], at: datetime) -> None:
    """These alerts belong to an incident; an alert belongs to one."""
    await tx.execute(
        """INSERT INTO withheld_alert (id, incident_id, at) SELECT unnest(%s::uuid[]), %s::uuid, %s
           ON CONFLICT (id) DO UPDATE SET incident_id = excluded.incident_id""",
        (list(alert_ids), incident_id, at),
    )


async def of_alerts(tx: Tx, alert_ids: Sequence[str]) -> list[Belongs]:
    """Those of these alerts that belong to private incidents."""
    return await tx.many(Belongs, "SELECT id::text, incident_id::text FROM withheld_alert WHERE id = ANY(%s::uuid[])", (list(alert_ids),))


async def forget(tx: Tx, before: datetime) -> int:
    """Forget what was heard before an instant of alerts that are gone."""
    return await tx.execute(
        """DELETE FROM withheld_alert WHERE at < %s AND NOT EXISTS (SELECT FROM alert WHERE alert.id = withheld_alert.id)""",
        (before,),
    )
