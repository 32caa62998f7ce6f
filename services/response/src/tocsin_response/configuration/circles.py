"""Schedules whose slots policies have, and policies that ask schedules: a chain that leads back to itself, or too far, is refused."""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import Message
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, Target
from tocsin.response.v1.oncall_pb2 import Participant, Schedule
from tocsin.response.v1.response_service_pb2 import Configuration

from tocsin_oncall import chains
from tocsin_oncall.chains import Link
from tocsin_oncall.plain import ONLY_LAYER, Known, read
from tocsin_oncall.standing import graph
from tocsin_response.configuration.checks import Problem
from tocsin_response.configuration.wire import plain

Links = Iterator[tuple[str, Link]]


def problems_of_circles(configuration: Configuration, schedules: Iterable[Message], policies: Mapping[str, Message]) -> list[Problem]:
    """`schedules` and `policies` are all that will be there. Each chain is told where a given policy leads on, else where a slot does."""
    known = Known(policies={name: plain(policy) for name, policy in policies.items()})
    leads = graph(known, [read(plain(schedule), known)[0] for schedule in schedules])
    cuts = chains.cuts(leads) if leads else {}
    if not cuts:
        return []
    found = [(field, cuts[link]) for field, link in _of_policies(configuration.escalation_policies) if link in cuts]
    return found or [(field, cuts[link]) for field, link in _of_schedules(configuration.schedules) if link in cuts]


def _of_policies(policies: Iterable[EscalationPolicy]) -> Links:
    for index, policy in enumerate(policies):
        field, here = f"configuration.escalation_policies[{index}]", chains.policy(policy.name)
        for number, step in enumerate(policy.steps):
            yield from _targets(f"{field}.steps[{number}].targets", here, step.targets)
        yield from _targets(f"{field}.fallback", here, policy.fallback)
        for number, rule in enumerate(policy.urgency_rules):
            if rule.escalation_policy:
                yield f"{field}.urgency_rules[{number}].escalation_policy", (here, chains.policy(rule.escalation_policy))


def _targets(field: str, here: chains.Node, targets: Iterable[Target]) -> Links:
    for index, target in enumerate(targets):
        if target.schedule:
            yield f"{field}[{index}].schedule", (here, chains.schedule(target.schedule, target.layer))


def _of_schedules(schedules: Iterable[Schedule]) -> Links:
    for index, schedule in enumerate(schedules):
        field = f"configuration.schedules[{index}]"
        yield from _slots(f"{field}.rotation", chains.schedule(schedule.name, ONLY_LAYER), schedule.rotation.participants)
        for number, layer in enumerate(schedule.layers):
            here, place = chains.schedule(schedule.name, layer.name), f"{field}.layers[{number}]"
            yield from _slots(f"{place}.rotation", here, layer.rotation.participants)
            yield from _slots(f"{place}.recurrence", here, layer.recurrence.participants)


def _slots(field: str, here: chains.Node, participants: Iterable[Participant]) -> Links:
    for index, participant in enumerate(participants):
        if participant.escalation_policy:
            yield f"{field}.participants[{index}].escalation_policy", (here, chains.policy(participant.escalation_policy))
