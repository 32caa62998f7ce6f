"""An incident's return is known by what it left behind: the titles of its alerts, and the targets of its measures."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tocsin_kernel.decision import Decision
from tocsin_response.containment.measure import TargetKind

USUAL = timedelta(days=14)
MOST_INDICATORS = 1_000
MOST_WORDS = 400
# Letters of hosts, addresses, domains, accounts and hashes; anything else parts words.
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]*")
SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Indicator:
    """What is looked for; OTHER is the title of an alert."""

    kind: TargetKind
    value: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks out for an incident's return until its time is up or it came."""

    incident_id: str
    incident_number: int
    service: str
    title: str
    until: datetime
    set_by: str
    set_at: datetime
    indicators: tuple[Indicator, ...] = field(default=())
    recurred_at: datetime | None = None
    recurrence: str = ""
    recurred_in: str = ""

    def looks_out(self, now: datetime) -> bool:
        return self.recurred_at is None and now < self.until

    def recur(self, sign: "Sign", why: str, now: datetime) -> Decision["Watch"]:
        """It came back. Once is enough."""
        if not self.looks_out(now) or sign.incident_id == self.incident_id:
            return Decision(self)
        after = replace(self, recurred_at=now, recurrence=why, recurred_in=sign.incident_id)
        return Decision(after, (Recurred(after, sign.incident_id),), why)


@dataclass(frozen=True, slots=True)
class Recurred:
    """The incident came back."""

    watch: Watch
    seen_in: str


@dataclass(frozen=True, slots=True)
class Sign:
    """What was seen: an alert or a declaration, in an incident of a service."""

    incident_id: str
    incident_number: int
    service: str
    alert_title: str
    texts: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Everything in it that may be an indicator."""
        found = dict.fromkeys(word.strip(".:/-").casefold() for text in self.texts for word in WORD.findall(text))
        return [word for word in found if len(word) >= SHORTEST][:MOST_WORDS]


def why_it_is_back(watch: Watch, indicator: Indicator, sign: Sign) -> str:
    """How the return was noticed, for people; empty if this is none: the title of an alert means the same service only."""
    if indicator.kind is TargetKind.OTHER:
        return f"its alert “{indicator.value}” fires again in incident #{sign.incident_number}" if sign.service == watch.service else ""
    return f"{indicator.kind.name.lower()} {indicator.value} is seen again in incident #{sign.incident_number}"


def spelled(indicators: Iterable[Indicator]) -> tuple[Indicator, ...]:
    """Each once; all but titles without regard to case."""
    found = (
        each if each.kind is TargetKind.OTHER else Indicator(each.kind, each.value.strip().casefold())
        for each in indicators
        if each.value.strip()
    )
    return tuple(dict.fromkeys(found))[:MOST_INDICATORS]
