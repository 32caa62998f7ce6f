"""The gRPC face of communication: translation, and one call each."""

from datetime import UTC

from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceServicer
from tocsin.communication.v1.page_pb2 import Page

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database
from tocsin_communication import wire
from tocsin_communication.answers.replies import Replies
from tocsin_communication.answers.spoken import Verb
from tocsin_communication.channels.hooks import Hooks
from tocsin_communication.configuration.configuration import ConfigurationStore
from tocsin_communication.contacts.api import key
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.api import as_seen
from tocsin_communication.pages.pages import Pages
from tocsin_communication.wire import page_to_proto


class CommunicationApi(CommunicationServiceServicer):
    """Serves tocsin.communication.v1.CommunicationService."""

    def __init__(self, database: Database, pages: Pages, replies: Replies, configuration: ConfigurationStore, hooks: Hooks) -> None:
        self._database = database
        self._pages = pages
        self._replies = replies
        self._configuration = configuration
        self._hooks = hooks

    async def GetReplyLink(self, request: pb.GetReplyLinkRequest, context: Context) -> pb.GetReplyLinkResponse:
        reply = await self._replies.find(request.token)
        return pb.GetReplyLinkResponse(
            responder=reply.page.responder,
            incident_id=reply.page.incident_id,
            title=reply.title,
            number=reply.incident.number if reply.incident is not None else 0,
            used=reply.page.used_at is not None,
            effect=reply.effect,
            can_escalate=reply.can_escalate,
            approval=reply.is_approval,
        )

    async def ReceiveReply(self, request: pb.ReceiveReplyRequest, context: Context) -> pb.ReceiveReplyResponse:
        verb = Verb.ESCALATE if request.escalate else Verb.ACKNOWLEDGE
        reply, answered = await self._replies.receive(request.token, verb)
        return pb.ReceiveReplyResponse(
            responder=reply.page.responder,
            incident_id=reply.page.incident_id,
            title=reply.title,
            number=reply.incident.number if reply.incident is not None else 0,
            effect=answered.effect,
        )

    async def ReceiveInbound(self, request: pb.ReceiveInboundRequest, context: Context) -> pb.ReceiveInboundResponse:
        answer = await self._hooks.receive(request.kind, request.method, request.path, request.query, request.headers, request.body)
        headers = {**answer.headers, "content-type": answer.content_type} if answer.content_type else answer.headers
        return pb.ReceiveInboundResponse(status=answer.status, headers=headers, body=answer.body)

    async def PageResponder(self, request: pb.PageResponderRequest, context: Context) -> pb.PageResponderResponse:
        sender = caller().name
        async with self._database.transaction() as tx:

            async def work() -> pb.PageResponderResponse:
                pages = await self._pages.direct(tx, sender, request.responder, request.message, request.incident_id)
                return pb.PageResponderResponse(pages=[page_to_proto(page) for page in pages])

            return await inbox.once(tx, "PageResponder", request.request_id, pb.PageResponderResponse, work)

    async def ListPages(self, request: pb.ListPagesRequest, context: Context) -> pb.ListPagesResponse:
        size = paging.page_size(request.page_size)
        before = key(request.page_token)
        async with self._database.transaction(plans_anew=True) as tx:
            found = await page_store.list_pages(tx, _wanted(request), before, size + 1)
        token = paging.encode(found[size - 1].id) if len(found) > size else ""
        every = [page_to_proto(as_seen(page)) for page in found[:size]]
        pages, token = paging.fitted(every, token, lambda last: paging.encode(found[last].id))
        return pb.ListPagesResponse(pages=pages, next_page_token=token)

    async def ApplyConfiguration(self, request: pb.ApplyConfigurationRequest, context: Context) -> pb.ApplyConfigurationResponse:
        changes = await self._configuration.apply(request.configuration, dry_run=request.dry_run, prune=request.prune)
        return pb.ApplyConfigurationResponse(changes=changes)

    async def ExportConfiguration(self, request: pb.ExportConfigurationRequest, context: Context) -> pb.ExportConfigurationResponse:
        return pb.ExportConfigurationResponse(configuration=await self._configuration.export())


def _wanted(request: pb.ListPagesRequest) -> page_store.Wanted:
    return page_store.Wanted(
        incident_id=request.incident_id,
        responder=request.responder,
        contact_method=request.contact_method,
        channels=tuple(wire.channel_of(kind) for kind in request.channels),
        states=tuple(Page.State.Name(state).removeprefix("STATE_") for state in request.states),
        made_from=request.made_from.ToDatetime(UTC) if request.HasField("made_from") else None,
        made_before=request.made_before.ToDatetime(UTC) if request.HasField("made_before") else None,
    )
