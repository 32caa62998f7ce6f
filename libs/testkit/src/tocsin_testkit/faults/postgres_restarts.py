"""Postgres is stopped at once, as a crash would do it, five times under load: what was accepted is stored, whatever was not was refused."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field, replace

import psycopg

from tocsin_standalone.ports import LOOPBACK
from tocsin_testkit.faults.audit import Verdict, longest
from tocsin_testkit.faults.kills import kill, under_load
from tocsin_testkit.faults.load import Load, Seen
from tocsin_testkit.installation import Installation

TIMES = 5
LOOK_SECONDS = 0.05
BACK_SECONDS = 120.0
# What a service may need to notice that the database is back.
GRACE_SECONDS = 0.5


@dataclass
class Outages:
    """When the database was down, in monotonic nanoseconds."""

    down: list[tuple[int, int]] = field(default_factory=list)

    async def watch(self, up: Installation, seed: int, pause: float) -> int:
        """Stop it, wait until it answers again, and so on."""
        chance = random.Random(seed)
        port = int(json.loads((up.home / "run" / "instance.json").read_text())["ports"]["postgres"])
        for _ in range(TIMES):
            await asyncio.sleep(pause * chance.uniform(0.7, 1.3))
            began = time.monotonic_ns()
            kill(up, "postgres")
            until = time.monotonic() + BACK_SECONDS
            while not await asyncio.to_thread(answers, port) and time.monotonic() < until:
                await asyncio.sleep(LOOK_SECONDS)
            self.down.append((began, time.monotonic_ns()))
        return len(self.down)

    def figures(self, seen: Seen) -> tuple[str, ...]:
        """How long it was down, and which tries of the senders failed although they began later than half a second after it was back."""
        grace = int(GRACE_SECONDS * 1e9)
        late = [began for began, ended in seen.failed if not any(ended >= down and began <= up + grace for down, up in self.down)]
        after = [min((began - up) / 1e9 for _, up in self.down if up <= began) for began in late if any(up <= began for _, up in self.down)]
        return (
            "down for " + ", ".join(f"{(up - down) / 1e9:.1f} s" for down, up in self.down),
            f"{len(seen.failed)} tries failed, {len(late)} of them began later than {GRACE_SECONDS} s after it answered again"
            + (f" (the last one {longest(after)} after)" if after else ""),
        )


async def postgres_restarts(short: bool, seed: int) -> Verdict:
    """Five immediate stops while 50 alerts a second come in (20 in the short form)."""
    load, pause = (Load(100, 8, 20.0), 3.0) if short else (Load(500, 10, 50.0), 10.0)
    outages, seen = Outages(), Seen()
    found = await under_load(load, lambda up: outages.watch(up, seed, pause), seen=seen)
    return replace(found, figures=outages.figures(seen))


def answers(port: int) -> bool:
    """A server that has recovered refuses a stranger; one that has not says that it starts, or nothing."""
    try:
        psycopg.connect(host=LOOPBACK, port=port, user="nobody", password="wrong", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return "authentication failed" in str(error)
    return True
