"""A regime: what has to be told to whom within which time, counted from what."""

from dataclasses import dataclass
from datetime import date, time
from enum import Enum


class Unit(Enum):
    """How a time is counted."""

    HOURS = "hours"
    CALENDAR_DAYS = "calendar days"
    BUSINESS_DAYS = "business days"
    MONTHS = "months"


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as laws say it."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        word = self.unit.value if self.amount != 1 else self.unit.value.removesuffix("s")
        return f"{self.amount} {word}"


@dataclass(frozen=True, slots=True)
class Cap:
    """A second limit, counted from another event. If it lapses it does not count once it had passed before the clock started."""

    event: str
    within: Span
    lapses: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do. Its clock starts by an event, or after the submission of another duty; without `within` there is no clock.

    `pause` is on whose word its clock may be paused, and where that is written; empty: it may not be.
    """

    name: str
    title: str
    recipient: str = ""
    citation: str = ""
    event: str = ""
    after: str = ""
    within: Span | None = None
    cap: Cap | None = None
    needs: frozenset[str] = frozenset()
    at_least_people: int = 0
    at_most_people: int = 0
    day_ends_at: time | None = None
    from_end_of_year: bool = False
    template: str = ""
    pause: str = ""


@dataclass(frozen=True, slots=True)
class Regime:
    """A law, a contract or a rule of one's own. `zone` and `holidays` say when its days begin, and which are no business days."""

    name: str
    duties: tuple[Duty, ...]
    display_name: str = ""
    disabled: bool = False
    verify: str = ""
    edition: str = ""
    effective_from: date | None = None
    zone: str = "UTC"
    holidays: str = ""
    needs: frozenset[str] = frozenset()

    def duty(self, name: str) -> Duty:
        return next(each for each in self.duties if each.name == name)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of an incident. Where the number of people is not known, duties that depend on it count: better one too many."""

    traits: frozenset[str] = frozenset()
    people: int | None = None

    def joined(self, more: "Circumstances") -> "Circumstances":
        """With what became known: traits are added, the newest number counts."""
        return Circumstances(self.traits | more.traits, self.people if more.people is None else more.people)


def why_not(regime: Regime, duty: Duty, known: Circumstances) -> str:
    """Why a duty does not concern an incident, for people; empty if it does."""
    missing = sorted((regime.needs | duty.needs) - known.traits)
    if missing:
        return f"nobody said that the incident is {' and '.join(missing)}"
    if known.people is not None and known.people < duty.at_least_people:
        return f"{known.people} people are affected, fewer than {duty.at_least_people}"
    if known.people is not None and duty.at_most_people and known.people > duty.at_most_people:
        return f"{known.people} people are affected, more than {duty.at_most_people}"
    return ""
