"""The network as webhooks see it: private and loopback addresses are out of reach, unless they are allowed."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

from tocsin_communication.contact import is_public


class AddressRefused(Exception):
    """The host has an address that is not of the public internet; nothing was sent."""


class GuardedNetwork(AsyncNetworkBackend):
    """Resolves a name, checks every address, and connects to a checked one: there is no second look-up that could answer differently."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._backend = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Raises AddressRefused, ConnectError, ConnectTimeout."""
        addresses = await self._resolve(host, port)
        refused = [address for address in addresses if not is_public(address)]
        if refused and not self._allow_private:
            raise AddressRefused(f"{host} has the private address {refused[0]}; TOCSIN_WEBHOOK_ALLOW_PRIVATE=true allows it")
        problem: Exception = ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except ConnectError as error:
                problem = error
        raise problem

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError(f"{host} cannot be resolved: {error}") from error
        return list(dict.fromkeys(str(item[4][0]) for item in found))
