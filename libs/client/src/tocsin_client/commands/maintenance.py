"""`tocsin maintenance`: windows in which planned work wakes nobody."""

from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.matchers import split
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType
    from tocsin.detection.v1 import noise_pb2 as noise
    from tocsin.detection.v1 import noise_service_pb2 as noise_service
else:
    noise = later("tocsin.detection.v1.noise_pb2")
    noise_service = later("tocsin.detection.v1.noise_service_pb2")

NAME = Annotated[str, Parameter(help="The window's name.")]
Texts = Annotated[tuple[str, ...], Parameter(negative=())]


def add(
    name: NAME,
    /,
    *,
    length: Annotated[str, Parameter(name="--for")],
    start: Annotated[str, Parameter(name="--from")] = "now",
    zone: str = "UTC",
    service: Texts = (),
    matcher: Texts = (),
    every: str = "",
    description: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Plan work: what the window is about wakes nobody while it is open. Windows can lie in files too.

    Parameters
    ----------
    length
        How long it stays open: "2h", "90m".
    start
        When it opens for the first time, by the clock on the wall of --zone: "2026-12-01T22:00"; or "now", "in 2h".
    zone
        The time zone of its times, such as Europe/Paris.
    service
        A service that it is about; may be given several times.
    matcher
        What it is about, as in a silence; may be given several times. With services too, both must match.
    every
        When it opens again: an RRULE such as "FREQ=WEEKLY;BYDAY=SU". Without it, it opens once.
    description
        What is done, for people.
    """
    where = known_zone(zone)
    opens = times.instant(start, options.now, "--from", where).astimezone(where)
    window = noise.MaintenanceWindow(
        name=name,
        description=description,
        services=service,
        matchers=split(matcher),
        zone=zone,
        starts_at=opens.strftime("%Y-%m-%dT%H:%M:%S"),
        recurrence=every,
    )
    window.length.FromTimedelta(times.duration(length, "--for"))
    with options.open() as tocsin:
        planned = tocsin.noise.AddMaintenanceWindow(noise_service.AddMaintenanceWindowRequest(window=window)).planned
    now = options.now
    options.screen.result(planned, lambda made: drawn(made, now))


def list_(*, options: Options = DEFAULTS) -> None:
    """List maintenance windows by name, and when they are open next."""
    now = options.now
    with options.open() as tocsin:
        planned = list(tocsin.noise.ListMaintenanceWindows(noise_service.ListMaintenanceWindowsRequest(occurrences=3)).planned)
    options.screen.table(
        planned,
        {
            "NAME": lambda each: each.window.name,
            "STATE": lambda each: coloured(state(each, now)),
            "OPENS": lambda each: "\n".join(times.local(occurrence, "starts_at") for occurrence in each.occurrences),
            "FOR": lambda each: times.length(each.window, "length"),
            "AGAIN": lambda each: each.window.recurrence,
            "ABOUT": about,
            "BY": made_by,
            "DESCRIPTION": lambda each: each.window.description,
        },
        nothing="No maintenance is planned.",
    )


def end(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Close a window now. One that recurs opens again at its next time."""
    now = options.now
    with options.open() as tocsin:
        planned = tocsin.noise.EndMaintenanceWindow(noise_service.EndMaintenanceWindowRequest(name=name)).planned
    options.screen.result(planned, lambda closed: drawn(closed, now))


def remove(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Forget a window that is not kept in files."""
    with options.open() as tocsin:
        tocsin.noise.RemoveMaintenanceWindow(noise_service.RemoveMaintenanceWindowRequest(name=name))
    options.screen.say(f"Maintenance window {name} is removed.")


def known_zone(name: str) -> ZoneInfo:
    """UsageError if there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"--zone: {name!r} is no time zone; give one such as Europe/Paris or UTC") from error


def state(planned: "noise.PlannedMaintenance", now: "datetime") -> str:
    """ACTIVE while it is open, PENDING before, EXPIRED if it never opens again."""
    if not planned.occurrences:
        return "EXPIRED"
    return "ACTIVE" if times.read(planned.occurrences[0].starts_at) <= now else "PENDING"


def about(planned: "noise.PlannedMaintenance") -> str:
    services = ", ".join(planned.window.services)
    return " and ".join(filter(None, [f"service {services}" if services else "", ", ".join(planned.window.matchers)]))


def made_by(planned: "noise.PlannedMaintenance") -> str:
    return "kept in files" if planned.kept_in_files else planned.created_by


def drawn(planned: "noise.PlannedMaintenance", now: "datetime") -> "RenderableType":
    spans = (f"{times.local(each, 'starts_at')} – {times.local(each, 'ends_at')}" for each in planned.occurrences)
    return facts(
        {
            "window": planned.window.name,
            "state": coloured(state(planned, now)),
            "about": about(planned),
            "open": "\n".join(spans),
            "again": planned.window.recurrence,
            "zone": planned.window.zone,
            "made by": made_by(planned),
            "description": planned.window.description,
        }
    )
