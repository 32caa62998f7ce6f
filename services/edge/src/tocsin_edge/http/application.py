"""Which path goes where. Plain ASGI: reports come by the thousand."""

import logging
from collections.abc import Callable

import prometheus_client

from tocsin_chassis.telemetry import trace_id
from tocsin_edge.http import asgi, block_list, calendar_feed, channel_hooks, reply_links, span_receiver
from tocsin_edge.http.asgi import Application, Receive, Scope, Send
from tocsin_edge.http.block_list import BlockLists
from tocsin_edge.http.calendar_feed import CalendarFeed
from tocsin_edge.http.channel_hooks import ChannelHooks
from tocsin_edge.http.console import Console
from tocsin_edge.http.doors_of_senders import is_of_an_api, nothing_there
from tocsin_edge.http.intake import Intake
from tocsin_edge.http.reply_links import ReplyLinks
from tocsin_edge.http.span_receiver import SpanReceiver

log = logging.getLogger(__name__)

RPC = "/tocsin."


class Http:
    """The HTTP side of the edge, as an ASGI application."""

    def __init__(
        self,
        connect: Application,
        reports: Intake,
        links: ReplyLinks,
        hooks: ChannelHooks,
        calendars: CalendarFeed,
        block_lists: BlockLists,
        spans: SpanReceiver,
        console: Console,
        ready: Callable[[], bool],
    ) -> None:
        self._connect = connect
        self._reports = reports
        self._links = links
        self._hooks = hooks
        self._calendars = calendars
        self._block_lists = block_lists
        self._spans = spans
        self._console = console
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, receive, send)
        except asgi.Gone:
            log.debug("a sender went away")
        except Exception as error:
            log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            await asgi.answer(send, 500, "text/plain", f"internal error (trace {trace_id() or 'none'})\n".encode())

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if (door := self._reports.door(scope)) is not None:
            await self._reports.receive(door, scope, receive, send)
        elif path.startswith(RPC):
            await self._connect(scope, receive, send)
        elif path.startswith(reply_links.PREFIX):
            await self._links.answer(scope, send)
        elif path.startswith(channel_hooks.PREFIX):
            await self._hooks.receive(scope, receive, send)
        elif path.startswith(calendar_feed.PREFIX):
            await self._calendars.answer(scope, send)
        elif path.startswith(block_list.PREFIX):
            await self._block_lists.answer(scope, send)
        elif path == span_receiver.PATH and method == "POST":
            await self._spans.receive(scope, receive, send)
        elif is_of_an_api(path):
            said = nothing_there(path)
            await asgi.answer(send, said.status, "application/json", said.body)
        elif method not in ("GET", "HEAD"):
            await asgi.answer(send, 405, "text/plain", b"nothing here takes that\n", [(b"allow", b"GET, HEAD")])
        else:
            await self._look(path, scope, send)

    async def _look(self, path: str, scope: Scope, send: Send) -> None:
        match path:
            case "/healthz" | "/-/healthy":
                await asgi.answer(send, 200, "text/plain", b"ok\n")
            case "/readyz" | "/-/ready" if self._ready():
                await asgi.answer(send, 200, "text/plain", b"ready\n")
            case "/readyz" | "/-/ready":
                await asgi.answer(send, 503, "text/plain", b"not ready: see GetHealth\n", [(b"retry-after", b"2")])
            case "/metrics":
                await asgi.answer(send, 200, prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest())
            case _:
                await self._console.answer(scope, send)
