"""`tocsin simulate`: what would have woken somebody, had other rules been in force. Nothing is sent."""

import sys
from collections.abc import Iterable
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
    from datetime import datetime, timedelta

    from rich.console import RenderableType
    from tocsin.detection.v1 import alert_pb2 as alerts
    from tocsin.detection.v1 import noise_pb2 as noise
    from tocsin.detection.v1 import noise_service_pb2 as noise_service

    from tocsin_client import configuration
else:
    alerts = later("tocsin.detection.v1.alert_pb2")
    noise = later("tocsin.detection.v1.noise_pb2")
    noise_service = later("tocsin.detection.v1.noise_service_pb2")
    configuration = later("tocsin_client.configuration")


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

    Parameters
    ----------
    config
        A file or a directory of configuration, whose inhibitions, maintenance windows and noise rules are tried.
    since
        How far back: "30d", "12h".
    silence
        Try a silence over all that time: 'team="db", env=~"prod.*"'; may be given several times.
    alone
        The rules given are all there are; without it, stored rules of other names act too.
    without_silences
        Leave out the silences that there were.
    limit
        Print at most this many of the alerts that differ.
    """
    span = times.duration(since.removesuffix("ago"), "--since")
    request = noise_service.SimulateRequest(alone=alone, without_silences=without_silences)
    request.since.FromTimedelta(span)
    if config is not None:
        request.configuration.CopyFrom(configuration.load(config).message("detection"))
    request.silences.extend(tried(silence, options.now, span))
    with options.open() as tocsin:
        result, differences = followed(tocsin.noise.Simulate(request))
    if options.output != "table":
        options.screen.data({"result": as_data(result), "differences": [as_data(each) for each in differences]})
        return
    options.screen.draw(drawn(result, differences[:limit]))
    if result.differences > limit:
        options.screen.note(f"{result.differences - min(limit, len(differences))} more differ: give a larger --limit, or -o json.")


def tried(texts: Iterable[str], now: "datetime", span: "timedelta") -> "list[noise.Silence]":
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
) -> "tuple[noise_service.SimulateResponse.Result, list[noise_service.Difference]]":
    """The result and what differs; how far it has come is shown meanwhile, where a person looks. UsageError if no result comes."""
    from rich.console import Console
    from rich.progress import Progress

    differences: list[noise_service.Difference] = []
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Replaying", total=None)
        for step in steps:
            match step.WhichOneof("step"):
                case "progress":
                    progress.update(task, completed=step.progress.done, total=step.progress.of)
                case "differences":
                    differences.extend(step.differences.differences)
                case "result":
                    return step.result, differences
    raise UsageError("the replay ended without a result: the server stopped meanwhile; try again")


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
