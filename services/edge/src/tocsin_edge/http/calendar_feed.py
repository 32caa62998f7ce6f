"""The secret links at which calendar programs read duties: `/calendar/{secret}.ics`. Whoever knows the link may read."""

import hashlib
import logging

from google.rpc import code_pb2
from tocsin.response.v1 import oncall_service_pb2 as pb

from tocsin_chassis.grpc.errors import to_status
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Scope, Send
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

PREFIX, SUFFIX = "/calendar/", ".ics"
METHOD = "/tocsin.response.v1.OncallService/GetCalendarFeed"
SECONDS = 10.0
LONGEST_SECRET = 200
UNKNOWN = code_pb2.NOT_FOUND, code_pb2.INVALID_ARGUMENT
RETRY: asgi.Headers = [(b"retry-after", b"60")]


class CalendarFeed:
    """Answers calendar programs. They come back every quarter of an hour at the most."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def answer(self, scope: Scope, send: Send) -> None:
        secret = scope["path"].removeprefix(PREFIX).removesuffix(SUFFIX)
        if scope["method"] not in ("GET", "HEAD"):
            await asgi.answer(send, 405, "text/plain", b"a calendar is read by GET\n", [(b"allow", b"GET, HEAD")])
        elif not scope["path"].endswith(SUFFIX) or not 0 < len(secret) <= LONGEST_SECRET or "/" in secret:
            await self._unknown(send)
        else:
            await self._read(secret, scope, send)

    async def _read(self, secret: str, scope: Scope, send: Send) -> None:
        try:
            packed = await self._upstream.call(METHOD, pb.GetCalendarFeedRequest(token=secret).SerializeToString(), SECONDS)
        except Exception as error:
            if to_status(error).code in UNKNOWN:
                await self._unknown(send)
                return
            log.warning("a calendar could not be read: %s", error)
            await asgi.answer(send, 503, "text/plain", b"the calendar cannot be read at the moment; try again\n", RETRY)
            return
        found = pb.GetCalendarFeedResponse.FromString(packed)
        tag = f'"{hashlib.sha256(_lasting(found.calendar)).hexdigest()[:32]}"'.encode()
        headers = [(b"cache-control", b"private, max-age=%d" % found.fresh_for.seconds), (b"etag", tag), (b"x-robots-tag", b"noindex")]
        if asgi.header(scope, b"if-none-match").encode() == tag:
            await asgi.answer(send, 304, "text/calendar; charset=utf-8", b"", headers)
        else:
            await asgi.answer(send, 200, "text/calendar; charset=utf-8", found.calendar, headers)

    async def _unknown(self, send: Send) -> None:
        await asgi.answer(send, 404, "text/plain", b"there is no calendar behind this link; make a new one\n")


def _lasting(calendar: bytes) -> bytes:
    """What stays the same from one reading to the next: everything but the time of writing."""
    return b"\n".join(line for line in calendar.splitlines() if not line.startswith(b"DTSTAMP"))
