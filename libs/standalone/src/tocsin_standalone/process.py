"""Processes of ours: started through the launcher, written down, stopped for certain, and found again after a crash."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tocsin_standalone import launcher
from tocsin_standalone.account import Account
from tocsin_standalone.home import read_object, write_private

LOG_LIMIT = 10 * 1024 * 1024
StopSteps = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Program:
    """What to run and how to end it: each step is a signal and how many seconds it gets; SIGKILL follows the last."""

    name: str
    command: Sequence[str]
    log: Path
    record: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_steps: StopSteps = ((signal.SIGTERM, 10.0),)


class Child:
    """One process of ours, or none at the moment. Start it from the main thread: the kernel ties its life to the thread that did."""

    def __init__(self, program: Program, before_start: Callable[[], None] | None = None) -> None:
        self.program = program
        self.started_at = 0.0
        self._before_start = before_start
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of the last process; negative for a signal; None while it runs or before the first."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process and write it down."""
        if self._before_start is not None:
            self._before_start()
        program = self.program
        account = f"{program.account.uid}:{program.account.gid}" if program.account else "-"
        prefix = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), str(int(program.stop_steps[0][0])), account]
        with open(program.log, "ab", opener=_private) as log:
            self._process = subprocess.Popen(
                [*prefix, *program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(program.environment),
                cwd="/",
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        write_private(program.record, _record(self._process.pid, program.stop_steps))

    def ask_to_stop(self) -> None:
        """Send the first signal; see `finish`."""
        if self._process is not None and self.running:
            self._process.send_signal(self.program.stop_steps[0][0])

    def finish(self) -> None:
        """Wait for the end that was asked for, and force it where it does not come."""
        if self._process is None:
            return
        for number, seconds in self.program.stop_steps:
            if self.running and number != self.program.stop_steps[0][0]:
                self._process.send_signal(number)
            if _ended(self._process, seconds):
                break
        self.kill()

    def stop(self) -> None:
        """End the process: by asking, then by force."""
        self.ask_to_stop()
        self.finish()

    def kill(self) -> None:
        """End the process and its group at once, as `kill -9` does."""
        if self._process is not None and self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.program.record.unlink(missing_ok=True)

    def last_words(self, lines: int = 15) -> str:
        """The end of the log."""
        try:
            with self.program.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
                return b"\n".join(log.read().splitlines()[-lines:]).decode(errors="replace")
        except OSError:
            return ""


def rotate(log: Path, limit: int = LOG_LIMIT) -> None:
    """Keep a log below `limit` bytes, and one older one beside it. The writer appends, and so goes on at the new start."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    older = log.with_suffix(".log.1")
    with log.open("rb+") as source, open(older, "wb", opener=_private) as target:
        shutil.copyfileobj(source, target, 1 << 20)
        source.truncate(0)


def stop_orphans(records: Path) -> list[str]:
    """End what an earlier supervisor left behind, going by what it wrote down; returns the names of what was still alive.

    A process counts as the one written down only if it also began at the same time: ids are used again.
    """
    alive = {path: found for path in sorted(records.glob("*.pid")) if (found := recorded(path)) is not None}
    for path, process in alive.items():
        _signal(process, _steps(path)[0][0])
    for path, process in alive.items():
        _force(process, _steps(path))
    for path in records.glob("*.pid"):
        path.unlink(missing_ok=True)
    return [path.stem for path in alive]


def recorded(record: Path) -> psutil.Process | None:
    """The living process that a record speaks of, or None."""
    noted = read_object(record)
    try:
        process = psutil.Process(int(noted["pid"]))
        same = abs(process.create_time() - float(noted["created"])) < 2.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (KeyError, ValueError, psutil.Error):
        return None


def _force(process: psutil.Process, steps: StopSteps) -> None:
    for index, (number, seconds) in enumerate(steps):
        if index > 0:
            _signal(process, number)
        if not psutil.wait_procs([process], timeout=seconds)[1]:
            return
    _signal(process, signal.SIGKILL)
    psutil.wait_procs([process], timeout=5)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def _steps(record: Path) -> StopSteps:
    return tuple((int(number), float(seconds)) for number, seconds in read_object(record).get("stop", [])) or ((signal.SIGTERM, 10.0),)


def _record(pid: int, steps: StopSteps) -> str:
    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error:
        created = 0.0
    return json.dumps({"pid": pid, "created": created, "stop": [[int(number), seconds] for number, seconds in steps]})


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
