"""The little of ASGI that the HTTP side needs: types, bodies and answers."""

import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PROTECTIVE: Headers = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


class TooLarge(Exception):
    """The body is larger than is allowed here."""


class Unreadable(Exception):
    """The body is not what its headers say."""


class Gone(Exception):
    """The sender went away before the body was complete."""


def header(scope: Scope, name: bytes) -> str:
    """A request header by its lower-case name; empty if it is not there."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


async def body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, unpacked, of at most `limit` bytes. Raises TooLarge, Unreadable, Gone."""
    length = header(scope, b"content-length")
    if length.isdigit() and int(length) > limit:
        raise TooLarge()
    packed = await _received(receive, limit)
    match header(scope, b"content-encoding").lower():
        case "" | "identity":
            return packed
        case "gzip":
            return _unpacked(packed, limit)
        case other:
            raise Unreadable(f"content-encoding {other!r} is not supported; send gzip or none")


async def _received(receive: Receive, limit: int) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _unpacked(packed: bytes, limit: int) -> bytes:
    """Gzip, stopped at the limit: a small body may unpack to a huge one."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise Unreadable("the body is not valid gzip") from error
    if len(unpacked) > limit:
        raise TooLarge()
    if not unpacker.eof:
        raise Unreadable("the gzip body is cut off")
    return unpacked


async def answer(send: Send, status: int, content_type: str, content: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole response."""
    fields = [*PROTECTIVE, *headers, (b"content-length", str(len(content)).encode())]
    if content_type:
        fields.append((b"content-type", content_type.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": content})
