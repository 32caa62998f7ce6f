"""Personal rules: which of a responder's contact methods are used for a summons, and when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_communication.contacts.contact import ContactMethod
from tocsin_communication.rules.quiet import QuietHours


class Urgency(StrEnum):
    """Which of the responder's rules count."""

    HIGH = "HIGH"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Step:
    """Use one contact method so long after the summons."""

    contact_method: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class PersonalRules:
    """What one responder wants. No steps: every contact method after its own delay; none for LOW: those for HIGH."""

    high: tuple[Step, ...] = ()
    low: tuple[Step, ...] = ()
    quiet: QuietHours | None = None

    def steps(self, urgency: Urgency) -> tuple[Step, ...]:
        """The steps for this urgency."""
        return self.low or self.high if urgency is Urgency.LOW else self.high


@dataclass(frozen=True, slots=True)
class Matter:
    """What of a summons the rules look at."""

    urgency: Urgency = Urgency.HIGH
    service: str = ""
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """One page of a summons: over which contact method, when, and why then, for people (empty: at once)."""

    method: ContactMethod
    at: datetime
    why: str


def plan(methods: Sequence[ContactMethod], rules: PersonalRules | None, matter: Matter, at: datetime) -> list[Planned]:
    """The pages of a summons, by their time. Steps whose contact method does not exist any more are left out; if none is left,
    the rules are not followed: a page by the wrong way is better than none."""
    if rules is None:
        return [_after(method, method.delay or timedelta(), at) for method in methods]
    named = {method.name: method for method in methods}
    steps = [(named[step.contact_method], step.delay) for step in rules.steps(matter.urgency) if step.contact_method in named]
    planned = [_after(method, delay, at) for method, delay in steps or [(method, method.delay or timedelta()) for method in methods]]
    return sorted((_heeding(rules.quiet, page, matter) for page in planned), key=lambda page: page.at)


def _after(method: ContactMethod, delay: timedelta, at: datetime) -> Planned:
    return Planned(method, at + delay, f"{spoken(delay)} after the summons" if delay else "")


def _heeding(quiet: QuietHours | None, page: Planned, matter: Matter) -> Planned:
    """The page, held back until quiet hours end, unless it comes through."""
    until = quiet.until(page.at) if quiet is not None else None
    if quiet is None or until is None:
        return page
    if through := quiet.excepts(matter.urgency is Urgency.HIGH, matter.service, matter.severity):
        return Planned(page.method, page.at, "; ".join(filter(None, [page.why, through])))
    return Planned(page.method, until, f"held back until quiet hours end ({quiet.zone})")


def spoken(span: timedelta) -> str:
    """A span of time for people."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if unit == 'day' and seconds != size else ''}"
    return f"{seconds} s"
