"""A policy as it was when an escalation began, as plain values that JSON can hold."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tocsin_response.escalation.policy import Kind, Policy, Step, Target


def to_plain(policy: Policy) -> dict[str, object]:
    return {
        "name": policy.name,
        "steps": [{"targets": _plain_targets(step.targets), "delay_seconds": step.delay.total_seconds()} for step in policy.steps],
        "repeat": policy.repeat,
        "fallback": _plain_targets(policy.fallback),
    }


def from_plain(plain: Mapping[str, Any]) -> Policy:
    steps = tuple(Step(_targets(step["targets"]), timedelta(seconds=step["delay_seconds"])) for step in plain["steps"])
    return Policy(plain["name"], steps, plain["repeat"], _targets(plain["fallback"]))


def _plain_targets(targets: Sequence[Target]) -> list[list[str]]:
    return [[target.kind.value, target.name] for target in targets]


def _targets(plain: Sequence[Sequence[str]]) -> tuple[Target, ...]:
    return tuple(Target(Kind(kind), name) for kind, name in plain)
