"""The simulated systems at which the demo's playbooks act: a process of its own, and the connections that lead the runner there."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tocsin_standalone.home import write_private
from tocsin_standalone.ports import LOOPBACK
from tocsin_standalone.process import Program
from tocsin_standalone.services import INHERITED, Surroundings

TWINS = "twins"
# What the twins take for a secret; whoever knows them can only change the simulated world.
SECRETS = {"demo-client-secret": "simulated-client_secret", "demo-token": "simulated-token"}
MICROSOFT = {"tenant": "demo", "client_id": "demo", "client_secret": "secret:demo-client-secret"}
TOKEN = {"token": "secret:demo-token"}
CONNECTED: Mapping[str, Mapping[str, str]] = {"defender": MICROSOFT, "entra": MICROSOFT, "velero": TOKEN, "kubernetes": TOKEN}


def url(around: Surroundings) -> str:
    """Where they are, and where a browser shows what became of them."""
    return f"http://{LOOPBACK}:{around.ports.twins}"


def program(around: Surroundings) -> Program:
    """`tocsin-runner twins`, run by this very interpreter."""
    run = "import sys; from tocsin_runner.__main__ import main; sys.argv[0] = 'tocsin-runner'; sys.exit(main())"
    return Program(
        name=TWINS,
        command=[sys.executable, "-c", run, "twins", "--port", str(around.ports.twins)],
        log=around.home.logs / f"{TWINS}.log",
        record=around.home.run / f"{TWINS}.pid",
        environment={"PYTHONUNBUFFERED": "1"} | {name: around.operator[name] for name in INHERITED if name in around.operator},
    )


def settings(around: Surroundings) -> dict[str, str]:
    """What the runner is told in the demo."""
    return {
        "TOCSIN_RUNNER_CONNECTIONS": str(_connections(around)),
        "TOCSIN_RUNNER_PRIVATE_HOSTS": f"{LOOPBACK}:{around.ports.twins}",
        "TOCSIN_RUNNER_TWINS": url(around),
    }


def prepare(around: Surroundings) -> None:
    """Write the connections, and the secrets that the twins take."""
    connections = {name: {"url": f"{url(around)}/{name}", **told} for name, told in CONNECTED.items()}
    for name in ("defender", "entra"):
        connections[name]["login"] = f"{url(around)}/{name}"
    # JSON is YAML, too.
    write_private(_connections(around), json.dumps({"connections": connections}, indent=2) + "\n")
    for name, value in SECRETS.items():
        write_private(around.home.runner / "secrets" / name, value)


def _connections(around: Surroundings) -> Path:
    return around.home.runner / "demo-connections.yaml"
