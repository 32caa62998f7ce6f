"""Requests to addresses that somebody else wrote: only over TLS, only to the public internet, and no answer without an end."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from tocsin_chassis.outgoing_stream import connect

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
MOST_BYTES = 65_536
CONNECTIONS = 8
SUCCESS = 200


class OutgoingRefused(Exception):
    """The address may not be asked, or its answer cannot be used; the text says why. Asking again changes nothing."""


class PrivateAddress(OutgoingRefused):
    """The host has an address that is not of the public internet; nothing was sent."""


class OutgoingFailed(Exception):
    """Nobody answered, or with an error of its own; the text says what. It may work later."""


class GuardedNetwork(AsyncNetworkBackend):
    """Resolves a name, checks every address, and connects to a checked one: there is no second look-up that could answer differently."""

    def __init__(self, private_hosts: Iterable[str] = (), *, allow_private: bool = False) -> None:
        """`private_hosts` are the names, with or without port, whose addresses may be private; with `allow_private` those of all may."""
        self._private_hosts = frozenset(private_hosts)
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Raises PrivateAddress, ConnectError, ConnectTimeout."""
        addresses = await self._resolve(host, port)
        refused = [address for address in addresses if not is_public(address)]
        if refused and not self._allow_private and not self._private_hosts & {host, f"{host}:{port}"}:
            raise PrivateAddress(f"{host} has the private address {refused[0]}")
        problem: Exception = ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await connect(address, port, timeout, local_address, socket_options)
            except ConnectError as error:
                problem = error
        raise problem

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"{host} cannot be resolved: {error}") from error
        return list(dict.fromkeys(str(item[4][0]) for item in found))


class Outgoing:
    """Asks for small documents. Redirects are not followed."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def get(self, url: str, seconds: float, most: int = MOST_BYTES) -> bytes:
        """The document at an https address, at most so many bytes. Raises OutgoingRefused, OutgoingFailed."""
        if not url.lower().startswith("https://"):
            raise OutgoingRefused("the address does not begin with https://")
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            async with asyncio.timeout(seconds):
                async with self._pool.stream("GET", url, headers=[("user-agent", "tocsin")], extensions={"timeout": timeouts}) as answer:
                    return await _content(answer, most)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, TimeoutError, ssl.SSLError) as error:
            raise OutgoingFailed(str(error) or type(error).__name__) from error
        except (httpcore.UnsupportedProtocol, ValueError) as error:
            raise OutgoingRefused(f"the address cannot be asked: {error}") from error


@asynccontextmanager
async def outgoing(private_hosts: Iterable[str] = (), ca_file: Path | None = None) -> AsyncIterator[Outgoing]:
    """The client and its connections, closed at the end. Certificates of the authorities in `ca_file` (PEM) are trusted too."""
    trust = _public_trust() if ca_file is None else _wider_trust(ca_file)
    network = GuardedNetwork(private_hosts)
    async with httpcore.AsyncConnectionPool(ssl_context=trust, max_connections=CONNECTIONS, network_backend=network) as pool:
        yield Outgoing(pool)


@cache
def _public_trust() -> ssl.SSLContext:
    """The authorities that browsers trust; reading them takes longer than most requests."""
    return ssl.create_default_context(cafile=certifi.where())


def _wider_trust(ca_file: Path) -> ssl.SSLContext:
    trust = ssl.create_default_context(cafile=certifi.where())
    trust.load_verify_locations(ca_file)
    return trust


def is_public(address: str) -> bool:
    """True if an IP address is one of the public internet, however it is wrapped."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


async def _content(answer: httpcore.Response, most: int) -> bytes:
    if answer.status >= 500 or answer.status == 429:
        raise OutgoingFailed(f"HTTP {answer.status}")
    if answer.status != SUCCESS:
        raise OutgoingRefused(f"HTTP {answer.status}" + (": redirects are not followed" if 300 <= answer.status < 400 else ""))
    content = b""
    async for chunk in answer.aiter_stream():
        content += chunk
        if len(content) > most:
            raise OutgoingRefused(f"the answer is larger than {most} bytes")
    return content
