"""How a consumer that begins anew catches up: with what was taken and never acknowledged, and with what waits in the stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tocsin_chassis.events.holding import Holding

# The newest of what is left: more than a consumer may have in hand.
MOST = 4096
FETCH = 256
FETCH_SECONDS = 2.0
FORGOTTEN_AFTER_SECONDS = 30.0
LOOK_SECONDS = 0.05


async def left_over(jetstream: JetStreamContext, stream: str, consumer: str, subjects: Sequence[str]) -> AsyncGenerator[list[Msg], None]:
    """Read from the stream, in its order, what this consumer was given and has not acknowledged, with what lies between.

    Whoever took it may be gone, and the broker would only give it again when its wait is over. Nothing is taken from whoever lives and
    is at it: that it is handled twice the inbox prevents. It is acknowledged when the broker gives it again.
    """
    info = await jetstream.consumer_info(stream, consumer)
    if not info.num_ack_pending or info.ack_floor is None or info.delivered is None:
        return
    last = info.delivered.stream_seq
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(info.ack_floor.stream_seq + 1, last + 1 - MOST),
        ack_policy=AckPolicy.NONE,
        filter_subjects=list(subjects),
        inactive_threshold=FORGOTTEN_AFTER_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )
    reader = await jetstream.add_consumer(stream, config)
    left = reader.num_pending or 0
    subscription = await jetstream.pull_subscribe_bind(reader.name, stream)
    try:
        while left > 0:
            fetched = await subscription.fetch(min(FETCH, left), FETCH_SECONDS)
            left = left - len(fetched) if fetched[-1].metadata.sequence.stream < last else 0
            yield [message for message in fetched if message.metadata.sequence.stream <= last]
    finally:
        await subscription.unsubscribe()
        await jetstream.delete_consumer(stream, reader.name)


async def delivered(jetstream: JetStreamContext, stream: str, consumer: str, holding: Holding) -> None:
    """Wait until what the stream holds now was delivered, and nothing of that is `holding` here any more."""
    last: int | None = None
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if last is None:
                last = (await jetstream.stream_info(stream)).state.last_seq
            info = await jetstream.consumer_info(stream, consumer)
        except (NatsError, TimeoutError, OSError):
            continue
        if not info.num_pending or (info.delivered is not None and info.delivered.stream_seq >= last):
            break
    await asyncio.sleep(LOOK_SECONDS)  # what was delivered just before it was asked arrives
    arrived = holding.at_hand
    while True:
        if all(message.is_acked for message in arrived):
            return
        await asyncio.sleep(LOOK_SECONDS)
