"""Looks whether JetStream works, by having it write: a full disk leaves it connected, answering, and deaf to publishers."""

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, StorageType, StreamConfig

STREAM = "CANARY"
SUBJECT = "tocsin.canary"
PATIENCE = 2.0


def jetstream_answers(url: str) -> bool:
    """True if the server takes the connection and JetStream answers for its account, each within 2 s."""
    return _listens(url) and _succeeds(_ask(url))


def jetstream_writes(url: str) -> bool:
    """True if JetStream answers and writes one message to a stream that keeps nothing else."""
    return _listens(url) and _succeeds(_write(url))


class Canary(threading.Thread):
    """Writes every few seconds; `dead` once that failed three times in a row.

    A server that has just been started may need minutes to read its streams: failures count once it has written, or after `grace` s.
    """

    def __init__(self, url: str, *, every: float = 5.0, grace: float = 300.0) -> None:
        super().__init__(name="canary", daemon=True)
        self._url = url
        self._every = every
        self._grace = grace
        self._ended = threading.Event()
        self.forgive()

    @property
    def dead(self) -> bool:
        return self._failures >= 3

    def forgive(self) -> None:
        """Start anew: the server was started again."""
        self._failures = 0
        self._patient_until = time.monotonic() + self._grace

    def end(self) -> None:
        self._ended.set()

    def run(self) -> None:
        while not self._ended.wait(self._every):
            if jetstream_writes(self._url):
                self._failures = 0
                self._patient_until = 0.0
            elif time.monotonic() >= self._patient_until:
                self._failures += 1


def _listens(url: str) -> bool:
    """True if something takes the connection; the client would think for two seconds about being refused."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def _succeeds(attempt: Coroutine[Any, Any, None]) -> bool:
    """Run the attempt in a thread of its own, so that it also works below a running event loop."""
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, attempt).result()
    except (NatsError, OSError, TimeoutError):
        return False
    return True


async def _ask(url: str) -> None:
    client = await _connect(url)
    try:
        await client.jetstream(timeout=PATIENCE).account_info()
    finally:
        await client.close()


async def _write(url: str) -> None:
    client = await _connect(url)
    try:
        stream = client.jetstream(timeout=PATIENCE)
        await stream.account_info()
        await stream.add_stream(
            StreamConfig(name=STREAM, subjects=[SUBJECT], storage=StorageType.FILE, max_msgs=1, discard=DiscardPolicy.OLD)
        )
        await stream.publish(SUBJECT, b"", timeout=PATIENCE)
    finally:
        await client.close()


async def _connect(url: str) -> Client:
    async def silent(error: Exception) -> None:
        """What goes wrong is the answer; nobody needs a traceback of it."""

    return await nats.connect(url, allow_reconnect=False, connect_timeout=PATIENCE, error_cb=silent)
