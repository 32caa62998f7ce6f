"""One question instead of five: most installations have no gaps, automations, watches or plans of their own, and nothing was changed."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.oncall.store import Revision


@dataclass(frozen=True, slots=True)
class Glance:
    """The revision of all that says who is on call, and what there is any of at all."""

    installation: str
    revision: int
    written_by: str
    gaps: bool
    automations: bool
    watches: bool
    plans: bool

    @property
    def oncall(self) -> Revision:
        return Revision(self.installation, self.revision, self.written_by)


async def glance(tx: Tx, now: datetime) -> Glance:
    """As it was when it was first asked in this transaction."""
    return await tx.read_once("glance", lambda: _glance(tx, now))


async def _glance(tx: Tx, now: datetime) -> Glance:
    return await tx.one(
        Glance,
        """SELECT installation::text, revision, xmin::text AS written_by,
                  EXISTS (SELECT FROM gap_report) AS gaps,
                  EXISTS (SELECT FROM automation) AS automations,
                  EXISTS (SELECT FROM recovery_watch WHERE recurred_at IS NULL AND until > %s) AS watches,
                  EXISTS (SELECT FROM incident_plan) AS plans
           FROM oncall_revision""",
        (now,),
    )
