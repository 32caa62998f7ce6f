"""Who PostgreSQL runs as: it refuses to run as root, so root needs an account without rights to lend it."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tocsin_standalone.errors import StandaloneError

NAME = "tocsin"
SPARE_NAMES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """One account of this machine, other than the one that runs this process."""

    name: str
    uid: int
    gid: int


def for_postgres(data: Path) -> Account | None:
    """The account to run PostgreSQL as; None: the present one, which is not root. Data that exists keeps its owner."""
    if os.geteuid() != 0:
        return None
    return for_existing(data) or _named(NAME) or _created() or next(filter(None, map(_named, SPARE_NAMES)), None) or _refuse()


def for_existing(data: Path) -> Account | None:
    """The account that PostgreSQL's data belongs to; None if that is the present one, or there is no data. Makes no account."""
    if os.geteuid() != 0 or not data.exists() or data.stat().st_uid == 0:
        return None
    return _of_uid(data.stat().st_uid)


def can_enter(folder: Path, account: Account | None) -> bool:
    """True if the account may go into `folder`, through every folder above it. Asked of the kernel, so that access lists count."""
    return _may("-x", folder, account)


def can_run(program: Path, account: Account | None) -> bool:
    """True if the account may read and run this file."""
    return _may("-x", program, account) and _may("-r", program, account)


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of a file or folder of ours."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _may(question: str, path: Path, account: Account | None) -> bool:
    test = shutil.which("test") or "/usr/bin/test"
    command = [test, question, str(path)]
    if account is None:
        return subprocess.run(command, cwd="/", check=False).returncode == 0
    return subprocess.run(command, cwd="/", check=False, user=account.uid, group=account.gid, extra_groups=[]).returncode == 0


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _of_uid(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _created() -> Account | None:
    """A new system account without home, shell or password; None where this machine cannot make one."""
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME]
    subprocess.run(command, check=False, capture_output=True)
    return _named(NAME)


def _refuse() -> Account:
    raise StandaloneError("PostgreSQL does not run as root, and there is no other account: add one with `useradd --system tocsin`")
