"""`up`, whole: from an empty folder to a platform that can be used, again after a stop and after a crash, and stopped at any moment.

What `up --demo` plays is looked at where an installation with it runs anyway: tests/e2e/test_demo.py.
"""

import json
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_standalone.doctor import examine
from tocsin_standalone.home import Home
from tocsin_standalone.platform import integration_kinds
from tocsin_standalone.process import recorded
from tocsin_standalone.services import SERVICES
from tocsin_standalone.waiting import wait_until

Mentioning = Callable[[Path], list[str]]
# The distribution can be installed and tested without the services that it runs.
pytestmark = pytest.mark.skipif(
    any(find_spec(f"tocsin_{service}") is None for service in SERVICES), reason="needs all six services installed"
)


def command(home: Path, port: int = 0, *more: str) -> list[str]:
    return [sys.executable, "-m", "tocsin_standalone", "up", "--home", str(home), "--port", str(port), *more]


@contextmanager
def running(home: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`up`, ready; stopped at the end, and killed if it does not stop."""
    process = subprocess.Popen(command(home, 0, *more), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Stop with"):
                break
        assert process.poll() is None, "".join(said)
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()


@pytest.fixture
def home(folder: Path, mentioning: Mentioning) -> Iterator[Path]:
    yield folder / "home"
    wait_until(lambda: mentioning(folder) == [], "nothing is left running", seconds=30)


def connection(home: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((home / "connection.json").read_text())
    return content


def takes_what_its_addresses_say(integrations: dict[str, dict[str, str]]) -> None:
    """Every address of connection.json works as it stands."""
    webhook, pagerduty, heartbeat, mail = (integrations[kind] for kind in ("webhook", "pagerduty", "heartbeat", "email"))
    assert httpx.post(webhook["url"], json={"title": "x", "status": "resolved", "key": "none"}).status_code == 202
    event = {"routing_key": pagerduty["key"], "event_action": "resolve", "dedup_key": "none"}
    assert httpx.post(pagerduty["url"], json=event).status_code == 202
    assert httpx.post(heartbeat["url"]).json()["heartbeat"] == "example"
    host, port = mail["smtp"].rsplit(":", 1)
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        assert client.sendmail("monitor@x", [mail["url"].removeprefix("mailto:")], b"Subject: OK: none\r\n\r\n") == {}


def test_it_goes_on_where_it_was_stopped_can_be_used_when_it_says_so_and_what_is_killed_comes_back(
    home: Path, mentioning: Mentioning
) -> None:
    """One installation through its life: stopped while it starts, its first whole start, a service and the database killed, the
    supervisor killed, and a second start."""
    for moment in ("Starting PostgreSQL", "Migrating", "Starting the services"):
        is_stopped_at(home, moment)
        assert mentioning(home) == [], moment
    with running(home) as process:
        first = connection(home)
        assert (home / "connection.json").stat().st_mode & 0o777 == 0o600
        assert set(first["integrations"]) == set(integration_kinds())  # type: ignore[call-overload]
        assert unhealthy(home) == []
        assert httpx.get(f"{first['console']}/readyz").status_code == 200
        takes_what_its_addresses_say(first["integrations"])  # type: ignore[arg-type]
        with Tocsin(Connection.from_file(home / "connection.json")) as tocsin:
            assert list(tocsin.incidents()) == []
        for name in ("detection", "edge", "postgres"):
            comes_back(home, name)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running(home):
        assert unhealthy(home) == []
        second = connection(home)
        assert second["api_key"] == first["api_key"]
        assert [each["key"] for each in second["integrations"].values()] == [each["key"] for each in first["integrations"].values()]  # type: ignore[attr-defined]


def is_stopped_at(home: Path, moment: str) -> None:
    process = subprocess.Popen(command(home), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith(moment))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0, moment


def comes_back(home: Path, name: str) -> None:
    killed = recorded(Home.at(home).run / f"{name}.pid")
    assert killed is not None
    killed.kill()
    wait_until(lambda: recorded(Home.at(home).run / f"{name}.pid") not in (None, killed), f"{name} is started again", seconds=30)
    wait_until(lambda: unhealthy(home) == [], f"everything answers after {name} was killed", seconds=60)


def unhealthy(home: Path) -> list[str]:
    return [str(finding) for finding in examine(home) if not finding.healthy]


def test_a_port_in_use_is_named_and_nothing_is_started(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(command(home, port), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"port {port}" in done.stdout and "--port" in done.stdout
