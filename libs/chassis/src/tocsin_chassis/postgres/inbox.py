"""The inbox: what a service has already done, so that doing it again changes nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message

from tocsin_chassis.postgres.database import Tx

Reply = TypeVar("Reply", bound=Message)


@dataclass(frozen=True, slots=True)
class _ReplyRow:
    reply: bytes | None


async def receive(tx: Tx, consumer: str, facts: Sequence[tuple[UUID, date]]) -> set[UUID]:
    """Note that these facts (id, day of occurrence) are handled in this transaction; returns those that were not before.

    The day is the partition: it is part of the fact, so a fact that comes again falls into the same one.
    """
    new = await tx.values(
        UUID,
        """INSERT INTO inbox (consumer, id, occurred_on)
           SELECT %s, id, occurred_on FROM unnest(%s::uuid[], %s::date[]) AS fact (id, occurred_on)
           ON CONFLICT DO NOTHING RETURNING id""",
        (consumer, [fact_id for fact_id, _ in facts], [day for _, day in facts]),
    )
    return set(new)


async def once(tx: Tx, method: str, request_id: str, reply: type[Reply], work: Callable[[], Awaitable[Reply]]) -> Reply:
    """Do `work` for a request id, or return what it answered the first time.

    The answer is stored in the same transaction; a concurrent duplicate waits for it. An empty request_id is not protected.
    """
    if not request_id:
        return await work()
    mine = await tx.execute(
        "INSERT INTO rpc_reply (method, request_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (method, request_id),
    )
    if not mine:
        row = await tx.one(_ReplyRow, "SELECT reply FROM rpc_reply WHERE method = %s AND request_id = %s", (method, request_id))
        return reply.FromString(row.reply or b"")
    answer = await work()
    await tx.execute(
        "UPDATE rpc_reply SET reply = %s WHERE method = %s AND request_id = %s",
        (answer.SerializeToString(), method, request_id),
    )
    return answer
