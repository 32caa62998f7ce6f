"""`tocsin obligation`: start clocks, see them, try them out, and say what came of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import obligation_pb2 as obligations
    from tocsin.response.v1 import obligation_service_pb2 as service
else:
    obligations = later("tocsin.response.v1.obligation_pb2")
    service = later("tocsin.response.v1.obligation_service_pb2")


OBLIGATION = Annotated[str, Parameter(help="The obligation's id; `tocsin obligation list INCIDENT` shows it.")]


def list_(incident: str = "", /, *, running: bool = False, options: Options = DEFAULTS) -> None:
    """List obligations, the newest first.

    Parameters
    ----------
    incident
        Those of this incident; without it those of all.
    running
        Only those whose clock runs.
    """
    with options.open() as tocsin:
        request = service.ListObligationsRequest(
            incident_id=tocsin.incident_id(incident) if incident else "", running_only=running, page_size=500
        )
        found = list(tocsin.walk(tocsin.obligations.ListObligations, request, obligations.Obligation))
    options.screen.table(found, COLUMNS, nothing="There are no obligations.")


def start(
    incident: Reference,
    event: str,
    /,
    *,
    at: str = "now",
    trait: Sequence[str] = (),
    people: int | None = None,
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Enter what was found out or decided, and start the clocks. The same event again corrects its time.

    Parameters
    ----------
    event
        awareness, discovery, materiality, suspicion, determination, reasonable-belief, payment, ….
    at
        When: ISO 8601, "2h ago".
    trait
        What is true of the incident: personal-data, eu, high-risk, us-listed, …. Again for each.
    people
        How many people are affected.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        request = service.RecordStartEventRequest(
            incident_id=tocsin.incident_id(incident), event=event, circumstances=known(trait, people), reason=reason
        )
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
        found = tocsin.obligations.RecordStartEvent(request).obligations
    options.screen.table(found, COLUMNS, nothing="No clock started.")


def classify(
    incident: Reference,
    classification: str,
    /,
    *,
    reason: str,
    at: str = "now",
    trait: Sequence[str] = (),
    people: int | None = None,
    options: Options = DEFAULTS,
) -> None:
    """Classify an incident, or classify it anew: clocks of the classification before are withdrawn.

    Parameters
    ----------
    classification
        major, significant, minor, ….
    reason
        Why.
    at
        When it was decided: ISO 8601, "2h ago".
    trait
        What is true of the incident. Again for each.
    people
        How many people are affected.
    """
    with options.open() as tocsin:
        request = service.ClassifyIncidentRequest(
            incident_id=tocsin.incident_id(incident), classification=classification, circumstances=known(trait, people), reason=reason
        )
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
        found = tocsin.obligations.ClassifyIncident(request).obligations
    options.screen.table(found, COLUMNS, nothing="No clock started or ended.")


def preview(*events: str, incident: str = "", trait: Sequence[str] = (), people: int | None = None, options: Options = DEFAULTS) -> None:
    """Say which clocks would start, and which would not and why. Nothing is kept.

    Parameters
    ----------
    events
        Events, each with its time if it is not now: awareness "awareness=2h ago" classified-major.
    incident
        Count what is known of this incident too.
    trait
        What would be true of the incident. Again for each.
    people
        How many people would be affected.
    """
    if not events and not incident:
        raise UsageError("EVENTS: give an event such as awareness, or --incident")
    with options.open() as tocsin:
        request = service.PreviewObligationsRequest(
            incident_id=tocsin.incident_id(incident) if incident else "", circumstances=known(trait, people)
        )
        for each in events:
            event, _, at = each.partition("=")
            request.events.add(event=event).at.FromDatetime(times.instant(at or "now", options.now, "EVENTS"))
        answer = tocsin.obligations.PreviewObligations(request)
    options.screen.result(answer, previewed)


def draft(obligation: OBLIGATION, /, *, to: Path | None = None, options: Options = DEFAULTS) -> None:
    """Print the text to begin a submission with.

    Parameters
    ----------
    to
        Write it into this file.
    """
    with options.open() as tocsin:
        text = tocsin.obligations.DraftObligation(service.DraftObligationRequest(obligation_id=obligation)).text
    if to is not None:
        to.write_text(text)
    else:
        options.screen.say(text)


def submit(
    obligation: OBLIGATION,
    /,
    *,
    at: str = "now",
    recipient: str = "",
    reference: str = "",
    sha256: str = "",
    evidence: str = "",
    late_reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Enter that an obligation was met; clocks that follow it start.

    Parameters
    ----------
    at
        When: ISO 8601, "2h ago".
    recipient
        To whom, if not to the one that the duty names.
    reference
        The number or name that the recipient gave.
    sha256
        The hash of what was submitted, as `tocsin evidence add` says it.
    evidence
        What was submitted, as an item of the incident's evidence: its hash is kept.
    late_reason
        Why it is late, if it is.
    """
    request = service.SubmitObligationRequest(
        obligation_id=obligation, recipient=recipient, reference=reference, sha256=sha256, late_reason=late_reason, evidence_id=evidence
    )
    request.at.FromDatetime(times.instant(at, options.now, "--at"))
    with options.open() as tocsin:
        answer = tocsin.obligations.SubmitObligation(request)
    options.screen.table([answer.obligation, *answer.started], COLUMNS, nothing="")


def waive(obligation: OBLIGATION, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Enter that an obligation need not be met.

    Parameters
    ----------
    reason
        Why.
    """
    with options.open() as tocsin:
        answer = tocsin.obligations.WaiveObligation(service.WaiveObligationRequest(obligation_id=obligation, reason=reason))
    options.screen.table([answer.obligation], COLUMNS, nothing="")


def pause(obligation: OBLIGATION, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Let the clock of an obligation stand still, where its regime allows that.

    Parameters
    ----------
    reason
        Why, and on whose word.
    """
    with options.open() as tocsin:
        answer = tocsin.obligations.PauseObligation(service.PauseObligationRequest(obligation_id=obligation, reason=reason))
    options.screen.table([answer.obligation], COLUMNS, nothing="")


def resume(obligation: OBLIGATION, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Let a paused clock go on; it is due as much later as it was paused.

    Parameters
    ----------
    reason
        Why.
    """
    with options.open() as tocsin:
        answer = tocsin.obligations.ResumeObligation(service.ResumeObligationRequest(obligation_id=obligation, reason=reason))
    options.screen.table([answer.obligation], COLUMNS, nothing="")


def regimes(*, options: Options = DEFAULTS) -> None:
    """List the regimes and what they ask for. Data, not legal advice."""
    with options.open() as tocsin:
        found = tocsin.obligations.ListRegimes(service.ListRegimesRequest()).regimes
    if options.output != "table":
        options.screen.table(found, {}, nothing="")
        return
    rows = [(regime, duty) for regime in found for duty in regime.duties]
    options.screen.table(rows, REGIMES, nothing="There are no regimes.")


def known(traits: Sequence[str], people: int | None) -> "obligations.Circumstances":
    return obligations.Circumstances(traits=traits, people=people)


def previewed(answer: "service.PreviewObligationsResponse") -> "RenderableType":
    return stack(*_previewed(answer))


def _previewed(answer: "service.PreviewObligationsResponse") -> "Iterator[RenderableType]":
    if answer.obligations:
        columns = {title: column for title, column in COLUMNS.items() if title not in ("OBLIGATION", "STATE")}
        yield grid(answer.obligations, {**columns, "HOW": lambda each: each.explanation})
    else:
        yield facts({"clocks": "none would start"})
    if answer.passed_over:
        yield heading("What would not start")
        yield grid(answer.passed_over, {"WHAT AND WHY": lambda said: said})


def span(message: Any) -> str:
    if not message.HasField("within"):
        return "without undue delay"
    return f"{message.within.amount} {short(obligations.Span.Unit, message.within.unit).lower().replace('_', ' ')}"


def state(each: "obligations.Obligation") -> Any:
    word = short(obligations.Obligation.State, each.state)
    if word == "RUNNING" and each.HasField("paused_at"):
        return coloured("PAUSED")
    return coloured("LATE" if each.late and word == "RUNNING" else word)


COLUMNS: dict[str, Any] = {
    "OBLIGATION": lambda each: each.id,
    "STATE": state,
    "DUE": lambda each: times.local(each, "due_at") or "without undue delay",
    "REGIME": lambda each: each.regime,
    "DUTY": lambda each: each.duty,
    "TO": lambda each: each.recipient,
    "WHAT": lambda each: each.title,
}
REGIMES: dict[str, Any] = {
    "REGIME": lambda row: row[0].name + (" (off)" if row[0].disabled else ""),
    "DUTY": lambda row: row[1].name,
    "WITHIN": lambda row: span(row[1]),
    "AFTER": lambda row: row[1].event or f"submission of {row[1].after}",
    "IF": lambda row: ", ".join([*row[0].needs, *row[1].needs]),
    "CITATION": lambda row: row[1].citation,
    "MAKE SURE OF": lambda row: row[0].verify,
}
