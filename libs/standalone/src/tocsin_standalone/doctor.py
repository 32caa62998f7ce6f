"""`tocsin doctor`, seen from this machine: what of an instance runs, what answers, and how to mend what does not."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin_standalone import account, platform, watchdog
from tocsin_standalone.canary import jetstream_answers
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import Home, free_bytes, holder, read_object
from tocsin_standalone.nats import SUPERVISOR
from tocsin_standalone.ports import LOOPBACK
from tocsin_standalone.postgres import binaries, query
from tocsin_standalone.process import recorded
from tocsin_standalone.services import SERVICES

LOW_BYTES = 2 * 1024**3
PROCESSES = ("postgres", "nats", *SERVICES)


@dataclass(frozen=True)
class Finding:
    """How one part is; `remedy` says how to mend it, and is empty where nothing is wrong."""

    name: str
    healthy: bool
    detail: str
    remedy: str = ""


def examine(home: Path) -> list[Finding]:
    """Every finding about the instance in `home`, running or not. Changes nothing."""
    place = Home.at(home)
    if not place.folder.is_dir():
        return [Finding("home", False, f"{place.folder} does not exist", f"start the platform with `tocsin up --home {home}`")]
    try:
        supervisor = holder(place)
        findings = [_disk(place), _supervisor(place, supervisor)]
        if supervisor is not None:
            findings += [*_processes(place), *_answers(place), *_watchdog(place), _connection(place)]
    except PermissionError as error:
        return [Finding("home", False, f"{error.filename} may not be read", "run this as the user who started the platform")]
    return findings


def _supervisor(home: Home, pid: int | None) -> Finding:
    if pid is None:
        return Finding("supervisor", False, f"not running in {home.folder}", f"start it with `tocsin up --home {home.folder}`")
    return Finding("supervisor", True, f"runs as process {pid}")


def _disk(home: Home) -> Finding:
    free = free_bytes(home.folder)
    detail = f"{free / 1024**3:.1f} GiB free for {home.folder}"
    if free < LOW_BYTES:
        return Finding("disk", False, detail, "make room: at least 2 GiB; without any, alerts are refused until there is some")
    return Finding("disk", True, detail)


def _processes(home: Home) -> Iterator[Finding]:
    asides = [name for name in ("runner", "watchdog", "twins", "demo") if (home.run / f"{name}.pid").exists()]
    for name in (*PROCESSES, *asides):
        process = recorded(home.run / f"{name}.pid")
        if process is not None:
            yield Finding(f"process {name}", True, f"runs as process {process.pid}")
        else:
            yield Finding(
                f"process {name}", False, "does not run", f"the supervisor starts it again; if that fails see {home.logs / f'{name}.log'}"
            )


def _answers(home: Home) -> Iterator[Finding]:
    ports: dict[str, Any] = read_object(home.instance).get("ports", {})
    if not ports:
        yield Finding("startup", False, "not finished", "wait for `tocsin up` to say that it is ready, or see what it says")
        return
    yield _postgres(home, ports["postgres"])
    yield _nats(home, ports["nats"])
    for service, port in {**ports["internal"], "edge": ports["grpc"]}.items():
        yield _answer(service, platform.serves(f"{LOOPBACK}:{port}"), f"gRPC at {LOOPBACK}:{port}", home, service)
    yield _answer("console", platform.ready(ports["http"]), f"http://{LOOPBACK}:{ports['http']}", home, "edge")


def _watchdog(home: Home) -> Iterator[Finding]:
    """What the watchdog says of the platform, and of what it knows itself."""
    port = read_object(home.instance).get("ports", {}).get("watchdog", 0)
    if not (home.run / "watchdog.pid").exists() or not port:
        return
    health = watchdog.health(port)
    if health is None:
        yield Finding("watchdog", False, f"does not answer at {LOOPBACK}:{port}", f"see {home.logs / 'watchdog.log'}")
    elif health["platform"] != "up":
        yield Finding("watchdog", False, f"says that the platform is {health['platform']}: {health['why']}", "mend what else is wrong here")
    elif health["snapshot_problem"]:
        yield Finding("watchdog", False, health["snapshot_problem"], f"see {home.logs / 'watchdog.log'}")
    elif not health["can_reach"]:
        # Nothing is broken; a platform that was just installed knows nobody.
        yield Finding(
            "watchdog", True, "watches, and could page nobody: nobody on call has an e-mail address, a webhook or a phone for SMS"
        )
    else:
        yield Finding("watchdog", True, f"could page {health['can_reach']} people; last round {health['last_round_came_through_at']}")


def _postgres(home: Home, port: int) -> Finding:
    place = f"PostgreSQL at {LOOPBACK}:{port}"
    try:
        data = Path(read_object(home.run / "postgres.place").get("data") or home.postgres)
        password = (home.secrets / "postgres-superuser").read_text().strip()
        query(binaries(account.for_existing(data)), port, password, "SELECT 1", seconds=5)
    except (StandaloneError, FileNotFoundError) as error:
        return Finding("postgres", False, f"{place} does not answer: {error}", f"see {home.logs / 'postgres.log'}")
    return Finding("postgres", True, f"{place} answers")


def _nats(home: Home, port: int) -> Finding:
    password = read_object(home.secrets / "nats-passwords.json").get(SUPERVISOR, "")
    answers = jetstream_answers(f"nats://{SUPERVISOR}:{password}@{LOOPBACK}:{port}")
    return _answer("nats", answers, f"JetStream at {LOOPBACK}:{port}", home, "nats")


def _answer(name: str, answers: bool, what: str, home: Home, log: str) -> Finding:
    if answers:
        return Finding(name, True, f"{what} answers")
    return Finding(name, False, f"{what} does not answer, or says that it is not ready", f"see {home.logs / f'{log}.log'}")


def _connection(home: Home) -> Finding:
    try:
        mode = stat.S_IMODE(home.connection.stat().st_mode)
    except FileNotFoundError:
        return Finding(
            "connection.json", False, "not there yet", "it is written when the platform is ready: wait for `tocsin up` to say so"
        )
    if mode & 0o077:
        return Finding("connection.json", False, f"others may read it (mode {mode:o})", f"chmod 600 {home.connection}; then make new keys")
    return Finding("connection.json", True, f"{home.connection}, only for its owner")
