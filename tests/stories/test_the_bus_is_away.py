"""NATS dies between intake and page: what was accepted waits in the outbox, nobody is refused, and everything arrives once.

That a database which is away is told as 503 with Retry-After stands in test_replay_list.py.
"""

from datetime import timedelta

from tocsin.triage.v1.incident_pb2 import Incident

MINUTE = timedelta(minutes=1)


async def test_what_happens_while_the_bus_is_away_arrives_once_it_is_back(platform):
    await platform.responders("alice", "bob")
    await platform.policy("usual", [("alice", 5 * MINUTE), ("bob", 5 * MINUTE)])
    for service in ("checkout", "search", "ledger"):
        await platform.service(service, "usual")
    await platform.fire("checkout", "Before")
    before = await platform.expect_page("alice", about="Before")
    await platform.settled()

    async with platform.world.without_nats():
        for service, alertname in (("search", "Meanwhile"), ("ledger", "AlsoMeanwhile")):
            assert (await platform.fire(service, alertname)).status_code == 200
        assert (await platform.fire("search", "Meanwhile")).status_code == 200, "the sender repeats what it said"
        assert (await platform.click(before)).is_success, "whoever was paged before takes it"
        declared = await platform.declare("By hand", "checkout")

    for about in ("Meanwhile on search", "AlsoMeanwhile on ledger", "By hand"):
        await platform.expect_page("alice", about=about)
    await platform.expect_quiet()
    taken = await platform.expect_incident(title="Before on checkout")
    assert (taken.state, taken.acknowledged_by) == (Incident.STATE_ACKNOWLEDGED, "alice")
    await platform.timeline(taken, "IncidentAcknowledged", "EscalationStopped")
    await platform.timeline(declared, "IncidentOpened", "PageSent")

    # Whom the acknowledgement spared stays spared: the next step is for the others only.
    platform.clock.forward(5 * MINUTE)
    for about in ("Meanwhile on search", "AlsoMeanwhile on ledger", "By hand"):
        await platform.expect_page("bob", about=about)
    await platform.expect_quiet()
