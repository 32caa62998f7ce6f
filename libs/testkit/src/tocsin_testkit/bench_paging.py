"""How long a thousand pages take to leave, and whether they hold up somebody else's."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.page_pb2 import Configuration as CommunicationConfiguration
from tocsin.communication.v1.page_pb2 import ContactMethod
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Target
from tocsin.response.v1.oncall_pb2 import Responder, Team
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.catalogue_pb2 import Configuration as TriageConfiguration
from tocsin.triage.v1.catalogue_pb2 import Service

from tocsin_testkit.installation import Installation
from tocsin_testkit.measuring import percentile
from tocsin_testkit.outside.provider import Entry, read_ledger
from tocsin_testkit.scenario import Caller
from tocsin_testkit.sender import Sender

MEMBERS = 50
INCIDENTS = 20
PAGES = MEMBERS * INCIDENTS
CROWD, OTHER = "crowded", "quiet"
EVERY_SECONDS = 0.5
MOST_SECONDS = 60.0


async def print_paging(up: Installation, caller: Caller, ledger: Path, provider_port: int) -> None:
    """A thousand pages of one service at once, and every half second one of another service over the same provider."""
    configure_crowd(caller, provider_port)
    known = len(read_ledger(ledger))
    target = up.connection["integrations"]["alertmanager"]
    storm, other = Sender(target["url"], target["key"]), Sender(target["url"], target["key"])
    await storm.send(storm.prepare([_alert(CROWD, f"storm-{number}") for number in range(INCIDENTS)]))
    began = storm.sent.at[-1]
    accepted: dict[str, int] = {}
    deadline = time.monotonic() + MOST_SECONDS
    while _count(ledger, known) < PAGES and time.monotonic() < deadline:
        name = f"other-{len(accepted)}"
        await other.send(other.prepare([_alert(OTHER, name)]))
        accepted[f"group {name}"] = other.sent.at[-1]
        await asyncio.sleep(EVERY_SECONDS)
    await asyncio.sleep(2)
    entries = read_ledger(ledger)[known:]
    crowd = [(entry.at - began) / 1e9 for entry in entries if _service(entry) == CROWD]
    theirs = [(entry.at - accepted[str(_title(entry))]) / 1e9 for entry in entries if str(_title(entry)) in accepted]
    print(
        f"{len(crowd)} of {PAGES} pages at once handed over in {max(crowd):.1f} s; meanwhile another service's {len(theirs)} of "
        f"{len(accepted)} pages: p50 {percentile(theirs, 50):.2f} s, max {max(theirs):.2f} s after the accepted alert"
    )


def configure_crowd(caller: Caller, provider_port: int) -> None:
    """A team of fifty who are all asked at once, and one person of another team; all over one provider."""
    names = [f"crowd-{number:02}" for number in range(MEMBERS)]
    day = Duration(seconds=86400)
    response = response_pb.Configuration(
        responders=[Responder(name=name) for name in (*names, OTHER)],
        teams=[Team(name=CROWD, members=names)],
        escalation_policies=[
            EscalationPolicy(name=CROWD, steps=[EscalationStep(targets=[Target(team=CROWD)], delay=day)]),
            EscalationPolicy(name=OTHER, steps=[EscalationStep(targets=[Target(responder=OTHER)], delay=day)]),
        ],
    )
    caller.call(caller.response.ApplyConfiguration, response_pb.ApplyConfigurationRequest(configuration=response))
    url = f"http://127.0.0.1:{provider_port}/page"
    methods = [ContactMethod(name=f"{name}-hook", responder=name, kind=ContactMethod.KIND_WEBHOOK, address=url) for name in (*names, OTHER)]
    request = communication_pb.ApplyConfigurationRequest(configuration=CommunicationConfiguration(contact_methods=methods))
    caller.call(caller.communication.ApplyConfiguration, request)
    services = [Service(name=name, escalation_policy=name, group_by=["group"]) for name in (CROWD, OTHER)]
    triage = TriageConfiguration(services=services)
    caller.call(caller.triage.ApplyConfiguration, triage_pb.ApplyConfigurationRequest(configuration=triage))


def _alert(service: str, group: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "Crowd", "service": service, "group": group, "severity": "critical"},
        "annotations": {"summary": f"group {group}"},
        "endsAt": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
    }


def _count(ledger: Path, known: int) -> int:
    return sum(_service(entry) == CROWD for entry in read_ledger(ledger)[known:])


def _service(entry: Entry) -> str:
    return str(entry.body.get("incident", {}).get("service"))


def _title(entry: Entry) -> str:
    return str(entry.body.get("incident", {}).get("title"))
