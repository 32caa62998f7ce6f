"""The command `tocsin-response audit-runs`: whether every run that is under way goes on, for people and for cron."""

from tocsin_chassis.app import App
from tocsin_chassis.cli import Command
from tocsin_response.playbook.auditor import RunAuditor


async def audit(app: App) -> int:
    """Print the runs that do not go on; 1 if there is any."""
    await app.database.ping()
    audited = await RunAuditor(app.database, app.database.clock, None).audit()
    print(f"{audited.runs} runs, {len(audited.stuck)} findings")
    for each in audited.stuck:
        print(f"run {each.run_id} since {each.since:%Y-%m-%d %H:%M:%S}Z: {each.text}")
    return 1 if audited.stuck else 0


AUDIT_RUNS = Command("audit-runs", "find runs of playbooks that nothing moves on", audit)
