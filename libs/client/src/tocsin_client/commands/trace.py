"""`tocsin trace`: the waterfall from the first request to the provider's answer."""

from typing import TYPE_CHECKING

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later
from tocsin_client.screen import cell, heading, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.edge.v1 import edge_service_pb2 as edge

    from tocsin_client import waterfall as spans
else:
    edge = later("tocsin.edge.v1.edge_service_pb2")
    spans = later("tocsin_client.waterfall")

WIDTH = 32


def trace(incident: str, /, *, options: Options = DEFAULTS) -> None:
    """Draw what an incident's requests and timers went through, and how long each part took.

    Parameters
    ----------
    incident
        The incident's number or id.
    """
    with options.open() as tocsin:
        answer = tocsin.edge.GetTrace(edge.GetTraceRequest(incident_id=tocsin.incident_id(incident)))
    if options.output == "table" and not answer.spans:
        options.screen.say("No span of this incident is kept (yet): spans arrive some seconds late, and old ones are dropped.")
    else:
        options.screen.result(answer, drawn)


def drawn(answer: "edge.GetTraceResponse") -> "RenderableType":
    found = spans.traces(answer.spans)
    known = {each.id: index for index, each in enumerate(found, start=1)}
    return stack(*(part for each in found for part in (heading(title(each, known)), waterfall(each))))


def title(trace: "spans.Trace", known: dict[str, int]) -> str:
    began = times.local(trace.bars[0].span, "started_at")
    links = ", ".join(f"trace {known[link]}" if link in known else f"trace {link}" for link in trace.links)
    return f"Trace {known[trace.id]}  {trace.id}  {began}  {milliseconds(trace.length)}" + (f"  linked to {links}" if links else "")


def waterfall(trace: "spans.Trace") -> "RenderableType":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("SPAN", overflow="fold", min_width=WIDTH)
    table.add_column("SERVICE", no_wrap=True)
    for name in ("AT", "TOOK"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", width=WIDTH, no_wrap=True)
    table.add_column("ERROR", overflow="fold")
    for bar in trace.bars:
        table.add_row(*row(bar, trace.length))
    return table


def row(bar: "spans.Bar", whole: int) -> "list[RenderableType]":
    from rich.text import Text

    span = bar.span
    style = "red" if span.error else ""
    return [
        Text.assemble("  " * bar.depth, cell(span.name), style=style),
        cell(span.service.removeprefix("tocsin-")),
        cell(milliseconds(bar.start)),
        cell(milliseconds(bar.end - bar.start)),
        stroke(bar, whole),
        Text.assemble(cell(span.error), style=style),
    ]


def stroke(bar: "spans.Bar", whole: int) -> "RenderableType":
    """The span's part of the whole trace; never so short that it cannot be seen."""
    from rich.bar import Bar as Stroke

    size = max(whole, 1)
    shortest = size / (WIDTH * 8)
    begin = min(float(bar.start), size - shortest)
    return Stroke(size, begin, max(float(bar.end), begin + shortest), width=WIDTH, color="red" if bar.span.error else "cyan")


def milliseconds(nanos: int) -> str:
    return f"{nanos / 1_000_000:,.1f} ms"
