"""The six services as programs: what each is told through its environment, and nothing more."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.home import Home
from tocsin_standalone.keys import Keys
from tocsin_standalone.ports import LOOPBACK, free_port, is_free, require_free
from tocsin_standalone.postgres import url_of
from tocsin_standalone.process import Program
from tocsin_standalone.roles import DATABASE

SERVICES = ("detection", "triage", "response", "communication", "review", "edge")
# What any program may need from the operator's environment. PYTHONPATH is how some installations find their packages.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR", "TMPDIR", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
# What the operator may decide for the platform.
SETTINGS = (
    "TOCSIN_SMTP_URL",
    "TOCSIN_SMTP_CA_FILE",
    "TOCSIN_EMAIL_FROM",
    "TOCSIN_WEBHOOK_ALLOW_PRIVATE",
    "TOCSIN_WEBHOOK_UPDATES",
    "TOCSIN_TWILIO_ACCOUNTS_FILE",
    "TOCSIN_LOG_LEVEL",
    "TOCSIN_PUBLIC_URL",
)
# What the kinds of channels can be told; it reaches communication alone, whose secrets they name.
KINDS_OF_CHANNELS = ("SLACK", "TEAMS", "MATTERMOST", "DISCORD", "APPRISE", "TELEGRAM", "NTFY", "WEB_PUSH", "TWILIO", "VONAGE", "EMAIL")
CHANNELS = tuple(f"TOCSIN_{kind}_" for kind in KINDS_OF_CHANNELS)
# Where evidence lies if not in the folder; it reaches response alone.
EVIDENCE = (
    "TOCSIN_EVIDENCE_STORE",
    "TOCSIN_EVIDENCE_S3_",
    "TOCSIN_EVIDENCE_LOCK_",
    "TOCSIN_EVIDENCE_MOST_BYTES",
    "TOCSIN_OUTGOING_CA_FILE",
)
OF_ONE_SERVICE = {"communication": CHANNELS, "response": EVIDENCE}
MAIL_CERTIFICATE = ("TOCSIN_SMTP_CERTIFICATE_FILE", "TOCSIN_SMTP_CERTIFICATE_KEY_FILE")
EMAIL_FROM = "tocsin@localhost"


@dataclass(frozen=True)
class Ports:
    """Who listens where, on loopback."""

    http: int
    grpc: int
    postgres: int
    nats: int
    internal: Mapping[str, int]
    mailbox: int = 0
    smtp: int = 0
    email: int = 0
    watchdog: int = 0
    twins: int = 0

    @property
    def console(self) -> str:
        return f"http://{LOOPBACK}:{self.http}"

    def grpc_of(self, service: str) -> str:
        """host:port of a service's gRPC server; the edge's is the public one."""
        return f"{LOOPBACK}:{self.grpc if service == 'edge' else self.internal[service]}"


def choose_ports(first: int, demo: bool) -> Ports:
    """The console at `first` (0: any free one), gRPC after it, then the demo's mailbox; the rest wherever it is free.

    Mail for integrations comes after that, if it is free there: a port of its own is not worth a refusal to start.
    """
    taken: set[int] = set()
    first = first or free_port(taken, neighbours=3)
    taken |= {first, first + 1, first + 2, first + 3}
    require_free(first, "the console and the senders of alerts")
    require_free(first + 1, "gRPC (the port after the console's)")
    if demo:
        require_free(first + 2, "the demo's mailbox (two after the console's port)")
    internal = {service: free_port(taken) for service in SERVICES if service != "edge"}
    return Ports(
        http=first,
        grpc=first + 1,
        postgres=free_port(taken),
        nats=free_port(taken),
        internal=internal,
        mailbox=first + 2 if demo else 0,
        smtp=free_port(taken) if demo else 0,
        email=first + 3 if is_free(first + 3) else free_port(taken),
        watchdog=free_port(taken),
        twins=free_port(taken) if demo else 0,
    )


@dataclass(frozen=True)
class Surroundings:
    """All that the environments of the services are made of. `sockets` is the folder of PostgreSQL's socket, once that is known."""

    home: Home
    keys: Keys
    ports: Ports
    operator: Mapping[str, str]
    sockets: Path | None = None

    @property
    def public_url(self) -> str:
        return self.operator.get("TOCSIN_PUBLIC_URL") or self.ports.console

    @property
    def email_listen(self) -> str:
        """host:port where mail for integrations arrives."""
        return self.operator.get("TOCSIN_SMTP_LISTEN") or f"{LOOPBACK}:{self.ports.email}"

    @property
    def keeps_spans(self) -> bool:
        """False if the operator sends the spans to a collector of their own."""
        return not any(self.operator.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "TRACES_"))


def require_installed() -> None:
    """Raises StandaloneError naming the services that are not installed beside this package."""
    missing = [f"tocsin-{service}" for service in SERVICES if importlib.util.find_spec(f"tocsin_{service}") is None]
    if missing:
        raise StandaloneError(f"not installed: {', '.join(missing)}; install them with `pip install 'tocsin-standalone[services]'`")


def program(service: str, command: str, around: Surroundings) -> Program:
    """`tocsin-<service> serve | migrate`, run by this very interpreter, wherever its scripts lie."""
    run = f"import sys; from tocsin_{service}.app import main; sys.argv[0] = 'tocsin-{service}'; sys.exit(main())"
    serving, migrating = ["-c", run, "serve"], ["-m", "tocsin_chassis.migrating", service]
    name = service if command == "serve" else f"{service}-{command}"
    return Program(
        name=name,
        command=[sys.executable, *(serving if command == "serve" else migrating)],
        log=around.home.logs / f"{service}.log",
        record=around.home.run / f"{name}.pid",
        environment=environment(service, around),
    )


def environment(service: str, around: Surroundings) -> dict[str, str]:
    """The whole environment of one service."""
    keys, ports = around.keys, around.ports
    own = {
        "TOCSIN_POSTGRES_URL": url_of(f"tocsin_{service}", keys.postgres[service], DATABASE, ports.postgres, around.sockets),
        "TOCSIN_NATS_URL": f"nats://{service}:{keys.nats[service]}@{LOOPBACK}:{ports.nats}",
        "TOCSIN_GRPC_LISTEN": ports.grpc_of(service),
        "TOCSIN_SIGNING_KEY_FILE": str(keys.signing_key_files[service]),
        "TOCSIN_TRUSTED_KEYS_FILE": str(keys.trusted_keys_file),
        "TOCSIN_PUBLIC_URL": around.public_url,
        "TOCSIN_WEBHOOK_SECRET_FILE": str(keys.webhook_secret_file),
        "TOCSIN_SECRETS_KEY_FILE": str(keys.sealing_key_files[service]),
        "TOCSIN_WEBHOOK_PRIVATE_HOSTS": _private_hosts(around),
        "TOCSIN_EVIDENCE_FOLDER": str(around.home.folder / "evidence"),
        "TOCSIN_EMAIL_FROM": EMAIL_FROM,
        **{f"TOCSIN_{other.upper()}_ADDRESS": ports.grpc_of(other) for other in ports.internal},
    }
    chosen = {name: value for name, value in around.operator.items() if name in (*INHERITED, *SETTINGS) and value}
    chosen |= {name: value for name, value in around.operator.items() if name.startswith(OF_ONE_SERVICE.get(service, ())) and value}
    demo = {"TOCSIN_SMTP_URL": f"smtp://{LOOPBACK}:{ports.smtp}?starttls=never"} if ports.smtp else {}
    return {"PYTHONUNBUFFERED": "1", **own, **chosen, **demo, **_spans(around), **(_edge(around) if service == "edge" else {})}


def _spans(around: Surroundings) -> dict[str, str]:
    """Where spans go: to the edge's receiver, or wherever the operator's own OpenTelemetry settings say."""
    if not around.keeps_spans:
        return {name: value for name, value in around.operator.items() if name.startswith("OTEL_")}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": around.ports.console,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{around.keys.span_key}",
    }


def _edge(around: Surroundings) -> dict[str, str]:
    return {
        "TOCSIN_HTTP_LISTEN": f"{LOOPBACK}:{around.ports.http}",
        "TOCSIN_SMTP_LISTEN": around.email_listen,
        **{name: value for name, value in around.operator.items() if name in MAIL_CERTIFICATE},
        "TOCSIN_BOOTSTRAP_API_KEY_FILE": str(around.keys.admin_api_key_file),
        "TOCSIN_SPAN_KEY_FILE": str(around.keys.span_key_file) if around.keeps_spans else "",
    }


def _private_hosts(around: Surroundings) -> str:
    """The watchdog takes its page on this machine; the operator may name more."""
    named = around.operator.get("TOCSIN_WEBHOOK_PRIVATE_HOSTS", "")
    return ",".join(filter(None, (f"{LOOPBACK}:{around.ports.watchdog}", named)))
