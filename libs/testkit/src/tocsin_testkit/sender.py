"""A sender of alerts that costs little itself: keep-alive connections and bodies prepared beforehand."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

RETRY_SECONDS = 0.2


@dataclass(slots=True)
class Sent:
    """What a sender saw: answers by status, how often it had to try again, and when (monotonic nanoseconds): acceptances, failed tries."""

    accepted: int = 0
    retries: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    at: list[int] = field(default_factory=list)
    failed: list[tuple[int, int]] = field(default_factory=list)


class Sender:
    """One keep-alive connection to the intake."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.sent = Sent()

    def prepare(self, alerts: Sequence[dict[str, Any]]) -> bytes:
        """One request with these alerts, as bytes."""
        body = json.dumps(alerts).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def send_all(self, requests: Iterable[bytes]) -> None:
        """Each request until it is accepted, as a monitor with a queue does."""
        for request in requests:
            await self.send(request)

    async def send(self, request: bytes) -> None:
        """One request until it is accepted."""
        while True:
            began = time.monotonic_ns()
            with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
                # Not wait_for, which makes a task for each request.
                async with asyncio.timeout(10.0):
                    status = await self._exchange(request)
                self.sent.statuses[status] = self.sent.statuses.get(status, 0) + 1
                if 200 <= status < 300:
                    self.sent.accepted += 1
                    self.sent.at.append(time.monotonic_ns())
                    return
            self.sent.retries += 1
            self.sent.failed.append((began, time.monotonic_ns()))
            await asyncio.sleep(RETRY_SECONDS)

    async def _exchange(self, request: bytes) -> int:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
            await reader.readexactly(length)
            return int(head.split(b" ", 2)[1])
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
