"""`tocsin oncall render`, `gaps`, `conflicts`, `fairness`: looking over a range, at the server's schedules or at files without a server."""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options, Reach
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import Screen, coloured

if TYPE_CHECKING:
    from rich.text import Text
    from tocsin.response.v1 import oncall_service_pb2, response_service_pb2

    from tocsin_client import schedule_files
    from tocsin_oncall import duties, picture, strata
    from tocsin_oncall.render import Shift
else:
    oncall_service_pb2 = later("tocsin.response.v1.oncall_service_pb2")
    response_service_pb2 = later("tocsin.response.v1.response_service_pb2")
    schedule_files = later("tocsin_client.schedule_files")
    duties = later("tocsin_oncall.duties")
    picture = later("tocsin_oncall.picture")
    strata = later("tocsin_oncall.strata")

Picture = Literal["table", "json", "yaml", "svg"]
File = Annotated[Path | None, Parameter(name=("--file", "-f"))]
From = Annotated[str, Parameter(name="--from")]
To = Annotated[str, Parameter(name=("--to", "--until"))]
MONTH = 30
NOBODY = "nobody"


@Parameter(name="*")
@dataclass(frozen=True)
class Pictured(Reach):
    """How the platform is reached, and how its answer is printed or drawn."""

    output: Annotated[Picture, Parameter(name=("--output", "-o"), help="How to print the answer; svg is a picture.")] = "table"

    @property
    def screen(self) -> Screen:
        return Screen("table" if self.output == "svg" else self.output)


PICTURED = Pictured()


def render(
    schedule: str = "",
    /,
    *,
    named: Annotated[str, Parameter(name="--schedule")] = "",
    file: File = None,
    start: From = "now",
    to: To = "",
    days: int = MONTH,
    options: Pictured = PICTURED,
) -> None:
    """Show the shifts of a schedule. With --file no server is needed, so that a change can be looked at before it is applied.

    As a picture (-o svg): a row for each layer, for overrides and for temporary schedules, below them the final row of who is on call, then
    one for each person. As JSON: a list of {start, end, responders, reason}; times at which nobody is on call are left out
    (`tocsin oncall gaps` lists them).

    Parameters
    ----------
    schedule
        The schedule, by name. With --file it may be left out if the file holds one.
    named
        The same.
    file
        A file, or a directory, of configuration.
    start
        The beginning of the range: ISO 8601, "now", "+2h", "in 2h" or "2h ago". Without an offset: in the schedule's zone with --file,
        else in yours.
    to
        Its end; without it --days after its beginning.
    days
        How many days, where --to is not given.
    """
    name = schedule or named
    if file is not None:
        plan = schedule_files.plan(file, name)
        name, zone = plan.schedule.name, plan.schedule.zone
        since, until = in_range(start, to, days, options, zone)
        shifts, below = plan.shifts(since, until), strata.strata(plan, since, until)
    else:
        since, until = in_range(start, to, days, options, None)
        zone, shifts, below = stored(name, since, until, options)
    if options.output == "svg":
        title = f"{name}, {since.astimezone(zone):%Y-%m-%d} to {until.astimezone(zone):%Y-%m-%d}"
        sys.stdout.write(picture.timeline(title, shifts, zone, below))
    elif options.output != "table":
        options.screen.data([as_plain(shift) for shift in shifts if shift.responders])
    else:
        options.screen.table(shifts, columns(zone), nothing="The range is empty.")


def gaps(
    schedule: str = "", /, *, file: File = None, start: From = "now", to: To = "", days: int = MONTH, options: Options = DEFAULTS
) -> None:
    """List when nobody is on call. With --file no server is needed.

    Parameters
    ----------
    schedule
        Only this schedule; without it all.
    file
        A file, or a directory, of configuration.
    start
        The beginning of the range.
    to
        Its end; without it --days after its beginning.
    days
        How many days, where --to is not given.
    """
    if file is not None:
        plan = schedule_files.plan(file, schedule)
        since, until = in_range(start, to, days, options, plan.schedule.zone)
        found = [{"schedule": plan.schedule.name, **as_plain(gap)} for gap in plan.gaps(since, until)]
    else:
        since, until = in_range(start, to, days, options, None)
        with options.open() as tocsin:
            answer = tocsin.oncall.ListGaps(ranged(oncall_service_pb2.ListGapsRequest(schedule=schedule), since, until))
        found = [{"schedule": gap.schedule, **as_plain(read(gap))} for gap in answer.gaps]
    options.screen.table(
        found,
        {
            "SCHEDULE": lambda gap: str(gap["schedule"]),
            "FROM": lambda gap: said(times.written(str(gap["start"]), None)),
            "UNTIL": lambda gap: said(times.written(str(gap["end"]), None)),
            "WHY": lambda gap: str(gap["reason"]),
        },
        nothing="Somebody is always on call.",
    )


def conflicts(schedule: str = "", /, *, start: From = "now", to: To = "", days: int = MONTH, options: Options = DEFAULTS) -> None:
    """List duties that clash with absences, holidays, other duties of the same person, or rest.

    Parameters
    ----------
    schedule
        Only this schedule; without it all.
    start
        The beginning of the range.
    to
        Its end; without it --days after its beginning.
    days
        How many days, where --to is not given.
    """
    since, until = in_range(start, to, days, options, None)
    with options.open() as tocsin:
        answer = tocsin.oncall.ListConflicts(ranged(oncall_service_pb2.ListConflictsRequest(schedule=schedule), since, until))
    options.screen.table(
        answer.conflicts,
        {
            "FROM": lambda conflict: times.local(conflict, "starts_at"),
            "UNTIL": lambda conflict: times.local(conflict, "ends_at"),
            "RESPONDER": lambda conflict: conflict.responder,
            "CONFLICT": lambda conflict: conflict.detail,
        },
        nothing="No conflict.",
    )


def fairness(
    *schedules: str, file: File = None, start: From = "30d ago", to: To = "", days: int = MONTH, options: Pictured = PICTURED
) -> None:
    """Show how hours, nights and weekends are shared. -o svg draws it; with --file no server is needed.

    Parameters
    ----------
    schedules
        The schedules, by name; without any all.
    file
        A file, or a directory, of configuration.
    start
        The beginning of the range.
    to
        Its end; without it --days after its beginning.
    days
        How many days, where --to is not given.
    """
    since, until = in_range(start, to, days, options, None)
    if file is not None:
        plans = {plan.schedule.name: plan for plan in schedule_files.plans(file) if not schedules or plan.schedule.name in schedules}
        spans = duties.spans({name: plan.shifts(since, until) for name, plan in plans.items()})
        loads = duties.fairness(spans, schedule_files.zones(file))
    else:
        request = ranged(oncall_service_pb2.GetFairnessRequest(schedules=schedules), since, until)
        with options.open() as tocsin:
            loads = [load_of(each) for each in tocsin.oncall.GetFairness(request).loads]
    if options.output == "svg":
        sys.stdout.write(
            picture.loads(f"On call from {since:%Y-%m-%d} to {until:%Y-%m-%d}: {', '.join(schedules) or 'all schedules'}", loads)
        )
        return
    plain = [{field: getattr(load, field) for field in load.__dataclass_fields__} for load in loads]
    options.screen.table(
        plain,
        {
            "RESPONDER": lambda load: str(load["responder"]),
            "HOURS": lambda load: hours(load["hours"]),
            "AT NIGHT": lambda load: hours(load["night_hours"]),
            "NIGHTS": lambda load: str(load["nights"]),
            "ON WEEKENDS": lambda load: hours(load["weekend_hours"]),
            "WEEKENDS": lambda load: str(load["weekends"]),
            "DUTIES": lambda load: str(load["duties"]),
            "LONGEST": lambda load: hours(load["longest_hours"]),
            "LEAST REST": lambda load: hours(load["shortest_rest_hours"]),
        },
        nothing="Nobody is on call in this range.",
    )


def stored(name: str, since: datetime, until: datetime, options: Pictured) -> tuple[ZoneInfo, "list[Shift]", "list[strata.Stratum]"]:
    """The zone of a schedule of the server, its shifts, and what they come from."""
    if not name:
        raise UsageError("give the schedule's name, or --file with a file that holds it")
    request = ranged(oncall_service_pb2.RenderScheduleRequest(name=name, strata=options.output == "svg"), since, until)
    with options.open() as tocsin:
        answer = tocsin.oncall.RenderSchedule(request)
        exported = tocsin.response.ExportConfiguration(response_service_pb2.ExportConfigurationRequest()).configuration
    zone = next((schedule.time_zone for schedule in exported.schedules if schedule.name == name), "UTC")
    below = [strata.Stratum(each.name, tuple(map(read, each.shifts))) for each in answer.strata]
    return ZoneInfo(zone), [read(shift) for shift in answer.shifts], below


def in_range(start: str, to: str, days: int, options: Reach, zone: ZoneInfo | None) -> tuple[datetime, datetime]:
    since = times.instant(start, options.now, "--from", zone)
    until = times.instant(to, options.now, "--to", zone) if to else since + timedelta(days=days)
    if until <= since:
        raise UsageError("--to: must be later than --from")
    return since, until


def ranged(request: Any, since: datetime, until: datetime) -> Any:
    """The request with its range. `from` is a word of Python, so the field is reached by its name."""
    getattr(request, "from").FromDatetime(since)
    request.until.FromDatetime(until)
    return request


def read(shift: "oncall_service_pb2.Shift") -> "Shift":
    from tocsin_oncall.render import Shift

    return Shift(times.read(shift.starts_at), times.read(shift.ends_at), tuple(shift.responders), shift.reason)


def load_of(load: "oncall_service_pb2.Load") -> "duties.Load":
    rest = load.shortest_rest_hours if load.HasField("shortest_rest_hours") else None
    return duties.Load(
        load.responder,
        load.hours,
        load.night_hours,
        load.nights,
        load.weekend_hours,
        load.weekends,
        load.duties,
        load.longest_hours,
        rest,
    )


def as_plain(shift: "Shift") -> dict[str, object]:
    return {"start": instant(shift.start), "end": instant(shift.end), "responders": list(shift.responders), "reason": shift.reason}


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def columns(zone: ZoneInfo) -> "dict[str, Any]":
    def people(shift: "Shift") -> "str | Text":
        return ", ".join(shift.responders) or coloured(NOBODY)

    return {
        "FROM": lambda shift: f"{shift.start.astimezone(zone):%a %Y-%m-%d %H:%M %Z}",
        "UNTIL": lambda shift: f"{shift.end.astimezone(zone):%a %Y-%m-%d %H:%M %Z}",
        "ON CALL": people,
        "WHY": lambda shift: shift.reason,
    }


def said(at: datetime) -> str:
    return f"{at.astimezone():%a %Y-%m-%d %H:%M %Z}"


def hours(value: Any) -> str:
    return "—" if value is None else f"{value:.1f}"
