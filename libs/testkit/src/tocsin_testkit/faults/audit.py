"""The auditor: goes by the provider's ledger, the senders' own log and the public API; never by the platform's tables."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_testkit.faults.load import Load, Seen
from tocsin_testkit.outside.provider import Entry, read_ledger
from tocsin_testkit.scenario import SERVICE, Caller

SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Verdict:
    """What the auditor found. `figures` are for people: how long things took is printed and judged by nobody here."""

    lost: list[str]
    doubled: list[str]
    resent: int
    wrong_end: list[str]
    late_seconds: float
    figures: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong_end)

    @property
    def problems(self) -> list[str]:
        """Everything that must not be, a line each."""
        return [*self.lost, *self.doubled, *self.wrong_end]

    def __str__(self) -> str:
        return (
            f"lost pages {len(self.lost)}, double pages {len(self.doubled)}, resent after an unknown outcome {self.resent}, "
            f"wrong end states {len(self.wrong_end)}, longest from accepted to paged {self.late_seconds:.1f} s"
        )


def summonses(ledger: Path) -> list[Entry]:
    """The pages that ask somebody to respond, in the order in which the provider took them."""
    return [entry for entry in read_ledger(ledger) if "summons" in str(entry.body.get("type", "")).lower()]


def group(entry: Entry) -> str:
    """The group whose incident the page is about."""
    return str(entry.body.get("incident", {}).get("title", "")).removeprefix("group ")


def responder(entry: Entry) -> str:
    """Who is asked."""
    return str(entry.body.get("page", {}).get("responder", ""))


def incidents(caller: Caller) -> list[Incident]:
    """Those of the load: the platform may open some about itself."""
    return [incident for incident in caller.incidents() if incident.service == SERVICE]


def resent(entry: Entry) -> bool:
    """The page says that it may have come before."""
    return bool(entry.body.get("page", {}).get("resent_after_unknown"))


async def settle(caller: Caller, ledger: Path, load: Load, pages_per_group: int = 1, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until every group has its pages and its alerts, or patience ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):  # the platform may just be coming back
            alerts = sum(incident.alert_count for incident in await asyncio.to_thread(incidents, caller))
            paged = {(group(entry), responder(entry)) for entry in summonses(ledger) if group(entry) in load.names}
            if len(paged) >= load.groups * pages_per_group and alerts >= load.groups * load.alerts_per_group:
                break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3.0)  # whatever would come twice comes now


def audit(caller: Caller, ledger: Path, load: Load, seen: Seen, people: Sequence[str]) -> Verdict:
    """Everybody of `people` is asked once about each group, which is one incident with all its alerts."""
    asked = [entry for entry in summonses(ledger) if group(entry) in load.names]
    first: dict[tuple[str, str], int] = {}
    for entry in asked:
        first.setdefault((group(entry), responder(entry)), entry.at)
    unmarked = Counter((group(entry), responder(entry)) for entry in asked if not resent(entry))
    soonest: dict[str, int] = {}
    for (name, _), at in first.items():
        soonest[name] = min(at, soonest.get(name, at))
    late = [(soonest[name] - seen.accepted_at[name]) / 1e9 for name in soonest if name in seen.accepted_at]
    return Verdict(
        lost=[f"{name}: {person} was not paged" for name in load.names for person in people if (name, person) not in first],
        doubled=[f"{name}: {person} was paged {count} times" for (name, person), count in unmarked.items() if count > 1],
        resent=sum(resent(entry) for entry in asked),
        wrong_end=_wrong_ends(caller, load),
        late_seconds=max(late, default=0.0),
    )


def _wrong_ends(caller: Caller, load: Load) -> list[str]:
    found = incidents(caller)
    counts = Counter(incident.title for incident in found)
    wrong = [f"{name}: {counts[f'group {name}']} incidents" for name in load.names if counts[f"group {name}"] != 1]
    return wrong + [f"{each.title}: {each.alert_count} alerts" for each in found if each.alert_count != load.alerts_per_group]


def longest(values: Sequence[float], pick: Callable[[Sequence[float]], float] = max) -> str:
    """The longest of some durations, for people."""
    return f"{pick(values):.1f} s" if values else "none"
