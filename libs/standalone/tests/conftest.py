"""Homes that PostgreSQL's account can enter, and a way to see what runs."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def as_root() -> None:
    """Skips what only root can do: lend PostgreSQL another account."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every account may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="tocsin-standalone-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def passwords() -> dict[str, str]:
    """One for each service, with signs that must be quoted."""
    names = ("detection", "triage", "response", "communication", "review", "edge")
    return {name: f"it's {secrets.token_hex(8)} \\ %" for name in names}


@pytest.fixture
def mentioning() -> Callable[[Path], list[str]]:
    """Tells the command lines of living processes that work in a folder."""
    return _mentioning


def _mentioning(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status", "pid"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE and process.info["pid"] != os.getpid():
            found.append(line)
    return found
