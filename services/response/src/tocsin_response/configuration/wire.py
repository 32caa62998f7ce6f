"""The parts of a configuration message: its resources by kind and name, what they refer to, what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from google.protobuf.message import Message
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, Fallback, Target
from tocsin.response.v1.oncall_pb2 import Responder, Schedule, Team
from tocsin.response.v1.response_service_pb2 import Configuration

from tocsin_response.configuration import checks
from tocsin_response.configuration.checks import Problem, Reference

PLATFORM = "platform"

Resources = dict[str, dict[str, Message]]
Resource = TypeVar("Resource", bound=Message)


def resources(configuration: Configuration) -> Resources:
    """The resources by kind, in the order in which they build on each other, and by name."""
    return {
        "Responder": {item.name: item for item in configuration.responders},
        "Team": {item.name: item for item in configuration.teams},
        "Schedule": {item.name: item for item in configuration.schedules},
        "EscalationPolicy": {item.name: item for item in configuration.escalation_policies},
        "Fallback": {PLATFORM: configuration.fallback} if configuration.HasField("fallback") else {},
    }


def configuration_of(stored: Mapping[str, Mapping[str, Message]]) -> Configuration:
    """The other way: one message, resources by name."""
    return Configuration(
        responders=_sorted(stored["Responder"], Responder),
        teams=_sorted(stored["Team"], Team),
        schedules=_sorted(stored["Schedule"], Schedule),
        escalation_policies=_sorted(stored["EscalationPolicy"], EscalationPolicy),
        fallback=next(iter(_sorted(stored["Fallback"], Fallback)), None),
    )


def problems(configuration: Configuration) -> list[Problem]:
    """What is wrong with the resources, each by itself."""
    found: list[Problem] = []
    for field in ("responders", "teams", "schedules", "escalation_policies"):
        items = getattr(configuration, field)
        found += checks.problems_of_names(f"configuration.{field}", [item.name for item in items])
        for index, item in enumerate(items):
            if "\0" in item.display_name:
                found.append((f"configuration.{field}[{index}].display_name", "must not hold a NUL character"))
    for index, responder in enumerate(configuration.responders):
        if responder.time_zone:
            found += checks.problem_of_zone(f"configuration.responders[{index}].time_zone", responder.time_zone)
    for index, schedule in enumerate(configuration.schedules):
        field = f"configuration.schedules[{index}]"
        found += checks.problem_of_zone(f"{field}.time_zone", schedule.time_zone)
        if schedule.HasField("rotation"):
            found += checks.problem_of_day(f"{field}.rotation.starts_on", schedule.rotation.starts_on)
    return found


def references(configuration: Configuration) -> Iterator[Reference]:
    """Everything that a given resource names."""
    for index, team in enumerate(configuration.teams):
        yield from _responders(f"configuration.teams[{index}].members", f"Team {team.name}", team.members)
    for index, schedule in enumerate(configuration.schedules):
        field = f"configuration.schedules[{index}].rotation.responders"
        yield from _responders(field, f"Schedule {schedule.name}", schedule.rotation.responders)
    for index, policy in enumerate(configuration.escalation_policies):
        field, referrer = f"configuration.escalation_policies[{index}]", f"EscalationPolicy {policy.name}"
        for number, step in enumerate(policy.steps):
            yield from _targets(f"{field}.steps[{number}].targets", referrer, step.targets)
        yield from _targets(f"{field}.fallback", referrer, policy.fallback)
    yield from _responders("configuration.fallback.responders", "Fallback platform", configuration.fallback.responders)


def _responders(field: str, referrer: str, names: Iterable[str]) -> Iterator[Reference]:
    for index, name in enumerate(names):
        yield Reference(f"{field}[{index}]", referrer, "Responder", name)


def _targets(field: str, referrer: str, targets: Iterable[Target]) -> Iterator[Reference]:
    for index, target in enumerate(targets):
        kind = target.WhichOneof("target")
        if kind is not None:
            yield Reference(f"{field}[{index}].{kind}", referrer, kind.capitalize(), getattr(target, kind))


def _sorted(items: Mapping[str, Message], kind: type[Resource]) -> list[Resource]:
    return [item for _, item in sorted(items.items()) if isinstance(item, kind)]
