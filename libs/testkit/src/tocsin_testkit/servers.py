"""A real PostgreSQL and a real nats-server for one test session, on free loopback ports, gone at its end."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tocsin_standalone.nats import EmbeddedNats, User
from tocsin_standalone.postgres import EmbeddedPostgres

SERVICES = ("detection", "triage", "response", "communication", "review", "edge")

# Tests ask whether the code is right, not whether a disk is; the faults suite runs the durable settings.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "scram_iterations": "1",
}
# Files in memory, where the machine has room for those of several workers: a database is copied there in a tenth of the time.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Servers:
    """Where the servers are, and how to get in."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    def postgres_url(self, database: str, role: str = "postgres") -> str:
        """A database as one role; all roles share one password that was made for this session."""
        return self.postgres.url(role, self.postgres.password, database)

    @property
    def nats_url(self) -> str:
        """As a user who may do everything: what a service's own user may do is tested where those are made."""
        return self.nats.url("tests")


@contextlib.contextmanager
def servers(settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Start both; stop both and delete everything at the end, whatever happened. With settings of PostgreSQL of its own it is on disk."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-test-", dir=_place() if settings is None else None))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(
            folder / "postgres", folder / "run", password=secrets.token_urlsafe(16), settings=FAST if settings is None else settings
        )
        nats = EmbeddedNats(folder / "nats", folder / "run", [User("tests", secrets.token_hex(16), [">"], [], [">"])])
        stack.callback(postgres.destroy)
        postgres.start()
        stack.callback(nats.destroy)
        nats.start()
        started = Servers(postgres, nats)
        _make_roles(started)
        yield started


def _place() -> Path | None:
    """Where the servers keep their files; None for the usual folder of temporary files."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    return MEMORY if roomy else None


def _make_roles(started: Servers) -> None:
    with psycopg.connect(started.postgres_url("postgres"), autocommit=True) as connection:
        for service in SERVICES:
            role = sql.Identifier(f"tocsin_{service}")
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(started.postgres.password)))
            connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(role, sql.Identifier(service)))
        # initdb has stored it with as many iterations as an attacker should need, and each connection takes them anew.
        connection.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(started.postgres.password)))
