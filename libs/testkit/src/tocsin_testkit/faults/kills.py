"""Processes are killed while alerts come in: each once in turn, or a random one every two seconds."""

import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psutil

from tocsin_standalone.services import SERVICES
from tocsin_testkit.faults.audit import SETTLE_SECONDS, Verdict, audit, settle
from tocsin_testkit.faults.load import Load, Seen, send
from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.scenario import RESPONDER, Caller, configure, provider

SECONDS_BETWEEN_KILLS = 2.0
# A service that was killed again and again is started again only after a while.
PATIENCE_SECONDS = 150.0

Disturbance = Callable[[Installation], Awaitable[int]]


async def each_once(short: bool, seed: int) -> Verdict:
    """Each service once by SIGKILL, NATS twice, Postgres once by an immediate stop, in an order that the seed decides."""
    load, pause = (Load(60, 5, 20.0), 1.8) if short else (Load(200, 10, 40.0), 4.5)
    chance = random.Random(seed)
    victims = [*SERVICES, "nats-server", "nats-server", "postgres"]
    chance.shuffle(victims)

    async def disturb(up: Installation) -> int:
        for victim in victims:
            await asyncio.sleep(pause * chance.uniform(0.7, 1.3))
            kill(up, victim)
        return len(victims)

    return await under_load(load, disturb)


async def random_kills(short: bool, seed: int) -> Verdict:
    """A random service by SIGKILL every two seconds for as long as alerts come in: 40 s, or 5 min with 10,000 alerts in 500 groups."""
    load = Load(100, 8, 20.0) if short else Load(500, 20, 10_000 / 300)
    seconds = load.groups * load.alerts_per_group / load.per_second
    chance = random.Random(seed)

    async def disturb(up: Installation) -> int:
        killed, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(SECONDS_BETWEEN_KILLS)
            order = chance.sample(SERVICES, len(SERVICES))
            # The first that runs: one that was just killed waits for its start.
            killed += any(kill(up, victim) for victim in order)
        return killed

    return await under_load(load, disturb, PATIENCE_SECONDS)


async def under_load(load: Load, disturb: Disturbance, patience: float = SETTLE_SECONDS, seen: Seen | None = None) -> Verdict:
    """Start an installation, disturb it while alerts come in, and audit what became of them. `seen` is filled with what the senders saw."""
    seen = Seen() if seen is None else seen
    print(load, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder,
        provider(Path(folder) / "ledger") as provider_port,
        installation(environment={"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}) as up,
    ):
        caller, ledger = Caller(up.connection), Path(folder) / "ledger"
        configure(caller, provider_port)
        sending = asyncio.create_task(send(up.connection["integrations"]["alertmanager"], load.plan, load.per_second, seen))
        killed = await disturb(up)
        await sent(sending, up)
        await settle(caller, ledger, load, seconds=patience)
        found = audit(caller, ledger, load, seen, [RESPONDER])
        return replace(found, figures=(f"{killed} kills, {len(seen.failed)} tries of the senders failed and were repeated",))


async def sent(sending: "asyncio.Task[None]", up: Installation) -> None:
    """Wait until everything is accepted. Raises RuntimeError if the supervisor itself ends: then nothing ever will be."""
    while not sending.done():
        if up.process.poll() is not None:
            sending.cancel()
            raise RuntimeError(f"the supervisor ended with status {up.process.returncode}")
        await asyncio.wait([sending], timeout=1.0)
    await sending


def kill(up: Installation, victim: str) -> bool:
    """End it without a warning; False if it does not run at the moment."""
    with contextlib.suppress(LookupError, psutil.Error):
        process = up.find(victim)
        # SIGQUIT is Postgres' immediate stop: no checkpoint, recovery at the next start.
        process.send_signal(signal.SIGQUIT if victim == "postgres" else signal.SIGKILL)
        print(f"  killed {victim} ({process.pid})", flush=True)
        return True
    return False
