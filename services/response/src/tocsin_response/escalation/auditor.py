"""Looks whether every timer fired in time, and raises an alert if one did not."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from prometheus_client import Gauge
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import audit, audit_store, wire
from tocsin_response.escalation.audit import GRACE, Finding

log = logging.getLogger(__name__)

PAGE = 1000
MOST = 100_000
MOST_FINDINGS = 100
NO_ID = "00000000-0000-0000-0000-000000000000"
# What runs by itself looks at what happened lately; whatever is overdue it finds however old it is.
LATELY = timedelta(hours=1)

findings_gauge = Gauge("tocsin_escalation_audit_findings", "differences between what should have fired and what did, in the last hour")


class Alerts(Protocol):
    """Where an alert is raised."""

    async def raise_finding(self, request_id: str, title: str, description: str) -> str:
        """Returns the alert's id."""
        ...


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what was found."""

    escalations: int
    expected: int
    findings: list[Finding]


class Auditor:
    """Compares what should have fired with what did."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, alerts: Alerts | None) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._alerts = alerts

    async def audit(self, window: timedelta) -> Audit:
        """The escalations that began within this time, and whatever is overdue."""
        now = self._clock.now()
        since, looked_at, expected, found, after = now - window, 0, 0, list[Finding](), NO_ID
        async with self._database.transaction() as tx:
            while looked_at < MOST and len(found) < MOST_FINDINGS:
                records = await audit_store.load_begun(tx, since, after, PAGE)
                looked_at += len(records)
                expected += audit.expected(records, now)
                found += audit.findings(records, now)
                if len(records) < PAGE:
                    break
                after = records[-1].escalation_id
            older = await audit_store.load_overdue(tx, now - GRACE, since, MOST_FINDINGS)
            expected += len(older)
            found += audit.findings(older, now)
            found += await self._beside(tx, since, now)
        return Audit(looked_at + len(older), expected, found[:MOST_FINDINGS])

    async def look(self) -> None:
        """Audit what happened lately, and raise an alert about what is new."""
        audited = await self.audit(LATELY)
        findings_gauge.set(len(audited.findings))
        async with self._database.transaction() as tx:
            await audit_store.keep_findings(tx, [(self._ids.new(), finding) for finding in audited.findings], self._clock.now())
        for finding in audited.findings:
            log.warning("incident %s: %s", finding.incident_id, finding.text)
        if self._alerts is not None:
            await self._report(self._alerts)

    async def _beside(self, tx: Tx, since: datetime, now: datetime) -> list[Finding]:
        """Incidents without an escalation, and acknowledgements that ran out."""
        waiting = await audit_store.load_waiting(tx, now - GRACE, MOST_FINDINGS)
        found = [audit.acknowledgement_overdue(each.incident_id, each.due_at) for each in waiting]
        for row in await audit_store.load_unescalated(tx, _first_id_at(since), PAGE):
            incident = Incident.FromString(row.incident)
            opened_at = incident.opened_at.ToDatetime(now.tzinfo)
            if wire.is_open(incident) and now - opened_at > GRACE:
                found.append(audit.not_started(row.id, opened_at))
        return found

    async def _report(self, alerts: Alerts) -> None:
        async with self._database.transaction() as tx:
            new = await audit_store.lock_unreported(tx, MOST_FINDINGS)
            if not new:
                return
            count = "A timer" if len(new) == 1 else f"{len(new)} timers"
            title = f"{count} of escalations did not fire as they should"
            lines = "\n".join(f"incident {each.incident_id}: {each.text}" for each in new)
            # The same findings make the same request, so that an answer that was lost raises no second alert.
            request_id = hashlib.sha256("".join(each.id for each in new).encode()).hexdigest()[:32]
            try:
                alert_id = await alerts.raise_finding(request_id, title, lines)
            except Exception as error:  # whatever keeps detection from hearing of it: it is told at the next look
                log.warning("%s, and detection cannot be told yet: %s", title, error)
                return
            await audit_store.accept(tx, [each.id for each in new], alert_id)


def _first_id_at(at: datetime) -> str:
    """The smallest UUIDv7 of that instant."""
    return str(UUID(int=int(at.timestamp() * 1000) << 80))
