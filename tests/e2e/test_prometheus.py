"""A Prometheus whose `alerting.alertmanagers` points at Tocsin: the real one where it is installed, else what it does on the wire."""

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tocsin_standalone.ports import free_port
from tocsin_testkit.scenario import Caller
from tocsin_testkit.world import eventually

RULES = """
groups:
  - name: walk
    interval: 1s
    rules:
      - alert: PrometheusSaysSo
        expr: vector(1)
        labels: {severity: critical, service: checkout}
        annotations: {summary: "Prometheus says so"}
"""


@contextlib.contextmanager
def real_prometheus(up, folder) -> Iterator[None]:
    """Debian's Prometheus with one rule that always fires."""
    target = up.connection["integrations"]["alertmanager"]
    host = httpx.URL(target["url"])
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(f"""
global: {{evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - authorization: {{credentials: {target["key"]}}}
      static_configs: [{{targets: ["{host.host}:{host.port}"]}}]
""")
    arguments = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{free_port()}",
    ]
    process = subprocess.Popen(
        ["prometheus", *arguments, "--rules.alert.resend-delay=2s"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def sender_like_prometheus(up, folder) -> Iterator[None]:
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


@pytest.fixture
def prometheus(up, tmp_path):
    kind = real_prometheus if shutil.which("prometheus") else sender_like_prometheus
    return kind(up, tmp_path)


async def test_it_opens_an_incident_that_ends_when_prometheus_stops(up, prometheus):
    caller = Caller(up.connection)

    def found(title="Prometheus says so"):
        return next((incident for incident in caller.incidents() if incident.title == title), None)

    async def opened():
        return found() is not None

    async def resolved():
        return found().resolve_reason

    with prometheus:
        await eventually(opened, within=30)
        assert found().service == "checkout"
        assert found().alert_count == 1
    await eventually(resolved, within=60)
