"""Which clocks an event starts, and which it does not and why; pure but for the calendars of holidays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from tocsin_response.obligation.deadlines import Days, Deadline, deadline
from tocsin_response.obligation.regime import Circumstances, Duty, Regime, why_not

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that starts."""

    regime: Regime
    duty: Duty
    event: str
    started_at: datetime
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Started:
    """What starts, and for people what does not."""

    clocks: list[Clock]
    passed_over: list[str]


def by_event(regimes: Sequence[Regime], event: str, events: Mapping[str, datetime], known: Circumstances) -> Started:
    """What an event starts; it is one of `events`."""
    at, started = events[event], Started([], [])
    for regime, duty in _of(regimes, event=event):
        why = _why_not(regime, duty, at, known)
        if why:
            started.passed_over.append(f"{regime.name}/{duty.name}: {why}")
        else:
            started.clocks.append(Clock(regime, duty, event, at, deadline(duty, at, events, days_of(regime.zone, regime.holidays))))
    return started


def after(regime: Regime, name: str, at: datetime, events: Mapping[str, datetime], known: Circumstances) -> list[Clock]:
    """What the submission of a duty starts."""
    return [
        Clock(regime, duty, f"submission of {name}", at, deadline(duty, at, events, days_of(regime.zone, regime.holidays)))
        for duty in regime.duties
        if duty.after == name and not why_not(regime, duty, known)
    ]


@cache
def days_of(zone: str, country: str) -> Days:
    """The days of a zone, with the public holidays of a country or of a part of it ("US", "DE-BY")."""
    nation, _, part = country.partition("-")
    off = holidays.country_holidays(nation, subdiv=part or None) if nation else None

    def is_business_day(day: date) -> bool:
        return day.weekday() < SATURDAY and (off is None or day not in off)

    return Days(ZoneInfo(zone), is_business_day)


def _of(regimes: Sequence[Regime], event: str) -> Iterator[tuple[Regime, Duty]]:
    return ((regime, duty) for regime in regimes for duty in regime.duties if duty.event == event)


def _why_not(regime: Regime, duty: Duty, at: datetime, known: Circumstances) -> str:
    if regime.disabled:
        return f"the regime is switched off{f'; make sure: {regime.verify}' if regime.verify else ''}"
    if regime.effective_from is not None and at.date() < regime.effective_from:
        return f"it applies from {regime.effective_from} on"
    return why_not(regime, duty, known)
