"""What the shifts of a schedule come from: each layer by itself, then what goes over the layers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from tocsin_oncall.render import Plan, Shift, deed, override_words, temporary_words
from tocsin_oncall.schedule import Override, Temporary

OVERRIDES = "overrides"
TEMPORARIES = "temporaries"


class Stratum(NamedTuple):
    """One of the things that shifts come from, and what it says by itself; some of its shifts may be at the same time."""

    name: str
    shifts: tuple[Shift, ...]


def strata(plan: Plan, since: datetime, until: datetime) -> list[Stratum]:
    """The layers in their order, then overrides and temporary schedules where there are any in the range."""
    found = [Stratum(layer.name, _of_layer(plan, number, since, until)) for number, layer in enumerate(plan.schedule.layers)]
    overrides = tuple(_clipped(_of_overrides(plan.overrides), since, until))
    temporaries = tuple(_clipped(_of_temporaries(plan.temporaries), since, until))
    over = [Stratum(OVERRIDES, overrides), Stratum(TEMPORARIES, temporaries)]
    return [*found, *(stratum for stratum in over if stratum.shifts)]


def _of_layer(plan: Plan, number: int, since: datetime, until: datetime) -> tuple[Shift, ...]:
    schedule = plan.schedule
    alone = replace(schedule, layers=(schedule.layers[number],), overrides=(), temporaries=())
    return tuple(shift for shift in Plan(alone, around=plan.around).shifts(since, until) if shift.responders)


def _of_overrides(overrides: Iterable[Override]) -> Iterable[Shift]:
    for each in overrides:
        people = (each.responder,) if each.responder else ()
        layer = f" in layer {each.layer}" if each.layer else ""
        yield Shift(each.starts_at, each.ends_at, people, f"{override_words(each)}: {deed(each)}{layer}")


def _of_temporaries(temporaries: Iterable[Temporary]) -> Iterable[Shift]:
    for each in temporaries:
        for shift in each.shifts:
            yield Shift(max(shift.start, each.starts_at), min(shift.end, each.ends_at), shift.people, temporary_words(each))


def _clipped(shifts: Iterable[Shift], since: datetime, until: datetime) -> Iterable[Shift]:
    """What is within the range, by start."""
    within = [each._replace(start=max(each.start, since), end=min(each.end, until)) for each in shifts]
    return sorted(each for each in within if each.start < each.end)
