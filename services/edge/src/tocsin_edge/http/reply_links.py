"""The links in pages: opening one shows a button and changes nothing, because mail scanners open links; the button answers."""

import base64
import hashlib
import logging
from typing import Any

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from jinja2 import Environment, PackageLoader, StrictUndefined
from tocsin.communication.v1 import communication_service_pb2 as pb

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.telemetry import tracer
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Scope, Send
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

PREFIX = "/a/"
ESCALATE = "escalate"
ASK_NEXT = "Ask the next one"
SERVICE = "/tocsin.communication.v1.CommunicationService/"
ACKNOWLEDGE = "Acknowledge"
APPROVE, DENY = "Approve", "Deny"
SECONDS = 10.0
LONGEST_TOKEN = 200
STATUSES = {code_pb2.NOT_FOUND: 404, code_pb2.FAILED_PRECONDITION: 409, code_pb2.INVALID_ARGUMENT: 404}
SAYINGS = {
    404: ("Unknown link", "This link is not known here. It may have been copied incompletely."),
    503: ("Not done yet", "Tocsin could not do this at the moment. Nothing happened; try again."),
}


class ReplyLinks:
    """The pages behind `/a/{token}`, without any script."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        pages = Environment(autoescape=True, undefined=StrictUndefined, loader=PackageLoader("tocsin_edge", "pages"))
        self._page = pages.get_template("reply.html")
        style = pages.loader.get_source(pages, "reply.css")[0] if pages.loader else ""
        self._style = style
        fingerprint = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{fingerprint}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        self._headers: asgi.Headers = [
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"no-store"),
            (b"x-robots-tag", b"noindex"),
        ]

    async def answer(self, scope: Scope, send: Send) -> None:
        token, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
        if not 0 < len(token) <= LONGEST_TOKEN or rest not in ("", ESCALATE):
            await self._say(send, 404)
        elif scope["method"] == "POST":
            with tracer.start_as_current_span("reply link used"):
                await self._use(token, rest == ESCALATE, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._show(token, rest == ESCALATE, send)
        else:
            await asgi.answer(send, 405, "text/plain", b"open the link, then press the button\n", [(b"allow", b"GET, POST")])

    async def _show(self, token: str, escalate: bool, send: Send) -> None:
        try:
            packed = await self._call("GetReplyLink", pb.GetReplyLinkRequest(token=token))
        except Exception as error:
            await self._refuse(send, error)
            return
        link = pb.GetReplyLinkResponse.FromString(packed)
        usable = (link.can_escalate if escalate else link.effect in (ACKNOWLEDGE, APPROVE)) and not link.used
        other = DENY if link.approval else ASK_NEXT
        await self._render(
            send,
            200,
            heading=_heading(link.number, link.title),
            text=f"You are {link.responder}." if usable else _sentence(link.effect or "This link was used already."),
            button=(other if escalate else link.effect) if usable else "",
        )

    async def _use(self, token: str, escalate: bool, send: Send) -> None:
        try:
            packed = await self._call("ReceiveReply", pb.ReceiveReplyRequest(token=token, escalate=escalate))
        except Exception as error:
            await self._refuse(send, error)
            return
        reply = pb.ReceiveReplyResponse.FromString(packed)
        text = reply.effect or f"Acknowledged by {reply.responder}. Nobody else is woken for it."
        await self._render(send, 200, heading=_heading(reply.number, reply.title), text=text, done=True)

    async def _call(self, method: str, request: Any) -> bytes:
        return await self._upstream.call(f"{SERVICE}{method}", request.SerializeToString(), SECONDS)

    async def _refuse(self, send: Send, error: Exception) -> None:
        """Why not, in words; what is nobody's business goes to the log."""
        status: Status = to_status(error)
        number = STATUSES.get(status.code, 503)
        if number == 409:
            await self._render(send, number, heading="Nothing was done", text=_sentence(status.message))
            return
        if number == 503:
            log.warning("a reply link could not be answered: %s", error)
        await self._say(send, number)

    async def _say(self, send: Send, status: int) -> None:
        heading, text = SAYINGS[status]
        await self._render(send, status, heading=heading, text=text, button="Try again" if status == 503 else "")

    async def _render(self, send: Send, status: int, *, heading: str, text: str, button: str = "", done: bool = False) -> None:
        page = self._page.render(style=self._style, heading=heading, text=text, button=button, done=done)
        headers = [*self._headers, (b"retry-after", b"2")] if status == 503 else self._headers
        await asgi.answer(send, status, "text/html; charset=utf-8", page.encode(), headers)


def _heading(number: int, title: str) -> str:
    return f"#{number} {title}" if number else title


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
