"""A whole installation, started as a user starts it: `tocsin up`, in a folder and on ports of its own. It ends with its parent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tocsin_standalone.ports import free_port
from tocsin_testkit.tied import tied

START_SECONDS = 300.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Installation:
    """A running `tocsin up`."""

    home: Path
    port: int
    process: "subprocess.Popen[bytes]"
    ready_seconds: float

    @property
    def connection(self) -> dict[str, Any]:
        """What connection.json says."""
        found: dict[str, Any] = json.loads((self.home / "connection.json").read_text())
        return found

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything under it."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def find(self, name: str) -> psutil.Process:
        """The process of a service ("triage"), of "nats-server", or the first of "postgres". Raises LookupError."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if any(Path(word).name == name or f"tocsin_{name}.app" in word for word in words[:4]):
                    return process
        raise LookupError(f"no process of {name}")

    def cut_power(self) -> None:
        """SIGKILL for everything. All are held first, so that none sees another one end and still does something about it.

        What was written but not synced is not lost by that, as it would be with the machine's power.
        """
        for act in (psutil.Process.suspend, psutil.Process.kill):
            everything = self.processes()
            for process in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    act(process)
        self.process.wait()
        psutil.wait_procs(everything, timeout=STOP_SECONDS)


@contextlib.contextmanager
def installation(
    home: Path | None = None, environment: dict[str, str] | None = None, arguments: tuple[str, ...] = (), port: int = 0
) -> Iterator[Installation]:
    """Start, wait until it says it is ready, and stop by SIGTERM at the end. Raises RuntimeError with its output if it does not start.

    Without a port it takes a free one.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-home-") as folder:
        Path(folder).chmod(0o755)
        where = home or Path(folder) / "home"
        port = port or free_port(neighbours=3)
        (where / "connection.json").unlink(missing_ok=True)
        began = time.monotonic()
        log = Path(folder) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                tied([Path(sys.executable).with_name("tocsin"), "up", "--home", where, "--port", str(port), *arguments]),
                stdout=output, stderr=output, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        try:
            while not (where / "connection.json").exists():
                if process.poll() is not None or time.monotonic() > began + START_SECONDS:
                    raise RuntimeError(f"tocsin up did not become ready:\n{log.read_text()[-4000:]}")
                time.sleep(0.02)
            yield Installation(where, port, process, time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
