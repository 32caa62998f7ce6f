"""Consumers: facts of other services, handled once each, acknowledged only after the commit."""

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from prometheus_client import Counter

from tocsin_chassis.events import fact as headers
from tocsin_chassis.events.arrivals import Arrivals, LineLost, messages_of
from tocsin_chassis.events.bus import EventBus
from tocsin_chassis.events.catching_up import delivered, left_over
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.events.hearing import Hearing
from tocsin_chassis.events.holding import ACK_WAIT_SECONDS, Holding
from tocsin_chassis.events.streams import stream_of
from tocsin_chassis.events.turns import Turns
from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.dead_letters import DeadLetter, bury, exhume
from tocsin_chassis.telemetry import trace_context, trace_id, tracer
from tocsin_kernel.errors import DomainError, Overloaded, Stale, Unavailable

log = logging.getLogger(__name__)

Handler = Callable[[Tx, Fact[Any]], Awaitable[None]]
Handlers = Mapping[type[Message], Handler]


@dataclass(frozen=True, slots=True)
class Together:
    """What handles all facts of these kinds that have arrived in one go; in their order, each fact once.

    What is done for all of them is a trace of its own, linked to theirs, unless `handle` goes on in theirs itself. `turn` says whose
    turn a fact is: where many wait fewer are handled in one go, and those who wait take turns.
    """

    kinds: Collection[type[Message]]
    handle: Callable[[Tx, Sequence[Fact[Any]]], Awaitable[None]]
    own_trace: bool = True
    turn: Callable[[Fact[Any]], str] | None = None


BATCH = 64
TOGETHER_BATCH = 256
# Whoever takes turns has to have what waits at hand, and goes on soon to whose turn it is next.
TURNS_AT_HAND = 2048
TURNS_BATCH = 64
PULL_SECONDS = 20.0
MOST_DELIVERIES = 8
# A database that was away is back for all facts at once, and none of them should be the last to know.
LONGEST_WAIT_SECONDS = 60.0
LONGEST_TRANSIENT_WAIT_SECONDS = 4.0
TRANSIENT = (Overloaded, Stale, Unavailable, ConnectionError, TimeoutError)

consumed = Counter("tocsin_facts_consumed_total", "facts handled, by outcome", ["outcome"])


@dataclass(frozen=True, slots=True)
class Patience:
    """Kinds of facts for whose handling nobody waits: they may be gathered for so many seconds, to save transactions."""

    kinds: Collection[type[Message]]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Received:
    """A message and the fact it holds."""

    message: Msg
    fact: Fact[Any]


class UnreadableFact(Exception):
    """The bytes are not the message that the subject names."""


class Consumer:
    """Handles the facts of one stream for one service. Replicas of the service share the work."""

    def __init__(
        self,
        database: Database,
        bus: EventBus,
        service: str,
        source: str,
        handlers: Handlers | Together,
        patience: Patience | None = None,
        hearing: Hearing | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._hearing = hearing or Hearing(bus.line)
        self._service = service
        self._stream = stream_of(source)
        self._name = f"{service}-{source}"
        self._handlers = handlers
        self._patience_seconds = patience.seconds if patience else 0.0
        self._patient = {kind.DESCRIPTOR.full_name for kind in patience.kinds} if patience else set()
        kinds = handlers.kinds if isinstance(handlers, Together) else handlers
        self._kinds = {kind.DESCRIPTOR.full_name: kind for kind in kinds}
        self._at_once = TOGETHER_BATCH if isinstance(handlers, Together) else BATCH
        self._most = self._at_once
        self._turn = handlers.turn if isinstance(handlers, Together) else None
        if self._turn is not None:
            self._at_once, self._most = TURNS_BATCH, TURNS_AT_HAND
        # What nobody here handles is not even sent: half of what a busy stream holds.
        self._subjects = [f"{kind}.>" for kind in sorted(self._kinds)]
        self._arrivals: Arrivals | None = None
        self._hearing.behind(self._name)
        bus.line.on_return(self._begin_anew)

    async def run(self) -> None:
        """Handle facts for ever; after a broken pull it starts again."""
        while True:
            try:
                await self._bus.line.up()
                self._hearing.behind(self._name)
                await self._declare()
                await self._handle_what_was_left()
                await self._pull_for_ever()
            except asyncio.CancelledError:
                raise
            except LineLost:
                log.info("consumer %s begins anew: the broker is back", self._name)
            except Exception as error:  # a consumer that ends is a service that is deaf: it always comes back
                log.warning("consumer %s starts again: %s", self._name, error or type(error).__name__)
                await asyncio.sleep(1.0)

    async def _declare(self) -> None:
        config = ConsumerConfig(
            durable_name=self._name,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_deliver=-1,
            max_ack_pending=4 * self._at_once if self._turn is None else self._most,
            filter_subjects=self._subjects,
        )
        await self._bus.jetstream.add_consumer(self._stream, config)

    def _begin_anew(self) -> None:
        if self._arrivals is not None:
            self._arrivals.cut_off()

    async def _handle_what_was_left(self) -> None:
        """Whoever died with facts in hand, the process before this one, acknowledges them no more. What fails here comes again anyway."""
        try:
            async with contextlib.aclosing(left_over(self._bus.jetstream, self._stream, self._name, self._subjects)) as batches:
                async for batch in batches:
                    known = [_Received(message, fact) for message in batch if (fact := self._read_if_possible(message)) is not None]
                    for begin in range(0, len(known), self._at_once):
                        await self._handle_left(known[begin : begin + self._at_once])
        except (NatsError, TimeoutError, OSError) as error:
            log.warning("consumer %s waits for what was left until it comes again: %s", self._name, error or type(error).__name__)

    async def _handle_left(self, items: list[_Received]) -> None:
        try:
            await self._handle_in_transaction(items)
        except Exception as error:
            log.info("%d facts that were left are handled one by one: %s", len(items), error)
            for item in items:
                with contextlib.suppress(Exception):  # whatever it is: the broker gives it again, and it is judged then
                    await self._handle_in_transaction([item])

    async def _notice_when_caught_up(self, holding: Holding) -> None:
        await delivered(self._bus.jetstream, self._stream, self._name, holding)
        if self._bus.line.is_up:
            self._hearing.caught_up(self._name)

    async def _pull_for_ever(self) -> None:
        """One outstanding pull; whatever has arrived by the time the last batch is done makes up the next batch."""
        holding = Holding()
        self._arrivals = arrivals = Arrivals(self._patient, self._most, holding)
        inbox_subject = self._bus.connection.new_inbox()
        subscription = await self._bus.connection.subscribe(inbox_subject, cb=arrivals.add)
        request = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
        wanted = json.dumps({"batch": self._most, "expires": int(PULL_SECONDS * 1e9), "idle_heartbeat": int(5e9)}).encode()
        beside = [asyncio.create_task(holding.give_signs()), asyncio.create_task(self._notice_when_caught_up(holding))]
        waiting = Turns[_Received]()
        try:
            outstanding = 0
            while True:
                if outstanding <= 0:
                    await self._bus.connection.publish(request, wanted, reply=inbox_subject)
                    outstanding = self._most
                arrived, ended = messages_of(await arrivals.gather(self._patience_seconds, at_once=bool(waiting)))
                outstanding = 0 if ended else outstanding - len(arrived)
                for received in await self._receive(arrived):
                    waiting.add(received, received.fact.aggregate, self._turn(received.fact) if self._turn is not None else "")
                await self._handle(waiting.take(self._at_once))
        finally:
            for task in beside:
                task.cancel()
            if self._bus.connection.is_connected:
                await subscription.unsubscribe()

    async def _receive(self, batch: list[Msg]) -> list[_Received]:
        """The facts that these hold. What nobody can read or handles here ends with this."""
        received = []
        for message in batch:
            try:
                fact = self._read(message)
            except UnreadableFact as error:
                await self._bury(message, error)
                continue
            if fact is not None:
                received.append(_Received(message, fact))
            else:
                consumed.labels("ignored").inc()
                await message.ack()
        return received

    async def _handle(self, known: list[_Received]) -> None:
        if not known:
            return
        try:
            await self._handle_together(known)
        except Exception as error:  # one bad fact must not hold up the others: each gets its own transaction
            if len(known) > 1:
                log.info("a batch of %d facts failed together and is handled one by one: %s", len(known), error)
            for item in known:
                await self._handle_alone(item)

    async def _handle_together(self, items: list[_Received]) -> None:
        await self._handle_in_transaction(items)
        for item in items:
            await item.message.ack()

    async def _handle_in_transaction(self, items: list[_Received]) -> None:
        async with self._database.transaction(plans_once=True) as tx:
            new = await inbox.receive(tx, self._name, [(item.fact.id, item.fact.occurred_at.date()) for item in items])
            fresh = []
            for item in items:
                if item.fact.id in new:
                    new.discard(item.fact.id)
                    fresh.append(item)
            await self._work(tx, fresh)
        consumed.labels("handled").inc(len(items))

    async def _work(self, tx: Tx, items: list[_Received]) -> None:
        """Each fact goes on in its own trace; what is done for many at once is a trace of its own, linked to all of theirs."""
        facts = [item.fact for item in items]
        if isinstance(self._handlers, Together) and facts and not self._handlers.own_trace:
            await self._handlers.handle(tx, facts)
            return
        if not isinstance(self._handlers, Together):
            for fact in facts:
                with handling(fact):
                    await self._handlers[type(fact.message)](tx, fact)
        elif facts:
            links = [Link(trace.get_current_span(_context(fact)).get_span_context()) for fact in facts]
            with tracer.start_as_current_span(f"handle facts of {self._stream}", context=Context(), kind=SpanKind.CONSUMER, links=links):
                await self._handlers.handle(tx, facts)

    async def _handle_alone(self, item: _Received) -> None:
        try:
            await self._handle_together([item])
        except Exception as error:  # the outcome is decided here for every kind of failure: again later, or given up
            deliveries = item.message.metadata.num_delivered or 1
            if isinstance(error, TRANSIENT) or (deliveries < MOST_DELIVERIES and not isinstance(error, DomainError)):
                consumed.labels("postponed").inc()
                log.warning("fact %s is handled again later: %s", item.message.subject, error, exc_info=True)
                await item.message.nak(delay=again_after(error, deliveries))
            else:
                await self._bury(item.message, error)

    async def _bury(self, message: Msg, error: Exception) -> None:
        consumed.labels("buried").inc()
        log.error("fact %s is given up and kept as a dead letter: %s", message.subject, error, exc_info=error)
        fact_id = UUID((message.headers or {})[headers.ID])
        async with self._database.transaction() as tx:
            kept = json.dumps(message.headers or {})
            await bury(tx, self._name, fact_id, message.subject, message.data, kept, f"{type(error).__name__}: {error}")
        await message.term()

    async def retry(self, letter: DeadLetter) -> None:
        """Handle a dead letter of this consumer once more, in one transaction with its removal. Raises what the handler raises."""
        fact = read_fact(self._kinds, letter.subject, letter.payload, letter.headers)
        async with self._database.transaction() as tx:
            if await exhume(tx, self._name, letter.id) and fact is not None:
                await inbox.receive(tx, self._name, [(fact.id, fact.occurred_at.date())])
                if isinstance(self._handlers, Together):
                    await self._handlers.handle(tx, [fact])
                else:
                    await self._handlers[type(fact.message)](tx, fact)

    @property
    def name(self) -> str:
        """Its durable name, the same for all replicas."""
        return self._name

    def _read(self, message: Msg) -> Fact[Any] | None:
        return read_fact(self._kinds, message.subject, message.data, message.headers or {})

    def _read_if_possible(self, message: Msg) -> Fact[Any] | None:
        with contextlib.suppress(UnreadableFact):
            return self._read(message)
        return None


def again_after(error: Exception, deliveries: int) -> float:
    """Seconds until a fact is handled again: later each time, but soon where what went wrong passes by itself."""
    longest = LONGEST_TRANSIENT_WAIT_SECONDS if isinstance(error, TRANSIENT) else LONGEST_WAIT_SECONDS
    return min(longest, 0.5 * 2.0 ** min(deliveries, 7))


def handling(fact: Fact[Any]) -> AbstractContextManager[trace.Span]:
    """A span within the fact's own trace, for what is done because of it."""
    return tracer.start_as_current_span(f"handle {fact.name}", context=_context(fact), kind=SpanKind.CONSUMER)


def _context(fact: Fact[Any]) -> Context:
    return trace_context({headers.TRACEPARENT: fact.traceparent})


def read_fact(types: Mapping[str, type[Message]], subject: str, payload: bytes, given: Mapping[str, str]) -> Fact[Any] | None:
    """The fact that a message holds; None if its type is not among `types`. Raises UnreadableFact."""
    full_name, _, aggregate = subject.rpartition(".")
    kind = types.get(full_name)
    if kind is None:
        return None
    try:
        return Fact(
            id=UUID(given[headers.ID]),
            message=kind.FromString(payload),
            subject=subject,
            aggregate=aggregate,
            version=int(given.get(headers.VERSION, "0")),
            occurred_at=datetime.fromisoformat(given[headers.OCCURRED_AT]).astimezone(UTC),
            trace_id=given.get(headers.TRACEPARENT, "").partition("-")[2].partition("-")[0] or trace_id(),
            traceparent=given.get(headers.TRACEPARENT, ""),
        )
    except (KeyError, ValueError, DecodeError) as error:
        raise UnreadableFact(f"{subject}: {error}") from error


def by_source(handlers: Handlers | Together) -> Mapping[str, Handlers | Together]:
    """The handlers by the service whose stream they need, taken from the facts' packages."""
    kinds = handlers.kinds if isinstance(handlers, Together) else handlers
    grouped: dict[str, list[type[Message]]] = defaultdict(list)
    for kind in kinds:
        grouped[kind.DESCRIPTOR.full_name.split(".")[1]].append(kind)
    if isinstance(handlers, Together):
        return {source: replace(handlers, kinds=group) for source, group in grouped.items()}
    return {source: {kind: handlers[kind] for kind in group} for source, group in grouped.items()}
