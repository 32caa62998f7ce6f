"""Configuration in the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from psycopg.types.json import Jsonb
from tocsin.response.v1.command_pb2 import IncidentPlan
from tocsin.response.v1.containment_pb2 import Automation, GuardRails
from tocsin.response.v1.escalation_pb2 import BusinessHours, EscalationPolicy, Fallback
from tocsin.response.v1.obligation_pb2 import Regime
from tocsin.response.v1.oncall_pb2 import Calendar, Responder, Rotation, Schedule, Team

from tocsin_chassis.postgres.database import Tx
from tocsin_response.command import store as command
from tocsin_response.command import templates
from tocsin_response.configuration.wire import PLATFORM, Resources
from tocsin_response.oncall import store as oncall

_UNITS = {Rotation.UNIT_DAILY: "daily", Rotation.UNIT_WEEKLY: "weekly"}
_MESSAGE_UNITS = {word: unit for unit, word in _UNITS.items()}


@dataclass(frozen=True, slots=True)
class _ResponderRow:
    name: str
    display_name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class _TeamRow:
    name: str
    display_name: str
    members: list[str]
    managers: list[str]
    time_zone: str

    def to_proto(self) -> Team:
        return Team(name=self.name, display_name=self.display_name, members=self.members, managers=self.managers, time_zone=self.time_zone)


@dataclass(frozen=True, slots=True)
class _ScheduleRow:
    name: str
    display_name: str
    time_zone: str
    unit: str | None
    length: int | None
    starts_on: date | None
    handoff_time: time | None
    responders: list[str] | None
    definition: dict[str, Any] | None

    def to_proto(self) -> Schedule:
        if self.definition is not None:
            return json_format.ParseDict(self.definition, Schedule(), ignore_unknown_fields=True)
        made = Schedule(name=self.name, display_name=self.display_name, time_zone=self.time_zone)
        if self.unit is not None and self.starts_on is not None and self.handoff_time is not None:
            made.rotation.unit = _MESSAGE_UNITS[self.unit]
            made.rotation.length = self.length or 0
            made.rotation.starts_on = self.starts_on.isoformat()
            made.rotation.handoff_time = f"{self.handoff_time:%H:%M}"
            made.rotation.responders.extend(self.responders or ())
        return made


@dataclass(frozen=True, slots=True)
class _CalendarRow:
    name: str
    display_name: str
    kind: str
    responder: str
    time_zone: str
    text: str
    url: str

    def to_proto(self) -> Calendar:
        return Calendar(
            name=self.name,
            display_name=self.display_name,
            kind=Calendar.Kind.Value(f"KIND_{self.kind}"),
            responder=self.responder,
            time_zone=self.time_zone,
            text=self.text,
            url=self.url,
        )


@dataclass(frozen=True, slots=True)
class _FallbackRow:
    responders: list[str]


async def lock(tx: Tx) -> None:
    """One configuration is applied at a time, and nothing refers to it meanwhile."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('configuration:' || current_schema()))")


async def load(tx: Tx) -> Resources:
    """Everything, by kind and name."""
    responders = await tx.many(_ResponderRow, "SELECT name, display_name, time_zone FROM responder")
    teams = await tx.many(_TeamRow, "SELECT name, display_name, members, managers, time_zone FROM team")
    schedules = await tx.many(
        _ScheduleRow, "SELECT name, display_name, time_zone, unit, length, starts_on, handoff_time, responders, definition FROM schedule"
    )
    calendars = await tx.many(
        _CalendarRow, "SELECT name, display_name, kind, responder, time_zone, text, url FROM calendar WHERE from_file"
    )
    policies = await tx.values(dict[str, Any], "SELECT definition FROM escalation_policy")
    calendars_of_work = await tx.values(dict[str, Any], "SELECT definition FROM business_hours")
    rails = await tx.values(dict[str, Any], "SELECT definition FROM guard_rails")
    automations = await tx.values(dict[str, Any], "SELECT definition FROM automation")
    regimes = await tx.values(dict[str, Any], "SELECT definition FROM regime")
    fallback = await tx.maybe(_FallbackRow, "SELECT responders FROM platform_fallback")
    parsed = [json_format.ParseDict(definition, EscalationPolicy(), ignore_unknown_fields=True) for definition in policies]
    hours = [json_format.ParseDict(definition, BusinessHours(), ignore_unknown_fields=True) for definition in calendars_of_work]
    return {
        "Responder": {row.name: Responder(name=row.name, display_name=row.display_name, time_zone=row.time_zone) for row in responders},
        "Team": {row.name: row.to_proto() for row in teams},
        "Calendar": {row.name: row.to_proto() for row in calendars},
        "Schedule": {row.name: row.to_proto() for row in schedules},
        "BusinessHours": {each.name: each for each in hours},
        "EscalationPolicy": {policy.name: policy for policy in parsed},
        "IncidentPlan": {
            row.name: json_format.ParseDict(row.definition, IncidentPlan(), ignore_unknown_fields=True)
            for row in await command.load_plans(tx)
        },
        "GuardRails": _named(json_format.ParseDict(each, GuardRails(), ignore_unknown_fields=True) for each in rails),
        "Automation": _named(json_format.ParseDict(each, Automation(), ignore_unknown_fields=True) for each in automations),
        "Regime": _named(json_format.ParseDict(each, Regime(), ignore_unknown_fields=True) for each in regimes),
        "Fallback": {PLATFORM: Fallback(responders=fallback.responders)} if fallback is not None else {},
    }


def _named(resources: Iterable[GuardRails | Automation | Regime]) -> dict[str, Message]:
    return {each.name: each for each in resources}


async def save(tx: Tx, resource: Message) -> None:
    """Insert it, or replace the one with its name."""
    match resource:
        case Responder():
            await _save_responder(tx, resource)
        case Team():
            await _save_team(tx, resource)
        case Calendar():
            await _save_calendar(tx, resource)
        case Schedule():
            await _save_schedule(tx, resource)
        case BusinessHours():
            await _save_hours(tx, resource)
        case EscalationPolicy():
            await _save_policy(tx, resource)
        case IncidentPlan():
            await _save_plan(tx, resource)
        case GuardRails():
            await _save_rails(tx, resource)
        case Automation():
            await _save_automation(tx, resource)
        case Regime():
            await _save_regime(tx, resource)
        case Fallback():
            await _save_fallback(tx, resource)
        case _:
            raise TypeError(f"{type(resource).__name__} is not configuration of response")


async def delete(tx: Tx, kind: str, name: str) -> None:
    """Delete one resource. A schedule takes its overrides along."""
    match kind:
        case "Responder":
            await tx.execute("DELETE FROM responder WHERE name = %s", (name,))
        case "Team":
            await tx.execute("DELETE FROM team WHERE name = %s", (name,))
        case "Calendar":
            await tx.execute("DELETE FROM calendar WHERE name = %s AND from_file", (name,))
        case "Schedule":
            await tx.execute("DELETE FROM schedule WHERE name = %s", (name,))
        case "BusinessHours":
            await tx.execute("DELETE FROM business_hours WHERE name = %s", (name,))
        case "EscalationPolicy":
            await tx.execute("DELETE FROM escalation_policy WHERE name = %s", (name,))
        case "IncidentPlan":
            await command.delete_plan(tx, name)
        case "GuardRails":
            await tx.execute("DELETE FROM guard_rails WHERE name = %s", (name,))
        case "Automation":
            await tx.execute("DELETE FROM automation WHERE name = %s", (name,))
        case "Regime":
            await tx.execute("DELETE FROM regime WHERE name = %s", (name,))
        case "Fallback":
            await tx.execute("DELETE FROM platform_fallback")
        case _:
            raise TypeError(f"{kind} is not configuration of response")


async def _save_responder(tx: Tx, responder: Responder) -> None:
    await tx.execute(
        """INSERT INTO responder (name, display_name, time_zone) VALUES (%s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, time_zone = excluded.time_zone""",
        (responder.name, responder.display_name, responder.time_zone),
    )


async def _save_team(tx: Tx, team: Team) -> None:
    await tx.execute(
        """INSERT INTO team (name, display_name, members, managers, time_zone) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, members = excluded.members,
               managers = excluded.managers, time_zone = excluded.time_zone""",
        (team.name, team.display_name, list(team.members), list(team.managers), team.time_zone),
    )


async def _save_calendar(tx: Tx, calendar: Calendar) -> None:
    kind = Calendar.Kind.Name(calendar.kind).removeprefix("KIND_")
    kept = oncall.Calendar(
        calendar.name, calendar.display_name, kind, calendar.responder, calendar.time_zone, calendar.text, True, calendar.url
    )
    await oncall.save_calendar(tx, kept)


async def _save_schedule(tx: Tx, schedule: Schedule) -> None:
    """The columns of the rotation are for the version before, as far as it understands the schedule."""
    definition = json_format.MessageToDict(schedule, preserving_proto_field_name=True)
    await tx.execute(
        """INSERT INTO schedule (name, display_name, time_zone, unit, length, starts_on, handoff_time, responders, definition)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, time_zone = excluded.time_zone, unit = excluded.unit,
               length = excluded.length, starts_on = excluded.starts_on, handoff_time = excluded.handoff_time,
               responders = excluded.responders, definition = excluded.definition""",
        (schedule.name, schedule.display_name, schedule.time_zone, *_rotation_columns(schedule), Jsonb(definition)),
    )


def _rotation_columns(schedule: Schedule) -> tuple[object, ...]:
    """The columns from unit to responders; none where a rotation is more than they can say."""
    rotation = schedule.rotation
    if not schedule.HasField("rotation") or rotation.unit not in _UNITS or not rotation.responders or rotation.lengths:
        return (None,) * 5
    handoff = time.fromisoformat(rotation.handoff_time)
    return (_UNITS[rotation.unit], rotation.length, date.fromisoformat(rotation.starts_on), handoff, list(rotation.responders))


async def _save_hours(tx: Tx, hours: BusinessHours) -> None:
    definition = json_format.MessageToDict(hours, preserving_proto_field_name=True)
    await tx.execute(
        """INSERT INTO business_hours (name, definition) VALUES (%s, %s)
           ON CONFLICT (name) DO UPDATE SET definition = excluded.definition""",
        (hours.name, Jsonb(definition)),
    )


async def _save_policy(tx: Tx, policy: EscalationPolicy) -> None:
    definition = json_format.MessageToDict(policy, preserving_proto_field_name=True)
    await tx.execute(
        """INSERT INTO escalation_policy (name, definition) VALUES (%s, %s)
           ON CONFLICT (name) DO UPDATE SET definition = excluded.definition""",
        (policy.name, Jsonb(definition)),
    )


async def _save_plan(tx: Tx, plan: IncidentPlan) -> None:
    """One that takes the place of a shipped one of its name has a higher version: incidents that began with that one keep it."""
    after = templates.VERSION if plan.name in templates.templates() else 0
    await command.save_plan(tx, plan.name, json_format.MessageToDict(plan, preserving_proto_field_name=True), after)


async def _save_rails(tx: Tx, rails: GuardRails) -> None:
    definition = json_format.MessageToDict(rails, preserving_proto_field_name=True)
    await tx.execute(
        "INSERT INTO guard_rails (name, definition) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
        (rails.name, Jsonb(definition)),
    )


async def _save_automation(tx: Tx, automation: Automation) -> None:
    """Each change is a version: what it did says which."""
    definition = json_format.MessageToDict(automation, preserving_proto_field_name=True)
    await tx.execute(
        """INSERT INTO automation AS known (name, version, definition) VALUES (%s, 1, %s)
           ON CONFLICT (name) DO UPDATE SET version = known.version + 1, definition = excluded.definition""",
        (automation.name, Jsonb(definition)),
    )


async def _save_regime(tx: Tx, regime: Regime) -> None:
    definition = json_format.MessageToDict(regime, preserving_proto_field_name=True)
    await tx.execute(
        "INSERT INTO regime (name, definition) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
        (regime.name, Jsonb(definition)),
    )


async def _save_fallback(tx: Tx, fallback: Fallback) -> None:
    await tx.execute(
        "INSERT INTO platform_fallback (responders) VALUES (%s) ON CONFLICT (id) DO UPDATE SET responders = excluded.responders",
        (list(fallback.responders),),
    )
