"""The platform's checks of itself leave nothing behind."""

from datetime import timedelta
from uuid import uuid4

from tocsin_chassis.compose import foundation
from tocsin_communication.incidents.checks import Checks
from tocsin_communication.settings import CommunicationSettings


async def test_pages_about_checks_are_forgotten_and_no_others(world, tmp_path):
    settings = world.settings("communication", CommunicationSettings, triage_address="127.0.0.1:1", public_url="http://x")
    async with foundation("communication", settings, world.clock) as base:
        old, now = world.clock.now() - timedelta(hours=2), world.clock.now()
        rows = [
            ("tocsin-watchdog", "RESOLVED", old),
            ("tocsin-watchdog", "RESOLVED", now),
            ("tocsin-watchdog", "OPEN", old),
            ("shop", "RESOLVED", old),
        ]
        async with base.database.transaction() as tx:
            for service, state, at in rows:
                incident = str(uuid4())
                await tx.execute(
                    """INSERT INTO incident (id, version, number, title, summary, service, severity, state, opened_at, acknowledged_by,
                           resolve_reason, turn) VALUES (%s, 1, 1, '', '', %s, 'SEV5', %s, %s, '', '', 1)""",
                    (incident, service, state, at),
                )
                await tx.execute(
                    """INSERT INTO page (id, kind, incident_id, summons_id, responder, contact_method, channel, address, provider, state,
                           state_reason, reason, subject, body, created_at, due_at, attempt_at)
                       VALUES (%s, 'SUMMONS', %s, '', 'r', 'c', 'EMAIL', 'a', 'p', 'SENT', '', '', '', '', %s, %s, %s)""",
                    (str(uuid4()), incident, at, at, at),
                )
        await Checks(base.database, world.clock).forget()
        async with base.database.transaction() as tx:
            left = await tx.values(str, "SELECT service || ' ' || state FROM incident ORDER BY 1")
            pages = await tx.value(int, "SELECT count(*)::int FROM page")
    assert left == ["shop RESOLVED", "tocsin-watchdog OPEN", "tocsin-watchdog RESOLVED"]
    assert pages == 3
