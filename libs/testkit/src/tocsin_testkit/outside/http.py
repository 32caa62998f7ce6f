"""What the stand-ins of providers with an HTTP interface share: a real server, a plan for the next messages, a ledger of requests."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx

LARGEST_REQUEST = 1024 * 1024


class Plan(StrEnum):
    """What the next message meets."""

    ACCEPT = "accept"
    THROTTLE = "throttle"
    REFUSE_NOW = "refuse now"
    HANG = "hang"
    """Taken, and never answered."""
    DROP = "drop"
    """Taken, and the line is cut."""
    TARGET = "target"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """The JSON body; None if it is none."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.raw.decode(errors="replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; `then` may keep it from leaving."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    then: Plan = Plan.ACCEPT


def as_json(content: object, status: int = 200, then: Plan = Plan.ACCEPT, **headers: str) -> HttpResponse:
    """A JSON answer; underscores in header names are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, json.dumps(content).encode(), {"content-type": "application/json", **named}, then)


class OutsideServer:
    """A provider. `answer` is what makes it this one and no other; it may take messages with `planned()`."""

    largest = LARGEST_REQUEST

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[HttpRequest] = []
        self.plan: list[Plan] = []

    def planned(self) -> Plan:
        """What the message at hand meets."""
        return self.plan.pop(0) if self.plan else Plan.ACCEPT

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The provider's own rules."""
        raise NotImplementedError

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            while (request := await _read(reader, self.largest)) is not None:
                self.requests.append(request)
                response = await self.answer(request)
                if response.then is Plan.DROP:
                    writer.transport.abort()
                    return
                if response.then is Plan.HANG:
                    await asyncio.Event().wait()
                writer.write(_written(response))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()


Server = TypeVar("Server", bound=OutsideServer)


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    """The server at a port of its own; its connections end with it."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(server.connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Callback:
    """A request that the provider makes to us."""

    headers: dict[str, str]
    body: bytes
    query: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Heard:
    """What we answered, and how soon."""

    status: int
    body: bytes
    seconds: float


async def deliver(callback: Callback, url: str, seconds: float = 30.0) -> Heard:
    """Make the request to an address of ours."""
    async with httpx.AsyncClient(timeout=seconds) as client:
        began = time.monotonic()
        address = f"{url}?{callback.query}" if callback.query else url
        answer = await client.request(callback.method, address, content=callback.body, headers=callback.headers)
        return Heard(answer.status_code, answer.content, time.monotonic() - began)


async def _read(reader: asyncio.StreamReader, largest: int) -> HttpRequest | None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(min(int(headers.get("content-length", "0")), largest))
        parts = urlsplit(target)
        return HttpRequest(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, raw)
    return None


def _written(response: HttpResponse) -> bytes:
    headers = {"content-length": str(len(response.body)), **response.headers}
    lines = [f"HTTP/1.1 {response.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + response.body
