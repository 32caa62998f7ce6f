"""What an escalation policy says of whom it asks first: all that a schedule needs to know of it whose slot it has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from tocsin_oncall.hours import ALWAYS, Condition, Hours
from tocsin_oncall.plain import Plain, windows_of

CURRENT, NEXT, PREVIOUS = "current", "next", "previous"
KINDS = ("responder", "schedule", "team", "contact")


class Aim(NamedTuple):
    """Whom a step asks. `turn` and `layer` are about a schedule, `managers` about a team."""

    kind: str
    name: str
    turn: str = CURRENT
    layer: str = ""
    managers: bool = False

    def __str__(self) -> str:
        said = f"{self.kind} {self.name}"
        if self.layer:
            said = f"layer {self.layer} of {said}"
        if self.managers:
            said = f"the managers of {said}"
        return said if self.turn == CURRENT else f"the {self.turn} one of {said}"


@dataclass(frozen=True, slots=True)
class Step:
    """`key` is where the place of a round robin is kept; empty: everybody is asked. `at_once`: the next step does not wait for this one."""

    number: int
    name: str
    aims: tuple[Aim, ...]
    at_once: bool = False
    condition: Condition = ALWAYS
    waits: bool = False
    key: str = ""

    def __str__(self) -> str:
        return f"step {self.number}{f' ({self.name})' if self.name else ''}"


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps in order; while the condition of a rule holds, the policy that it names (if it names one) is run instead."""

    name: str
    steps: tuple[Step, ...]
    rules: tuple[tuple[Condition, str], ...] = ()
    fallback: tuple[Aim, ...] = ()

    @property
    def conditions(self) -> list[Condition]:
        return [*(rule for rule, _ in self.rules), *(step.condition for step in self.steps)]


def policy_of(name: str, plain: Plain, calendars: Mapping[str, Plain], zone: str) -> Policy:
    """The policy, in the form of the contract's JSON or of a file. `zone` is that of hours which give none."""

    def condition(given: Plain | None) -> Condition:
        return _condition(given or {}, calendars, zone)

    steps = tuple(_step(name, number, each, condition(each.get("condition"))) for number, each in enumerate(plain.get("steps", ()), 1))
    rules = tuple((condition(each.get("condition")), str(each.get("escalation_policy") or "")) for each in plain.get("urgency_rules", ()))
    return Policy(name, steps, rules, aims_of(plain.get("fallback", ())))


def aims_of(targets: Iterable[Plain]) -> tuple[Aim, ...]:
    return tuple(_aim(kind, each) for each in targets for kind in KINDS if each.get(kind))


def _aim(kind: str, given: Plain) -> Aim:
    turn = str(given.get("turn", "")).removeprefix("TURN_").lower()
    managers = str(given.get("part", "")).endswith("MANAGERS")
    return Aim(kind, given[kind], turn if turn in (NEXT, PREVIOUS) else CURRENT, str(given.get("layer", "")), managers)


def _step(policy: str, number: int, given: Plain, condition: Condition) -> Step:
    name = str(given.get("name", ""))
    return Step(
        number,
        name,
        aims_of(given.get("targets", ())),
        # "0s" or "0m": whatever the unit, a delay of nothing has no other digit.
        not re.search("[1-9]", str(given.get("delay", ""))),
        condition,
        str(given.get("otherwise", "")).endswith("WAIT"),
        f"{policy}/{name or number}" if str(given.get("selection", "")).endswith("ROUND_ROBIN") else "",
    )


def _condition(given: Plain, calendars: Mapping[str, Plain], zone: str) -> Condition:
    severities = frozenset(int(str(each)[-1]) for each in given.get("severities", ()))
    calendar, hours = str(given.get("business_hours") or ""), None
    if calendar:
        hours = _hours(calendar, calendars.get(calendar, {}))
    elif given.get("windows"):
        hours = Hours("", str(given.get("time_zone") or zone), windows_of(given["windows"]))
    return Condition(severities, hours, bool(given.get("outside")))


def _hours(name: str, given: Mapping[str, Any]) -> Hours:
    closed = frozenset(date.fromisoformat(day) for day in given.get("closed_on", ()))
    return Hours(name, str(given.get("time_zone") or "UTC"), windows_of(given.get("windows", ())), closed)
