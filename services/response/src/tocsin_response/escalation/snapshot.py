"""A policy as it was when an escalation began, as plain values that JSON can hold. What is as usual is left out."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tocsin_oncall.hours import ALWAYS, Condition, Hours
from tocsin_oncall.windows import Window
from tocsin_response.escalation.definition import AcknowledgeTimeout, Kind, Policy, Step, Target, Turn, Urgency, UrgencyRule

Plain = dict[str, Any]


def to_plain(policy: Policy) -> Plain:
    return {
        "name": policy.name,
        "steps": [_plain_step(step) for step in policy.steps],
        "repeat": policy.repeat,
        "fallback": [_plain_target(target) for target in policy.fallback],
        **_unusual(
            acknowledgements=policy.acknowledgements if policy.acknowledgements != 1 else None,
            rules=[_plain_rule(rule) for rule in policy.rules],
            timeouts=[[sorted(each.severities), each.after.total_seconds()] for each in policy.timeouts],
            urgency=policy.urgency.value if policy.urgency is not Urgency.HIGH else None,
            every_channel=policy.every_channel,
        ),
    }


def from_plain(plain: Mapping[str, Any]) -> Policy:
    return Policy(
        plain["name"],
        tuple(_step(step) for step in plain["steps"]),
        plain["repeat"],
        _targets(plain["fallback"]),
        plain.get("acknowledgements", 1),
        tuple(_rule(rule) for rule in plain.get("rules", ())),
        tuple(AcknowledgeTimeout(frozenset(severities), timedelta(seconds=after)) for severities, after in plain.get("timeouts", ())),
        Urgency(plain.get("urgency", Urgency.HIGH.value)),
        plain.get("every_channel", False),
    )


def _unusual(**values: object) -> Plain:
    return {name: value for name, value in values.items() if value}


def _plain_step(step: Step) -> Plain:
    return {
        "targets": [_plain_target(target) for target in step.targets],
        "delay_seconds": step.delay.total_seconds(),
        **_unusual(
            name=step.name,
            round_robin=step.round_robin,
            condition=_plain_condition(step.condition),
            waits=step.waits,
            until_closed=step.until_closed,
        ),
    }


def _step(plain: Mapping[str, Any]) -> Step:
    return Step(
        _targets(plain["targets"]),
        timedelta(seconds=plain["delay_seconds"]),
        plain.get("name", ""),
        plain.get("round_robin", False),
        _condition(plain.get("condition")),
        plain.get("waits", False),
        plain.get("until_closed", False),
    )


def _plain_target(target: Target) -> list[object]:
    more = _unusual(turn=target.turn.value if target.turn is not Turn.CURRENT else "", layer=target.layer, managers=target.managers)
    return [target.kind.value, target.name, *([more] if more else ())]


def _targets(plain: Sequence[Sequence[Any]]) -> tuple[Target, ...]:
    return tuple(_target(*each) for each in plain)


def _target(kind: str, name: str, more: Mapping[str, Any] | None = None) -> Target:
    if more is None:
        return Target(Kind(kind), name)
    return Target(Kind(kind), name, Turn(more.get("turn", Turn.CURRENT.value)), more.get("layer", ""), more.get("managers", False))


def _plain_condition(condition: Condition) -> Plain:
    hours = condition.hours
    return _unusual(
        severities=sorted(condition.severities),
        outside=condition.outside,
        hours=None
        if hours is None
        else {
            "name": hours.name,
            "zone": hours.zone,
            "windows": [[each.start.total_seconds(), each.end.total_seconds()] for each in hours.windows],
            "closed_on": sorted(day.isoformat() for day in hours.closed_on),
        },
    )


def _condition(plain: Mapping[str, Any] | None) -> Condition:
    if not plain:
        return ALWAYS
    hours = plain.get("hours")
    return Condition(frozenset(plain.get("severities", ())), _hours(hours) if hours else None, plain.get("outside", False))


def _hours(plain: Mapping[str, Any]) -> Hours:
    windows = tuple(Window(timedelta(seconds=start), timedelta(seconds=end)) for start, end in plain["windows"])
    return Hours(plain["name"], plain["zone"], windows, frozenset(date.fromisoformat(day) for day in plain["closed_on"]))


def _plain_rule(rule: UrgencyRule) -> list[object]:
    return [_plain_condition(rule.condition), rule.urgency.value, rule.policy]


def _rule(plain: Sequence[Any]) -> UrgencyRule:
    condition, urgency, policy = plain
    return UrgencyRule(_condition(condition), Urgency(urgency), policy)
