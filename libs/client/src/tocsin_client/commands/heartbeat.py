"""`tocsin heartbeat`: what is expected to report in regularly, and what does not."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.asking import agree
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.detection.v1 import heartbeat_pb2 as heartbeats
    from tocsin.detection.v1 import heartbeat_service_pb2 as heartbeat_service
else:
    heartbeats = later("tocsin.detection.v1.heartbeat_pb2")
    heartbeat_service = later("tocsin.detection.v1.heartbeat_service_pb2")

NAME = Annotated[str, Parameter(help="The heartbeat's name.")]
# The units of an interval, the largest first.
UNITS = ((timedelta(days=1), "UNIT_DAYS"), (timedelta(hours=1), "UNIT_HOURS"), (timedelta(minutes=1), "UNIT_MINUTES"))


def list_(*, integration: str = "", options: Options = DEFAULTS) -> None:
    """List heartbeats by name, and how each stands.

    Parameters
    ----------
    integration
        Only those of this integration.
    """
    now = options.now
    with options.open() as tocsin:
        request = heartbeat_service.ListHeartbeatsRequest(integration=integration)
        found = list(tocsin.heartbeats.ListHeartbeats(request).heartbeats)
    options.screen.table(
        found,
        {
            "NAME": lambda heartbeat: heartbeat.name,
            "STATE": lambda heartbeat: coloured(state(heartbeat)),
            "EVERY": every,
            "LAST PING": lambda heartbeat: times.age(heartbeat, "last_ping_at", now) or "never",
            "DUE": lambda heartbeat: times.local(heartbeat, "due_at"),
            "LATE FOR": lambda heartbeat: times.age(heartbeat, "late_since", now),
            "INTEGRATION": lambda heartbeat: heartbeat.integration,
            "DESCRIPTION": lambda heartbeat: heartbeat.description,
        },
        nothing="No heartbeat. `tocsin heartbeat add NAME --every 5m` makes one.",
    )


def show(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Show one heartbeat and how it stands."""
    with options.open() as tocsin:
        found = tocsin.heartbeats.GetHeartbeat(heartbeat_service.GetHeartbeatRequest(name=name)).heartbeat
    options.screen.result(found, drawn)


def add(
    name: NAME,
    /,
    *,
    every: str,
    grace: str = "",
    integration: str = "heartbeat",
    service: str = "",
    description: str = "",
    title: str = "",
    severity: str = "",
    tag: Annotated[tuple[str, ...], Parameter(help="A tag of its alert; may be given several times.", negative=())] = (),
    disabled: bool = False,
    options: Options = DEFAULTS,
) -> None:
    """Expect something to report in regularly. The first ping arms it; before, it is never late.

    Parameters
    ----------
    every
        How long between two pings at most: "5m", "2h", "1d"; whole minutes.
    grace
        How much later it counts as late: "30s"; without it at once.
    integration
        The integration through whose address it is pinged.
    service
        The catalogued service that its alert is about; without it that of the integration.
    description
        What it is for, for people.
    title
        The title of its alert; without it one that names the heartbeat.
    severity
        How bad it is when it is late: critical, error, warning, info; without it triage decides.
    disabled
        Make it switched off.
    """
    count, unit = interval(times.duration(every, "--every"))
    wanted = heartbeats.Heartbeat(
        name=name,
        integration=integration,
        description=description,
        interval=count,
        unit=heartbeats.Heartbeat.Unit.Value(unit),
        disabled=disabled,
        service=service,
        alert_message=title,
        alert_tags=tag,
        alert_priority=severity,
    )
    if grace:
        wanted.grace.FromTimedelta(times.duration(grace, "--grace"))
    with options.open() as tocsin:
        made = tocsin.heartbeats.CreateHeartbeat(heartbeat_service.CreateHeartbeatRequest(heartbeat=wanted)).heartbeat
    options.screen.result(made, drawn)


def ping(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Report in, as a sender does by HTTP."""
    with options.open() as tocsin:
        pinged = tocsin.heartbeats.PingHeartbeat(heartbeat_service.PingHeartbeatRequest(name=name)).heartbeat
    options.screen.result(pinged, drawn)


def enable(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Switch a heartbeat on. It has a whole interval from now to report in."""
    with options.open() as tocsin:
        changed = tocsin.heartbeats.EnableHeartbeat(heartbeat_service.EnableHeartbeatRequest(name=name)).heartbeat
    options.screen.result(changed, drawn)


def disable(name: NAME, /, *, options: Options = DEFAULTS) -> None:
    """Switch a heartbeat off, and end its alert. Its pings are still noted."""
    with options.open() as tocsin:
        changed = tocsin.heartbeats.DisableHeartbeat(heartbeat_service.DisableHeartbeatRequest(name=name)).heartbeat
    options.screen.result(changed, drawn)


def remove(name: NAME, /, *, yes: bool = False, options: Options = DEFAULTS) -> None:
    """Remove a heartbeat for good, and end its alert. One that is gone stays gone.

    Parameters
    ----------
    yes
        Do not ask.
    """
    agree(f"Remove the heartbeat {name!r} for good?", yes)
    with options.open() as tocsin:
        tocsin.heartbeats.DeleteHeartbeat(heartbeat_service.DeleteHeartbeatRequest(name=name))
    options.screen.say(f"Heartbeat {name} is removed.")


def interval(length: timedelta) -> tuple[int, str]:
    """A length in the largest unit that fits, as (how many, unit). UsageError unless it is whole minutes."""
    for unit, name in UNITS:
        if length >= unit and length % unit == timedelta():
            return length // unit, name
    raise UsageError("--every: give whole minutes, at least one")


def state(heartbeat: "heartbeats.Heartbeat") -> str:
    return short(heartbeats.Heartbeat.State, heartbeat.state).replace("_", " ")


def every(heartbeat: "heartbeats.Heartbeat") -> str:
    unit = (short(heartbeats.Heartbeat.Unit, heartbeat.unit) or "MINUTES").lower()
    return f"{heartbeat.interval} {unit.removesuffix('s') if heartbeat.interval == 1 else unit}"


def drawn(heartbeat: "heartbeats.Heartbeat") -> "RenderableType":
    grace = times.length(heartbeat, "grace") if heartbeat.HasField("grace") else ""
    return facts(
        {
            "heartbeat": heartbeat.name,
            "state": coloured(state(heartbeat)),
            "every": every(heartbeat) + (f", and {grace} of grace" if grace else ""),
            "last ping": times.local(heartbeat, "last_ping_at") or "never",
            "due": times.local(heartbeat, "due_at"),
            "late since": times.local(heartbeat, "late_since"),
            "integration": heartbeat.integration,
            "service": heartbeat.service,
            "team": heartbeat.owner_team,
            "alert": heartbeat.alert_message,
            "severity": heartbeat.alert_priority,
            "tags": ", ".join(heartbeat.alert_tags),
            "description": heartbeat.description,
        }
    )
