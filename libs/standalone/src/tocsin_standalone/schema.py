"""Brings the schemas and streams of all services to the installed version, when there is something to bring."""

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import read_object, write_private
from tocsin_standalone.process import Child, Program
from tocsin_standalone.waiting import wait_until

MIGRATION_SECONDS = 1800.0
SHARED = "tocsin_chassis"


def outdated(stamp: Path, services: tuple[str, ...], database: Path) -> dict[str, str]:
    """The services whose code is not the one that last migrated this database and these streams, with the mark of their code.

    `stamp` lies beside the streams and names the database, so that the loss of either makes everything outdated.
    """
    marks = {service: _mark(service, database) for service in services}
    known = read_object(stamp)
    return {service: mark for service, mark in marks.items() if known.get(service) != mark}


def migrate(
    programs: Mapping[str, Program], marks: Mapping[str, str], stamp: Path, stop: threading.Event, say: Callable[[str], None]
) -> None:
    """Run the migrations side by side (every service has a schema of its own). Raises StandaloneError with the words of one that fails."""
    children = {service: Child(program) for service, program in programs.items()}
    try:
        for child in children.values():
            child.start()
        wait_until(
            lambda: not any(child.running for child in children.values()),
            "the migrations end",
            seconds=MIGRATION_SECONDS,
            stop=stop,
            progress=lambda waited: say(f"Migrations still run after {waited:.0f} s …"),
        )
    finally:
        for child in children.values():
            child.stop()
    for service, child in children.items():
        if child.status != 0:
            raise StandaloneError(f"the migration of {service} failed; the end of {child.program.log}:\n{child.last_words()}")
    write_private(stamp, json.dumps({**read_object(stamp), **marks}, indent=2) + "\n")


def _mark(service: str, database: Path) -> str:
    """Changes with every file of the service and of the machinery it is built on, and with the database it is for."""
    digest = hashlib.sha256((database / "global" / "pg_control").read_bytes()[:8])  # the cluster's own number
    for package in (SHARED, f"tocsin_{service}"):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in (".py", ".sql"):
                    state = path.stat()
                    digest.update(f"{path}:{state.st_size}:{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
