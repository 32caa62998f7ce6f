"""The command `tocsin-response audit`: whether every timer fired in time, for people and for cron."""

from tocsin_chassis.app import App
from tocsin_chassis.cli import Command
from tocsin_kernel.ids import RandomIds
from tocsin_response.escalation.auditor import LATELY as WINDOW
from tocsin_response.escalation.auditor import Auditor


async def audit(app: App) -> int:
    """Print what should have fired and did not; 1 if there is anything."""
    await app.database.ping()
    audited = await Auditor(app.database, app.database.clock, RandomIds(), None).audit(24 * WINDOW)
    print(f"{audited.escalations} escalations, {audited.expected} timers, {len(audited.findings)} findings")
    for finding in audited.findings:
        print(f"{finding.flaw.value:12} incident {finding.incident_id}: {finding.text}")
    return 1 if audited.findings else 0


AUDIT = Command("audit", "compare the timers of the last 24 h that should have fired with those that did", audit)
