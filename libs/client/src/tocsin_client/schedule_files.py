"""Schedules of configuration files as the rules of schedules understand them, without any server."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.json_format import MessageToDict

from tocsin_client.configuration import ConfigurationError, load
from tocsin_client.configuration.resources import Configurations, Resource, did_you_mean
from tocsin_client.errors import UsageError
from tocsin_oncall.plain import Known, read
from tocsin_oncall.render import Plan, together
from tocsin_oncall.schedule import Schedule


def plan(path: Path, name: str) -> Plan:
    """The schedule with that name; without a name the only one. UsageError, ConfigurationError."""
    found = plans(path)
    names = [each.schedule.name for each in found]
    if not found:
        raise UsageError(f"--file: {path} holds no Schedule")
    if not name and len(found) > 1:
        raise UsageError(f"--file: {path} holds several schedules; give --schedule with one of {', '.join(names)}")
    chosen = next((each for each in found if each.schedule.name == (name or names[0])), None)
    if chosen is None:
        raise UsageError(f"--schedule: {path} holds no Schedule {name!r}; {did_you_mean(name, names)}")
    return chosen


def plans(path: Path) -> list[Plan]:
    """All schedules of the files, in their order. ConfigurationError names everything wrong, with file and line."""
    configurations = load(path)
    known = what_names_stand_for(configurations)
    problems: list[str] = []
    schedules: list[Schedule] = []
    for resource in of(configurations, "Schedule"):
        schedule, wrong = read(as_plain(resource), known)
        problems += [f"{resource.where(field)}: Schedule {resource.name}: {field}: {detail}" for field, detail in wrong]
        schedules.append(schedule)
    if problems:
        raise ConfigurationError(problems)
    return list(together(known, schedules).values())


def zones(path: Path) -> Mapping[str, ZoneInfo]:
    """The zones of the responders that the files hold."""
    return {each.name: ZoneInfo(each.message.time_zone) for each in of(load(path), "Responder") if each.message.time_zone}


def what_names_stand_for(configurations: Configurations) -> Known:
    """Teams, policies and calendars that stand in the same files. Others stand for themselves."""
    teams = {each.name: tuple(each.message.members) for each in of(configurations, "Team")}
    managers = {each.name: tuple(each.message.managers) for each in of(configurations, "Team")}
    policies, hours = ({each.name: as_plain(each) for each in of(configurations, kind)} for kind in ("EscalationPolicy", "BusinessHours"))
    calendars = {each.name: (each.message.text, each.message.time_zone) for each in of(configurations, "Calendar")}
    written = {each.message.display_name.lower(): each.name for each in of(configurations, "Responder") if each.message.display_name}
    people = {**written, **{each.name: each.name for each in of(configurations, "Responder")}}
    return Known(teams, policies, calendars, people or None, hours, managers)


def of(configurations: Configurations, kind: str) -> Iterable[Resource]:
    return (resource for resource in configurations.resources if resource.kind.name == kind)


def as_plain(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(resource.message, preserving_proto_field_name=True)
    return found
