"""Connections to the outside on asyncio's own transports: what httpcore brings along for two event loops costs three times as much."""

import asyncio
import select
import ssl
from collections.abc import Iterable
from typing import Any, cast

from httpcore import AsyncNetworkStream, ConnectError, ConnectTimeout, ReadError, ReadTimeout, WriteError, WriteTimeout

# What the other side sends faster than it is read stays with the kernel.
MOST_BUFFERED = 256 * 1024

_INFO = {"ssl_object": "ssl_object", "socket": "socket", "client_addr": "sockname", "server_addr": "peername"}


class _Wire(asyncio.Protocol):
    """What has arrived and was not read yet, and whether more may be written."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._news.set()
        if len(self.buffer) > MOST_BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def arrival(self) -> None:
        """Wait until there is something to read, or nothing will come any more."""
        while not self.buffer and not self.ended:
            self._news.clear()
            await self._news.wait()

    def take(self, most: int) -> bytes:
        taken = bytes(self.buffer[:most])
        del self.buffer[:most]
        if self._paused and len(self.buffer) <= MOST_BUFFERED // 2 and self._transport is not None and not self.ended:
            self._paused = False
            self._transport.resume_reading()
        return taken

    def _end(self, error: Exception | None) -> None:
        self.ended = True
        self.error = self.error or error
        self._news.set()
        self.writable.set()


class Stream(AsyncNetworkStream):
    """One connection."""

    def __init__(self, transport: asyncio.Transport, wire: _Wire) -> None:
        self._transport = transport
        self._wire = wire
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Empty at the end. Raises ReadTimeout, ReadError."""
        try:
            async with asyncio.timeout(timeout):
                await self._wire.arrival()
        except TimeoutError as error:
            raise ReadTimeout(str(error)) from error
        if not self._wire.buffer and self._wire.error is not None:
            raise ReadError(str(self._wire.error)) from self._wire.error
        return self._wire.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises WriteTimeout, WriteError."""
        if self._transport.is_closing():
            raise WriteError("the connection is closed")
        self._transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._wire.writable.wait()
        except TimeoutError as error:
            raise WriteTimeout(str(error)) from error
        if self._wire.error is not None:
            raise WriteError(str(self._wire.error)) from self._wire.error

    async def aclose(self) -> None:
        """Close; what was written still leaves."""
        self._transport.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        """Raises ConnectTimeout, ConnectError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                secured = await loop.start_tls(self._transport, self._wire, ssl_context, server_hostname=server_hostname)
        except BaseException as error:
            self._transport.abort()
            if isinstance(error, TimeoutError):
                raise ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise ConnectError(str(error) or type(error).__name__) from error
            raise
        assert secured is not None
        return Stream(secured, self._wire)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`: something has come that nobody asked for, or the other side is gone."""
        if info == "is_readable":
            return self._wire.ended or bool(self._wire.buffer) or self._transport.is_closing() or bool(self._poll.poll(0))
        return self._transport.get_extra_info(_INFO[info]) if info in _INFO else None


async def connect(
    address: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None
) -> Stream:
    """A connection to an address. Raises ConnectTimeout, ConnectError."""
    local = (local_address, 0) if local_address is not None else None
    try:
        async with asyncio.timeout(timeout):
            transport, wire = await asyncio.get_running_loop().create_connection(_Wire, address, port, local_addr=local)
    except TimeoutError as error:
        raise ConnectTimeout(str(error)) from error
    except OSError as error:
        raise ConnectError(str(error)) from error
    for option in socket_options or ():
        transport.get_extra_info("socket").setsockopt(*option)
    return Stream(transport, wire)
