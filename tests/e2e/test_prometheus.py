"""What a Prometheus whose `alerting.alertmanagers` points at Tocsin does on the wire. The real one is among the real clients."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx

from tocsin_testkit.scenario import Caller
from tocsin_testkit.world import eventually


@contextlib.contextmanager
def sender_like_prometheus(up) -> Iterator[None]:
    """The same alert every two seconds, ending four evaluation intervals ahead."""
    target = up.connection["integrations"]["alertmanager"]
    stop = threading.Event()
    started = datetime.now(UTC)

    def send() -> None:
        while True:
            alert = {
                "labels": {"alertname": "PrometheusSaysSo", "severity": "critical", "service": "checkout"},
                "annotations": {"summary": "Prometheus says so"},
                "startsAt": started.isoformat().replace("+00:00", "Z"),
                "endsAt": (datetime.now(UTC) + timedelta(seconds=8)).isoformat().replace("+00:00", "Z"),
                "generatorURL": "http://prometheus.example.test/graph?g0.expr=vector%281%29",
            }
            httpx.post(target["url"], json=[alert], headers={"authorization": f"Bearer {target['key']}", "user-agent": "Prometheus/2.42.0"})
            if stop.wait(2):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


async def test_it_opens_an_incident_that_ends_when_prometheus_stops(up):
    caller = Caller(up.connection)

    def found(title="Prometheus says so"):
        return next((incident for incident in caller.incidents() if incident.title == title), None)

    async def opened():
        return found() is not None

    async def resolved():
        return found().resolve_reason

    with sender_like_prometheus(up):
        await eventually(opened, within=30)
        assert found().service == "checkout"
        assert found().alert_count == 1
    await eventually(resolved, within=60)
