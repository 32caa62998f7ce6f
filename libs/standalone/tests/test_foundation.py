"""The ground that the services stand on, run by a supervisor of its own process: stopped, killed, started twice."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tocsin_standalone.doctor import Finding, examine
from tocsin_standalone.home import Home, read_object
from tocsin_standalone.process import recorded
from tocsin_standalone.waiting import wait_until

Mentioning = Callable[[Path], list[str]]
MAIN = """
import os, sys, threading
from pathlib import Path
from tocsin_standalone import keys, services, up
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import Home, locked
from tocsin_standalone.nats import SUPERVISOR
from tocsin_standalone.process import stop_orphans
from tocsin_standalone.supervisor import Supervisor

home = Home.at(Path(sys.argv[1]))
stop = threading.Event()
with up._signals_to(stop):
    try:
        home.prepare()
        with locked(home):
            print("left:", stop_orphans(home.run))
            secrets = keys.load_or_create(home.secrets, services.SERVICES, (*services.SERVICES, SUPERVISOR))
            around = services.Surroundings(home, secrets, services.choose_ports(0, False), os.environ)
            supervisor = Supervisor(up.say)
            try:
                up.start_foundation(supervisor, around, stop)
                print("ready", flush=True)
                supervisor.run(stop)
            finally:
                supervisor.stop()
    except StandaloneError as error:
        sys.exit(str(error))
"""


@contextmanager
def supervised(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of PostgreSQL and NATS in `home`, ready; killed at the end if it still lives."""
    process = subprocess.Popen([sys.executable, "-c", MAIN, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                break
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Path]:
    """A home that several tests begin and end one after the other, so that its database is made once."""
    with tempfile.TemporaryDirectory(prefix="tocsin-standalone-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made) / "home"


@pytest.fixture
def home(lasting: Path, mentioning: Mentioning) -> Iterator[Path]:
    yield lasting
    wait_until(lambda: mentioning(lasting) == [], "nothing is left running", seconds=30)


@pytest.fixture
def new_home(folder: Path, mentioning: Mentioning) -> Iterator[Path]:
    yield folder / "home"
    wait_until(lambda: mentioning(folder) == [], "nothing is left running", seconds=30)


def living(home: Path, name: str) -> psutil.Process:
    found = recorded(Home.at(home).run / f"{name}.pid")
    assert found is not None
    return found


def unhealthy(home: Path) -> list[str]:
    return [finding.name for finding in examine(home) if not finding.healthy]


def finding(home: Path, name: str) -> Finding:
    return next(each for each in examine(home) if each.name == name)


def test_a_signal_stops_everything_and_leaves_nothing(home: Path, mentioning: Mentioning) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with supervised(home) as process:
            process.send_signal(number)
            assert process.wait(timeout=30) == 0, number
            assert mentioning(home) == [], number
            assert list(Home.at(home).run.glob("*.pid")) == [], number


def test_when_the_supervisor_is_killed_its_processes_end_and_the_next_start_goes_well(home: Path, mentioning: Mentioning) -> None:
    with supervised(home) as process:
        process.kill()
        process.wait()
    with supervised(home):
        assert finding(home, "postgres").healthy and finding(home, "nats").healthy
    wait_until(lambda: mentioning(home) == [], "the kernel has told the processes", seconds=30)


def test_an_orphan_that_outlived_its_supervisor_is_stopped_by_the_next(home: Path) -> None:
    with supervised(home) as process:
        orphan = living(home, "nats")
        os.kill(orphan.pid, signal.SIGSTOP)  # it cannot heed the kernel's word that its parent is gone
        process.kill()
        process.wait()
    assert orphan.is_running()
    with supervised(home):
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert finding(home, "nats").healthy


def test_what_is_killed_comes_back_with_what_it_knew(home: Path) -> None:
    with supervised(home):
        for name in ("postgres", "nats"):
            comes_back(home, name)


def comes_back(home: Path, name: str) -> None:
    killed = living(home, name)
    killed.kill()
    wait_until(
        lambda: (found := recorded(Home.at(home).run / f"{name}.pid")) is not None and found != killed, f"{name} is back", seconds=30
    )
    wait_until(lambda: finding(home, name).healthy, f"{name} answers", seconds=30)


def test_a_second_supervisor_of_the_same_home_is_refused_with_the_first_one_named(home: Path) -> None:
    with supervised(home) as first:
        second = subprocess.run([sys.executable, "-c", MAIN, str(home)], capture_output=True, text=True, check=False, timeout=30)
        assert second.returncode == 1
        assert str(first.pid) in second.stderr and "--home" in second.stderr
        assert finding(home, "postgres").healthy


def test_two_homes_run_side_by_side(home: Path, new_home: Path) -> None:
    with supervised(home), supervised(new_home):
        ports = [read_object(Home.at(each).instance)["ports"] for each in (home, new_home)]
        assert ports[0]["postgres"] != ports[1]["postgres"]
        assert all(finding(each, "postgres").healthy and finding(each, "nats").healthy for each in (home, new_home))


def test_the_doctor_tells_what_runs_and_what_does_not(new_home: Path) -> None:
    assert unhealthy(new_home) == ["home"]
    with supervised(new_home):
        ill = unhealthy(new_home)
        assert {"process detection", "edge", "console", "connection.json"} <= set(ill)
        assert not {"supervisor", "disk", "postgres", "nats", "process postgres", "process nats"} & set(ill)
        assert all(each.remedy for each in examine(new_home) if not each.healthy)
    wait_until(lambda: "supervisor" in unhealthy(new_home), "the lock is free", seconds=5)
    assert f"tocsin up --home {new_home}" in finding(new_home, "supervisor").remedy


@pytest.mark.usefixtures("as_root")
def test_a_home_that_lets_nobody_in_stays_so(folder: Path, mentioning: Mentioning) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with supervised(closed) as process:
        assert finding(closed, "postgres").healthy
        data = Path(read_object(Home.at(closed).run / "postgres.place")["data"])
        process.terminate()
        process.wait(timeout=30)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert data.exists() and mentioning(data) == []
    subprocess.run(["rm", "-r", str(data.parent)], check=True)
