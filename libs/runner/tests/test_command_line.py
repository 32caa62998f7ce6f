"""What an operator does at the command line: serve twins, check connections against them, list connectors."""

import asyncio
import json
import signal
import sys

import httpx
import pytest
from joserfc.jwk import OKPKey
from runner_harness import serving
from tocsin.response.v1 import runner_service_pb2 as pb

from tocsin_runner.__main__ import main
from tocsin_runner.twins.twin import SECRET


@pytest.fixture
async def twins(tmp_path):
    """The twins as a process of their own, stopped by SIGTERM."""
    command = (sys.executable, "-m", "tocsin_runner", "twins", "--port", "0", "--lists", str(tmp_path / "lists.json"))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    yield line.rpartition(" ")[2].strip()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_connections_are_checked_and_the_world_can_be_looked_at(twins, tmp_path, monkeypatch, capsys):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in (("OKTA", SECRET + "token"), ("WRONG", "wrong-token")):
        (secrets / name).write_text(value)
        (secrets / name).chmod(0o600)
    (tmp_path / "connections.yaml").write_text(
        f"""
connections:
  okta: {{url: "{twins}/okta", token: "secret:OKTA"}}
  okta-old: {{connector: okta, url: "{twins}/okta", token: "secret:WRONG"}}
  github: {{url: "{twins}/github", project: example/shop, token: "secret:ABSENT"}}
"""
    )
    (tmp_path / "key.jwk").write_text("{}")
    for name, value in (
        ("TOCSIN_RUNNER_RESPONSE", "127.0.0.1:1"),
        ("TOCSIN_SIGNING_KEY_FILE", tmp_path / "key.jwk"),
        ("TOCSIN_RUNNER_SECRETS", secrets),
        ("TOCSIN_RUNNER_CONNECTIONS", tmp_path / "connections.yaml"),
        ("TOCSIN_RUNNER_PRIVATE_HOSTS", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, str(value))
    assert await asyncio.to_thread(main, ["check"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "github: there is no secret ABSENT"
    assert said[1] == "okta: works (HTTP 200)"
    assert said[2].startswith("okta-old: Okta answers HTTP 401") and "wrong-token" not in said[2]

    async with httpx.AsyncClient(base_url=twins) as browser:
        world = (await browser.get("/_world")).json()
        assert world["twins"]["okta"]["world"]["users"][0]["status"] == "ACTIVE"
        assert "Simulated twins" in (await browser.get("/")).text
        assert (await browser.post("/_faults/okta", json={"fault": "nonsense"})).status_code == 400
        await browser.post("/_faults/okta", json={"fault": "429", "path": "users"})
        assert (await browser.get("/okta/api/v1/users")).status_code == 401
        later = (await browser.post("/_clock", json={"seconds": 3600})).json()["now"]
        assert later > world["now"]
        assert (await browser.get("/blocklist/edl/addresses.txt")).text == "192.0.2.255\n"


def test_the_list_says_what_each_action_needs_and_whether_it_can_be_undone(capsys, monkeypatch):
    monkeypatch.delenv("TOCSIN_RUNNER_CONNECTORS", raising=False)
    assert main(["connectors"]) == 0
    said = capsys.readouterr().out
    assert "isolate-host" in said and "Needs: Machine.Isolate" in said
    assert "cannot be undone; looked at afterwards. Needs: User.RevokeSessions.All" in said


async def test_a_runner_works_until_it_is_told_to_stop(twins, tmp_path):
    """The real program against a real response: an exercise suspends a user of the twin, SIGTERM ends it, no secret is in its log."""
    key = OKPKey.generate_key("Ed25519", {"kid": "runner"})
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    async with serving() as (response, address):
        environment = {
            "TOCSIN_RUNNER_RESPONSE": address,
            "TOCSIN_SIGNING_KEY_FILE": str(tmp_path / "key.jwk"),
            "TOCSIN_RUNNER_TWINS": twins,
        }
        command = (sys.executable, "-m", "tocsin_runner", "run")
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
        action = {"type": "tocsin-action", "connector": "okta", "action": "disable-user", "arguments": {"user": "__user__:value"}}
        name = response.give(action, simulated=True, variables={"__user__": ("string", "ada")})
        outcome = await response.outcome(name, within=60)
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 30)
    assert outcome.state == pb.Outcome.STATE_SUCCEEDED, outcome
    assert outcome.verified and outcome.undo_token["prior"]["status"] == "ACTIVE"
    assert response.priors[name]["status"] == "ACTIVE"
    assert {"simulated:okta", "simulated:defender", "http-api", "ssh"} <= set(response.claims[0].capabilities)
    assert not {"bash", "okta", "defender"} & set(response.claims[0].capabilities)
    can = {each.connector: list(each.actions) for each in response.claims[0].connectors}
    assert can["simulated:defender"] == ["collect-evidence", "isolate-host", "quarantine-file", "release-host"]
    assert process.returncode == 0
    assert SECRET.encode() not in log
