"""HTTP as the drivers need it: what no answer means for a page is said by where the request was when the line went quiet."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpcore

from tocsin_chassis.outgoing import GuardedNetwork, PrivateAddress
from tocsin_communication.pages.receipt import Outcome, Receipt

MOST_BYTES = 1024 * 1024
# Who waits in vain for one provider keeps a connection, and nobody else waits for that: `sending/departures.py` says how many may.
CONNECTIONS = 320
KEPT = 64
KEPT_SECONDS = 30.0
LONGEST_WAIT = timedelta(days=1)
# Raised before a byte of the request has left; anything else means that the receiver may have it.
NOT_HANDED_OVER = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.UnsupportedProtocol,
    httpcore.LocalProtocolError,
)
LOST = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, TimeoutError)


class Lost(Exception):
    """There is no answer. `receipt` is what that means if the request itself was the message."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.detail)
        self.receipt = receipt

    @property
    def beforehand(self) -> Receipt:
        """What it means if the request was only to prepare the message: that one surely was not taken."""
        return self.receipt if self.receipt.outcome.permanent else Receipt(Outcome.TRANSIENT, self.receipt.detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body; empty if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def retry_after(self) -> timedelta | None:
        """The wish of the Retry-After header, in seconds."""
        return wait_of(self.headers.get("retry-after", ""))


def wait_of(seconds: object) -> timedelta | None:
    """A provider's wish to wait, as a number or as text; None if it is none."""
    try:
        wished = float(str(seconds))
    except ValueError:
        return None
    return min(timedelta(seconds=wished), LONGEST_WAIT) if 0 <= wished <= 10 * LONGEST_WAIT.total_seconds() else None


class Deadline:
    """What is left of the seconds that a driver was given for several requests."""

    def __init__(self, seconds: float) -> None:
        self._ends = asyncio.get_running_loop().time() + seconds

    @property
    def left(self) -> float:
        """Never negative."""
        return max(self._ends - asyncio.get_running_loop().time(), 0.0)


class Http:
    """Asks providers. Connections are kept for the next request to the same one; redirects are answers like any other."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def ask(
        self, method: str, url: str, *, seconds: float, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        """Raises Lost."""
        handed_over = False

        async def trace(event: str, _: Mapping[str, object]) -> None:
            nonlocal handed_over
            handed_over = handed_over or event == "http11.send_request_headers.started"

        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        sent = [(name.encode(), value.encode()) for name, value in {"user-agent": "tocsin", **(headers or {})}.items()]
        try:
            async with asyncio.timeout(seconds):
                async with self._pool.stream(
                    method, url, headers=sent, content=content, extensions={"timeout": timeouts, "trace": trace}
                ) as answer:
                    return await _read(answer)
        except PrivateAddress as error:
            raise Lost(Receipt(Outcome.PERMANENT_TARGET, str(error))) from error
        except NOT_HANDED_OVER as error:
            raise Lost(Receipt(Outcome.TRANSIENT, f"not handed over: {error or type(error).__name__}")) from error
        except LOST as error:
            raise Lost(_silence(handed_over, error)) from error

    async def ask_json(self, method: str, url: str, content: object, *, seconds: float, headers: Mapping[str, str] | None = None) -> Answer:
        """The same with a JSON body. Raises Lost."""
        named = {"content-type": "application/json; charset=utf-8", **(headers or {})}
        written = json.dumps(content, ensure_ascii=False).encode()
        return await self.ask(method, url, seconds=seconds, headers=named, content=written)


@asynccontextmanager
async def http_client(private_hosts: Iterable[str] = (), *, allow_private: bool = False) -> AsyncIterator[Http]:
    """The client and its connections; closed at the end. Only `private_hosts` may have addresses that are not of the internet."""
    pool = httpcore.AsyncConnectionPool(
        max_connections=CONNECTIONS,
        max_keepalive_connections=KEPT,
        keepalive_expiry=KEPT_SECONDS,
        network_backend=GuardedNetwork(private_hosts, allow_private=allow_private),
    )
    async with pool:
        yield Http(pool)


def host_of(url: str) -> str:
    """The host's name, without its port: an operator who names a private host in a setting means it."""
    return urlsplit(url).hostname or ""


def _silence(handed_over: bool, error: Exception) -> Receipt:
    said = str(error) or type(error).__name__
    if handed_over:
        return Receipt(Outcome.UNKNOWN, f"no answer after the request was handed over: {said}")
    return Receipt(Outcome.TRANSIENT, f"not handed over: {said}")


async def _read(answer: httpcore.Response) -> Answer:
    """Read the answer, so that its connection can be used again; what is more than the limit is left unread."""
    content = bytearray()
    async for chunk in answer.aiter_stream():
        content += chunk
        if len(content) > MOST_BYTES:
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Answer(answer.status, headers, bytes(content))
