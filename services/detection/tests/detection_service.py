"""A running detection on real servers, and the words to send it reports as the edge does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.access.v1.access_pb2 import Role
from tocsin.detection.v1 import change_service_pb2
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.change_pb2 import Change
from tocsin.detection.v1.change_service_pb2_grpc import ChangeServiceStub
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.world import World


class Door:
    """Detection with one integration, named by its kind."""

    def __init__(self, world: World, app: App, kind: str) -> None:
        self.world = world
        self.kind = kind
        self.key = ""
        self.edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        self.admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        self.alice = world.stub(DetectionServiceStub, app, Caller("alice", Role.ROLE_VIEWER))
        self.changes = world.stub(ChangeServiceStub, app, Caller("alice", Role.ROLE_VIEWER))

    async def open(self, service: str = "") -> None:
        wanted = Integration(name=self.kind, kind=self.kind, service=service)
        await self.admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(integrations=[wanted])))
        self.key = (await self.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=self.kind))).key

    async def send(self, content: object, path: str = "/", method: str = "POST") -> pb.SubmitReportResponse:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request = pb.SubmitReportRequest(integration_key=self.key, kind=self.kind, method=method, path=path, body=body)
        answer: pb.SubmitReportResponse = await self.edge.SubmitReport(request)
        return answer

    async def alerts(self) -> list[Alert]:
        return list((await self.alice.ListAlerts(pb.ListAlertsRequest(page_size=500))).alerts)

    async def told_changes(self, **wanted: object) -> list[Change]:
        request = change_service_pb2.ListChangesRequest(**wanted)  # type: ignore[arg-type]
        return list((await self.changes.ListChanges(request)).changes)


@asynccontextmanager
async def door(world: World, kind: str, service: str = "") -> AsyncIterator[Door]:
    async with world.running(detection(world.settings("detection", DetectionSettings), clock=world.clock)) as app:
        opened = Door(world, app, kind)
        await opened.open(service)
        yield opened
