"""The power goes while escalations run: everything ends at once, stays off for a while, and starts again with many steps overdue."""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from tocsin_testkit.faults.audit import Verdict, audit, group, incidents, longest, resent, settle, summonses
from tocsin_testkit.faults.load import Load, Seen, send
from tocsin_testkit.installation import installation
from tocsin_testkit.outside.provider import Entry
from tocsin_testkit.scenario import Caller, climb, configure, provider

PEOPLE = ("first", "second", "third", "fourth", "fifth")
ENVIRONMENT = {"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}
# A step is said to be late beyond two seconds (response's LATE_AFTER); clocks and ticks may differ by this much.
LATE_SECONDS, TOLERANCE_SECONDS = 2.0, 1.0
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Outage:
    """From when until when (monotonic nanoseconds) nothing ran, and the seconds between two steps of an escalation."""

    down: int
    up: int
    delay: int


async def power_cut(short: bool, seed: int) -> Verdict:
    """30 escalations and half a minute without power; in the long form 300 and ten minutes."""
    load, delay, off = (Load(30, 1, 2.0), 6, 30.0) if short else (Load(300, 1, 5.0), 60, 600.0)
    print(f"{load}, {delay} s between steps, {off:.0f} s without power", flush=True)
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder, provider(Path(folder) / "ledger") as provider_port:
        Path(folder).chmod(0o755)
        home, ledger = Path(folder) / "home", Path(folder) / "ledger"
        with installation(home, ENVIRONMENT) as up:
            caller = Caller(up.connection)
            configure(caller, provider_port)
            climb(caller, provider_port, PEOPLE, delay)
            # In a thread of its own: starting an installation holds this one up.
            sending = asyncio.create_task(asyncio.to_thread(asyncio.run, _load(up.connection["integrations"]["alertmanager"], load, seen)))
            await asyncio.sleep(load.groups / load.per_second * random.Random(seed).uniform(0.6, 0.95))
            down = time.monotonic_ns()
            up.cut_power()
        await asyncio.sleep(off)
        outage = Outage(down, time.monotonic_ns(), delay)
        with installation(home, ENVIRONMENT, port=up.port) as again:
            await sending
            caller = Caller(again.connection)
            await settle(caller, ledger, load, len(PEOPLE), seconds=PATIENCE_SECONDS + len(PEOPLE) * delay)
            found = audit(caller, ledger, load, seen, PEOPLE)
            return _judged(found, caller, summonses(ledger), outage, again.ready_seconds)


async def _load(target: dict[str, object], load: Load, seen: Seen) -> None:
    await send(target, load.plan, load.per_second, seen)


def _judged(found: Verdict, caller: Caller, asked: list[Entry], outage: Outage, ready_seconds: float) -> Verdict:
    """What is asked of the start: one page for each incident, however many steps are overdue, which says how late it is."""
    opened = {group(entry) for entry in asked if entry.at < outage.down}
    after = [entry for entry in asked if entry.at >= outage.up and group(entry) in opened and not resent(entry)]
    first = longest([(entry.at - outage.up) / 1e9 for entry in after], min)
    late, wrong = _late_by(caller, outage.delay)
    figures = (
        f"{len(opened)} escalations were open; ready {ready_seconds:.1f} s after the start, the first overdue page {first} after it",
        f"{len(late)} steps were late and say so, by {longest(late, min)} to {longest(late)}",
    )
    return replace(found, wrong_end=[*found.wrong_end, *_crowded(after, outage), *wrong], figures=figures)


def _crowded(after: list[Entry], outage: Outage) -> Iterator[str]:
    """Incidents of which somebody was paged again long before the next step was due."""
    last: dict[str, int] = {}
    for entry in after:
        name = group(entry)
        if name in last and entry.at - last[name] < outage.delay / 2 * 1e9:
            yield f"{name}: two pages within {(entry.at - last[name]) / 1e9:.1f} s after the power came back"
        last[name] = entry.at


def _late_by(caller: Caller, delay: int) -> tuple[list[float], list[str]]:
    """By how much late steps say that they were late; and those that do not, or say something else, or came too soon."""
    said, wrong = [], []
    for incident in incidents(caller):
        for before, summons in pairwise(caller.summonses(incident.id)):  # each step asks one person
            late = (summons.at.ToNanoseconds() - before.at.ToNanoseconds()) / 1e9 - delay
            told = summons.late_by.ToNanoseconds() / 1e9 if summons.HasField("late_by") else 0.0
            if told:
                said.append(told)
            if late < -TOLERANCE_SECONDS or (late > LATE_SECONDS and abs(late - told) > TOLERANCE_SECONDS):
                wrong.append(f"{incident.title}: {summons.responder} was asked {late:+.1f} s from the time, and it says {told:.1f} s")
    return said, wrong
