"""The watchdog beside the platform: what it needs in the platform, made at the first start, and its program."""

import http.client
import importlib.util
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1 import access_pb2
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1 import page_pb2
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1 import integration_pb2
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.response.v1 import escalation_pb2, oncall_pb2
from tocsin.response.v1 import response_service_pb2 as response
from tocsin.triage.v1 import catalogue_pb2
from tocsin.triage.v1 import triage_service_pb2 as triage

from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_standalone.home import write_private
from tocsin_standalone.ports import LOOPBACK
from tocsin_standalone.process import Program
from tocsin_standalone.services import INHERITED, SETTINGS, Surroundings

NAME = "tocsin-watchdog"
WHAT = "Tocsin's check of itself"
# A page that is not taken at once is a round that failed: nobody else is asked.
STEP = Duration()
STEP.FromTimedelta(timedelta(hours=1))


def installed() -> bool:
    """Whether the watchdog's distribution is there."""
    return importlib.util.find_spec("tocsin_watchdog") is not None


def health(port: int, seconds: float = 2.0) -> dict[str, Any] | None:
    """What the running watchdog says of itself; None if it does not answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", "/health")
        found = json.loads(connection.getresponse().read())
        return found if isinstance(found, dict) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def knows(port: int) -> bool:
    """Whether the running watchdog could page somebody by itself if everything else died now: it holds a snapshot that it trusts."""
    found = health(port)
    return found is not None and bool(found.get("snapshot_taken_at")) and not found.get("snapshot_problem")


def prepare(connection: Connection, around: Surroundings) -> Program:
    """Make what the synthetic alert passes through, unless it is there, and the program that sends it."""
    folder = around.home.secrets
    with Tocsin(connection) as tocsin:
        _make_way(tocsin, f"http://{LOOPBACK}:{around.ports.watchdog}/page")
        intake_key = _kept(folder / "watchdog-intake-key", lambda: _intake_key(tocsin))
        _kept(folder / "watchdog-api-key", lambda: _api_key(tocsin))
    write_private(folder / "watchdog-intake-url", f"{around.ports.console}/webhook/{intake_key}\n")
    return _program(around, folder)


def _program(around: Surroundings, folder: Path) -> Program:
    operator = around.operator
    smtp = {"TOCSIN_SMTP_URL": f"smtp://{LOOPBACK}:{around.ports.smtp}?starttls=never"} if around.ports.smtp else {}
    chosen = {name: value for name, value in operator.items() if name in (*INHERITED, *SETTINGS) or name.startswith("TOCSIN_WATCHDOG_")}
    return Program(
        name="watchdog",
        command=[sys.executable, "-m", "tocsin_watchdog", "run"],
        log=around.home.logs / "watchdog.log",
        record=around.home.run / "watchdog.pid",
        environment={
            "TOCSIN_EMAIL_FROM": "tocsin@localhost",
            **smtp,
            **{name: value for name, value in chosen.items() if value},
            "TOCSIN_WATCHDOG_HOME": str(around.home.folder / "watchdog"),
            "TOCSIN_WATCHDOG_PLATFORM": around.ports.console,
            "TOCSIN_WATCHDOG_LISTEN": f"{LOOPBACK}:{around.ports.watchdog}",
            "TOCSIN_WATCHDOG_INTAKE_URL_FILE": str(folder / "watchdog-intake-url"),
            "TOCSIN_WATCHDOG_API_KEY_FILE": str(folder / "watchdog-api-key"),
            "TOCSIN_WATCHDOG_SECRET_FILE": str(around.keys.watchdog_secret_file),
            "TOCSIN_WEBHOOK_SECRET_FILE": str(around.keys.webhook_secret_file),
        },
    )


def _make_way(tocsin: Tocsin, page_url: str) -> None:
    """One resource of every kind between an alert and its page. Applying what is there changes nothing."""
    tocsin.detection.ApplyConfiguration(
        detection.ApplyConfigurationRequest(
            configuration=integration_pb2.Configuration(
                integrations=[integration_pb2.Integration(name=NAME, kind="webhook", description=WHAT)]
            )
        )
    )
    policy = escalation_pb2.EscalationPolicy(
        name=NAME,
        display_name=WHAT,
        steps=[escalation_pb2.EscalationStep(targets=[escalation_pb2.Target(responder=NAME)], delay=STEP)],
    )
    tocsin.response.ApplyConfiguration(
        response.ApplyConfigurationRequest(
            configuration=response.Configuration(
                responders=[oncall_pb2.Responder(name=NAME, display_name=WHAT)], escalation_policies=[policy]
            )
        )
    )
    tocsin.communication.ApplyConfiguration(
        communication.ApplyConfigurationRequest(
            configuration=page_pb2.Configuration(
                contact_methods=[
                    page_pb2.ContactMethod(name=NAME, responder=NAME, kind=page_pb2.ContactMethod.KIND_WEBHOOK, address=page_url)
                ]
            )
        )
    )
    tocsin.triage.ApplyConfiguration(
        triage.ApplyConfigurationRequest(
            configuration=catalogue_pb2.Configuration(
                services=[catalogue_pb2.Service(name=NAME, display_name=WHAT, description=WHAT, escalation_policy=NAME)]
            )
        )
    )


def _intake_key(tocsin: Tocsin) -> str:
    return str(tocsin.detection.RotateIntegrationKey(detection.RotateIntegrationKeyRequest(name=NAME)).key)


def _api_key(tocsin: Tocsin) -> str:
    """It reads contact methods, which viewers may not."""
    tocsin.edge.RevokeApiKey(edge.RevokeApiKeyRequest(name=NAME))
    wanted = edge.ApiKey(name=NAME, role=access_pb2.ROLE_MANAGER)
    return str(tocsin.edge.CreateApiKey(edge.CreateApiKeyRequest(api_key=wanted)).secret)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made once."""
    if not path.exists():
        write_private(path, f"{make()}\n")
    return path.read_text().strip()
