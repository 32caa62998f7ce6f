"""The platform's checks of itself leave nothing behind."""

from datetime import timedelta
from uuid import uuid4

from tocsin_chassis.compose import foundation
from tocsin_response.escalation.own_checks import Checks
from tocsin_response.settings import ResponseSettings


async def test_escalations_of_checks_are_forgotten_and_no_others(world):
    async with foundation("response", world.settings("response", ResponseSettings), world.clock) as base:
        old, now = world.clock.now() - timedelta(hours=2), world.clock.now()
        rows = [
            ("tocsin-watchdog", "STOPPED", old),
            ("tocsin-watchdog", "STOPPED", now),
            ("tocsin-watchdog", "RUNNING", old),
            ("shop", "STOPPED", old),
        ]
        async with base.database.transaction() as tx:
            for policy, state, at in rows:
                incident = str(uuid4())
                await tx.execute("INSERT INTO incident_copy (id, version, incident) VALUES (%s, 1, ''::bytea)", (incident,))
                await tx.execute(
                    """INSERT INTO escalation (id, incident_id, opened_version, version, policy, state, step, round, due_at, started_at,
                           stop_reason, about_gap, traceparent)
                       VALUES (%s, %s, 1, 1, jsonb_build_object('name', %s::text), %s, 0, 0, %s, %s, '', false, '')""",
                    (str(uuid4()), incident, policy, state, at if state == "RUNNING" else None, at),
                )
        await Checks(base.database, world.clock).forget()
        async with base.database.transaction() as tx:
            left = await tx.values(str, "SELECT policy ->> 'name' || ' ' || state FROM escalation ORDER BY 1")
            copies = await tx.value(int, "SELECT count(*)::int FROM incident_copy")
    assert left == ["shop STOPPED", "tocsin-watchdog RUNNING", "tocsin-watchdog STOPPED"]
    assert copies == 3
