"""The secret links at which firewalls and resolvers read block lists: `/edl/{secret}/{list}.txt`. Whoever knows the link may read."""

import logging

from google.rpc import code_pb2
from tocsin.response.v1 import containment_service_pb2 as pb

from tocsin_chassis.grpc.errors import to_status
from tocsin_edge.http import asgi
from tocsin_edge.http.asgi import Scope, Send
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

PREFIX, SUFFIX = "/edl/", ".txt"
METHOD = "/tocsin.response.v1.ContainmentService/ReadBlockList"
SECONDS = 10.0
LONGEST_SECRET = 100
LONGEST_NAME = 63
UNKNOWN = code_pb2.NOT_FOUND, code_pb2.INVALID_ARGUMENT
RETRY: asgi.Headers = [(b"retry-after", b"60")]
CONTENT_TYPE = "text/plain; charset=utf-8"


class BlockLists:
    """Answers devices. While response does not answer they are told so, never given an empty list: they keep what they have."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def answer(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await asgi.answer(send, 405, "text/plain", b"a block list is read by GET\n", [(b"allow", b"GET, HEAD")])
            return
        secret, _, file = scope["path"].removeprefix(PREFIX).partition("/")
        name = file.removesuffix(SUFFIX)
        if not file.endswith(SUFFIX) or not 0 < len(secret) <= LONGEST_SECRET or not 0 < len(name) <= LONGEST_NAME or "/" in name:
            await self._unknown(send)
        else:
            await self._read(pb.ReadBlockListRequest(token=secret, list=name, reader=_reader(scope)), scope, send)

    async def _read(self, request: pb.ReadBlockListRequest, scope: Scope, send: Send) -> None:
        try:
            packed = await self._upstream.call(METHOD, request.SerializeToString(), SECONDS)
        except Exception as error:
            if to_status(error).code in UNKNOWN:
                await self._unknown(send)
                return
            log.warning("block list %s could not be read: %s", request.list, error)
            await asgi.answer(send, 503, "text/plain", b"the list cannot be read at the moment; keep the one you have\n", RETRY)
            return
        found = pb.ReadBlockListResponse.FromString(packed)
        tag = f'"{found.etag}"'.encode()
        changed = found.changed_at.ToDatetime().strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
        headers = [(b"cache-control", b"private, no-cache"), (b"etag", tag), (b"last-modified", changed), (b"x-robots-tag", b"noindex")]
        if asgi.header(scope, b"if-none-match").encode() == tag:
            await asgi.answer(send, 304, CONTENT_TYPE, b"", headers)
        else:
            await asgi.answer(send, 200, CONTENT_TYPE, found.text.encode(), headers)

    async def _unknown(self, send: Send) -> None:
        await asgi.answer(send, 404, "text/plain", b"there is no block list behind this link\n")


def _reader(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
