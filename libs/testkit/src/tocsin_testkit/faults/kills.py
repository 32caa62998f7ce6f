"""Kill things while alerts come in, and audit what became of them: `python -m tocsin_testkit.faults [--short]`.

The auditor reads the provider's ledger, the senders' own log and the public API; never the platform's tables.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.outside.provider import Entry, read_ledger
from tocsin_testkit.scenario import Caller, alert, configure, provider
from tocsin_testkit.sender import Sender

SERVICES = ("detection", "triage", "response", "communication", "review", "edge")
SENDERS = 4
SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """How much comes in: `groups` incidents of `alerts_per_group` alerts, at `per_second` alerts a second."""

    groups: int
    alerts_per_group: int
    per_second: float
    seconds_between_kills: float


FULL = Load(groups=200, alerts_per_group=10, per_second=40.0, seconds_between_kills=4.5)
SHORT = Load(groups=60, alerts_per_group=5, per_second=20.0, seconds_between_kills=1.8)


@dataclass(frozen=True)
class Verdict:
    """What the auditor found."""

    lost: list[str]
    doubled: list[str]
    resent: int
    wrong_end: list[str]
    late_seconds: float

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong_end)


async def run(load: Load, seed: int) -> Verdict:
    """One run; prints what it does."""
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-faults-") as folder,
        provider(Path(folder) / "ledger") as provider_port,
        installation(environment={"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}) as up,
    ):
        caller = Caller(up.connection)
        configure(caller, provider_port)
        plan = [alert(f"g{group}", f"i{number}") for number in range(load.alerts_per_group) for group in range(load.groups)]
        sending = asyncio.create_task(_send(up, plan, load.per_second))
        await _disturb(up, load, random.Random(seed))
        accepted_at = await sending
        ledger = Path(folder) / "ledger"
        await _settle(caller, ledger, load)
        return _audit(caller, read_ledger(ledger), load, accepted_at)


async def _send(up: Installation, plan: list[dict[str, object]], per_second: float) -> dict[str, int]:
    """Send every alert until it is accepted; returns when the first of each group was."""
    target = up.connection["integrations"]["alertmanager"]
    first: dict[str, int] = {}
    queue: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def work() -> None:
        sender = Sender(target["url"], target["key"])
        while (item := await queue.get()) is not None:
            await sender.send(sender.prepare([item]))
            labels = item["labels"]
            assert isinstance(labels, dict)
            first.setdefault(labels["group"], sender.sent.at[-1])
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(SENDERS)]
    for item in plan:
        queue.put_nowait(item)
        await asyncio.sleep(1 / per_second)
    await queue.join()
    for worker in workers:
        worker.cancel()
    return first


async def _disturb(up: Installation, load: Load, chance: random.Random) -> None:
    """Each service once by SIGKILL, NATS twice, Postgres once by an immediate stop, in an order that the seed decides."""
    victims = [*SERVICES, "nats-server", "nats-server", "postgres"]
    chance.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(load.seconds_between_kills * chance.uniform(0.7, 1.3))
        with contextlib.suppress(LookupError, psutil.Error):
            process = up.find(victim)
            # SIGQUIT is Postgres' immediate stop: no checkpoint, recovery at the next start.
            process.send_signal(signal.SIGQUIT if victim == "postgres" else signal.SIGKILL)
            print(f"  killed {victim} ({process.pid})", flush=True)


async def _settle(caller: Caller, ledger: Path, load: Load) -> None:
    """Wait until every group has its page and its alerts, or patience ends."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):  # the platform may just be coming back
            incidents = await asyncio.to_thread(caller.incidents)
            paged = {_group(entry) for entry in read_ledger(ledger)}
            if len(paged) >= load.groups and sum(incident.alert_count for incident in incidents) >= load.groups * load.alerts_per_group:
                break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3.0)  # whatever would come twice comes now


def _audit(caller: Caller, entries: list[Entry], load: Load, accepted_at: dict[str, int]) -> Verdict:
    groups = [f"g{number}" for number in range(load.groups)]
    summonses = [entry for entry in entries if "summons" in str(entry.body.get("type", "")).lower()]
    first_page: dict[str, int] = {}
    for entry in summonses:
        first_page.setdefault(_group(entry), entry.at)
    unmarked = Counter(_group(entry) for entry in summonses if not entry.body.get("page", {}).get("resent_after_unknown"))
    counts = Counter(incident.title for incident in caller.incidents())
    attached = {incident.title: incident.alert_count for incident in caller.incidents()}
    wrong = [f"{group}: {counts[f'group {group}']} incidents" for group in groups if counts[f"group {group}"] != 1]
    wrong += [f"{title}: {count} alerts" for title, count in attached.items() if count != load.alerts_per_group]
    late = [(first_page[group] - accepted_at[group]) / 1e9 for group in groups if group in first_page and group in accepted_at]
    return Verdict(
        lost=[group for group in groups if group not in first_page],
        doubled=[group for group, count in unmarked.items() if count > 1],
        resent=sum(1 for entry in summonses if entry.body.get("page", {}).get("resent_after_unknown")),
        wrong_end=wrong,
        late_seconds=max(late, default=0.0),
    )


def _group(entry: Entry) -> str:
    return str(entry.body.get("incident", {}).get("title", "")).removeprefix("group ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer alerts, within a minute")
    parser.add_argument("--seed", type=int, default=20261123, help="decides the order and the seconds of the kills")
    chosen = parser.parse_args()
    load = SHORT if chosen.short else FULL
    print(f"{load.groups * load.alerts_per_group} alerts in {load.groups} groups, seed {chosen.seed}")
    began = time.monotonic()
    verdict = asyncio.run(run(load, chosen.seed))
    print(
        f"lost pages {len(verdict.lost)}, double pages {len(verdict.doubled)}, resent after an unknown outcome {verdict.resent}, "
        f"wrong end states {len(verdict.wrong_end)}, longest from accepted to paged {verdict.late_seconds:.1f} s; "
        f"took {time.monotonic() - began:.0f} s"
    )
    for problem in [*verdict.lost, *verdict.doubled, *verdict.wrong_end][:20]:
        print(f"  {problem}")
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()
