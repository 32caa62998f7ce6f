"""The edge on real servers, with stand-ins behind it that speak the services' contracts and verify the edge's tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2, communication_service_pb2_grpc
from tocsin.detection.v1 import detection_service_pb2, detection_service_pb2_grpc
from tocsin.edge.v1 import edge_service_pb2, edge_service_pb2_grpc
from tocsin.triage.v1 import triage_service_pb2, triage_service_pb2_grpc

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller, TrustedKeys, caller
from tocsin_chassis.grpc.server import GrpcServer, Served
from tocsin_edge.app import edge
from tocsin_edge.settings import EdgeSettings
from tocsin_kernel.errors import Conflict, NotFound, Overloaded, Unauthenticated
from tocsin_standalone.ports import free_port
from tocsin_testkit.world import World

ADMIN_KEY = "tocsin_0123abcd.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
SPAN_KEY = "the-key-of-the-span-receiver"


class IncidentNotFound(NotFound):
    reason = "INCIDENT_NOT_FOUND"
    message = "there is no incident {incident}"


class KeyUnknown(Unauthenticated):
    reason = "INTEGRATION_KEY_UNKNOWN"
    message = "the integration key is unknown"


class LinkUsed(Conflict):
    reason = "REPLY_LINK_USED"
    message = "this link was used already"


class Busy(Overloaded):
    reason = "DATABASE_BUSY"
    message = "too many requests for the database"


class TooFast(Overloaded):
    reason = "INTEGRATION_TOO_FAST"
    message = "{integration} sends too fast: wait {retry_after} s"


@dataclass
class Behind(
    detection_service_pb2_grpc.DetectionServiceServicer,
    triage_service_pb2_grpc.TriageServiceServicer,
    communication_service_pb2_grpc.CommunicationServiceServicer,
):
    """What the services behind the edge were asked, and by whom."""

    callers: list[Caller] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    hooks: list[Any] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event | None = None
    given_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def ListIncidents(self, request: Any, context: Any) -> Any:
        self.callers.append(caller())
        return triage_service_pb2.ListIncidentsResponse(next_page_token="there-is-more")

    async def ResolveIncident(self, request: Any, context: Any) -> Any:
        """Waits until it may answer."""
        self.asked.set()
        if self.may_answer is not None:
            await self.may_answer.wait()
        return triage_service_pb2.ResolveIncidentResponse()

    async def GetIncident(self, request: Any, context: Any) -> Any:
        raise IncidentNotFound(incident=request.incident_id)

    async def ListServices(self, request: Any, context: Any) -> Any:
        """Takes for ever."""
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()

    async def ApplyConfiguration(self, request: Any, context: Any) -> Any:
        self.callers.append(caller())
        return triage_service_pb2.ApplyConfigurationResponse()

    async def SubmitReport(self, request: Any, context: Any) -> Any:
        self.callers.append(caller())
        self.reports.append(request)
        if request.integration_key == "busy":
            raise Busy()
        if request.integration_key == "fast":
            raise TooFast(integration="door", retry_after="2.5", limit="100", remaining="0")
        if request.integration_key == "strict" and request.method == "POST":
            return detection_service_pb2.SubmitReportResponse(status=400, body='{"error": "subject: it is missing – say one"}'.encode())
        if request.integration_key not in ("right", "strict"):
            raise KeyUnknown()
        headers = [detection_service_pb2.Header(name="X-Request-Id", value="r-1")]
        return detection_service_pb2.SubmitReportResponse(
            status=202, content_type="application/json", body=b'{"accepted":1}', headers=headers
        )

    async def GetReplyLink(self, request: Any, context: Any) -> Any:
        used = request.token in self.replies
        effect = "this link was used already" if used else "Acknowledge"
        return communication_service_pb2.GetReplyLinkResponse(
            responder="alice", title="<script>alert(1)</script>", number=7, used=used, effect=effect, can_escalate=not used
        )

    async def ReceiveInbound(self, request: Any, context: Any) -> Any:
        self.hooks.append(request)
        if b"busy" in request.body:
            raise Busy()
        if b"forged" in request.body:
            return communication_service_pb2.ReceiveInboundResponse(status=403)
        if b"unreadable" in request.body:
            return communication_service_pb2.ReceiveInboundResponse(status=400)
        return communication_service_pb2.ReceiveInboundResponse(
            status=200, headers={"Content-Type": "text/xml", "X-Own": "1", "Set-Cookie": "no"}, body=b"<Response/>"
        )

    async def ReceiveReply(self, request: Any, context: Any) -> Any:
        if request.token in self.replies:
            raise LinkUsed()
        if request.escalate:
            effect = "#7 checkout is slow is passed on; the next one is asked."
            return communication_service_pb2.ReceiveReplyResponse(responder="alice", title="checkout is slow", number=7, effect=effect)
        self.replies.append(request.token)
        return communication_service_pb2.ReceiveReplyResponse(responder="alice", title="checkout is slow", number=7)


@dataclass
class Edge:
    """A running edge, its clients, and what stands behind it."""

    world: World
    app: App
    behind: Behind
    server: GrpcServer
    http: httpx.AsyncClient
    channel: aio.Channel

    def service(self, stub: Any = edge_service_pb2_grpc.EdgeServiceStub) -> Any:
        return stub(self.channel)

    async def sign_in(self, account: str, role: int) -> str:
        """A session of a person with this role."""
        request = edge_service_pb2.CreateSignInLinkRequest(account=account, role=role)
        link = await self.service().CreateSignInLink(request, metadata=bearer(ADMIN_KEY))
        signed_in = await self.service().SignIn(edge_service_pb2.SignInRequest(token=link.url.partition("#")[2]))
        return str(signed_in.session_token)


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


@asynccontextmanager
async def running_edge(world: World, folder: Path, *, spans: bool = True, **more: object) -> AsyncIterator[Edge]:
    behind = Behind()
    keys = TrustedKeys.read(world.keys.folder / "trusted.jwks")
    server = GrpcServer(
        [
            Served(behind, add, contract.DESCRIPTOR.services_by_name[name])
            for add, contract, name in (
                (detection_service_pb2_grpc.add_DetectionServiceServicer_to_server, detection_service_pb2, "DetectionService"),
                (triage_service_pb2_grpc.add_TriageServiceServicer_to_server, triage_service_pb2, "TriageService"),
                (
                    communication_service_pb2_grpc.add_CommunicationServiceServicer_to_server,
                    communication_service_pb2,
                    "CommunicationService",
                ),
            )
        ],
        keys,
    )
    port = await server.start("127.0.0.1:0")
    await server.report(True)
    (folder / "admin").write_text(ADMIN_KEY + "\n")
    (folder / "span").write_text(SPAN_KEY + "\n")
    nobody = f"127.0.0.1:{free_port()}"
    http_port = free_port()
    settings = world.settings(
        "edge",
        EdgeSettings,
        http_listen=f"127.0.0.1:{http_port}",
        public_url=f"http://127.0.0.1:{http_port}",
        detection_address=f"127.0.0.1:{port}",
        triage_address=f"127.0.0.1:{port}",
        communication_address=f"127.0.0.1:{port}",
        response_address=more.pop("response_address", nobody),
        review_address=nobody,
        bootstrap_api_key_file=folder / "admin",
        span_key_file=folder / "span" if spans else None,
        **more,
    )
    try:
        async with (
            world.running(edge(settings, world.clock)) as app,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=10, verify=False) as http,
            aio.insecure_channel(f"127.0.0.1:{app.port}") as channel,
        ):
            yield Edge(world, app, behind, server, http, channel)
    finally:
        await server.stop(0)


VIEWER, RESPONDER, MANAGER = Role.ROLE_VIEWER, Role.ROLE_RESPONDER, Role.ROLE_MANAGER
