"""Slack's Socket Mode: we open the connection over which Slack tells us things, for installations that nobody can reach from outside."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tocsin_communication.channels.channel import Take
from tocsin_communication.channels.chat import Refused, object_in, text_at
from tocsin_communication.channels.inbound import BadRequest, HttpAnswer, InboundAnswer

log = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
LARGEST_FRAME = 1024 * 1024
# Slack shows an error to whoever pressed when it has heard nothing for three seconds.
ANSWER_SECONDS = 3.0
WAITS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# How long a connection that Slack wants to end may still bring what is under way.
LINGER_SECONDS = 30.0
PRIVATE = ("localhost", "127.0.0.1")

Open = Callable[[], Awaitable[str]]
Understand = Callable[[str, dict[str, Any]], InboundAnswer]


class SlackSocket:
    """Keeps a connection open. The next one is there before Slack ends the one at hand, so that no press falls between two."""

    def __init__(self, open: Open, understand: Understand) -> None:
        """`open` asks for an address that is good once (raises Refused); `understand` reads what came by it (raises BadRequest)."""
        self._open = open
        self._understand = understand

    async def listen(self, take: Take) -> None:
        """Listen for ever."""
        lingering: set[asyncio.Task[None]] = set()
        failures = 0
        try:
            while True:
                ending, connected = asyncio.Event(), asyncio.Event()
                task = asyncio.create_task(self._connection(take, connected, ending))
                lingering.add(task)
                task.add_done_callback(lingering.discard)
                task.add_done_callback(partial(_ended, ending))
                await ending.wait()
                failures = 0 if connected.is_set() else failures + 1
                if not connected.is_set() or task.done():
                    await asyncio.sleep(WAITS[min(failures, len(WAITS) - 1)])
        finally:
            for task in list(lingering):
                task.cancel()
            await asyncio.gather(*lingering, return_exceptions=True)

    async def _connection(self, take: Take, connected: asyncio.Event, ending: asyncio.Event) -> None:
        """One connection, until it ends. `ending` is set when Slack wants it to."""
        try:
            url = await self._open()
            if not trusted(url):
                log.warning("Slack names an address for events that is not encrypted")
                return
            async with connect(url, open_timeout=OPEN_SECONDS, max_size=LARGEST_FRAME, proxy=None) as socket:
                await self._frames(socket, take, connected, ending)
        except (Refused, WebSocketException, OSError, TimeoutError) as error:
            log.warning("the connection to Slack has ended and is opened again: %s", error)

    async def _frames(self, socket: ClientConnection, take: Take, connected: asyncio.Event, ending: asyncio.Event) -> None:
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.timeout(None) as time_left:
            try:
                async for frame in socket:
                    match (envelope := _envelope(frame)).get("type"):
                        case "hello":
                            connected.set()
                        case "disconnect":
                            time_left.reschedule(asyncio.get_running_loop().time() + LINGER_SECONDS)
                            ending.set()
                        case _:
                            task = asyncio.create_task(self._answered(socket, envelope, take))
                            under_way.add(task)
                            task.add_done_callback(under_way.discard)
            finally:
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _answered(self, socket: ClientConnection, envelope: dict[str, Any], take: Take) -> None:
        """Take what came, then say so. What could not be taken is not confirmed: Slack sends an event again, and tells a person."""
        envelope_id, payload = text_at(envelope, "envelope_id"), envelope.get("payload")
        if not envelope_id or not isinstance(payload, dict):
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = self._understand(text_at(envelope, "type"), payload)
                results = [await take(event) for event in found.events]
            answer = found.finish(results) if found.finish is not None else found.answer
            await socket.send(json.dumps(_confirmation(envelope_id, answer, bool(envelope.get("accepts_response_payload")))))
        except (BadRequest, WebSocketException) as error:
            log.warning("something from Slack was not answered: %s", error)
        except Exception as error:  # what we cannot do now must not end the connection
            log.error("something from Slack could not be taken", exc_info=error)


def _ended(event: asyncio.Event, _: asyncio.Task[None]) -> None:
    event.set()


def trusted(url: str) -> bool:
    """It is encrypted, or stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "wss" or (parts.scheme == "ws" and parts.hostname in PRIVATE)


def _confirmation(envelope_id: str, answer: HttpAnswer, with_payload: bool) -> dict[str, object]:
    payload = object_in(answer.body) if with_payload and answer.content_type == "application/json" else None
    return {"envelope_id": envelope_id} if payload is None else {"envelope_id": envelope_id, "payload": payload}


def _envelope(frame: str | bytes) -> dict[str, Any]:
    try:
        return object_in(frame if isinstance(frame, bytes) else frame.encode())
    except BadRequest:
        return {}
