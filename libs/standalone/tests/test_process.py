"""Processes: they end with their parent, they are stopped for certain, and what is left of a crash is found."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tocsin_standalone.process import Child, Program, recorded, rotate, stop_orphans
from tocsin_standalone.waiting import wait_until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def sleeper(folder: Path, *, code: str = "import time; time.sleep(600)", patience: float = 10.0) -> Program:
    return Program(
        name="sleeper",
        command=[sys.executable, "-c", code],
        log=folder / "sleeper.log",
        record=folder / "sleeper.pid",
        stop_steps=((signal.SIGTERM, patience),),
    )


def test_a_stopped_process_is_gone_with_its_record(tmp_path: Path) -> None:
    child = Child(sleeper(tmp_path))
    child.start()
    found = recorded(child.program.record)
    assert found is not None and found.pid == child.pid
    child.stop()
    assert not child.running
    assert child.status == -signal.SIGTERM
    assert not child.program.record.exists()


def test_a_process_that_does_not_listen_is_forced(tmp_path: Path) -> None:
    child = Child(sleeper(tmp_path, code=STUBBORN, patience=0.2))
    child.start()
    wait_until(lambda: "deaf" in child.last_words(), "it no longer listens", seconds=10)
    child.stop()
    assert child.status == -signal.SIGKILL


def test_a_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not psutil.wait_procs([child], timeout=10)[1]


_PARENT = """
import sys, time
from pathlib import Path
from tocsin_standalone.process import Child, Program
folder = Path(sys.argv[1])
child = Child(Program("c", [sys.executable, "-c", "import time; time.sleep(600)"], folder / "c.log", folder / "c.pid"))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_an_orphan_is_found_by_its_record_and_stopped(tmp_path: Path) -> None:
    child = Child(sleeper(tmp_path, code=STUBBORN, patience=0.2))
    child.start()
    wait_until(lambda: "deaf" in child.last_words(), "it no longer listens", seconds=10)
    assert stop_orphans(tmp_path) == ["sleeper"]
    assert not child.running
    assert not child.program.record.exists()


def test_a_process_that_only_has_the_same_id_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "old.pid"
    record.write_text(json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time() - 60, "stop": [[signal.SIGTERM, 1]]}))
    assert stop_orphans(tmp_path) == []
    assert not record.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_damaged_record_harms_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.pid").write_text(content)
    assert stop_orphans(tmp_path) == []


def test_a_program_sees_only_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TEST_SECRET", "do not tell")
    child = Child(sleeper(tmp_path, code="import os; print(sorted(os.environ))"))
    child.start()
    wait_until(lambda: not child.running, "it ends", seconds=10)
    assert "TOCSIN_TEST_SECRET" not in child.last_words()


def test_a_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        rotate(log, limit=50)
        writer.write(b"new")
        rotate(log, limit=50)
    assert log.read_bytes() == b"new"
    assert (tmp_path / "x.log.1").read_bytes() == b"a" * 100
