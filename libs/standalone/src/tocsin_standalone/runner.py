"""The runner that carries out steps of playbooks: a program that knows response's address, its own key and a folder of secrets."""

import importlib.util
import sys

from tocsin.access.v1 import access_pb2
from tocsin.edge.v1 import edge_service_pb2 as edge

from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_standalone.demo import twins
from tocsin_standalone.home import write_private
from tocsin_standalone.process import Program
from tocsin_standalone.services import INHERITED, Surroundings

RUNNER = "runner"
# The file among its secrets that has its key of Tocsin.
KEY = "TOCSIN"
# Everything that the operator may decide for it begins so.
OWN = "TOCSIN_RUNNER_"
OFF = "off"


def wanted(around: Surroundings) -> bool:
    """Whether it is installed, and the operator wants it here: runners can be elsewhere."""
    return importlib.util.find_spec("tocsin_runner") is not None and around.operator.get("TOCSIN_RUNNER", "on") != OFF


def program(around: Surroundings) -> Program:
    """`tocsin-runner run`, run by this very interpreter."""
    run = "import sys; from tocsin_runner.__main__ import main; sys.argv[0] = 'tocsin-runner'; sys.exit(main())"
    return Program(
        name=RUNNER,
        command=[sys.executable, "-c", run, "run"],
        log=around.home.logs / f"{RUNNER}.log",
        record=around.home.run / f"{RUNNER}.pid",
        environment=environment(around),
    )


def environment(around: Surroundings) -> dict[str, str]:
    """The whole environment: no password of the platform is in it."""
    folder = around.home.runner
    connections = folder / "connections.yaml"
    own = {
        "TOCSIN_RUNNER_RESPONSE": around.ports.grpc_of("response"),
        "TOCSIN_SIGNING_KEY_FILE": str(around.keys.signing_key_files[RUNNER]),
        "TOCSIN_RUNNER_SECRETS": str(folder / "secrets"),
        "TOCSIN_RUNNER_CONNECTORS": str(folder / "connectors"),
        "TOCSIN_RUNNER_TOCSIN": around.ports.console,
        **({"TOCSIN_RUNNER_CONNECTIONS": str(connections)} if connections.exists() else {}),
    }
    operator = around.operator
    # In the demo it acts at simulated twins, whatever the operator has written for real ones.
    own |= twins.settings(around) if around.ports.twins else {}
    chosen = {name: value for name, value in operator.items() if (name in INHERITED or name.startswith(OWN)) and value}
    level = {"TOCSIN_LOG_LEVEL": operator["TOCSIN_LOG_LEVEL"]} if operator.get("TOCSIN_LOG_LEVEL") else {}
    return {"PYTHONUNBUFFERED": "1", **own, **chosen, **level}


def prepare(connection: Connection, around: Surroundings) -> None:
    """Make the folders that it reads, and a responder's key of its own, where they are missing."""
    for name in ("secrets", "connectors"):
        (around.home.runner / name).mkdir(parents=True, exist_ok=True)
    around.home.runner.chmod(0o700)
    kept = around.home.runner / "secrets" / KEY
    if not kept.exists():
        with Tocsin(connection) as tocsin:
            write_private(kept, _api_key(tocsin))
    if around.ports.twins:
        twins.prepare(around)


def _api_key(tocsin: Tocsin) -> str:
    """A fresh key; one of that name whose secret is lost is revoked."""
    tocsin.edge.RevokeApiKey(edge.RevokeApiKeyRequest(name=RUNNER))
    wanted = edge.ApiKey(name=RUNNER, role=access_pb2.ROLE_RESPONDER)
    return str(tocsin.edge.CreateApiKey(edge.CreateApiKeyRequest(api_key=wanted)).secret)
