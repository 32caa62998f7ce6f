"""What `up --demo` plays to whoever has just started it."""

import httpx
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_standalone.demo.script import CHECKOUT, DECLARED, SEARCH
from tocsin_standalone.waiting import wait_until

ENDS = {CHECKOUT: "STATE_RESOLVED", SEARCH: "STATE_RESOLVED", DECLARED: "STATE_OPEN"}


def test_the_demo_wakes_people(up):
    """One incident climbs until somebody takes it and ends, one ends by itself, one stays open; the mailbox has what was sent."""
    with Tocsin(Connection.from_file(up.home / "connection.json")) as tocsin:

        def played():
            return {incident.title: incident for incident in tocsin.incidents() if incident.title in ENDS}

        def ended():
            return {title: Incident.State.Name(incident.state) for title, incident in played().items()} == ENDS

        wait_until(ended, "the walk", seconds=75)
        assert played()[CHECKOUT].acknowledged_by in ("chen", "dolores")
    mailbox = httpx.get(f"http://127.0.0.1:{up.port + 2}")
    assert "Checkout" in mailbox.text
