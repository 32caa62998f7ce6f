"""The parts of a configuration message: its resources by kind and name, what they refer to, what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from tocsin.response.v1.command_pb2 import IncidentPlan
from tocsin.response.v1.containment_pb2 import Automation, GuardRails
from tocsin.response.v1.escalation_pb2 import BusinessHours, EscalationPolicy, Fallback, Target
from tocsin.response.v1.obligation_pb2 import Regime
from tocsin.response.v1.oncall_pb2 import Calendar, Participant, Responder, Rotation, Schedule, Team
from tocsin.response.v1.playbook_pb2 import Playbook
from tocsin.response.v1.response_service_pb2 import Configuration

from tocsin_oncall.ical import calendar_of
from tocsin_oncall.plain import read
from tocsin_response.automation.wire import problems_of_automation
from tocsin_response.command.plan_checks import playbooks_of_plan, problems_of_plan
from tocsin_response.configuration import checks
from tocsin_response.configuration.checks import Problem, Reference
from tocsin_response.escalation.checks import problems_of_hours, problems_of_policy
from tocsin_response.escalation.definition_wire import conditions_of
from tocsin_response.guard.wire import problems_of_rails
from tocsin_response.obligation.wire import problems_of_regime
from tocsin_response.playbook import reading

PLATFORM = "platform"
NAMED = (
    "responders",
    "teams",
    "calendars",
    "schedules",
    "business_hours",
    "escalation_policies",
    "guard_rails",
    "automations",
    "regimes",
    "incident_plans",
)

Resources = dict[str, dict[str, Message]]
Resource = TypeVar("Resource", bound=Message)


def resources(configuration: Configuration) -> Resources:
    """The resources by kind, in the order in which they build on each other, and by name."""
    return {
        "Responder": {item.name: item for item in configuration.responders},
        "Team": {item.name: item for item in configuration.teams},
        "Calendar": {item.name: item for item in configuration.calendars},
        "Schedule": {item.name: item for item in configuration.schedules},
        "BusinessHours": {item.name: item for item in configuration.business_hours},
        "EscalationPolicy": {item.name: item for item in configuration.escalation_policies},
        "IncidentPlan": {item.name: item for item in configuration.incident_plans},
        "GuardRails": {item.name: item for item in configuration.guard_rails},
        "Automation": {item.name: item for item in configuration.automations},
        "Regime": {item.name: item for item in configuration.regimes},
        "Fallback": {PLATFORM: configuration.fallback} if configuration.HasField("fallback") else {},
        "Playbook": {item.name: item for item in configuration.playbooks},
    }


def configuration_of(stored: Mapping[str, Mapping[str, Message]]) -> Configuration:
    """The other way: one message, resources by name."""
    return Configuration(
        responders=_sorted(stored["Responder"], Responder),
        teams=_sorted(stored["Team"], Team),
        calendars=_sorted(stored["Calendar"], Calendar),
        schedules=_sorted(stored["Schedule"], Schedule),
        business_hours=_sorted(stored["BusinessHours"], BusinessHours),
        escalation_policies=_sorted(stored["EscalationPolicy"], EscalationPolicy),
        incident_plans=_sorted(stored["IncidentPlan"], IncidentPlan),
        guard_rails=_sorted(stored["GuardRails"], GuardRails),
        automations=_sorted(stored["Automation"], Automation),
        regimes=_sorted(stored["Regime"], Regime),
        fallback=next(iter(_sorted(stored["Fallback"], Fallback)), None),
        playbooks=_sorted(stored["Playbook"], Playbook),
    )


def problems(configuration: Configuration) -> list[Problem]:
    """What is wrong with the resources, each by itself."""
    found: list[Problem] = []
    for field in NAMED:
        items = getattr(configuration, field)
        found += checks.problems_of_names(f"configuration.{field}", [item.name for item in items])
        for index, item in enumerate(items):
            if "\0" in item.display_name:
                found.append((f"configuration.{field}[{index}].display_name", "must not hold a NUL character"))
    found += checks.problems_of_names("configuration.playbooks", [item.name for item in configuration.playbooks])
    for index, playbook in enumerate(configuration.playbooks):
        found += [(f"configuration.playbooks[{index}].content", problem) for problem in playbook_problems(playbook)]
    for index, responder in enumerate(configuration.responders):
        if responder.time_zone:
            found += checks.problem_of_zone(f"configuration.responders[{index}].time_zone", responder.time_zone)
    for index, team in enumerate(configuration.teams):
        if team.time_zone:
            found += checks.problem_of_zone(f"configuration.teams[{index}].time_zone", team.time_zone)
        found += problems_of_managers(f"configuration.teams[{index}]", team)
    for index, hours in enumerate(configuration.business_hours):
        found += problems_of_hours(f"configuration.business_hours[{index}]", hours)
    for index, policy in enumerate(configuration.escalation_policies):
        found += problems_of_policy(f"configuration.escalation_policies[{index}]", policy)
    for index, rails in enumerate(configuration.guard_rails):
        found += [(f"configuration.guard_rails[{index}].{field}", detail) for field, detail in problems_of_rails(rails)]
    for index, automation in enumerate(configuration.automations):
        found += [(f"configuration.automations[{index}].{field}", detail) for field, detail in problems_of_automation(automation)]
    for index, regime in enumerate(configuration.regimes):
        found += [(f"configuration.regimes[{index}].{field}", detail) for field, detail in problems_of_regime(regime)]
    for index, plan in enumerate(configuration.incident_plans):
        found += problems_of_plan(f"configuration.incident_plans[{index}]", plan)
    for index, calendar in enumerate(configuration.calendars):
        found += [(f"configuration.calendars[{index}].{field}", detail) for field, detail in calendar_problems(calendar)]
    for index, schedule in enumerate(configuration.schedules):
        found += [(f"configuration.schedules[{index}].{field}", detail) for field, detail in schedule_problems(schedule)]
    return found


def problems_of_managers(field: str, team: Team) -> list[Problem]:
    """Whoever manages a team belongs to it."""
    members = set(team.members)
    return [
        (f"{field}.managers[{index}]", f"{name} is no member of team {team.name}")
        for index, name in enumerate(team.managers)
        if name not in members
    ]


def playbook_problems(playbook: Playbook) -> list[str]:
    """What is wrong with a playbook, each with the step it is about."""
    return ["must not hold a NUL character"] if "\0" in playbook.content else reading.check(playbook.content).problems


def schedule_problems(schedule: Schedule) -> list[Problem]:
    """What is wrong with a schedule by itself: field and what to mend."""
    _, found = read(plain(schedule))
    return found


def plain(schedule: Message) -> dict[str, Any]:
    """The schedule as plain values, which its rules are read from."""
    found: dict[str, Any] = json_format.MessageToDict(schedule, preserving_proto_field_name=True)
    return found


def calendar_problems(calendar: Calendar) -> list[Problem]:
    """What is wrong with a calendar by itself."""
    found: list[Problem] = []
    if calendar.time_zone:
        found += checks.problem_of_zone("time_zone", calendar.time_zone)
    if (calendar.kind == Calendar.KIND_ABSENCE) != bool(calendar.responder):
        found.append(("responder", "an ABSENCE calendar needs whose absences these are, and no other names anybody"))
    if calendar.url:
        if calendar.text:
            found.append(("url", "give either text or url"))
        if not calendar.url.startswith("https://"):
            found.append(("url", "must begin with https://"))
        return found
    try:
        calendar_of(calendar.text)
    except ValueError as error:
        found.append(("text", str(error)))
    return found


def references(configuration: Configuration) -> Iterator[Reference]:
    """Everything that a given resource names."""
    for index, team in enumerate(configuration.teams):
        yield from _responders(f"configuration.teams[{index}].members", f"Team {team.name}", team.members)
    for index, calendar in enumerate(configuration.calendars):
        if calendar.responder:
            yield Reference(f"configuration.calendars[{index}].responder", f"Calendar {calendar.name}", "Responder", calendar.responder)
    for index, schedule in enumerate(configuration.schedules):
        yield from schedule_references(f"configuration.schedules[{index}]", schedule)
    for index, policy in enumerate(configuration.escalation_policies):
        field, referrer = f"configuration.escalation_policies[{index}]", f"EscalationPolicy {policy.name}"
        for number, step in enumerate(policy.steps):
            yield from _targets(f"{field}.steps[{number}].targets", referrer, step.targets)
        yield from _targets(f"{field}.fallback", referrer, policy.fallback)
        for path, condition in conditions_of(policy):
            if condition.business_hours:
                yield Reference(f"{field}.{path}.business_hours", referrer, "BusinessHours", condition.business_hours)
        for number, rule in enumerate(policy.urgency_rules):
            if rule.escalation_policy:
                yield Reference(f"{field}.urgency_rules[{number}].escalation_policy", referrer, "EscalationPolicy", rule.escalation_policy)
    for index, rails in enumerate(configuration.guard_rails):
        for number, window in enumerate(rails.windows):
            field = f"configuration.guard_rails[{index}].windows[{number}].business_hours"
            yield Reference(field, f"GuardRails {rails.name}", "BusinessHours", window.business_hours)
    for index, automation in enumerate(configuration.automations):
        field = f"configuration.automations[{index}].playbook"
        yield Reference(field, f"Automation {automation.name}", "Playbook", automation.playbook)
    for index, plan in enumerate(configuration.incident_plans):
        for place, name in playbooks_of_plan(f"configuration.incident_plans[{index}]", plan):
            yield Reference(place, f"IncidentPlan {plan.name}", "Playbook", name)
    yield from _responders("configuration.fallback.responders", "Fallback platform", configuration.fallback.responders)


def schedule_references(field: str, schedule: Schedule) -> Iterator[Reference]:
    """Everybody and everything that a schedule names."""
    referrer = f"Schedule {schedule.name}"
    yield from _turns(f"{field}.rotation", referrer, schedule.rotation)
    for number, layer in enumerate(schedule.layers):
        place = f"{field}.layers[{number}]"
        yield from _turns(f"{place}.rotation", referrer, layer.rotation)
        yield from _participants(f"{place}.recurrence.participants", referrer, layer.recurrence.participants)
        if layer.calendar:
            yield Reference(f"{place}.calendar", referrer, "Calendar", layer.calendar)
    for number, override in enumerate(schedule.overrides):
        for name in ("responder", "instead_of_responder"):
            if getattr(override, name):
                yield Reference(f"{field}.overrides[{number}].{name}", referrer, "Responder", getattr(override, name))
    for number, temporary in enumerate(schedule.temporaries):
        for index, shift in enumerate(temporary.shifts):
            yield from _responders(f"{field}.temporaries[{number}].shifts[{index}].responders", referrer, shift.responders)


def _turns(field: str, referrer: str, rotation: Rotation) -> Iterator[Reference]:
    yield from _responders(f"{field}.responders", referrer, rotation.responders)
    yield from _participants(f"{field}.participants", referrer, rotation.participants)


def _participants(field: str, referrer: str, participants: Iterable[Participant]) -> Iterator[Reference]:
    for index, participant in enumerate(participants):
        place = f"{field}[{index}]"
        match participant.WhichOneof("who"):
            case "responder":
                yield Reference(f"{place}.responder", referrer, "Responder", participant.responder)
            case "group":
                yield from _responders(f"{place}.group.responders", referrer, participant.group.responders)
            case "team":
                yield Reference(f"{place}.team", referrer, "Team", participant.team)
            case "escalation_policy":
                yield Reference(f"{place}.escalation_policy", referrer, "EscalationPolicy", participant.escalation_policy)


def _responders(field: str, referrer: str, names: Iterable[str]) -> Iterator[Reference]:
    for index, name in enumerate(names):
        yield Reference(f"{field}[{index}]", referrer, "Responder", name)


def _targets(field: str, referrer: str, targets: Iterable[Target]) -> Iterator[Reference]:
    for index, target in enumerate(targets):
        kind = target.WhichOneof("target")
        # Contacts are kept by communication.
        if kind is not None and kind != "contact":
            yield Reference(f"{field}[{index}].{kind}", referrer, kind.capitalize(), getattr(target, kind))


def _sorted(items: Mapping[str, Message], kind: type[Resource]) -> list[Resource]:
    return [item for _, item in sorted(items.items()) if isinstance(item, kind)]
