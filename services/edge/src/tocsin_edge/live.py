"""What happens, as it happens: one listener for each process hears every stream, and browsers follow its ring."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.streams import stream_of
from tocsin_edge.ring import Happening, Ring
from tocsin_kernel.errors import Overloaded, Unavailable

log = logging.getLogger(__name__)

SOURCES = ("detection", "triage", "response", "communication", "review", "edge")
# The facts of these name their incident in the subject.
ABOUT_INCIDENTS = frozenset({"triage", "response", "communication", "review"})
HEARTBEAT_SECONDS = 15.0
MOST_STREAMS = 3
BUS_HEARTBEAT_SECONDS = 5
SILENCE_SECONDS = 15.0
FORGOTTEN_SECONDS = 60
RETRY_SECONDS = 1.0


class TooManyStreams(Overloaded):
    reason = "TOO_MANY_STREAMS"
    message = "this session watches {most} times already; close one"


class Stopping(Unavailable):
    reason = "STOPPING"
    message = "this process stops; call again"


class Gap(Exception):
    """The bus has fallen silent, or lost a message on the way: ask it again from the last known one."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a watcher gets: a happening, or (None) a sign of life; `seq` is the last number it is complete to."""

    happening: Happening | None
    seq: int
    epoch: str
    resync: bool = False


class Feed:
    """The ring and those who follow it."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._news = asyncio.Event()
        self._watchers: Counter[bytes] = Counter()
        self._closed = False

    def tell(self, fact: str, source: str, incident_id: str) -> None:
        self._ring.add(fact, source, incident_id)
        self._wake()

    def lost(self) -> None:
        """Facts were lost for good: everybody has to load everything again."""
        self._ring.skip()
        self._wake()

    def close(self) -> None:
        """Send everybody away, so that the process can stop."""
        self._closed = True
        self._wake()

    async def watch(
        self,
        who: bytes,
        after_seq: int,
        epoch: str,
        still_admitted: Callable[[], Awaitable[object]],
        every: float = HEARTBEAT_SECONDS,
        shown: Callable[[str], bool] = lambda incident_id: True,
    ) -> AsyncIterator[Beat]:
        """Everything after a number, or from now on. `still_admitted` is asked at every sign of life and raises to end the stream.
        What happens to incidents that are not `shown` is passed over.

        Raises TooManyStreams, and Stopping when the process does.
        """
        with self._counted(who):
            ring = self._ring
            fresh = after_seq == 0 and not epoch
            complete = fresh or ring.complete_from(after_seq, epoch)
            seen = ring.last if fresh or not complete else after_seq
            yield Beat(None, seen, ring.epoch, resync=not complete)
            while True:
                news = self._news
                if self._closed:
                    raise Stopping()
                if not ring.complete_from(seen, ring.epoch):
                    seen = ring.last
                    yield Beat(None, seen, ring.epoch, resync=True)
                for happening in ring.after(seen):
                    seen = happening.seq
                    if not happening.incident_id or shown(happening.incident_id):
                        yield Beat(happening, seen, ring.epoch)
                if seen < ring.last or await _within(news, every):
                    continue
                await still_admitted()
                yield Beat(None, seen, ring.epoch)

    @contextmanager
    def _counted(self, who: bytes) -> Any:
        if self._watchers[who] >= MOST_STREAMS:
            raise TooManyStreams(most=MOST_STREAMS)
        self._watchers[who] += 1
        try:
            yield
        finally:
            self._watchers[who] -= 1
            if not self._watchers[who]:
                del self._watchers[who]

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Listener:
    """Hears one stream from now on, without a place of its own in it: what it needs to go on after a break it keeps itself."""

    def __init__(
        self,
        bus: EventBus,
        source: str,
        feed: Feed,
        silence: float = SILENCE_SECONDS,
        first: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """`first` hears each fact with its content before anybody else does; without it only the headers are fetched."""
        self._first = first
        self._bus = bus
        self._silence = silence
        self._source = source
        self._stream = stream_of(source)
        self._feed = feed
        self._last: int | None = None

    async def run(self) -> None:
        """Hear for ever. After silence, a gap or a lost connection it begins again behind the last fact heard."""
        while True:
            try:
                await self._hear()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # a listener that ends leaves every browser deaf: it always comes back
                log.info("the live listener of %s begins again: %s", self._stream, error or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self) -> None:
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        inbox = self._bus.connection.new_inbox()
        subscription = await self._bus.connection.subscribe(inbox, cb=arrived.put)
        try:
            await self._begin(inbox)
            delivered = 0
            while True:
                message = await asyncio.wait_for(arrived.get(), self._silence)
                delivered = self._take(message, delivered)
        finally:
            if self._bus.connection.is_connected:
                await subscription.unsubscribe()

    async def _begin(self, inbox: str) -> None:
        """Make a consumer that lives as long as it is listened to, behind the last fact heard."""
        state = (await self._ask(f"STREAM.INFO.{self._stream}", {}))["state"]
        if self._last is None:
            self._last = int(state["last_seq"])
        elif self._last > int(state["last_seq"]) or self._last + 1 < int(state["first_seq"]):
            self._last = int(state["last_seq"])
            self._feed.lost()
        config = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._last + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "headers_only": self._first is None,
            "mem_storage": True,
            "num_replicas": 1,
            "idle_heartbeat": BUS_HEARTBEAT_SECONDS * 10**9,
            "inactive_threshold": FORGOTTEN_SECONDS * 10**9,
        }
        await self._ask(f"CONSUMER.CREATE.{self._stream}", {"stream_name": self._stream, "config": config})

    async def _ask(self, what: str, question: dict[str, Any]) -> dict[str, Any]:
        reply = await self._bus.connection.request(f"$JS.API.{what}", json.dumps(question).encode(), timeout=5)
        answer: dict[str, Any] = json.loads(reply.data)
        if problem := answer.get("error"):
            raise Gap(str(problem.get("description", problem)))
        return answer

    def _take(self, message: Any, delivered: int) -> int:
        """Tell one fact; returns how many the consumer has sent so far. Raises Gap when one is missing."""
        headers = message.headers or {}
        if headers.get("Status") == "100":
            if int(headers.get("Nats-Last-Consumer", delivered)) != delivered:
                raise Gap("a fact got lost on the way")
            return delivered
        if "Status" in headers:
            raise Gap(f"the bus says {headers['Status']} {headers.get('Description', '')}")
        place = message.metadata.sequence
        if place.consumer != delivered + 1:
            raise Gap("a fact got lost on the way")
        self._last = place.stream
        _, source, _, fact, aggregate = message.subject.split(".", 4)
        if self._first is not None:
            self._first(fact, message.data)
        self._feed.tell(fact, source, aggregate if source in ABOUT_INCIDENTS and _is_id(aggregate) else "")
        return int(place.consumer)


def _is_id(aggregate: str) -> bool:
    """Whether a fact names an incident: what is told of duties names a schedule."""
    try:
        UUID(aggregate)
    except ValueError:
        return False
    return True


async def _within(news: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return False
    return True
