"""The edge's own RPCs: translation plus one call. The door has traced, admitted and validated before."""

import importlib.metadata
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC

from tocsin.edge.v1 import edge_service_pb2 as pb

from tocsin_edge import wire
from tocsin_edge.accounts import Accounts
from tocsin_edge.audit import Audit
from tocsin_edge.health import Health
from tocsin_edge.live import Feed
from tocsin_edge.private import PrivateIncidents
from tocsin_edge.spans import Spans
from tocsin_edge.visitor import Visitor
from tocsin_kernel.errors import Overloaded, Unauthenticated, Unavailable

log = logging.getLogger(__name__)


class EdgeApi:
    """One method for each RPC of EdgeService: (request, visitor) → response, whichever protocol it came by.

    `visitor` is None only where the method's rule is anonymous and nobody is signed in.
    """

    def __init__(
        self, accounts: Accounts, audit: Audit, feed: Feed, health: Health, spans: Spans, private: PrivateIncidents, public_url: str
    ) -> None:
        self._private = private
        self._accounts = accounts
        self._audit = audit
        self._feed = feed
        self._health = health
        self._spans = spans
        self._public_url = public_url.rstrip("/")

    async def SignIn(self, request: pb.SignInRequest, _: Visitor | None) -> pb.SignInResponse:
        session = await self._accounts.sign_in(request.token)
        return pb.SignInResponse(
            caller=wire.caller_to_proto(session.visitor), expires_at=wire.timestamp(session.expires_at), session_token=session.token
        )

    async def SignOut(self, _: pb.SignOutRequest, visitor: Visitor | None) -> pb.SignOutResponse:
        await self._accounts.sign_out(visitor)
        return pb.SignOutResponse()

    async def CreateSignInLink(self, request: pb.CreateSignInLinkRequest, _: Visitor) -> pb.CreateSignInLinkResponse:
        token, expires_at = await self._accounts.create_link(request.account, request.role)
        return pb.CreateSignInLinkResponse(url=f"{self._public_url}/sign-in#{token}", expires_at=wire.timestamp(expires_at))

    async def GetCaller(self, _: pb.GetCallerRequest, visitor: Visitor) -> pb.GetCallerResponse:
        return pb.GetCallerResponse(caller=wire.caller_to_proto(visitor), version=importlib.metadata.version("tocsin-edge"))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, _: Visitor) -> pb.CreateApiKeyResponse:
        wanted = request.api_key
        expires_at = wanted.expires_at.ToDatetime(UTC) if wanted.HasField("expires_at") else None
        secret, created_at = await self._accounts.create_api_key(wanted.name, wanted.role, expires_at)
        made = pb.ApiKey(name=wanted.name, role=wanted.role, created_at=wire.timestamp(created_at))
        if wanted.HasField("expires_at"):
            made.expires_at.CopyFrom(wanted.expires_at)
        return pb.CreateApiKeyResponse(api_key=made, secret=secret)

    async def ListApiKeys(self, _: pb.ListApiKeysRequest, __: Visitor) -> pb.ListApiKeysResponse:
        return pb.ListApiKeysResponse(api_keys=[wire.api_key_to_proto(row) for row in await self._accounts.api_keys()])

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, _: Visitor) -> pb.RevokeApiKeyResponse:
        await self._accounts.revoke_api_key(request.name)
        return pb.RevokeApiKeyResponse()

    async def Watch(self, request: pb.WatchRequest, visitor: Visitor | None) -> AsyncIterator[pb.WatchResponse]:
        if visitor is None:
            raise Unauthenticated(detail="sign in to watch")

        async def still_admitted() -> None:
            try:
                await self._accounts.readmit(visitor.credential)
            except (Unavailable, Overloaded) as error:
                # Nobody knows at present: the stream goes on until somebody does.
                log.info("a watcher could not be looked up: %s", error)

        await self._private.load()
        beats = self._feed.watch(
            visitor.credential,
            request.after_seq,
            request.epoch,
            still_admitted,
            shown=lambda incident_id: self._private.shown_to(visitor.name, incident_id),
        )
        async with aclosing(beats):  # type: ignore[type-var]  # it is a generator
            async for beat in beats:
                yield wire.beat_to_proto(beat)

    async def GetHealth(self, _: pb.GetHealthRequest, __: Visitor) -> pb.GetHealthResponse:
        conditions = await self._health.examine()
        return pb.GetHealthResponse(
            healthy=all(condition.healthy for condition in conditions),
            components=[wire.condition_to_proto(condition) for condition in conditions],
        )

    async def GetTrace(self, request: pb.GetTraceRequest, visitor: Visitor) -> pb.GetTraceResponse:
        view = self._private.view(visitor)
        await view.enter(request)
        for incident in sorted(view.opened):
            await self._audit.opened(visitor.name, "/tocsin.edge.v1.EdgeService/GetTrace", incident)
        return pb.GetTraceResponse(spans=[wire.span_to_proto(row) for row in await self._spans.of(request.incident_id)])

    async def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, _: Visitor) -> pb.ListAuditEntriesResponse:
        rows, more = await self._audit.entries(request.page_size, request.page_token)
        return pb.ListAuditEntriesResponse(entries=[wire.audit_to_proto(row) for row in rows], next_page_token=more)
