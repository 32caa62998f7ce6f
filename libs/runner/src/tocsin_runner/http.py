"""The one client by which a runner asks anything of the outside: guarded, bounded, and exact about what may have been done."""

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import httpcore

from tocsin_chassis.outgoing import GuardedNetwork, PrivateAddress
from tocsin_runner.assignment import Json, Refused
from tocsin_runner.variables import header

MOST_BYTES = 1024 * 1024
SECONDS = 10.0
CONNECTIONS = 64
SHOWN = 8_192
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
TARGET = re.compile(r"[\x21-\x7e]*")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Headers that would say something else about the message than the client does.
RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "trailer", "expect"})


class NotSent(Exception):
    """Nothing has left; the text says why. It may work later."""


class NoAnswer(Exception):
    """It was sent, and no usable answer came: nobody knows whether it was done."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `url` is complete and encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Json:
        """The JSON in it; None if it is none."""
        try:
            return json.loads(self.content) if self.content else None
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")


class Http:
    """The client. Redirects are not followed.

    No connection serves twice: an old one may be dead when it is used, and then nobody knows what was done.
    """

    def __init__(self, pool: httpcore.AsyncConnectionPool, private_hosts: frozenset[str], ports: frozenset[int]) -> None:
        self._pool = pool
        self._private_hosts = private_hosts
        self._ports = ports

    @property
    def private_hosts(self) -> frozenset[str]:
        """What the operator listed: hosts that may have private addresses."""
        return self._private_hosts

    async def send(self, request: Request, seconds: float = SECONDS) -> Answer:
        """The answer, whatever its status. Raises Refused, NotSent, NoAnswer."""
        headers = self._checked(request)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                self._pool.stream(
                    request.method, request.url, headers=headers, content=request.content, extensions={"timeout": limits}
                ) as answer,
            ):
                content = await _bounded(answer)
                received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                return Answer(answer.status, received, content)
        except PrivateAddress as error:
            raise Refused(f"{error}; the operator may allow it in TOCSIN_RUNNER_PRIVATE_HOSTS") from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol) as error:
            raise NotSent(f"{urlsplit(request.url).hostname} cannot be reached: {error or type(error).__name__}") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, ssl.SSLError, OSError) as error:
            raise NoAnswer(f"{urlsplit(request.url).hostname} did not answer: {str(error) or type(error).__name__}") from error

    def _checked(self, request: Request) -> list[tuple[str, str]]:
        try:
            parts = urlsplit(request.url)
            port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        except ValueError as error:
            raise Refused(f"the address cannot be asked: {error}") from error
        host = parts.hostname or ""
        if TARGET.fullmatch(request.url) is None or not host or parts.username or request.method not in METHODS:
            raise Refused("the address or the method cannot be used")
        named = {host, f"{host}:{port}"} & self._private_hosts
        if parts.scheme != "https" and not (parts.scheme == "http" and named):
            raise Refused(f"{host} is only asked over https")
        if port not in self._ports and not named:
            raise Refused(f"port {port} is not among TOCSIN_RUNNER_PORTS")
        return _headers(request)


@asynccontextmanager
async def http_client(private_hosts: Iterable[str] = (), ports: Iterable[int] = (443,), ca_file: Path | None = None) -> AsyncIterator[Http]:
    """The client, closed at the end. `private_hosts` may have private addresses, other ports and no TLS."""
    trust = _trust(ca_file)
    private = frozenset(private_hosts)
    async with httpcore.AsyncConnectionPool(
        ssl_context=trust, max_connections=CONNECTIONS, max_keepalive_connections=0, network_backend=GuardedNetwork(private)
    ) as pool:
        yield Http(pool, private, frozenset(ports))


@lru_cache(maxsize=4)
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    trust = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        trust.load_verify_locations(ca_file)
    return trust


def exchange(request: Request, answer: Answer | None, problem: str = "") -> Json:
    """What was exchanged, for the record: bodies cut, and their hashes. Secrets are blacked out later."""
    kept = {name: value for name, value in request.headers.items() if name.lower() not in ("authorization", "cookie")}
    said: dict[str, Json] = {"method": request.method, "url": request.url, "headers": kept}
    said["content"] = request.content[:SHOWN].decode(errors="replace")
    said["sha256"] = hashlib.sha256(request.content).hexdigest()
    if answer is None:
        return {"request": said, "problem": problem}
    told = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
    heard: dict[str, Json] = {"status": answer.status, "headers": told}
    heard["content"] = answer.content[:SHOWN].decode(errors="replace")
    heard["sha256"] = hashlib.sha256(answer.content).hexdigest()
    return {"request": said, "answer": heard}


def _headers(request: Request) -> list[tuple[str, str]]:
    headers = {"user-agent": "tocsin-runner", "accept-encoding": "identity"}
    for name, value in request.headers.items():
        if TOKEN.fullmatch(name) is None or name.lower() in RESERVED:
            raise Refused(f"the header {name[:80]!r} cannot be set")
        headers[name.lower()] = header(value)
    return list(headers.items())


async def _bounded(answer: httpcore.Response) -> bytes:
    content = b""
    async for chunk in answer.aiter_stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise NoAnswer(f"the answer is larger than {MOST_BYTES} bytes")
    return content
