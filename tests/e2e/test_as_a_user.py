"""What the README promises, done as a user does it."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tocsin.detection.v1.integration_pb2 import Integration
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_standalone.platform import integration_kinds
from tocsin_testkit.scenario import Caller
from tocsin_testkit.world import eventually

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent


def tocsin(up, *arguments, expect=0):
    """Run the command line against the installation; returns what it prints."""
    environment = {**os.environ, "TOCSIN_CONNECTION": str(up.home / "connection.json"), "COLUMNS": "160"}
    done = subprocess.run([BIN / "tocsin", *arguments], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def post(up, kind, body, key=None):
    target = up.connection["integrations"][kind]
    return httpx.post(target["url"], json=body, headers={"authorization": f"Bearer {key or target['key']}"})


def find(up, title):
    return [incident for incident in json.loads(tocsin(up, "incident", "list", "-o", "json")) if title in incident["title"]]


async def incident_about(up, title, **wanted):
    found = []

    async def there():
        found[:] = [incident for incident in find(up, title) if all(incident.get(key) == value for key, value in wanted.items())]
        return found

    await eventually(there, within=20, what=f"an incident about {title}")
    return found[0]


def test_connection_json_is_private_and_complete(up):
    path = up.home / "connection.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = up.connection
    assert {"console", "grpc", "api_key", "integrations"} <= set(connection)
    assert set(connection["integrations"]) == set(integration_kinds())
    assert httpx.get(connection["console"]).status_code == 200


def test_the_commands_of_the_readme_fire_an_alert(up, tmp_path):
    """The shell block is taken from the README and run as it is written, but for folder and port."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    [block] = [block for block in blocks if "KEY=$(" in block]
    commands = block.split(".venv/bin/tocsin incident list")[0]
    commands = commands.replace(".tocsin/connection.json", str(up.home / "connection.json")).replace(".venv/bin/", f"{BIN}/")
    commands = commands.replace("http://127.0.0.1:8080", up.connection["console"].rstrip("/"))
    subprocess.run(["bash", "-euc", commands], check=True, cwd=tmp_path, timeout=30)


async def test_an_alert_is_acknowledged_from_the_command_line(up):
    assert post(up, "alertmanager", [{"labels": {"alertname": "FromTheShell", "service": "checkout"}}]).status_code == 200
    incident = await incident_about(up, "FromTheShell")
    number = str(incident["number"])
    assert "FromTheShell" in tocsin(up, "incident", "show", number)
    tocsin(up, "incident", "ack", number)

    async def told():
        return "cknowledged" in tocsin(up, "timeline", number)

    await eventually(told, within=20)
    tocsin(up, "incident", "resolve", number)
    tocsin(up, "incident", "ack", number, expect=6)

    async def drafted():
        return "FromTheShell" in tocsin(up, "review", number)

    await eventually(drafted, within=20)


async def test_one_alert_is_one_trace_through_all_services(up):
    """From the HTTP request to the mail server."""
    assert post(up, "webhook", {"title": "Traced", "service": "checkout", "key": "traced"}).status_code == 202
    incident = await incident_about(up, "Traced")

    async def whole():
        spans = json.loads(tocsin(up, "trace", str(incident["number"]), "-o", "json"))["spans"]
        by_trace: dict[str, set[str]] = {}
        for span in spans:
            by_trace.setdefault(span["trace_id"], set()).add(span["service"])
        wanted = {"tocsin-edge", "tocsin-detection", "tocsin-triage", "tocsin-response", "tocsin-communication"}
        return any(wanted <= services for services in by_trace.values())

    await eventually(whole, within=20, what="one trace across five services")


def test_a_wrong_key_is_refused(up):
    assert post(up, "webhook", {"title": "x"}, key="wrong").status_code == 401


def test_doctor_finds_everything_healthy(up):
    assert "edge" in tocsin(up, "doctor", "--home", str(up.home))


def test_configuration_round_trips(up, tmp_path):
    tocsin(up, "export", "-o", str(tmp_path / "organisation"))
    applied = tocsin(up, "apply", "-f", str(tmp_path / "organisation"), "--dry-run", "-o", "json")
    assert "created" not in applied.lower()
    assert "updated" not in applied.lower()


def test_the_grpc_address_serves_health_and_refuses_strangers(up):
    with grpc.insecure_channel(up.connection["grpc"]) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        caller = Caller(up.connection)
        with pytest.raises(grpc.RpcError) as refused:
            caller.triage.ListIncidents(triage_pb.ListIncidentsRequest(), timeout=5)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert caller.incidents()


def test_the_connect_protocol_answers_json(up):
    url = f"{up.connection['console'].rstrip('/')}/tocsin.triage.v1.TriageService/ListIncidents"
    assert httpx.post(url, json={}).status_code == 401
    answer = httpx.post(url, json={}, headers={"authorization": f"Bearer {up.connection['api_key']}"})
    assert answer.status_code == 200
    assert answer.json()["incidents"]


def test_every_kind_of_integration_can_be_tried(up):
    assert Integration.DESCRIPTOR.fields_by_name["kind"]
    assert all({"url", "key"} <= set(target) for target in up.connection["integrations"].values())
    assert Incident.State.Name(Incident.STATE_OPEN)
