"""The gRPC face of pages one by one, ahead and back, and of the switch: translation, and one call each."""

from datetime import UTC

from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import paging_service_pb2 as pb
from tocsin.communication.v1.paging_service_pb2_grpc import PagingServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database
from tocsin_communication import wire
from tocsin_communication.answers import store as answers_store
from tocsin_communication.answers.answers import Answers
from tocsin_communication.answers.spoken import Verb
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.channels.registry import KINDS
from tocsin_communication.contacts.confirmation import Confirmation
from tocsin_communication.pages.page import Page
from tocsin_communication.pages.preview import Preview
from tocsin_communication.rules.personal import Matter
from tocsin_communication.sending import store as sending_store
from tocsin_communication.sending.switch import Switch
from tocsin_communication.sending.switch_store import StopRow
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound

VERBS = {pb.ANSWER_ACKNOWLEDGE: Verb.ACKNOWLEDGE, pb.ANSWER_ESCALATE: Verb.ESCALATE}


class PageNotFound(NotFound):
    reason = "PAGE_NOT_FOUND"
    message = "there is no page {id}"


class PagingApi(PagingServiceServicer):
    """Serves tocsin.communication.v1.PagingService."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        preview: Preview,
        confirmation: Confirmation,
        answers: Answers,
        switch: Switch,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._preview = preview
        self._confirmation = confirmation
        self._answers = answers
        self._switch = switch

    async def GetPage(self, request: pb.GetPageRequest, context: Context) -> pb.GetPageResponse:
        page = as_seen(await self._page(request.page_id))
        async with self._database.transaction() as tx:
            attempts = await sending_store.attempts_of(tx, page.id)
        return pb.GetPageResponse(page=wire.page_to_proto(page), attempts=wire.attempts_to_proto(page, attempts), body=page.body)

    async def PreviewPages(self, request: pb.PreviewPagesRequest, context: Context) -> pb.PreviewPagesResponse:
        at = request.at.ToDatetime(UTC) if request.HasField("at") else self._clock.now()
        matter = Matter(wire.urgency_of(request.urgency), request.service, request.severity)
        found = await self._preview.of(request.responder, matter, at)
        return pb.PreviewPagesResponse(pages=[wire.planned_to_proto(page, warning) for page, warning in found.pages], warning=found.warning)

    async def SendTestPage(self, request: pb.SendTestPageRequest, context: Context) -> pb.SendTestPageResponse:
        by = caller().name
        async with self._database.transaction() as tx:

            async def work() -> pb.SendTestPageResponse:
                pages = await self._confirmation.test(tx, request.responder, request.contact_method, by)
                return pb.SendTestPageResponse(pages=[wire.page_to_proto(page) for page in pages])

            return await inbox.once(tx, "SendTestPage", request.request_id, pb.SendTestPageResponse, work)

    async def AnswerPage(self, request: pb.AnswerPageRequest, context: Context) -> pb.AnswerPageResponse:
        page = await self._page(request.page_id)
        answered = await self._answers.answer(page, VERBS[request.answer], page.responder)
        return pb.AnswerPageResponse(page=wire.page_to_proto(await self._page(request.page_id)), effect=answered.effect)

    async def StopPaging(self, request: pb.StopPagingRequest, context: Context) -> pb.StopPagingResponse:
        await self._switch.stop(request.reason, caller().name)
        return pb.StopPagingResponse(status=await self._status())

    async def ResumePaging(self, request: pb.ResumePagingRequest, context: Context) -> pb.ResumePagingResponse:
        await self._switch.resume(caller().name)
        return pb.ResumePagingResponse(status=await self._status())

    async def GetPagingStatus(self, request: pb.GetPagingStatusRequest, context: Context) -> pb.GetPagingStatusResponse:
        return pb.GetPagingStatusResponse(status=await self._status())

    async def _status(self) -> pb.PagingStatus:
        stop, waiting = await self._switch.status()
        return _status_to_proto(stop, waiting, self._channels)

    async def _page(self, page_id: str) -> Page:
        async with self._database.transaction() as tx:
            page = await answers_store.page(tx, page_id)
        if page is None:
            raise PageNotFound(id=page_id)
        return page


def _status_to_proto(stop: StopRow | None, waiting: int, channels: Channels) -> pb.PagingStatus:
    kinds = [
        pb.ChannelStatus(
            kind=wire.kind_to_proto(kind.channel),
            accounts=[] if channels.off(kind.channel) else [account.name for account in channels.accounts.get(kind.channel, ())],
            problem=channels.problem(kind.channel),
            best_effort=kind.best_effort,
        )
        for kind in KINDS
    ]
    if stop is None:
        return pb.PagingStatus(waiting=waiting, channels=kinds)
    return pb.PagingStatus(
        stopped=True,
        reason=stop.reason,
        stopped_by=stop.stopped_by,
        stopped_at=wire.instant(stop.stopped_at),
        waiting=waiting,
        channels=kinds,
    )


def as_seen(page: Page) -> Page:
    """The page as the caller may read it."""
    who = caller()
    return page.seen_by(who.name, manages=who.role >= Role.ROLE_MANAGER)
