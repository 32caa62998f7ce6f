"""The Connect protocol for browsers and curl: every public method, built from the descriptors, through the same door."""

from collections.abc import AsyncIterator, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from protobuf.wkt import Any as PackedDetail

from tocsin_edge.contracts import EDGE, Method
from tocsin_edge.door import Door, Knock, Refused, secret_of
from tocsin_edge.visitor import SESSION_LASTS
from tocsin_kernel.errors import Forbidden

COOKIE = "tocsin_session"
_CODES = {getattr(code_pb2, "CANCELLED" if code is Code.CANCELED else code.name): code for code in Code}


class ForeignOrigin(Forbidden):
    reason = "FOREIGN_ORIGIN"
    message = "a session cookie works only for pages of this address; send an API key instead"


class Connect(ConnectASGIApplication[Any]):
    """The ASGI application behind `POST /package.Service/Method`."""

    def __init__(self, door: Door, methods: Mapping[str, Method], public_url: str) -> None:
        self._door = door
        self._origin = _origin(public_url)
        self._secure = public_url.startswith("https://")
        endpoints = {path: self._endpoint(method) for path, method in methods.items() if not method.client_streams}
        super().__init__(service=None, endpoints=lambda _: endpoints, codecs=google_protobuf_codecs())

    @property
    def path(self) -> str:
        return "/"

    def _endpoint(self, method: Method) -> Any:
        async def unary(request: Message, context: RequestContext[Any, Any]) -> Message:
            try:
                answer = method.response.FromString(await self._door.unary(self._knock(method, context), request.SerializeToString()))
            except Refused as refused:
                raise _connect_error(refused.status) from refused
            if method.owner == EDGE:
                self._keep_session(method.name, answer, context)
            return answer

        async def stream(request: Message, context: RequestContext[Any, Any]) -> AsyncIterator[Message]:
            try:
                responses: Any = self._door.stream(self._knock(method, context), _one(request.SerializeToString()))
                try:
                    async for response in responses:
                        yield method.response.FromString(response)
                finally:
                    await responses.aclose()
            except Refused as refused:
                raise _connect_error(refused.status) from refused

        info = _info(method)
        return Endpoint.server_stream(info, stream) if method.server_streams else Endpoint.unary(info, unary)

    def _knock(self, method: Method, context: RequestContext[Any, Any]) -> Knock:
        headers = context.request_headers
        secret = secret_of(headers)
        cookie = "" if secret else _session(headers.get("cookie", ""))
        if cookie and not self._is_own_page(headers):
            raise ConnectError(Code.PERMISSION_DENIED, str(ForeignOrigin()))
        left = context.timeout_ms
        return Knock(method, secret or cookie, headers.get("traceparent", ""), None if left is None else max(0.001, left / 1000))

    def _is_own_page(self, headers: Mapping[str, str]) -> bool:
        """The browser says where a request comes from. A form of another site cannot send the content types of this protocol either."""
        if (site := headers.get("sec-fetch-site")) is not None and site not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        return origin is None or _origin(origin) in (self._origin, _origin(f"//{headers.get('host', '')}"))

    def _keep_session(self, method: str, answer: Message, context: RequestContext[Any, Any]) -> None:
        secure = "; Secure" if self._secure else ""
        attributes = f"Path=/; HttpOnly; SameSite=Lax{secure}"
        if method == "SignIn":
            token = getattr(answer, "session_token", "")
            context.response_headers.add("set-cookie", f"{COOKIE}={token}; Max-Age={int(SESSION_LASTS.total_seconds())}; {attributes}")
        elif method == "SignOut":
            context.response_headers.add("set-cookie", f"{COOKIE}=; Max-Age=0; {attributes}")


def _info(method: Method) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name=method.name,
        service_name=method.service,
        input=method.request,
        output=method.response,
        # Nothing is reachable by GET: a link that somebody follows must not be able to call anything.
        idempotency_level=IdempotencyLevel.IDEMPOTENT if method.idempotent else IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM if method.server_streams else StreamType.UNARY,
    )


def _connect_error(status: Status) -> ConnectError:
    details = [ErrorDetail(PackedDetail(type_url=detail.type_url, value=detail.value)) for detail in status.details]
    return ConnectError(_CODES.get(status.code, Code.UNKNOWN), status.message, details)


def _session(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _origin(url: str) -> str:
    return urlsplit(url).netloc.lower()


async def _one(request: bytes) -> AsyncIterator[bytes]:
    yield request
