"""A worker stands still while it holds timers and pages, another one goes on, and the first one wakes up again."""

import asyncio
import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tocsin_testkit.faults.audit import Verdict, audit, group, resent, settle, summonses
from tocsin_testkit.faults.load import Load, Seen, send
from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.outside.provider import Entry
from tocsin_testkit.scenario import Caller, climb, configure, provider
from tocsin_testkit.tied import tied

PEOPLE = ("first", "second", "third")
DELAY_SECONDS = 10
VICTIMS = ("response", "communication")
# Longer than any lease of these two.
STILL_SECONDS = 30.0
START_SECONDS = 60.0
PATIENCE_SECONDS = 150.0
READY, FENCED, TOO_LATE = "is healthy", "came too late", "stood still"


async def zombies(short: bool, seed: int) -> Verdict:
    """Two processes each of response and communication; one of each is stopped (SIGSTOP) for 30 s amid 200 running timers, and goes on."""
    half = 30 if short else 100
    load = Load(len(VICTIMS) * half, 1, 5.0)
    print(f"{load}, one of two processes stands still for {STILL_SECONDS:.0f} s", flush=True)
    seen, figures = Seen(), list[str]()
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder,
        provider(Path(folder) / "ledger") as provider_port,
        installation(environment={"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}) as up,
        another(up, "response", Path(folder)),
        another(up, "communication", Path(folder)),
    ):
        caller, ledger = Caller(up.connection), Path(folder) / "ledger"
        configure(caller, provider_port)
        climb(caller, provider_port, PEOPLE, DELAY_SECONDS)
        for number, victim in enumerate(VICTIMS):
            plan = load.plan[number * half : (number + 1) * half]
            sending = asyncio.create_task(send(up.connection["integrations"]["alertmanager"], plan, load.per_second, seen))
            await asyncio.sleep(half / load.per_second / 2)
            began, ended = await stand_still(up, victim)
            await sending
            await settle(caller, ledger, replace(load, groups=(number + 1) * half), len(PEOPLE), seconds=PATIENCE_SECONDS)
            figures.append(_meanwhile(victim, summonses(ledger), began, ended))
        figures.append(_fenced(up, Path(folder)))
        found = audit(caller, ledger, load, seen, PEOPLE)
        return replace(found, figures=tuple(figures))


@contextlib.contextmanager
def another(up: Installation, service: str, folder: Path) -> Iterator[None]:
    """A second process of a service, told what the first one was told; it listens somewhere else, where nobody calls it."""
    first, log = up.find(service), folder / f"{service}-2.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(first.cmdline()),
            env={**first.environ(), "TOCSIN_GRPC_LISTEN": "127.0.0.1:0"},
            cwd=first.cwd(),
            stdout=output,
            stderr=output,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while READY not in log.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


async def stand_still(up: Installation, victim: str) -> tuple[int, int]:
    """Stop the process that the supervisor has started, and let it go on; from when to when (monotonic nanoseconds)."""
    process = up.find(victim)
    began = time.monotonic_ns()
    process.send_signal(signal.SIGSTOP)
    print(f"  {victim} ({process.pid}) stands still", flush=True)
    await asyncio.sleep(STILL_SECONDS)
    process.send_signal(signal.SIGCONT)
    return began, time.monotonic_ns()


def _meanwhile(victim: str, asked: list[Entry], began: int, ended: int) -> str:
    """That the other process went on, and how long nothing came."""
    during = [entry.at for entry in asked if began <= entry.at <= ended]
    gaps = [(after - before) / 1e9 for before, after in zip([began, *during], [*during, ended], strict=True)]
    again = len({group(entry) for entry in asked if resent(entry) and entry.at >= began})
    left = f"{len(during)} pages left meanwhile, none for {max(gaps):.1f} s at most"
    return f"{victim} stood still: {left}; {again} groups were paged again and told so"


def _fenced(up: Installation, folder: Path) -> str:
    """What the sleepers wanted to write afterwards and could not, by their own logs."""
    logs = [*(up.home / "logs").glob("*.log"), *folder.glob("*-2.log")]
    text = "\n".join(log.read_text(errors="replace") for log in logs)
    return f"{text.count(FENCED)} outcomes came too late and were refused, {text.count(TOO_LATE)} pages were not handed over by who woke up"
