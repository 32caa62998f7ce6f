"""What the supervisor says to the running platform: are you there, make an integration of every kind, give the operator a way in."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path

import grpc
from buf.validate import validate_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tocsin.access.v1 import access_pb2
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1 import heartbeat_service_pb2 as heartbeat_service
from tocsin.detection.v1 import integration_pb2
from tocsin.detection.v1.heartbeat_pb2 import Heartbeat
from tocsin.edge.v1 import edge_service_pb2 as edge

from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_standalone.home import read_object, write_private
from tocsin_standalone.ports import LOOPBACK

ADMINISTRATOR = "admin"
EXAMPLE_HEARTBEAT = "example"
# What a sender is given as its address, where that is not /<kind>/<key>.
ADDRESSES = {
    "alertmanager": "{base}/api/v2/alerts",
    "email": "mailto:{key}@localhost",
    "heartbeat": "{base}/heartbeat/{key}/" + EXAMPLE_HEARTBEAT,
    "opsgenie": "{base}",
    "pagerduty": "{base}/v2/enqueue",
}


def serves(address: str, seconds: float = 1.0) -> bool:
    """True if the gRPC server at host:port says that it is healthy."""
    host, port = address.rsplit(":", 1)
    try:
        # A channel would first think for a second about being refused.
        socket.create_connection((host, int(port)), timeout=seconds).close()
        with grpc.insecure_channel(address) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=seconds)
    except (OSError, grpc.RpcError):
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def ready(port: int, seconds: float = 1.0) -> bool:
    """True if the edge's HTTP port says that it is ready."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def integration_kinds() -> list[str]:
    """Every kind of integration that the contract allows."""
    rules = integration_pb2.Integration.DESCRIPTOR.fields_by_name["kind"].GetOptions().Extensions[validate_pb2.field]
    return list(getattr(rules.string, "in"))


def integration_keys(connection: Connection, kept: Path) -> dict[str, str]:
    """The key of one integration of every kind; those not yet in the file `kept` are made. One that the operator changed stays so."""
    keys = {kind: str(key) for kind, key in read_object(kept).items()}
    missing = [kind for kind in integration_kinds() if kind not in keys]
    if not missing:
        return keys
    with Tocsin(connection) as tocsin:
        present = {integration.name for integration in tocsin.detection.ListIntegrations(detection.ListIntegrationsRequest()).integrations}
        wanted = [
            integration_pb2.Integration(name=kind, kind=kind, description="Made at the first start, to be tried at once.")
            for kind in missing
            if kind not in present
        ]
        if wanted:
            configuration = integration_pb2.Configuration(integrations=wanted)
            tocsin.detection.ApplyConfiguration(detection.ApplyConfigurationRequest(configuration=configuration))
        if "heartbeat" in missing:
            _make_example_heartbeat(tocsin)
        for kind in missing:
            keys[kind] = tocsin.detection.RotateIntegrationKey(detection.RotateIntegrationKeyRequest(name=kind)).key
            write_private(kept, json.dumps(keys, indent=2) + "\n")
    return keys


def _make_example_heartbeat(tocsin: Tocsin) -> None:
    """A heartbeat to try the address with. It wakes nobody unless somebody pings it once and then stops."""
    present = {heartbeat.name for heartbeat in tocsin.heartbeats.ListHeartbeats(heartbeat_service.ListHeartbeatsRequest()).heartbeats}
    if EXAMPLE_HEARTBEAT in present:
        return
    example = Heartbeat(
        name=EXAMPLE_HEARTBEAT,
        integration="heartbeat",
        interval=1,
        unit=Heartbeat.UNIT_DAYS,
        description="Made at the first start. Once it was pinged it is expected every day; switch it off when it was tried.",
    )
    tocsin.heartbeats.CreateHeartbeat(heartbeat_service.CreateHeartbeatRequest(heartbeat=example))


def sign_in_link(connection: Connection) -> str:
    """A fresh one-time link for the administrator."""
    request = edge.CreateSignInLinkRequest(account=ADMINISTRATOR, role=access_pb2.ROLE_ADMIN)
    with Tocsin(connection) as tocsin:
        return tocsin.edge.CreateSignInLink(request).url


def connection_file(path: Path, connection: Connection, keys: Mapping[str, str], base: str, smtp: str) -> None:
    """Write what a program needs to reach the platform: `connection.json`.

    `base` is the address that senders on this machine use, `smtp` host:port where mail arrives.
    """
    integrations = {kind: {"url": _address(kind, key, base), "key": key} for kind, key in keys.items()}
    if "email" in integrations:
        integrations["email"]["smtp"] = smtp
    content = {"console": connection.console, "grpc": connection.address, "api_key": connection.api_key, "integrations": integrations}
    write_private(path, json.dumps(content, indent=2) + "\n")


def _address(kind: str, key: str, base: str) -> str:
    return ADDRESSES.get(kind, "{base}/{kind}/{key}").format(base=base, kind=kind, key=key)
