"""What a runner is told through its environment."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tocsin_chassis.settings import SettingsError, setting

LOCAL = frozenset({"bash", "powershell"})


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """Everything that can be decided from outside. Lists are written with commas."""

    response: str = setting("TOCSIN_RUNNER_RESPONSE", "host:port of response's gRPC server")
    signing_key_file: Path = setting("TOCSIN_SIGNING_KEY_FILE", "the runner's own private key (Ed25519, JWK); its kid is runner")
    name: str = setting("TOCSIN_RUNNER_NAME", "the runner's name, for people; empty: host and process", default="")
    at_once: int = setting("TOCSIN_RUNNER_AT_ONCE", "how many assignments it works on together", default=32)
    grace_seconds: float = setting("TOCSIN_RUNNER_GRACE_SECONDS", "how long assignments may take to end at a stop", default=20.0)
    secrets: Path | None = setting(
        "TOCSIN_RUNNER_SECRETS", "folder with one file for each secret, readable by its owner only; empty: none", default=None
    )
    connections: Path | None = setting(
        "TOCSIN_RUNNER_CONNECTIONS", "YAML file: where connectors go, by which secrets, and which hosts may get which secret", default=None
    )
    tocsin: str = setting(
        "TOCSIN_RUNNER_TOCSIN",
        "Tocsin's own address: connections `tocsin` and `blocklist` go there by the secret TOCSIN; empty: none but those of the file",
        default="",
    )
    connectors: Path | None = setting(
        "TOCSIN_RUNNER_CONNECTORS", "folder with connectors of your own (*.yaml, *.py), read again when they change", default=None
    )
    private_hosts: str = setting(
        "TOCSIN_RUNNER_PRIVATE_HOSTS", "hosts, or host:port, that may have private addresses, any port, and no TLS", default=""
    )
    ports: str = setting("TOCSIN_RUNNER_PORTS", "the ports that may be asked elsewhere", default="443")
    ca_file: Path | None = setting("TOCSIN_RUNNER_CA_FILE", "certificates (PEM) of authorities that are trusted too", default=None)
    local_commands: str = setting(
        "TOCSIN_RUNNER_LOCAL_COMMANDS", "bash, powershell: what playbooks may run on this machine; empty: nothing", default=""
    )
    twins: str = setting("TOCSIN_RUNNER_TWINS", "address of simulated twins for exercises: http://127.0.0.1:8090; empty: none", default="")
    metrics_listen: str = setting("TOCSIN_METRICS_LISTEN", "host:port of the Prometheus endpoint /metrics; empty: none", default="")
    log_level: str = setting("TOCSIN_LOG_LEVEL", "debug, info, warning or error", default="info")


def listed(text: str) -> list[str]:
    """The items between commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


def ports(text: str) -> list[int]:
    """Raises SettingsError."""
    found = [int(item) if item.isdigit() else 0 for item in listed(text)]
    if not all(0 < port < 65536 for port in found):
        raise SettingsError("TOCSIN_RUNNER_PORTS: give ports between commas, like 443,8443")
    return found


def local_commands(text: str) -> Iterable[str]:
    """Raises SettingsError."""
    if unknown := set(listed(text)) - LOCAL:
        raise SettingsError(f"TOCSIN_RUNNER_LOCAL_COMMANDS: {', '.join(sorted(unknown))} is neither bash nor powershell")
    return listed(text)
