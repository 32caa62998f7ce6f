"""What benchmarks and fault runs set up: one service, one responder whose pages go to the provider, alerts in groups."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceStub
from tocsin.communication.v1.page_pb2 import Configuration as CommunicationConfiguration
from tocsin.communication.v1.page_pb2 import ContactMethod
from tocsin.detection.v1 import detection_service_pb2 as detection_pb
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration as DetectionConfiguration
from tocsin.detection.v1.noise_pb2 import NoiseRule, Storm
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Summons, Target
from tocsin.response.v1.oncall_pb2 import Responder, Rotation, Schedule
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.catalogue_pb2 import Configuration as TriageConfiguration
from tocsin.triage.v1.catalogue_pb2 import Service
from tocsin.triage.v1.incident_pb2 import Incident
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_testkit.tied import tied

SERVICE = "load"
RESPONDER = "pat"
HOURLY, HOURS_FROM = "hourly", datetime(2026, 1, 5, tzinfo=UTC)
# What the platform takes for a flood from the start, and what no load is.
USUAL_FLOOD, NO_FLOOD = 300, 1_000_000


class Caller:
    """Stubs on the public gRPC address, with an API key."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self.metadata = (("authorization", f"Bearer {connection['api_key']}"),)
        self.channel = grpc.insecure_channel(connection["grpc"], options=[("grpc.enable_http_proxy", 0)])
        self.detection = DetectionServiceStub(self.channel)
        self.triage = TriageServiceStub(self.channel)
        self.response = ResponseServiceStub(self.channel)
        self.communication = CommunicationServiceStub(self.channel)

    def call(self, method: Any, request: Any) -> Any:
        """One call, waiting for the platform if it is just coming back."""
        return method(request, metadata=self.metadata, timeout=30, wait_for_ready=True)

    def summonses(self, incident_id: str) -> list[Summons]:
        """Who was asked about an incident, in order."""
        request = response_pb.ListEscalationsRequest(incident_id=incident_id)
        return sorted(self.call(self.response.ListEscalations, request).summonses, key=lambda summons: summons.at.ToNanoseconds())

    def incidents(self) -> list[Incident]:
        """Every incident, newest first."""
        found: list[Incident] = []
        request = triage_pb.ListIncidentsRequest(page_size=500)
        while True:
            page = self.call(self.triage.ListIncidents, request)
            found.extend(page.incidents)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def configure(caller: Caller, provider_port: int) -> None:
    """One service whose incidents page one responder over a webhook; nobody answers, and the first step is long."""
    rotation = Rotation(unit=Rotation.UNIT_WEEKLY, starts_on="2026-01-05", handoff_time="09:00", responders=[RESPONDER])
    step = EscalationStep(targets=[Target(schedule="primary")], delay=Duration(seconds=86400))
    response = response_pb.Configuration(
        responders=[Responder(name=RESPONDER)],
        schedules=[Schedule(name="primary", time_zone="Europe/Paris", rotation=rotation)],
        escalation_policies=[EscalationPolicy(name="load-policy", steps=[step])],
    )
    caller.call(caller.response.ApplyConfiguration, response_pb.ApplyConfigurationRequest(configuration=response))
    method = ContactMethod(
        name="pat-hook", responder=RESPONDER, kind=ContactMethod.KIND_WEBHOOK, address=f"http://127.0.0.1:{provider_port}/page"
    )
    communication = CommunicationConfiguration(contact_methods=[method])
    caller.call(caller.communication.ApplyConfiguration, communication_pb.ApplyConfigurationRequest(configuration=communication))
    service = Service(name=SERVICE, escalation_policy="load-policy", group_by=["group"])
    triage = TriageConfiguration(services=[service])
    caller.call(caller.triage.ApplyConfiguration, triage_pb.ApplyConfigurationRequest(configuration=triage))
    # Every alert of the load is to wake somebody, although so many of them are a flood.
    flood_is(caller, NO_FLOOD)


def climb(caller: Caller, provider_port: int, people: Sequence[str], delay_seconds: int) -> None:
    """From now on incidents ask these people one after the other, the next one after so many seconds; nobody is asked after the last.

    The schedule `HOURLY` gives each of them an hour in turn, from midnight (UTC) of `HOURS_FROM` on.
    """
    steps = [EscalationStep(targets=[Target(responder=name)], delay=Duration(seconds=delay_seconds)) for name in people]
    steps[-1].delay.FromSeconds(86400)
    rotation = Rotation(unit=Rotation.UNIT_HOURLY, starts_on=HOURS_FROM.date().isoformat(), handoff_time="00:00", responders=people)
    response = response_pb.Configuration(
        responders=[Responder(name=name) for name in people],
        schedules=[Schedule(name=HOURLY, time_zone="UTC", rotation=rotation)],
        escalation_policies=[EscalationPolicy(name="load-policy", steps=steps)],
    )
    caller.call(caller.response.ApplyConfiguration, response_pb.ApplyConfigurationRequest(configuration=response))
    address = f"http://127.0.0.1:{provider_port}/page"
    methods = [ContactMethod(name=f"{name}-hook", responder=name, kind=ContactMethod.KIND_WEBHOOK, address=address) for name in people]
    communication = CommunicationConfiguration(contact_methods=methods)
    caller.call(caller.communication.ApplyConfiguration, communication_pb.ApplyConfigurationRequest(configuration=communication))


def flood_is(caller: Caller, alerts: int) -> None:
    """More new alerts than this within a minute are a flood from now on."""
    storm = Storm(alerts=alerts, within=Duration(seconds=60))
    rule = NoiseRule(name="flood-of-the-load", matchers=['integration="alertmanager"'], storm=storm)
    detection = DetectionConfiguration(noise_rules=[rule])
    caller.call(caller.detection.ApplyConfiguration, detection_pb.ApplyConfigurationRequest(configuration=detection))


def alert(group: str, instance: str, service: str = SERVICE) -> dict[str, Any]:
    """One alert of a group, open for hours."""
    ends_at = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
    return {
        "labels": {"alertname": "Load", "service": service, "group": group, "instance": instance, "severity": "critical"},
        "annotations": {"summary": f"group {group}"},
        "endsAt": ends_at,
    }


@contextlib.contextmanager
def provider(ledger: Path) -> Iterator[int]:
    """The provider in its own process; yields its port."""
    process = subprocess.Popen(tied([sys.executable, "-m", "tocsin_testkit.outside.provider", ledger]), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
