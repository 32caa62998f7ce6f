"""`tocsin simulate`: what would have woken somebody, and as which incidents, had other rules been in force. Nothing is sent."""

import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.matchers import parts
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from rich.console import RenderableType
    from tocsin.detection.v1 import alert_pb2 as alerts
    from tocsin.detection.v1 import noise_pb2 as noise
    from tocsin.detection.v1 import noise_service_pb2 as noise_service
    from tocsin.triage.v1 import incident_pb2 as incident
    from tocsin.triage.v1 import triage_service_pb2 as triage

    from tocsin_client import configuration
    from tocsin_client.client import Tocsin
else:
    alerts = later("tocsin.detection.v1.alert_pb2")
    noise = later("tocsin.detection.v1.noise_pb2")
    noise_service = later("tocsin.detection.v1.noise_service_pb2")
    triage = later("tocsin.triage.v1.triage_service_pb2")
    incident = later("tocsin.triage.v1.incident_pb2")
    configuration = later("tocsin_client.configuration")

CUT_SHORT = "the replay ended without a result: the server stopped meanwhile; try again"
SIDE = 3


def simulate(
    *,
    config: Annotated[Path | None, Parameter(name=("--config", "-f"))] = None,
    since: str = "30d",
    silence: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    alone: bool = False,
    without_silences: bool = False,
    limit: int = 50,
    options: Options = DEFAULTS,
) -> None:
    """Replay the alerts of the past through other rules, and say what would have woken somebody beside what did. Nothing is sent.

    What would have woken somebody is placed by other services and routes too: what would have been one incident, and what several.

    Parameters
    ----------
    config
        A file or a directory of configuration, whose inhibitions, maintenance windows, noise rules, services and routes are tried.
    since
        How far back: "30d", "12h".
    silence
        Try a silence over all that time: 'team="db", env=~"prod.*"'; may be given several times.
    alone
        The rules, services and routes given are all there are; without it, stored ones of other names act too.
    without_silences
        Leave out the silences that there were.
    limit
        Print at most this many of the alerts that differ, and as many of the incidents.
    """
    span = times.duration(since.removesuffix("ago"), "--since")
    request = noise_service.SimulateRequest(alone=alone, without_silences=without_silences, with_alerts=True)
    placing = triage.SimulatePlacementRequest(alone=alone)
    request.since.FromTimedelta(span)
    if config is not None:
        given = configuration.load(config)
        request.configuration.CopyFrom(given.message("detection"))
        placing.configuration.CopyFrom(given.message("triage"))
    request.silences.extend(tried(silence, options.now, span))
    with options.open() as tocsin:
        result, differences, alerts_ = followed(tocsin.noise.Simulate(request))
        placed, placements = placed_anew(tocsin, placing, alerts_)
    if options.output != "table":
        placement = {"result": as_data(placed), "differences": [as_data(each) for each in placements]}
        options.screen.data({"result": as_data(result), "differences": [as_data(each) for each in differences], "placement": placement})
        return
    options.screen.draw(stack(drawn(result, differences[:limit]), drawn_placement(placed, placements[:limit])))
    for what, more in ((" ", result.differences - limit), (" incidents ", placed.differences - limit)):
        if more > 0:
            options.screen.note(f"{more:,} more{what}differ: give a larger --limit, or -o json.")


def tried(texts: "Iterable[str]", now: "datetime", span: "timedelta") -> "list[noise.Silence]":
    """A silence over all of the time for each text."""
    found = []
    for text in texts:
        each = noise.Silence(matchers=parts(text), comment="tried out")
        each.starts_at.FromDatetime(now - span)
        each.ends_at.FromDatetime(now)
        found.append(each)
    return found


def followed(
    steps: "Iterable[noise_service.SimulateResponse]",
) -> "tuple[noise_service.SimulateResponse.Result, list[noise_service.Difference], list[Sequence[noise.ReplayedAlert]]]":
    """The result, what differs, and the alerts to place; how far it has come is shown meanwhile, where a person looks.

    UsageError if no result comes.
    """
    differences: list[noise_service.Difference] = []
    batches: list[Sequence[noise.ReplayedAlert]] = []
    with shown("Replaying") as step_done:
        for step in steps:
            match step.WhichOneof("step"):
                case "progress":
                    step_done(step.progress.done, step.progress.of)
                case "differences":
                    differences.extend(step.differences.differences)
                case "alerts":
                    batches.append(step.alerts.alerts)
                case "result":
                    return step.result, differences, batches
    raise UsageError(CUT_SHORT)


def placed_anew(
    tocsin: "Tocsin", first: "triage.SimulatePlacementRequest", batches: "list[Sequence[noise.ReplayedAlert]]"
) -> "tuple[triage.SimulatePlacementResponse.Result, list[triage.PlacementDifference]]":
    """Where the alerts would have been placed, beside where they were. UsageError if no result comes."""
    requests = (triage.SimulatePlacementRequest(alerts=batch) for batch in batches)
    differences: list[triage.PlacementDifference] = []
    of = sum(map(len, batches))
    with shown("Placing") as step_done:
        for step in tocsin.triage.SimulatePlacement(chain([first], requests)):
            match step.WhichOneof("step"):
                case "progress":
                    step_done(step.progress.done, of)
                case "differences":
                    differences.extend(step.differences.differences)
                case "result":
                    return step.result, differences
    raise UsageError(CUT_SHORT)


@contextmanager
def shown(what: str) -> "Iterator[Callable[[int, int], None]]":
    """A bar, where a person looks: the function says how far it has come, of how much."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def drawn(result: "noise_service.SimulateResponse.Result", differences: "list[noise_service.Difference]") -> "RenderableType":
    parts_: list[RenderableType] = [
        facts(
            {
                "alerts replayed": f"{result.alerts:,}",
                "did wake": f"{result.did_wake:,}",
                "would have woken": f"{result.would_wake:,}  ({result.would_wake - result.did_wake:+,})",
                "differ": f"{result.differences:,}",
            }
        )
    ]
    if result.rules:
        parts_ += [heading("Held back, by rule"), grid(list(result.rules), rule_columns())]
    if differences:
        parts_ += [heading("What differs"), grid(differences, difference_columns())]
    return stack(*parts_)


def drawn_placement(result: "triage.SimulatePlacementResponse.Result", differences: "list[triage.PlacementDifference]") -> "RenderableType":
    change = result.would_open - result.did_open
    parts_: list[RenderableType] = [
        heading("Incidents"),
        facts(
            {
                "did open": f"{result.did_open:,}",
                "would have opened": f"{result.would_open:,}  ({change:+,})",
                "alerts of another service": f"{result.moved:,}",
                "differ": f"{result.differences:,}",
            }
        ),
    ]
    return stack(*parts_, grid(differences, placement_columns())) if differences else stack(*parts_)


def placement_columns() -> dict[str, Any]:
    return {
        "DID": lambda each: incidents(each.did, each.did_count),
        "WOULD": lambda each: incidents(each.would, each.would_count),
        "WHAT DIFFERS": lambda each: each.summary,
    }


def incidents(side: "Sequence[triage.PlacedIncident]", count: int) -> str:
    """The incidents of one side, a line each; the first three tell enough."""
    lines = [
        f"{f'#{each.number} ' if each.number else ''}{each.service} {short(incident.Severity, each.severity)} "
        f"{each.title} ({each.alerts} alert{'' if each.alerts == 1 else 's'})"
        for each in side[:SIDE]
    ]
    return "\n".join(lines + ([f"and {count - SIDE:,} more"] if count > SIDE else [])) or "-"


def rule_columns() -> dict[str, Any]:
    return {
        "KIND": lambda rule: kind(rule.kind),
        "RULE": lambda rule: rule.rule,
        "DID HOLD": lambda rule: f"{rule.did_hold:,}",
        "WOULD HOLD": lambda rule: f"{rule.would_hold:,}",
    }


def difference_columns() -> dict[str, Any]:
    return {
        "OPENED": lambda each: times.local(each, "opened_at"),
        "DID WAKE": lambda each: "yes" if each.did_wake else "no",
        "WOULD WAKE": would_wake,
        "SERVICE": lambda each: each.service or each.integration,
        "SEVERITY": lambda each: each.severity,
        "TITLE": lambda each: each.title,
    }


def would_wake(difference: "noise_service.Difference") -> str:
    """ "yes", with when if that is later than it opened; or what would hold it back."""
    held = ", ".join(f"{kind(hold.kind)} {hold.rule}" for hold in difference.holds)
    if difference.would_wake:
        moment = times.local(difference, "would_wake_at")
        return f"yes, at {moment}" if held and moment else "yes"
    return f"no: {held}" if held else "no"


def kind(number: "alerts.Hold.Kind.ValueType") -> str:
    return short(alerts.Hold.Kind, number).lower()
