"""One service's wall clock is two hours ahead, then two hours behind, by a jump and from its start, while escalations run."""

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
from tocsin.response.v1.response_service_pb2 import GetOncallRequest

from tocsin_standalone import platform
from tocsin_standalone.ports import LOOPBACK
from tocsin_testkit.faults.audit import Verdict, audit, group, incidents, longest, responder, settle, summonses
from tocsin_testkit.faults.kills import kill
from tocsin_testkit.faults.load import Load, Seen, send
from tocsin_testkit.faults.shifting import WrongClock
from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.scenario import HOURLY, HOURS_FROM, Caller, climb, configure, provider

PEOPLE = ("first", "second", "third")
DELAY_SECONDS = 6
# By the database's clock, which is this machine's. An hour is what a wrong clock costs; seconds are what a busy machine does.
PUNCTUAL_SECONDS, LOAD_SECONDS = 1.0, 5.0
HOURS = 7200.0
RESTART_SECONDS = 60.0

Plan = list[dict[str, Any]]


@dataclass(frozen=True)
class Round:
    """What the clock does, and whether the service is killed then, so that it starts with a wrong clock."""

    name: str
    shift: float
    restart: bool = False


ROUNDS = (
    Round("undisturbed", 0.0),
    Round("jumps ahead", HOURS),
    Round("starts ahead", HOURS, restart=True),
    Round("jumps behind", -HOURS),
    Round("starts behind", -HOURS, restart=True),
)


@dataclass
class Timing:
    """How early and late the pages of each round were, in seconds, and what is wrong with that."""

    outages: list[tuple[float, float]] = field(default_factory=list)
    early: dict[str, list[float]] = field(default_factory=dict)
    late: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def judge(self, name: str, of: str, due: float, decided: float, paged: float) -> None:
        """One page that was due then. While the service was being started again nobody could be punctual."""
        possible = max([due, *(up for down, up in self.outages if down - PUNCTUAL_SECONDS <= due <= up)])
        early, late = due - min(decided, paged), paged - possible
        self.early.setdefault(name, []).append(early)
        self.late.setdefault(name, []).append(late)
        if early > PUNCTUAL_SECONDS or late > PUNCTUAL_SECONDS + LOAD_SECONDS:
            self.wrong.append(f"{of}: paged {-early:+.1f} s from its time ({name})")

    @property
    def figures(self) -> tuple[str, ...]:
        """A line for each round."""
        earliest = {name: f"{-max(early):+.1f} s" for name, early in self.early.items()}
        return tuple(
            f"  {name}: {len(late)} steps, the earliest {earliest[name]} from its time, the latest page {longest(late)}"
            for name, late in self.late.items()
        )


async def wrong_clock(short: bool, seed: int) -> Verdict:
    """The service whose timers they are; in the long form also the one that signs who is calling, and the one that opens incidents."""
    services = ("response",) if short else ("response", "edge", "triage")
    found = [await _of(service, 4 if short else 20) for service in services]
    return Verdict(
        lost=[line for each in found for line in each.lost],
        doubled=[line for each in found for line in each.doubled],
        resent=sum(each.resent for each in found),
        wrong_end=[line for each in found for line in each.wrong_end],
        late_seconds=max(each.late_seconds for each in found),
        figures=tuple(line for each in found for line in each.figures),
    )


async def _of(service: str, half: int) -> Verdict:
    load = Load(2 * half * len(ROUNDS), 1, 10.0)
    print(f"the clock of {service}: {load}, 2 h ahead and behind", flush=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder, provider(Path(folder) / "ledger") as provider_port:
        clock = WrongClock(Path(folder) / "clock", service)
        with installation(environment={"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true", **clock.install()}) as up:
            stage, ledger = Stage(up, Caller(up.connection), clock, load.per_second), Path(folder) / "ledger"
            configure(stage.caller, provider_port)
            climb(stage.caller, provider_port, PEOPLE, DELAY_SECONDS)
            for number, each in enumerate(ROUNDS):
                begun = 2 * half * number
                await stage.play(each, load.plan[begun : begun + half], load.plan[begun + half : begun + 2 * half])
                await settle(stage.caller, ledger, replace(load, groups=begun + 2 * half), len(PEOPLE))
            clock.shift(0.0)  # the auditor may ask whatever it needs to
            found = audit(stage.caller, ledger, load, stage.seen, PEOPLE)
            _time(stage, ledger, 2 * half)
            timing = stage.timing
            return replace(found, wrong_end=[*found.wrong_end, *timing.wrong], figures=(f"the clock of {service}", *timing.figures))


@dataclass(frozen=True)
class Stage:
    """What all rounds share."""

    up: Installation
    caller: Caller
    clock: WrongClock
    per_second: float
    seen: Seen = field(default_factory=Seen)
    timing: Timing = field(default_factory=Timing)

    async def play(self, this: Round, before: Plan, after: Plan) -> None:
        """Timers that run already meet the wrong clock, and others begin under it."""
        target = self.up.connection["integrations"]["alertmanager"]
        await send(target, before, self.per_second, self.seen)
        await asyncio.sleep(DELAY_SECONDS / 2)
        self.clock.shift(this.shift)
        if this.restart:
            began = time.time()
            await self._restart()
            self.timing.outages.append((began, time.time()))
        self.timing.wrong += await _oncall(self.caller, this)
        await send(target, after, self.per_second, self.seen)

    async def _restart(self) -> None:
        """Kill the service, and wait until its next process says that it is well."""
        ports = json.loads((self.up.home / "run" / "instance.json").read_text())["ports"]
        address = f"{LOOPBACK}:{ports['internal'].get(self.clock.service, ports['grpc'])}"
        kill(self.up, self.clock.service)
        until = time.monotonic() + RESTART_SECONDS
        while not await asyncio.to_thread(platform.serves, address) and time.monotonic() < until:
            await asyncio.sleep(0.1)


async def _oncall(caller: Caller, this: Round) -> list[str]:
    """Nothing, if the service says of the present moment what a right clock says."""
    possible = {_expected(datetime.now(UTC))}
    try:
        duties = (await asyncio.to_thread(caller.call, caller.response.GetOncall, GetOncallRequest())).duties
    except grpc.RpcError as error:
        return [f"on call now ({this.name}): {error.code()} {error.details()}"]
    possible.add(_expected(datetime.now(UTC)))
    said = [(duty.responder, duty.since.ToDatetime(UTC)) for duty in duties if duty.schedule == HOURLY]
    return [] if len(said) == 1 and said[0] in possible else [f"on call now ({this.name}): {said} instead of {possible}"]


def _expected(now: datetime) -> tuple[str, datetime]:
    """Whose hour it is, and when it began: an oracle that shares nothing with what it checks."""
    hours = int((now - HOURS_FROM) / timedelta(hours=1))
    return PEOPLE[hours % len(PEOPLE)], HOURS_FROM + timedelta(hours=hours)


def _time(stage: Stage, ledger: Path, per_round: int) -> None:
    """Compare what was due with when the provider had it, and with what the platform says of itself."""
    offset, timing = time.time() - time.monotonic(), stage.timing
    pages: dict[tuple[str, str], float] = {}
    for entry in summonses(ledger):
        pages.setdefault((group(entry), responder(entry)), entry.at / 1e9 + offset)
    for incident in incidents(stage.caller):
        name = incident.title.removeprefix("group ")
        during = ROUNDS[int(name.removeprefix("g")) // per_round].name
        asked = [(summons.responder, summons.at.ToNanoseconds() / 1e9) for summons in stage.caller.summonses(incident.id)]
        tried = stage.seen.tried_at[name] / 1e9 + offset
        begun = asked[0][1] if asked else 0.0
        if not tried - PUNCTUAL_SECONDS <= begun <= pages.get((name, PEOPLE[0]), 0.0) + PUNCTUAL_SECONDS:
            timing.wrong.append(f"{name}: says that it began {begun - tried:+.1f} s from when its alert was sent ({during})")
        for (_, before), (person, decided) in pairwise(asked):
            if (name, person) in pages:
                timing.judge(during, f"{name}, {person}", before + DELAY_SECONDS, decided, pages[name, person])
