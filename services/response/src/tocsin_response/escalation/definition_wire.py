"""Policies and hours as protobuf messages, and as the domain knows them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from tocsin.response.v1 import escalation_pb2 as pb
from tocsin.response.v1 import oncall_pb2 as oncall_pb

from tocsin_oncall.hours import ALWAYS, Condition, Hours
from tocsin_oncall.windows import Window
from tocsin_response.escalation.definition import AcknowledgeTimeout, Kind, Policy, Step, Target, Turn, Urgency, UrgencyRule

DAY = timedelta(days=1)
WEEK = 7 * DAY
EVERY_DAY = range(1, 8)
_TURNS = {pb.Target.TURN_NEXT: Turn.NEXT, pb.Target.TURN_PREVIOUS: Turn.PREVIOUS}
_URGENCIES = {pb.URGENCY_LOW: Urgency.LOW}


def policy_of(given: pb.EscalationPolicy, calendars: Mapping[str, Hours], zone: str) -> Policy:
    """The policy. `calendars` are the business hours it names, `zone` its team's. Hours that are unknown are never open."""
    return Policy(
        given.name,
        tuple(_step(step, calendars, zone) for step in given.steps),
        given.repeat,
        targets_of(given.fallback),
        max(1, given.acknowledgements),
        tuple(
            UrgencyRule(_condition(rule.condition, calendars, zone), urgency_of(rule.urgency), rule.escalation_policy)
            for rule in given.urgency_rules
        ),
        tuple(AcknowledgeTimeout(frozenset(each.severities), each.after.ToTimedelta()) for each in given.acknowledge_timeouts),
    )


def hours_of(given: pb.BusinessHours) -> Hours:
    return Hours(given.name, given.time_zone, _windows(given.windows), frozenset(date.fromisoformat(day) for day in given.closed_on))


def conditions_of(given: pb.EscalationPolicy) -> Iterator[tuple[str, pb.Condition]]:
    """Every condition that a policy has, with its path."""
    for index, step in enumerate(given.steps):
        if step.HasField("condition"):
            yield f"steps[{index}].condition", step.condition
    for index, rule in enumerate(given.urgency_rules):
        if rule.HasField("condition"):
            yield f"urgency_rules[{index}].condition", rule.condition


def targets_of(given: Iterable[pb.Target]) -> tuple[Target, ...]:
    return tuple(target_of(target) for target in given)


def target_of(given: pb.Target) -> Target:
    kind = given.WhichOneof("target")
    assert kind is not None
    return Target(
        Kind(kind),
        getattr(given, kind),
        _TURNS.get(given.turn, Turn.CURRENT),
        given.layer,
        given.part == pb.Target.PART_MANAGERS,
    )


def urgency_of(given: "pb.Urgency.ValueType") -> Urgency:
    return _URGENCIES.get(given, Urgency.HIGH)


def urgency_to_proto(urgency: Urgency) -> "pb.Urgency.ValueType":
    return pb.URGENCY_LOW if urgency is Urgency.LOW else pb.URGENCY_HIGH


def _step(given: pb.EscalationStep, calendars: Mapping[str, Hours], zone: str) -> Step:
    return Step(
        targets_of(given.targets),
        given.delay.ToTimedelta(),
        given.name,
        given.selection == pb.EscalationStep.SELECTION_ROUND_ROBIN,
        _condition(given.condition, calendars, zone) if given.HasField("condition") else ALWAYS,
        given.otherwise == pb.EscalationStep.OTHERWISE_WAIT,
        given.guard == pb.EscalationStep.GUARD_IF_NOT_CLOSED,
    )


def _condition(given: pb.Condition, calendars: Mapping[str, Hours], zone: str) -> Condition:
    hours = None
    if given.business_hours:
        hours = calendars.get(given.business_hours, Hours(given.business_hours, "UTC", ()))
    elif given.windows:
        hours = Hours("", given.time_zone or zone, _windows(given.windows))
    return Condition(frozenset(given.severities), hours, given.outside)


def _windows(given: Iterable[oncall_pb.Window]) -> tuple[Window, ...]:
    return tuple(_window(window, day - 1) for window in given for day in (window.days or EVERY_DAY))


def _window(given: oncall_pb.Window, day: int) -> Window:
    begins, ends = _time(given.start), _time(given.end)
    days = (given.end_day - 1 - day) % 7 if given.end_day else 0
    length = days * DAY + ends - begins
    if length <= timedelta():
        length += WEEK if given.end_day else DAY
    return Window(day * DAY + begins, day * DAY + begins + min(length, WEEK))


def _time(text: str) -> timedelta:
    """Since midnight; "24:00" is the end of the day."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)
