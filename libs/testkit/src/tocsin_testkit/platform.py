"""The whole platform in one process, and the words that stories about it are told in."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceStub
from tocsin.communication.v1.page_pb2 import Configuration as CommunicationConfiguration
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.detection.v1 import detection_service_pb2 as detection_pb
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration as DetectionConfiguration
from tocsin.detection.v1.integration_pb2 import Integration
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Fallback, Target
from tocsin.response.v1.oncall_pb2 import Responder, Rotation, Schedule
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.review.v1 import review_service_pb2 as review_pb
from tocsin.review.v1.review_service_pb2_grpc import ReviewServiceStub
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.catalogue_pb2 import Configuration as TriageConfiguration
from tocsin.triage.v1.catalogue_pb2 import Service
from tocsin.triage.v1.incident_pb2 import Incident
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.ids import uuid7
from tocsin_standalone.mailbox import Mail, Mailbox
from tocsin_standalone.ports import free_port
from tocsin_testkit.world import World, eventually

ADMIN = Caller("admin", Role.ROLE_ADMIN)
PATIENCE = 20.0


class Platform:
    """All six services, one clock, an outside world with mailboxes."""

    def __init__(
        self, world: World, apps: dict[str, App], stops: dict[str, AsyncExitStack], http: httpx.AsyncClient, mails: Mailbox
    ) -> None:
        self._stops = stops
        self.world = world
        self.clock = world.clock
        self.apps = apps
        self.http = http
        self.mails = mails
        self.keys: dict[str, str] = {}
        self.detection = world.stub(DetectionServiceStub, apps["detection"], ADMIN)
        self.triage = world.stub(TriageServiceStub, apps["triage"], ADMIN)
        self.response = world.stub(ResponseServiceStub, apps["response"], ADMIN)
        self.communication = world.stub(CommunicationServiceStub, apps["communication"], ADMIN)
        self.review = world.stub(ReviewServiceStub, apps["review"], ADMIN)

    # What there is

    async def responders(self, *names: str) -> None:
        """Responders with a mailbox each."""
        await self._respond(responders=[Responder(name=name) for name in names])
        methods = [
            ContactMethod(name=f"{name}-mail", responder=name, kind=ContactMethod.KIND_EMAIL, address=f"{name}@example.test")
            for name in names
        ]
        request = communication_pb.ApplyConfigurationRequest(configuration=CommunicationConfiguration(contact_methods=methods))
        await self.communication.ApplyConfiguration(request)

    async def schedule(self, name: str, *responders: str, zone: str = "UTC", starts_on: str = "2026-01-05") -> None:
        """A weekly rotation that hands off on Monday at nine."""
        rotation = Rotation(unit=Rotation.UNIT_WEEKLY, starts_on=starts_on, handoff_time="09:00", responders=responders)
        await self._respond(schedules=[Schedule(name=name, time_zone=zone, rotation=rotation)])

    async def policy(self, name: str, steps: Sequence[tuple[str, timedelta]], repeat: int = 0) -> None:
        """A policy whose steps are (responder or "schedule:NAME", delay)."""
        made = [EscalationStep(targets=[_target(whom)], delay=_duration(delay)) for whom, delay in steps]
        await self._respond(escalation_policies=[EscalationPolicy(name=name, steps=made, repeat=repeat)])

    async def fallback(self, *responders: str) -> None:
        """Whom the platform asks when there is nobody else."""
        await self._respond(fallback=Fallback(responders=responders))

    async def service(self, name: str, policy: str = "") -> None:
        """A catalogued service."""
        configuration = TriageConfiguration(services=[Service(name=name, escalation_policy=policy)])
        await self.triage.ApplyConfiguration(triage_pb.ApplyConfigurationRequest(configuration=configuration))

    async def integration(self, kind: str, **options: Any) -> str:
        """An integration of a kind, named like it, with options of the contract; returns its key."""
        configuration = DetectionConfiguration(integrations=[Integration(name=kind, kind=kind, **options)])
        await self.detection.ApplyConfiguration(detection_pb.ApplyConfigurationRequest(configuration=configuration))
        rotated = await self.detection.RotateIntegrationKey(detection_pb.RotateIntegrationKeyRequest(name=kind))
        self.keys[kind] = rotated.key
        return self.keys[kind]

    async def _respond(self, **parts: Any) -> None:
        configuration = response_pb.Configuration(**parts)
        await self.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))

    # What happens

    async def fire(self, service: str, alertname: str, *, ends_in: timedelta | None = timedelta(hours=4), **labels: str) -> httpx.Response:
        """A Prometheus fires an alert, by the Alertmanager API."""
        ends_at = {"endsAt": _iso(self.clock.now() + ends_in)} if ends_in is not None else {}
        alert = {
            "labels": {"alertname": alertname, "service": service, **labels},
            "annotations": {"summary": f"{alertname} on {service}"},
            "startsAt": _iso(self.clock.now()),
            **ends_at,
        }
        return await self.post_alerts([alert])

    async def end(self, service: str, alertname: str, **labels: str) -> httpx.Response:
        """The same Prometheus says that it is over."""
        alert = {
            "labels": {"alertname": alertname, "service": service, **labels},
            "startsAt": _iso(self.clock.now() - timedelta(minutes=5)),
            "endsAt": _iso(self.clock.now()),
        }
        return await self.post_alerts([alert])

    async def post_alerts(self, alerts: object) -> httpx.Response:
        """POST to /api/v2/alerts with the key of the alertmanager integration."""
        key = self.keys.get("alertmanager") or await self.integration("alertmanager")
        return await self.http.post("/api/v2/alerts", json=alerts, headers={"authorization": f"Bearer {key}"})

    async def declare(self, title: str, service: str = "") -> Incident:
        """A person declares an incident."""
        request = triage_pb.DeclareIncidentRequest(request_id=str(uuid7()), title=title, service=service)
        made: Incident = (await self.triage.DeclareIncident(request)).incident
        return made

    async def acknowledge(self, incident: Incident, by: str) -> Incident:
        """A responder takes the incident, by gRPC."""
        request = triage_pb.AcknowledgeIncidentRequest(request_id=str(uuid7()), incident_id=incident.id, acknowledged_by=by)
        made: Incident = (await self.triage.AcknowledgeIncident(request)).incident
        return made

    async def resolve(self, incident: Incident, by: str = "alice") -> Incident:
        """A responder resolves the incident."""
        request = triage_pb.ResolveIncidentRequest(request_id=str(uuid7()), incident_id=incident.id, resolved_by=by)
        made: Incident = (await self.triage.ResolveIncident(request)).incident
        return made

    async def click(self, mail: Mail) -> httpx.Response:
        """Press the button on the page behind the acknowledge link."""
        return await self.http.post(link(mail))

    async def stop(self, service: str) -> None:
        """Stop one service; the others go on."""
        await self._stops[service].aclose()
        del self.apps[service]

    # What is expected

    async def expect_page(self, responder: str, about: str = "", within: float = PATIENCE) -> Mail:
        """A mail to the responder about something, that was not expected before."""
        found: list[Mail] = []

        async def arrived() -> bool:
            found[:] = [mail for mail in self.mails.messages if _is_to(mail, responder) and about in f"{mail.subject}\n{mail.text}"]
            return bool(found)

        await eventually(arrived, within, f"a page to {responder} about {about!r}; there are {_briefly(self.mails)}")
        self.mails.messages.remove(found[0])
        return found[0]

    async def expect_incident(self, within: float = PATIENCE, **wanted: object) -> Incident:
        """The newest incident, once it has these fields."""
        found: list[Incident] = []

        async def like_this() -> bool:
            incidents = (await self.triage.ListIncidents(triage_pb.ListIncidentsRequest())).incidents
            found[:] = [incident for incident in incidents if all(getattr(incident, name) == value for name, value in wanted.items())]
            return bool(found)

        await eventually(like_this, within, f"an incident with {wanted}")
        return found[0]

    async def expect_quiet(self) -> None:
        """Everything told so far was heard by everybody, and no mail is unexpected."""
        await self.settled()
        assert not self.mails.messages, f"unexpected: {_briefly(self.mails)}"

    async def settled(self) -> None:
        """Wait until no fact waits in an outbox or a stream, and no page is being sent; twice in a row."""
        calm = 0

        async def still() -> bool:
            nonlocal calm
            calm = calm + 1 if await self._calm() else 0
            return calm >= 3

        await eventually(still, PATIENCE, "everything to settle")

    async def timeline(self, incident: Incident, *facts: str) -> list[str]:
        """The names of the facts on the timeline, once all of `facts` are there."""
        names: list[str] = []

        async def complete() -> bool:
            answer = await self.review.GetTimeline(review_pb.GetTimelineRequest(incident_id=incident.id))
            names[:] = [entry.fact for entry in answer.entries]
            return set(facts) <= set(names)

        await eventually(complete, PATIENCE, f"{facts} on the timeline")
        return names

    async def pages(self, incident: Incident) -> list[Page]:
        """All pages about an incident, newest first."""
        return list((await self.communication.ListPages(communication_pb.ListPagesRequest(incident_id=incident.id))).pages)

    async def _calm(self) -> bool:
        for app in self.apps.values():
            async with app.database.transaction() as tx:
                if await tx.value(int, "SELECT count(*) FROM outbox WHERE published_at IS NULL"):
                    return False
        for info in await self.world.jetstream.streams_info():
            for consumer in await self.world.jetstream.consumers_info(info.config.name or ""):
                if consumer.config.durable_name and (consumer.num_pending or consumer.num_ack_pending):
                    return False
        waiting = {Page.STATE_SENDING}
        pages = (await self.communication.ListPages(communication_pb.ListPagesRequest(page_size=500))).pages
        due = [
            page for page in pages if page.state == Page.STATE_PENDING and page.due_at.ToDatetime() <= self.clock.now().replace(tzinfo=None)
        ]
        return not due and not [page for page in pages if page.state in waiting]


@asynccontextmanager
async def platform(world: World, channels: Mapping[str, object] | None = None, **detection_settings: object) -> AsyncIterator[Platform]:
    """Compose and run all six services in this process, with the world's clock. Settings of detection may differ, by field name, and
    with `channels` those of communication."""
    from tocsin_communication.app import communication
    from tocsin_communication.settings import CommunicationSettings
    from tocsin_detection.app import detection
    from tocsin_detection.settings import DetectionSettings
    from tocsin_edge.app import edge
    from tocsin_edge.settings import EdgeSettings
    from tocsin_response.app import response
    from tocsin_response.settings import ResponseSettings
    from tocsin_review.app import review
    from tocsin_review.settings import ReviewSettings
    from tocsin_triage.app import triage
    from tocsin_triage.settings import TriageSettings

    folder = world.keys.folder
    (folder / "webhook-secret").write_text("whsec_dGVzdC1zZWNyZXQtb2YtdGhpcy1zZXNzaW9u")
    (folder / "admin-key").write_text(f"tocsin_0badcafe.{'k' * 43}")
    (folder / "span-key").write_text("span-key-of-this-session")
    public_url = f"http://127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        mails = await stack.enter_async_context(Mailbox())
        apps: dict[str, App] = {}

        stops: dict[str, AsyncExitStack] = {}

        async def start(name: str, app: Any) -> str:
            stops[name] = await stack.enter_async_context(AsyncExitStack())
            apps[name] = await stops[name].enter_async_context(world.running(app))
            return f"127.0.0.1:{apps[name].port}"

        detecting = world.settings("detection", DetectionSettings, **detection_settings)
        addresses = {"detection_address": await start("detection", detection(detecting, clock=world.clock))}
        addresses["triage_address"] = await start("triage", triage(world.settings("triage", TriageSettings), clock=world.clock))
        addresses["response_address"] = await start(
            "response",
            response(world.settings("response", ResponseSettings, **addresses), clock=world.clock),
        )
        settings = world.settings(
            "communication",
            CommunicationSettings,
            **{
                "smtp_url": f"smtp://127.0.0.1:{mails.port}?starttls=never",
                "email_from": "tocsin@example.test",
                "public_url": public_url,
                "webhook_secret_file": folder / "webhook-secret",
                "webhook_allow_private": True,
                "triage_address": addresses["triage_address"],
                **(channels or {}),
            },
        )
        addresses["communication_address"] = await start("communication", communication(settings, clock=world.clock))
        addresses["review_address"] = await start("review", review(world.settings("review", ReviewSettings), clock=world.clock))
        edge_settings = world.settings(
            "edge",
            EdgeSettings,
            http_listen=public_url.removeprefix("http://"),
            public_url=public_url,
            bootstrap_api_key_file=folder / "admin-key",
            span_key_file=folder / "span-key",
            **addresses,
        )
        await start("edge", edge(edge_settings, clock=world.clock))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=public_url, timeout=10.0, verify=False))
        yield Platform(world, apps, stops, http, mails)


def link(mail: Mail) -> str:
    """The acknowledge link of a page."""
    found = [address for address in mail.links if "/a/" in address]
    assert found, f"no acknowledge link in: {mail.text}"
    return found[0]


def _is_to(mail: Mail, responder: str) -> bool:
    return f"{responder}@example.test" in mail.recipients


def _briefly(mails: Mailbox) -> list[tuple[tuple[str, ...], str]]:
    return [(mail.recipients, mail.subject) for mail in mails.messages]


def _target(whom: str) -> Target:
    kind, _, name = whom.rpartition(":")
    return Target(schedule=name) if kind == "schedule" else Target(responder=name)


def _duration(delay: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(delay)
    return made


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
