"""The folder that holds one instance: where everything in it lies, and the lock that keeps a second supervisor out."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin_standalone.errors import StandaloneError


@dataclass(frozen=True)
class Home:
    """The layout of one instance's folder."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Home":
        """The home in `folder`, which need not exist."""
        return cls(folder.expanduser().resolve())

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def runner(self) -> Path:
        """What the operator gives the runner: secrets, connectors, connections."""
        return self.folder / "runner"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def nats(self) -> Path:
        return self.folder / "nats"

    @property
    def connection(self) -> Path:
        return self.folder / "connection.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def instance(self) -> Path:
        return self.run / "instance.json"

    def prepare(self) -> None:
        """Make the folders. An existing home keeps the rights that its owner gave it."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True)
                # Others may pass through to a data folder of theirs (PostgreSQL's user, when started as root), but list nothing.
                self.folder.chmod(0o711)
            for private in (self.secrets, self.logs, self.run, self.nats):
                private.mkdir(exist_ok=True)
                private.chmod(0o700)
        except OSError as error:
            raise StandaloneError(f"cannot use {self.folder}: {error.strerror}; give --home a folder that you may write") from error


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home alone. Raises StandaloneError naming the process that has it. The kernel gives the lock back when its holder dies."""
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = home.lock.read_text().strip() or "unknown"
            raise StandaloneError(
                f"tocsin already runs in {home.folder} (process {holder}): use it, stop it with `kill {holder}`, or give another --home"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(home: Home) -> int | None:
    """The process id of the supervisor that holds the home, or None if there is none."""
    try:
        descriptor = os.open(home.lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        text = home.lock.read_text().strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none, or if it holds none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def free_bytes(folder: Path) -> int:
    """What is left on the folder's disk."""
    return shutil.disk_usage(folder).free
