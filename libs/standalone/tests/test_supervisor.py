"""The supervisor: what dies comes back, what keeps dying comes back later, and all of it stops."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tocsin_standalone.canary import Canary, jetstream_writes
from tocsin_standalone.nats import EmbeddedNats, supervisor_user
from tocsin_standalone.process import Child, Program
from tocsin_standalone.supervisor import Backoff, Supervisor
from tocsin_standalone.waiting import wait_until


def sleeper(folder: Path, name: str, code: str = "import time; time.sleep(600)") -> Child:
    return Child(Program(name, [sys.executable, "-c", code], folder / f"{name}.log", folder / f"{name}.pid"))


def test_the_delay_doubles_to_half_a_minute_and_begins_anew_after_a_minute_up() -> None:
    backoff = Backoff()
    assert [backoff.after(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(61) == 0.5


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_no_delay_is_outside_its_bounds(uptimes: list[float]) -> None:
    backoff = Backoff()
    assert all(0.5 <= backoff.after(uptime) <= 30 for uptime in uptimes)


def test_what_is_killed_is_started_again_and_the_operator_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = sleeper(tmp_path, "one")
    supervisor.keep(child)
    try:
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        _tend_until(supervisor, lambda: child.pid != first)
        assert child.running
        assert len(said) == 1 and "one ended (signal 9)" in said[0] and "one.log" in said[0]
    finally:
        supervisor.stop()
    assert not child.running


def test_a_program_that_cannot_stay_up_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda text: None)
    broken = sleeper(tmp_path, "broken", code="raise SystemExit('no such setting')")
    supervisor.keep(sleeper(tmp_path, "fine"), broken)
    try:
        _tend_until(supervisor, lambda: supervisor.failed_at_start() is not None)
        assert supervisor.failed_at_start() is broken
        assert "no such setting" in broken.last_words()
    finally:
        supervisor.stop()


def test_groups_stop_in_the_opposite_order(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    code = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(ends)!r}, 'a').write(sys.argv[1] + ' '), sys.exit()))\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    supervisor = Supervisor(lambda text: None)
    children = [
        Child(Program(name, [sys.executable, "-c", code, name], tmp_path / f"{name}.log", tmp_path / f"{name}.pid"))
        for name in ("first", "second", "third")
    ]
    for child in children:
        supervisor.keep(child)
    wait_until(lambda: all("up" in child.last_words() for child in children), "all are up", seconds=10)
    supervisor.stop()
    assert ends.read_text().split() == ["third", "second", "first"]


def test_a_nats_server_that_runs_but_does_not_write_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    nats = EmbeddedNats(tmp_path / "store", tmp_path / "run", [supervisor_user("secret")])
    url = nats.url("supervisor")
    supervisor.keep(nats.child)
    try:
        nats.wait_ready()
        supervisor.listen_to(Canary(url, every=0.05, grace=0.5), nats)
        _tend_until(supervisor, lambda: jetstream_writes(url))
        hanging = nats.child.pid
        assert hanging is not None
        os.kill(hanging, signal.SIGSTOP)
        _tend_until(supervisor, lambda: nats.child.pid != hanging)
        _tend_until(supervisor, lambda: jetstream_writes(url))
        assert any("does not write" in text for text in said)
    finally:
        supervisor.stop()


def _tend_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    def tended() -> bool:
        supervisor.tend()
        return condition()

    wait_until(tended, "the supervisor has acted", seconds=20)
