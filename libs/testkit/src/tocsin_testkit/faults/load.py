"""What comes in during a run: alerts in groups, sent until they are accepted, and what the senders saw of it."""

import asyncio
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tocsin_testkit.scenario import alert
from tocsin_testkit.sender import Sender

SENDERS = 4


@dataclass(frozen=True)
class Load:
    """How much comes in: `groups` incidents of `alerts_per_group` alerts, at `per_second` alerts a second."""

    groups: int
    alerts_per_group: int
    per_second: float

    @property
    def names(self) -> list[str]:
        """The groups by name."""
        return [f"g{number}" for number in range(self.groups)]

    @property
    def plan(self) -> list[dict[str, Any]]:
        """The alerts in the order in which they are sent: one of each group, then the next of each."""
        return [alert(name, f"i{number}") for number in range(self.alerts_per_group) for name in self.names]

    def __str__(self) -> str:
        return f"{self.groups * self.alerts_per_group} alerts in {self.groups} groups"


@dataclass
class Seen:
    """What the senders saw, in monotonic nanoseconds: first try and first acceptance of each group; from when to when a try failed."""

    tried_at: dict[str, int] = field(default_factory=dict)
    accepted_at: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[int, int]] = field(default_factory=list)


async def send(target: dict[str, Any], plan: Iterable[dict[str, Any]], per_second: float, seen: Seen) -> None:
    """Send every alert to an integration until it is accepted; `seen` is filled meanwhile."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    senders = [Sender(target["url"], target["key"]) for _ in range(SENDERS)]

    async def work(sender: Sender) -> None:
        while True:
            item = await queue.get()
            group = item["labels"]["group"]
            seen.tried_at.setdefault(group, time.monotonic_ns())
            await sender.send(sender.prepare([item]))
            seen.accepted_at.setdefault(group, sender.sent.at[-1])
            queue.task_done()

    workers = [asyncio.create_task(work(sender)) for sender in senders]
    for item in plan:
        queue.put_nowait(item)
        await asyncio.sleep(1 / per_second)
    await queue.join()
    for worker in workers:
        worker.cancel()
    for sender in senders:
        await sender.close()
    seen.failed += itertools.chain.from_iterable(sender.sent.failed for sender in senders)
