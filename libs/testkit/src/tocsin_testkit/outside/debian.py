"""Real programs of Debian: the one that is installed, or the package unpacked into the user's cache, without installing it."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD_SECONDS = 120
TRY_SECONDS = 10


class ProgramMissing(Exception):
    """It is not installed and its package cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Program:
    """An executable; `share` is the folder that it must find as /usr/share, None where that one is right."""

    path: Path
    share: Path | None

    def command(self, *arguments: str | os.PathLike[str]) -> list[str]:
        """What to start, so that a signal to it reaches the program."""
        words = [os.fspath(self.path), *(os.fspath(argument) for argument in arguments)]
        if self.share is None:
            return words
        # In a mount namespace of its own it sees its package's files where it looks for them.
        return [*NAMESPACE, "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', str(self.share), *words]


NAMESPACE = ["unshare", "--map-root-user", "--mount"]


def program(package: str, name: str) -> Program:
    """A program of a package. Raises ProgramMissing."""
    if installed := shutil.which(name):
        return Program(Path(installed), None)
    unpacked = _unpacked(package)
    return Program(unpacked / "usr/bin" / name, unpacked / "usr/share")


@functools.cache
def _unpacked(package: str) -> Path:
    """The folder with the package's files."""
    if sys.platform != "linux" or not all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb", "unshare")):
        raise ProgramMissing(f"{package} is not installed, and there is neither apt-get nor unshare to try it without installing")
    _run([*NAMESPACE, "true"], Path.cwd(), TRY_SECONDS)
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin" / "debian" / package
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        _run(["apt-get", "-q", "download", package], Path(made), DOWNLOAD_SECONDS)
        [archive] = Path(made).glob("*.deb")
        _run(["dpkg-deb", "-x", str(archive), "unpacked"], Path(made), DOWNLOAD_SECONDS)
        try:
            (Path(made) / "unpacked").rename(folder)
        except OSError:  # another test has just done the same
            if not folder.exists():
                raise
    return folder


def _run(command: list[str], folder: Path, seconds: float) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ProgramMissing(f"{' '.join(command)} took longer than {seconds} seconds") from error
    if done.returncode:
        raise ProgramMissing(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
