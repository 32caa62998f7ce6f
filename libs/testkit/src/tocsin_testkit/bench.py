"""Measure an installation and print the figures: `python -m tocsin_testkit.bench`. Nothing is judged here."""

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

from tocsin.response.v1.response_service_pb2 import GetOncallRequest

from tocsin_testkit.bench_intake import fill, print_intakes, print_lists, print_storms
from tocsin_testkit.bench_oncall import print_now, print_rendering
from tocsin_testkit.bench_paging import print_paging
from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.measuring import cpu_seconds, cpu_since, name_of, percentile, print_machine
from tocsin_testkit.outside.provider import read_ledger
from tocsin_testkit.scenario import USUAL_FLOOD, Caller, alert, configure, flood_is, provider
from tocsin_testkit.sender import Sender

SENDERS = 8
BATCH = 64
INTAKE_SECONDS = 10.0
INCIDENTS_PER_SECOND = 50
LATENCY_SECONDS = 20


def main() -> None:
    print_machine()
    print_rendering()
    environment = {"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder, provider(Path(folder) / "ledger") as provider_port:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        with installation(home, environment) as up:
            print(f"first start: ready in {up.ready_seconds:.1f} s")
        with installation(home, environment) as up:
            print(f"second start: ready in {up.ready_seconds:.1f} s")
            caller = Caller(up.connection)
            configure(caller, provider_port)
            time.sleep(5)
            print_memory(up)
            print_oncall(caller)
            asyncio.run(print_latency(up, Path(folder) / "ledger"))
            asyncio.run(print_paging(up, caller, Path(folder) / "ledger", provider_port))
            flood_is(caller, USUAL_FLOOD)
            print_intakes(up)
            print_storms(up)
            fill(up)
            print_lists(up)
            print_now(caller)


def print_memory(up: Installation) -> None:
    """All processes together; shared pages are counted once (PSS)."""
    pss: Counter[str] = Counter()
    rss = 0
    for process in up.processes():
        full = process.memory_full_info()
        pss[name_of(process)] += full.pss
        rss += full.rss
    parts = ", ".join(f"{name} {size // 2**20}" for name, size in sorted(pss.items(), key=lambda item: -item[1]))
    print(f"idle memory: {sum(pss.values()) // 2**20} MiB (PSS; RSS {rss // 2**20} MiB): {parts}")


def print_oncall(caller: Caller) -> None:
    """`tocsin oncall now`, as the caller sees it."""
    seconds = []
    for _ in range(200):
        began = time.perf_counter()
        caller.call(caller.response.GetOncall, GetOncallRequest())
        seconds.append(time.perf_counter() - began)
    print(f"oncall now: p50 {statistics.median(seconds) * 1000:.1f} ms, p99 {percentile(seconds, 99) * 1000:.1f} ms through the edge")


async def print_latency(up: Installation, ledger: Path) -> None:
    """From the accepted alert to the first provider call, at a steady rate of new incidents."""
    target = up.connection["integrations"]["alertmanager"]
    senders = [Sender(target["url"], target["key"]) for _ in range(SENDERS)]
    accepted: dict[str, int] = {}

    async def one(number: int) -> None:
        sender = senders[number % SENDERS]
        async with locks[number % SENDERS]:
            await sender.send(sender.prepare([alert(f"latency-{number}", "i")]))
        accepted[f"group latency-{number}"] = sender.sent.at[-1]

    before = cpu_seconds(up.processes())
    locks = [asyncio.Lock() for _ in range(SENDERS)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    for number in range(INCIDENTS_PER_SECOND * LATENCY_SECONDS):
        await asyncio.sleep(max(0.0, began + number / INCIDENTS_PER_SECOND - loop.time()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    await asyncio.sleep(5)
    first: dict[str, int] = {}
    for entry in read_ledger(ledger):
        first.setdefault(str(entry.body.get("incident", {}).get("title")), entry.at)
    seconds = [(first[title] - at) / 1e9 for title, at in accepted.items() if title in first]
    print(
        f"alert accepted to first provider call at {INCIDENTS_PER_SECOND} new incidents/s: p50 {statistics.median(seconds) * 1000:.0f} ms, "
        f"p99 {percentile(seconds, 99) * 1000:.0f} ms, max {max(seconds) * 1000:.0f} ms ({len(seconds)} of {len(accepted)} paged)"
    )
    print_cpu(cpu_since(before, up.processes()), len(accepted))


def print_cpu(used: dict[str, float], incidents: int) -> None:
    """What an incident cost. Unlike the times, it says something on a machine that has other work too."""
    most = sorted(used.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name} {seconds / incidents * 1000:.1f}" for name, seconds in most if seconds)
    print(f"CPU for an incident: {sum(used.values()) / incidents * 1000:.1f} ms: {parts}")


if __name__ == "__main__":
    main()
