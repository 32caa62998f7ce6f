"""Looks whether every run that is under way has something that moves it on, and raises an alert about one that has not."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from prometheus_client import Gauge

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_response.playbook import audit_store
from tocsin_response.playbook.audit_store import Stuck

log = logging.getLogger(__name__)

# A tick is a fraction of a second; whatever is later than this was not on time.
GRACE = timedelta(seconds=30)
# Runners may be few, and all at something.
UNTAKEN = timedelta(minutes=5)
MOST = 100

stuck_gauge = Gauge("tocsin_playbook_audit_findings", "runs of playbooks that nothing moves on, or not in time")


class Alerts(Protocol):
    """Where an alert is raised."""

    async def raise_stuck_runs(self, request_id: str, title: str, description: str) -> str:
        """Returns the alert's id."""
        ...


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what was found."""

    runs: int
    stuck: list[Stuck]


class RunAuditor:
    """Audits runs."""

    def __init__(self, database: Database, clock: Clock, alerts: Alerts | None) -> None:
        self._database = database
        self._clock = clock
        self._alerts = alerts

    async def audit(self) -> Audit:
        """All runs that are under way."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            runs = await audit_store.count(tx)
            found = await audit_store.without_mover(tx, now - GRACE, MOST)
            found += await audit_store.overdue(tx, now - GRACE, MOST)
            found += await audit_store.untaken(tx, now - UNTAKEN, MOST)
        return Audit(runs, found[:MOST])

    async def look(self) -> None:
        """Audit, and raise an alert about what is new."""
        audited = await self.audit()
        stuck_gauge.set(len(audited.stuck))
        async with self._database.transaction() as tx:
            await audit_store.keep(tx, audited.stuck, self._clock.now())
        for each in audited.stuck:
            log.warning("run %s: %s", each.run_id, each.text)
        if self._alerts is not None:
            await self._report(self._alerts)

    async def _report(self, alerts: Alerts) -> None:
        async with self._database.transaction() as tx:
            new = await audit_store.lock_unreported(tx, MOST)
            if not new:
                return
            title = "A run of a playbook does not go on" if len(new) == 1 else f"{len(new)} runs of playbooks do not go on"
            lines = "\n".join(f"run {each.run_id}: {each.text}" for each in new)
            try:
                alert_id = await alerts.raise_stuck_runs(_request_id(new), title, lines)
            except Exception as error:  # whatever keeps detection from hearing of it: it is told at the next look
                log.warning("%s, and detection cannot be told yet: %s", title, error)
                return
            await audit_store.accept(tx, new, alert_id)


def _request_id(new: Sequence[Stuck]) -> str:
    """The same findings make the same request, so that an answer that was lost raises no second alert."""
    return hashlib.sha256("".join(f"{each.run_id}{each.since.isoformat()}" for each in new).encode()).hexdigest()[:32]
