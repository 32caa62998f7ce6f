"""What intake can take: new alerts, repeats beside a real Alertmanager, a storm, and lists over very many open alerts."""

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psutil
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2 import HELD_NO, HELD_YES, ExportAlertsRequest, ListAlertsRequest, ListAlertsResponse
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub

from tocsin_testkit.installation import Installation, installation
from tocsin_testkit.measuring import name_of, percentile, print_machine
from tocsin_testkit.outside.debian import ProgramMissing
from tocsin_testkit.outside.monitors import alertmanager
from tocsin_testkit.scenario import NO_FLOOD, USUAL_FLOOD, Caller, flood_is
from tocsin_testkit.sender import Sender

SENDERS = 8
# With few at once most of them wait for a commit; with many the processors are what is short.
SENDERS_AT_ONCE = (SENDERS, 32)
BATCH = 64
SECONDS = 8.0
OPEN_ALERTS = 100_000
STORM = 10_000
STORM_SECONDS = 10.0
QUIET_SECONDS = 15.0
# A flood is over when half as many open within the minute.
CALM_SECONDS = 75.0
LISTS = 60
SETTINGS = {"TOCSIN_WEBHOOK_ALLOW_PRIVATE": "true"}
ALERTMANAGER = "route: {receiver: none}\nreceivers: [{name: none}]\n"


@dataclass(frozen=True)
class Target:
    """Where alerts are sent."""

    url: str
    key: str


@dataclass(frozen=True)
class Rate:
    """What was taken."""

    alerts: int
    seconds: float
    retries: int

    @property
    def per_second(self) -> float:
        return self.alerts / self.seconds


def main() -> None:
    print_machine()
    with installation(None, SETTINGS) as up:
        time.sleep(3)
        print_intakes(up)
        print_storms(up)
    with installation(None, SETTINGS) as up:
        time.sleep(3)
        fill(up)
        print_lists(up)
        asyncio.run(print_new(up, "new alerts beside very many open ones", "late"))


def print_intakes(up: Installation) -> None:
    for senders in SENDERS_AT_ONCE:
        asyncio.run(print_intake(up, senders))


async def print_intake(up: Installation, senders: int) -> None:
    """New alerts and repeats a second: batches from several senders, sender, database and all services on the same cores."""
    own = _target(up)
    bodies = _bodies(own, f"new-{senders}", 1_280 // senders, senders)
    new = await _timed(up, f"durable intake from {senders} senders, new alerts", own, bodies)
    await asyncio.sleep(QUIET_SECONDS)
    known = [prepared[: max(1, new.alerts // BATCH // senders)] for prepared in bodies]
    again = await _timed(up, f"durable intake from {senders} senders, repeats of known alerts", own, known, rounds=1_000)
    try:
        with tempfile.TemporaryDirectory() as folder, alertmanager(Path(folder), ALERTMANAGER) as address:
            theirs = Target(f"{address}/api/v2/alerts", "none")
            unknown = _bodies(theirs, "new", 1_280 // senders, senders)
            new_there = await _timed(None, "Alertmanager, new alerts (in memory)", theirs, unknown)
            known = [prepared[: len(prepared) // 8] for prepared in unknown]
            again_there = await _timed(None, "Alertmanager, repeats", theirs, known, rounds=1_000)
    except ProgramMissing as missing:
        print(f"no Alertmanager to compare with: {missing}")
        return
    print(
        f"ratio to Alertmanager, {senders} senders: new {new.per_second / new_there.per_second:.2f}, "
        f"repeats {again.per_second / again_there.per_second:.2f}"
    )


async def print_new(up: Installation, label: str, prefix: str) -> None:
    target = _target(up)
    await _timed(up, label, target, _bodies(target, prefix, 100, SENDERS))


def print_storms(up: Installation) -> None:
    """A flood for which one alert stands, as it is from the start; and one in which every alert counts, because a rule says so."""
    caller = Caller(up.connection)
    flood_is(caller, USUAL_FLOOD)
    asyncio.run(print_storm(up, "storm"))
    flood_is(caller, NO_FLOOD)
    time.sleep(CALM_SECONDS)
    asyncio.run(print_storm(up, "unheld storm"))
    flood_is(caller, USUAL_FLOOD)


async def print_storm(up: Installation, name: str) -> None:
    """One source floods; an alert of another service comes through the same door in the middle of it."""
    target = _target(up)
    count, senders = STORM // BATCH, [Sender(target.url, target.key) for _ in range(SENDERS)]
    requests = [senders[0].prepare([alert(name, f"{batch}-{number}", "flooding") for number in range(BATCH)]) for batch in range(count)]
    other = Sender(target.url, target.key)
    memory = _memory(up)
    began = time.perf_counter()
    sent_at = 0.0
    pending: list[asyncio.Task[None]] = []
    locks = [asyncio.Lock() for _ in senders]

    async def one(number: int) -> None:
        async with locks[number % SENDERS]:
            await senders[number % SENDERS].send(requests[number])

    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * STORM_SECONDS / count - time.perf_counter()))
        pending.append(asyncio.create_task(one(number)))
        if number == count // 2:
            await other.send(other.prepare([alert(f"beside the {name}", "one", f"innocent of the {name}")]))
            sent_at = time.perf_counter()
            heard = asyncio.create_task(asyncio.to_thread(_incident_of, up, f"beside the {name}"))
    await asyncio.gather(*pending)
    took = time.perf_counter() - began
    refused = sum(sender.sent.retries for sender in senders)
    delay = await heard - sent_at
    print(
        f"{name}: {count * BATCH} new alerts in {took:.1f} s, {refused} refused, memory {memory} → {_memory(up)} MiB; "
        f"incident of an unrelated service after {delay:.2f} s"
    )


def fill(up: Installation) -> None:
    """Make very many alerts open."""

    async def send() -> None:
        target = _target(up)
        senders = [Sender(target.url, target.key) for _ in range(SENDERS)]
        await asyncio.gather(*(sender.send_all(_filling(sender, index)) for index, sender in enumerate(senders)))

    began = time.perf_counter()
    asyncio.run(send())
    print(f"filled up to about {OPEN_ALERTS} open alerts in {time.perf_counter() - began:.0f} s")
    time.sleep(QUIET_SECONDS)


def _filling(sender: Sender, index: int) -> Iterator[bytes]:
    for batch in range(OPEN_ALERTS // BATCH // SENDERS):
        numbers = range(BATCH)
        yield sender.prepare([alert(f"fill{number % 50}", f"{index}-{batch}-{number}", f"service-{number % 20}") for number in numbers])


def print_lists(up: Installation) -> None:
    """Lists with each kind of filter, through the edge."""
    connection = up.connection
    channel = grpc.insecure_channel(connection["grpc"], options=[("grpc.enable_http_proxy", 0)])
    detection = DetectionServiceStub(channel)
    metadata = (("authorization", f"Bearer {connection['api_key']}"),)
    state = Alert.STATE_OPEN
    filters = {
        "none": ListAlertsRequest(state=state),
        "any state": ListAlertsRequest(),
        "integration": ListAlertsRequest(state=state, integration="alertmanager"),
        "one label": ListAlertsRequest(state=state, labels={"instance": "3-7-11"}),
        "a label nothing has": ListAlertsRequest(state=state, labels={"instance": "nowhere"}),
        "service": ListAlertsRequest(state=state, service="service-7"),
        "a service nothing has": ListAlertsRequest(state=state, service="none"),
        "severity": ListAlertsRequest(state=state, severity="critical"),
        "held": ListAlertsRequest(state=state, held=HELD_YES),
        "text": ListAlertsRequest(state=state, text="fill49"),
        "text nothing has": ListAlertsRequest(state=state, text="nowhere"),
        "matcher =~": ListAlertsRequest(state=state, matchers=['instance=~"7-1.*-3"']),
        "matcher =~ nothing has": ListAlertsRequest(state=state, matchers=['instance=~"x.*"']),
        "matcher !~": ListAlertsRequest(state=state, matchers=['alertname!~"fill.*"']),
        "matcher !~ of most": ListAlertsRequest(state=state, matchers=['alertname!~"fill1.*"']),
        "matcher !=": ListAlertsRequest(state=state, matchers=["job!=node"]),
        "two matchers =~": ListAlertsRequest(state=state, matchers=['instance=~".*-(7|8)-3"', 'alertname!~"(?i)FILL[0-4]+"']),
        "text and service and =~": ListAlertsRequest(state=state, text="9-9", service="service-7", matchers=['cluster=~"eu-."']),
        "a severity nothing has": ListAlertsRequest(state=state, severity="minor"),
        "not held": ListAlertsRequest(state=state, held=HELD_NO),
        "matcher =~ that RE2 alone reads": ListAlertsRequest(state=state, matchers=[r'instance=~"\\d-\\d\\b.*x"']),
    }
    everything: list[float] = []
    for name, request in filters.items():
        request.page_size = 50
        seconds = []
        for _ in range(LISTS):
            began = time.perf_counter()
            detection.ListAlerts(request, metadata=metadata, timeout=30)
            seconds.append(time.perf_counter() - began)
        everything.extend(seconds)
        print(
            f"  list by {name}: a page p50 {statistics.median(seconds) * 1000:.1f} ms, p99 {percentile(seconds, 99) * 1000:.1f} ms; "
            + _searched(lambda page: detection.ListAlerts(page, metadata=metadata, timeout=30), request)
        )
    print(f"lists of alerts, all filters: a page p99 {percentile(everything, 99) * 1000:.1f} ms")
    began = time.perf_counter()
    exported = sum(
        len(answer.alerts)
        for answer in detection.ExportAlerts(ExportAlertsRequest(filter=ListAlertsRequest(state=state)), metadata=metadata, timeout=300)
    )
    print(f"export: {exported} alerts in {time.perf_counter() - began:.1f} s")


def _searched(ask: Callable[[ListAlertsRequest], ListAlertsResponse], request: ListAlertsRequest) -> str:
    """How long it takes to fill one page, or to find that nothing more is like that: a page may hold less than is wanted."""
    began, pages, found, following = time.perf_counter(), 0, 0, ListAlertsRequest()
    following.CopyFrom(request)
    while True:
        answer = ask(following)
        pages, found, following.page_token = pages + 1, found + len(answer.alerts), answer.next_page_token
        if found >= request.page_size or not answer.next_page_token:
            return f"{min(found, request.page_size)} found in {pages} pages, {(time.perf_counter() - began) * 1000:.0f} ms"


def alert(name: str, instance: str, service: str = "checkout") -> dict[str, Any]:
    """One alert as Prometheus sends it."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, "instance": instance, "severity": "critical", "service": service, "job": "node", "cluster": "eu-1"},
        "annotations": {"summary": f"{name} on {instance}"},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=10)).isoformat(),
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
    }


def _target(up: Installation) -> Target:
    found = up.connection["integrations"]["alertmanager"]
    return Target(found["url"], found["key"])


def _bodies(target: Target, prefix: str, batches: int, senders: int) -> list[list[bytes]]:
    sender = Sender(target.url, target.key)
    return [
        [sender.prepare([alert("intake", f"{prefix}-{index}-{batch}-{number}") for number in range(BATCH)]) for batch in range(batches)]
        for index in range(senders)
    ]


async def _timed(up: Installation | None, label: str, target: Target, bodies: Sequence[Sequence[bytes]], rounds: int = 1) -> Rate:
    senders = [Sender(target.url, target.key) for _ in bodies]
    before = _processor(up)
    began = time.perf_counter()

    async def work(sender: Sender, prepared: Sequence[bytes]) -> None:
        for _ in range(rounds):
            for request in prepared:
                if time.perf_counter() - began > SECONDS:
                    return
                await sender.send(request)

    await asyncio.gather(*(work(sender, prepared) for sender, prepared in zip(senders, bodies, strict=True)))
    took = time.perf_counter() - began
    rate = Rate(sum(sender.sent.accepted for sender in senders) * BATCH, took, sum(sender.sent.retries for sender in senders))
    used = {name: seconds - before[name] for name, seconds in _processor(up).items() if seconds - before[name] >= 0.1}
    busy = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sorted(used.items(), key=lambda item: -item[1]))
    print(f"{label}: {rate.per_second:.0f}/s ({rate.alerts} in {took:.1f} s, {rate.retries} retries; CPU seconds: {busy or 'not asked'})")
    return rate


def _processor(up: Installation | None) -> Counter[str]:
    seconds: Counter[str] = Counter()
    for process in up.processes() if up else []:
        try:
            times = process.cpu_times()
            seconds[name_of(process)] += times.user + times.system  # type: ignore[assignment]
        except psutil.Error:
            continue
    return seconds


def _memory(up: Installation) -> int:
    return sum(process.memory_full_info().pss for process in up.processes()) // 2**20


def _incident_of(up: Installation, title: str) -> float:
    """When an incident with this title was there (perf_counter)."""
    caller = Caller(up.connection)
    until = time.perf_counter() + 60
    while time.perf_counter() < until:
        if any(title in incident.title for incident in caller.incidents()):
            return time.perf_counter()
        time.sleep(0.05)
    return float("inf")


if __name__ == "__main__":
    main()
