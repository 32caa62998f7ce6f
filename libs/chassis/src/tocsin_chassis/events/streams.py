"""Streams: one for each producing service, declared when it migrates."""

from datetime import timedelta

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from tocsin_chassis.postgres.retention import STREAM_DAYS

DUPLICATE_WINDOW = timedelta(minutes=2)
# Reserved by the server when the stream is declared: its max_file_store must hold six of them.
MOST_BYTES = 1024**3


def stream_of(service: str) -> str:
    """The stream of a service's facts."""
    return service.upper()


async def declare_stream(jetstream: JetStreamContext, service: str, replicas: int = 1) -> None:
    """Make the stream of a service, or bring it to these settings.

    A full stream refuses new facts (they wait in the outbox) instead of forgetting old ones.
    """
    config = StreamConfig(
        name=stream_of(service),
        subjects=[f"tocsin.{service}.v1.>"],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_age=timedelta(days=STREAM_DAYS).total_seconds(),
        max_bytes=MOST_BYTES,
        duplicate_window=DUPLICATE_WINDOW.total_seconds(),
        num_replicas=replicas,
        allow_direct=True,
    )
    try:
        await jetstream.stream_info(config.name or "")
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)
