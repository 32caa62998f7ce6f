"""What is wrong with a policy, or with business hours, beyond the form of the message."""

from collections.abc import Iterator
from datetime import date

from tocsin.response.v1 import escalation_pb2 as pb
from tocsin.response.v1 import oncall_pb2 as oncall_pb

from tocsin_oncall.wall import zone_named
from tocsin_response.escalation.definition_wire import conditions_of

Problem = tuple[str, str]


def problems_of_policy(field: str, policy: pb.EscalationPolicy) -> list[Problem]:
    """Each with the path of the field."""
    return [*_of_steps(field, policy), *_of_fallback(field, policy), *_of_conditions(field, policy)]


def problems_of_hours(field: str, hours: pb.BusinessHours) -> list[Problem]:
    problems = _of_zone(f"{field}.time_zone", hours.time_zone)
    for index, day in enumerate(hours.closed_on):
        try:
            date.fromisoformat(day)
        except ValueError:
            problems.append((f"{field}.closed_on[{index}]", f"{day!r} is not a day of the calendar"))
    return problems


def _of_steps(field: str, policy: pb.EscalationPolicy) -> Iterator[Problem]:
    names: set[str] = set()
    for index, step in enumerate(policy.steps):
        if index == len(policy.steps) - 1 and not (step.delay.seconds or step.delay.nanos):
            yield f"{field}.steps[{index}].delay", "must be longer than 0 for the last step: nothing follows it at once"
        if step.name and step.name in names:
            yield f"{field}.steps[{index}].name", f"{step.name} is given twice"
        names.add(step.name)
        for number, target in enumerate(step.targets):
            yield from _of_target(f"{field}.steps[{index}].targets[{number}]", target)


def _of_fallback(field: str, policy: pb.EscalationPolicy) -> Iterator[Problem]:
    for number, target in enumerate(policy.fallback):
        yield from _of_target(f"{field}.fallback[{number}]", target)


def _of_target(field: str, target: pb.Target) -> Iterator[Problem]:
    if target.turn and not target.schedule:
        yield f"{field}.turn", "is only for a schedule"
    if target.layer and not target.schedule:
        yield f"{field}.layer", "is only for a schedule"
    if target.part and not target.team:
        yield f"{field}.part", "is only for a team"


def _of_conditions(field: str, policy: pb.EscalationPolicy) -> Iterator[Problem]:
    for path, condition in conditions_of(policy):
        where = f"{field}.{path}"
        if condition.business_hours and condition.windows:
            yield f"{where}.windows", "give either business_hours or windows"
        if condition.outside and not condition.business_hours and not condition.windows:
            yield f"{where}.outside", "needs business_hours or windows"
        if condition.time_zone:
            yield from _of_zone(f"{where}.time_zone", condition.time_zone)
        for index, window in enumerate(condition.windows):
            yield from _of_window(f"{where}.windows[{index}]", window)


def _of_window(field: str, window: oncall_pb.Window) -> Iterator[Problem]:
    if window.end_day and len(window.days) != 1:
        yield f"{field}.days", "must be one day where end_day is given"


def _of_zone(field: str, name: str) -> list[Problem]:
    try:
        zone_named(name)
    except ValueError as error:
        return [(field, str(error))]
    return []
