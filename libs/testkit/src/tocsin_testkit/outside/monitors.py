"""A real Prometheus and a real Alertmanager, each on a port of its own, in a folder of its own."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tocsin_standalone.ports import free_port
from tocsin_testkit.outside.debian import program

START_SECONDS = 30.0
STOP_SECONDS = 10.0


@contextlib.contextmanager
def prometheus(folder: Path, alertmanagers: str, rules: str, resend_delay: str = "2s") -> Iterator[str]:
    """Runs with the rules, and sends to `alertmanagers`, the YAML of what `alerting.alertmanagers` holds. Yields its address.

    Raises ProgramMissing.
    """
    port = free_port()
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(
        f"global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n{alertmanagers}"
    )
    command = program("prometheus", "prometheus").command(
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--rules.alert.resend-delay={resend_delay}",
    )
    with _running(command, folder, port) as address:
        yield address


@contextlib.contextmanager
def alertmanager(folder: Path, configuration: str) -> Iterator[str]:
    """Runs alone with a configuration, which is YAML. Yields its address. Raises ProgramMissing."""
    port = free_port()
    (folder / "alertmanager.yml").write_text(configuration)
    command = program("prometheus-alertmanager", "prometheus-alertmanager").command(
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with _running(command, folder, port) as address:
        yield address


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}"
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        until = time.monotonic() + START_SECONDS
        while not _ready(address):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command} did not become ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _ready(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/-/ready").status_code == 200
    return False
