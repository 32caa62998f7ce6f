"""Incidents are taken and resolved while escalations climb and processes are killed: what is closed stays quiet."""

import asyncio
import contextlib
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import grpc
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_kernel.ids import uuid7
from tocsin_testkit.faults.audit import Verdict, audit, group, incidents, longest, responder, summonses
from tocsin_testkit.faults.kills import kill, sent
from tocsin_testkit.faults.load import Load, Seen, send
from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.outside.provider import Entry
from tocsin_testkit.scenario import Caller, climb, configure, provider

PEOPLE = ("first", "second", "third", "fourth")
DELAY_SECONDS = 8
VICTIMS = ("triage", "response", "communication", "nats-server")
SECONDS_BETWEEN_KILLS = 8.0
PATIENCE_SECONDS = 300.0
# What is asked for where nothing is killed; and what a killed process and the wait of the broker for it may add.
STOPS_WITHIN, RESTARTS_WITHIN = 2.0, 30.0


async def closing(short: bool, seed: int) -> Verdict:
    """Every incident is taken or resolved at some moment of its first three steps; each service on the way is killed again and again."""
    load = Load(40, 1, 2.0) if short else Load(200, 1, 2.0)
    chance, seen = random.Random(seed), Seen()
    print(f"{load}, each closed at some moment of its first three steps", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder,
        provider(Path(folder) / "ledger") as provider_port,
        installation(environment={"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}) as up,
    ):
        caller, ledger = Caller(up.connection), Path(folder) / "ledger"
        configure(caller, provider_port)
        climb(caller, provider_port, PEOPLE, DELAY_SECONDS)
        sending = asyncio.create_task(send(up.connection["integrations"]["alertmanager"], load.plan, load.per_second, seen))
        kills: list[tuple[int, str]] = []
        killing = asyncio.create_task(_kill(up, chance, kills))
        closed = await _close(caller, load, seen, chance)
        killing.cancel()
        await sent(sending, up)
        await asyncio.sleep(RESTARTS_WITHIN + len(PEOPLE) * DELAY_SECONDS)
        found = audit(caller, ledger, load, seen, PEOPLE[:1])
        return _judged(found, load, summonses(ledger), closed, kills)


async def _kill(up: Installation, chance: random.Random, kills: list[tuple[int, str]]) -> None:
    """Kill one after the other; `kills` says when (monotonic nanoseconds) and whom."""
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_KILLS)
        victim = chance.choice(VICTIMS)
        if kill(up, victim):
            kills.append((time.monotonic_ns(), victim))


async def _close(caller: Caller, load: Load, seen: Seen, chance: random.Random) -> dict[str, int]:
    """Take or resolve every incident; when the platform had said yes (monotonic nanoseconds), by group."""
    due = {name: chance.uniform(0.0, 3.0 * DELAY_SECONDS) for name in load.names}
    closed: dict[str, int] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while len(closed) < load.groups and time.monotonic() < until:
        with contextlib.suppress(grpc.RpcError):  # whoever answers was just killed: once more
            for incident in await asyncio.to_thread(incidents, caller):
                name = incident.title.removeprefix("group ")
                opened = seen.accepted_at.get(name)
                if name not in closed and opened is not None and time.monotonic_ns() - opened > due[name] * 1e9:
                    await asyncio.to_thread(_say, caller, incident, due[name] < DELAY_SECONDS)
                    closed[name] = time.monotonic_ns()
        await asyncio.sleep(0.2)
    return closed


def _say(caller: Caller, incident: Incident, resolved: bool) -> None:
    """What was said already, though nobody heard the answer, is said."""
    if incident.state == (Incident.STATE_RESOLVED if resolved else Incident.STATE_ACKNOWLEDGED):
        return
    if resolved:
        ended = triage_pb.ResolveIncidentRequest(request_id=str(uuid7()), incident_id=incident.id)
        caller.call(caller.triage.ResolveIncident, ended)
    else:
        taken = triage_pb.AcknowledgeIncidentRequest(request_id=str(uuid7()), incident_id=incident.id)
        caller.call(caller.triage.AcknowledgeIncident, taken)


def _judged(found: Verdict, load: Load, asked: list[Entry], closed: dict[str, int], kills: list[tuple[int, str]]) -> Verdict:
    """Who was asked after the incident was closed, how long after, and who was killed shortly before."""
    after = [(entry, (entry.at - closed[group(entry)]) / 1e9) for entry in asked if group(entry) in closed]
    late = [(entry, seconds) for entry, seconds in after if seconds > STOPS_WITHIN]
    return replace(
        found,
        # Whether the first is asked at all is a matter of who closes it when; of what was opened nothing may be lost.
        lost=[],
        wrong_end=[
            *found.wrong_end,
            *(f"{name} could not be closed" for name in load.names if name not in closed),
            *(f"{group(entry)}: asked {seconds:.1f} s after it was closed" for entry, seconds in after if seconds > RESTARTS_WITHIN),
        ],
        figures=(
            f"{len(closed)} incidents closed; {len(late)} pages later than {STOPS_WITHIN:.0f} s after that, "
            f"the latest {longest([seconds for _, seconds in late])}",
            *(f"{responder(entry)} {seconds:.1f} s after {group(entry)} was closed; {_killed(kills, entry.at)}" for entry, seconds in late),
        ),
    )


def _killed(kills: list[tuple[int, str]], at: int) -> str:
    """Who was killed not long before this moment."""
    before = [f"{victim} {(at - killed) / 1e9:.1f} s" for killed, victim in kills if 0 <= at - killed < RESTARTS_WITHIN * 1e9]
    return f"killed before: {', '.join(before) or 'nobody'}"
