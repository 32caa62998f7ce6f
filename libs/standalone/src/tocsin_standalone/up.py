"""`tocsin up`: from an empty folder to a running platform, and back to nothing left behind."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from tocsin_client.connection import Connection
from tocsin_client.errors import TocsinError
from tocsin_standalone import keys, platform, roles, runner, schema, services, watchdog
from tocsin_standalone.canary import Canary
from tocsin_standalone.demo import twins
from tocsin_standalone.demo.program import demo_program
from tocsin_standalone.errors import Interrupted, StandaloneError
from tocsin_standalone.home import Home, locked, write_private
from tocsin_standalone.nats import SUPERVISOR, EmbeddedNats, service_users, supervisor_user
from tocsin_standalone.ports import LOOPBACK
from tocsin_standalone.postgres import EmbeddedPostgres
from tocsin_standalone.process import Child, stop_orphans
from tocsin_standalone.services import SERVICES, Surroundings
from tocsin_standalone.supervisor import Supervisor
from tocsin_standalone.waiting import wait_until

START_SECONDS = 120.0
WATCHDOG_SECONDS = 30.0


def up(home: Path, port: int, demo: bool = False, environment: Mapping[str, str] | None = None) -> int:
    """Run the platform in `home` until SIGINT, SIGTERM or SIGHUP; returns the exit status. Call it from the main thread.

    The console is at `port`, gRPC at the next one, the demo's mailbox after that; port 0 takes free ones.
    """
    place = Home.at(home)
    stop = threading.Event()
    with _signals_to(stop):
        try:
            place.prepare()
            with locked(place):
                _run(place, port, demo, os.environ if environment is None else environment, stop)
        except Interrupted:
            say("Stopped before it was ready.")
        except (StandaloneError, TocsinError) as error:
            say(f"tocsin: {error}")
            return 1
    return 0


def say(text: str) -> None:
    """Tell the operator."""
    print(text, flush=True)


def _run(home: Home, port: int, demo: bool, operator: Mapping[str, str], stop: threading.Event) -> None:
    began = time.monotonic()
    services.require_installed()
    if left := stop_orphans(home.run):
        say(f"Stopped what an earlier run had left: {', '.join(left)}.")
    home.connection.unlink(missing_ok=True)  # whoever sees it may connect
    around = Surroundings(
        home=home,
        keys=keys.load_or_create(home.secrets, SERVICES, (*SERVICES, SUPERVISOR), (runner.RUNNER,)),
        ports=services.choose_ports(port, demo),
        operator=operator,
    )
    supervisor = Supervisor(say)
    try:
        postgres, nats = start_foundation(supervisor, around, stop)
        around = replace(around, sockets=postgres.sockets)
        _migrate(around, postgres, stop)
        supervisor.listen_to(Canary(nats.url(SUPERVISOR)), nats)
        _start_services(supervisor, around, demo, stop)
        _introduce(around, demo, time.monotonic() - began)
        supervisor.run(stop)
        say("Stopping …")
    finally:
        supervisor.stop()
        home.instance.unlink(missing_ok=True)
    say("Stopped. Nothing is left running.")


def start_foundation(supervisor: Supervisor, around: Surroundings, stop: threading.Event) -> tuple[EmbeddedPostgres, EmbeddedNats]:
    """PostgreSQL with the roles and NATS with the users, both answering and kept alive."""
    home, secret, ports = around.home, around.keys, around.ports
    say(f"Starting PostgreSQL and NATS in {home.folder} …")
    postgres = EmbeddedPostgres(
        home.postgres, home.run, password=secret.postgres_superuser, port=ports.postgres, log=home.logs / "postgres.log", say=say
    )
    users = [*service_users({service: secret.nats[service] for service in SERVICES}), supervisor_user(secret.nats[SUPERVISOR])]
    nats = EmbeddedNats(home.nats, home.run, users, port=ports.nats, log=home.logs / "nats.log")
    postgres.create()
    # Their own groups: NATS stops before PostgreSQL.
    supervisor.keep(postgres.child)
    supervisor.keep(nats.child)
    _write_instance(around)
    postgres.wait_ready(stop)
    roles.apply(postgres, {service: secret.postgres[service] for service in SERVICES})
    nats.wait_ready(stop)
    return postgres, nats


def _migrate(around: Surroundings, postgres: EmbeddedPostgres, stop: threading.Event) -> None:
    stamp = around.home.nats / "migrated.json"
    if marks := schema.outdated(stamp, SERVICES, postgres.data):
        say("Migrating the schemas …")
        schema.migrate({service: services.program(service, "migrate", around) for service in marks}, marks, stamp, stop, say)


def _start_services(supervisor: Supervisor, around: Surroundings, demo: bool, stop: threading.Event) -> None:
    say("Starting the services …")
    supervisor.keep(*(Child(services.program(service, "serve", around)) for service in SERVICES))
    waiting = {service: around.ports.grpc_of(service) for service in SERVICES}

    def all_ready() -> bool:
        supervisor.tend()
        if (failed := supervisor.failed_at_start()) is not None:
            raise StandaloneError(f"{failed.program.name} does not stay up; the end of {failed.program.log}:\n{failed.last_words()}")
        for service in [service for service, address in waiting.items() if platform.serves(address)]:
            del waiting[service]
        return not waiting and platform.ready(around.ports.http)

    def progress(waited: float) -> None:
        say(f"After {waited:.0f} s not ready yet: {', '.join(waiting) or 'the console'}")

    wait_until(
        all_ready, f"the services are ready (their logs are in {around.home.logs})", seconds=START_SECONDS, stop=stop, progress=progress
    )
    kept = platform.integration_keys(_connection(around), around.home.secrets / "integrations.json")
    platform.connection_file(around.home.connection, _connection(around), kept, around.ports.console, around.email_listen)
    if runner.wanted(around):
        if demo:
            supervisor.keep(Child(twins.program(around)))
        runner.prepare(_connection(around), around)
        supervisor.keep(Child(runner.program(around)))
    if watchdog.installed() and around.operator.get("TOCSIN_WATCHDOG", "on") != "off":
        _start_watchdog(supervisor, around, stop)
    if demo:
        supervisor.keep(Child(demo_program(around)))


def _start_watchdog(supervisor: Supervisor, around: Surroundings, stop: threading.Event) -> None:
    """The platform serves without its watchdog, but somebody should know."""
    try:
        supervisor.keep(Child(watchdog.prepare(_connection(around), around)))
        wait_until(lambda: watchdog.knows(around.ports.watchdog), "the watchdog knows whom to page", seconds=WATCHDOG_SECONDS, stop=stop)
    except (StandaloneError, TocsinError) as error:
        say(f"{error}; see {around.home.logs / 'watchdog.log'}")


def _introduce(around: Surroundings, demo: bool, seconds: float) -> None:
    """Say where everything is. The link goes to the operator's terminal only."""
    try:
        link = platform.sign_in_link(_connection(around))
    except TocsinError as error:  # a service that died just now is started again; that is no reason to end all others
        link = f"not now: {error}"
    say("")
    say(f"Tocsin is ready after {seconds:.1f} s.")
    say(f"  Console   {around.public_url}")
    say(f"  Sign in   {link}")
    say("            (works once; another one: `tocsin sign-in-link admin`)")
    say(f"  gRPC      {around.ports.grpc_of('edge')}")
    say(f"  Keys      {around.home.connection}")
    if demo:
        say(f"  Mailbox   http://{LOOPBACK}:{around.ports.mailbox}   (where the demo's pages arrive)")
        if runner.wanted(around):
            say(f"  Twins     {twins.url(around)}   (the simulated systems at which playbooks act)")
    say("Stop with Ctrl-C.")


def _connection(around: Surroundings) -> Connection:
    return Connection(around.ports.grpc_of("edge"), around.keys.admin_api_key, around.public_url)


def _write_instance(around: Surroundings) -> None:
    """Leave word for `tocsin doctor` where everything listens this time."""
    write_private(around.home.instance, json.dumps({"supervisor": os.getpid(), "ports": asdict(around.ports)}, indent=2) + "\n")


@contextmanager
def _signals_to(stop: threading.Event) -> Iterator[None]:
    """While inside, the signals that ask to stop set `stop`."""

    def heed(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
