"""`tocsin timeline` and `tocsin review`: what happened, and how fast."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later
from tocsin_client.screen import grid, heading, plain, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.review.v1 import review_service_pb2 as review
    from tocsin.triage.v1 import incident_pb2 as incidents
else:
    review = later("tocsin.review.v1.review_service_pb2")
    incidents = later("tocsin.triage.v1.incident_pb2")


def timeline(incident: str, /, *, options: Options = DEFAULTS) -> None:
    """Tell what happened to an incident, fact by fact, oldest first.

    Parameters
    ----------
    incident
        The incident's number or id.
    """
    with options.open() as tocsin:
        entries = list(tocsin.timeline(tocsin.incident_id(incident)))
    options.screen.table(
        entries,
        {
            "AT": lambda entry: times.local(entry, "at"),
            "FACT": lambda entry: entry.fact,
            "SUMMARY": lambda entry: entry.summary,
            "BY": lambda entry: entry.actor,
            "WHY": lambda entry: entry.reason,
        },
        nothing="Nothing is known about this incident yet.",
    )


def review_(incident: str, /, *, options: Options = DEFAULTS) -> None:
    """Print the review of an incident as Markdown. It is drafted when the incident is resolved.

    Parameters
    ----------
    incident
        The incident's number or id.
    """
    with options.open() as tocsin:
        found = tocsin.review.GetReview(review.GetReviewRequest(incident_id=tocsin.incident_id(incident))).review
    if options.output == "table":
        print(plain(found.markdown))
    else:
        options.screen.result(found, lambda _: "")


def figures(*, start: Annotated[str, Parameter(name="--from")] = "", until: str = "", options: Options = DEFAULTS) -> None:
    """Show how fast incidents are taken (MTTA) and resolved (MTTR), over those that opened in a range.

    Parameters
    ----------
    start
        The beginning of the range: ISO 8601 or "30d ago", which is the default.
    until
        Its end; default: now.
    """
    request = review.GetFiguresRequest()
    if start:
        getattr(request, "from").FromDatetime(times.instant(start, options.now, "--from"))
    if until:
        request.until.FromDatetime(times.instant(until, options.now, "--until"))
    with options.open() as tocsin:
        answer = tocsin.review.GetFigures(request)
    options.screen.result(answer, drawn_figures)


def drawn_figures(answer: "review.GetFiguresResponse") -> "RenderableType":
    parts: list[RenderableType] = [grid([answer.total], figure_columns("", lambda each: "all incidents"))]
    if answer.by_service:
        parts += [heading(""), grid(list(answer.by_service), figure_columns("SERVICE", lambda each: each.service))]
    if answer.by_severity:
        parts += [
            heading(""),
            grid(list(answer.by_severity), figure_columns("SEVERITY", lambda each: short(incidents.Severity, each.severity))),
        ]
    return stack(*parts)


def figure_columns(title: str, of: Any) -> dict[str, Any]:
    return {
        title: of,
        "INCIDENTS": lambda each: str(each.incidents),
        "TAKEN": lambda each: str(each.acknowledged),
        "RESOLVED": lambda each: str(each.resolved),
        "MTTA": lambda each: times.length(each, "mean_time_to_acknowledge"),
        "MTTR": lambda each: times.length(each, "mean_time_to_resolve"),
    }
