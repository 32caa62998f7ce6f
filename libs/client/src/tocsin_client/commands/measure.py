"""`tocsin measure`: what was done to contain incidents and is in force; `tocsin guard try`: what no action may do."""

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import TocsinError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import containment_pb2 as containment
    from tocsin.response.v1 import containment_service_pb2 as service
else:
    containment = later("tocsin.response.v1.containment_pb2")
    service = later("tocsin.response.v1.containment_service_pb2")

MEASURE = Annotated[str, Parameter(help="The measure's id; `tocsin measure list` shows it.")]
Kind = Literal["host", "address", "domain", "hash", "user", "key", "workload", "other"]


def list_(
    *, incident: str = "", all_: Annotated[bool, Parameter(name="--all")] = False, limit: int = 100, options: Options = DEFAULTS
) -> None:
    """List what is in force, the newest first.

    Parameters
    ----------
    incident
        Only those of this incident: its number or id.
    all_
        Also what is lifted.
    limit
        At most this many.
    """
    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        request = service.ListMeasuresRequest(incident_id=about, in_force_only=not all_, page_size=limit)
        found = list(tocsin.containment.ListMeasures(request).measures)
    options.screen.table(
        found,
        {
            "ID": lambda measure: measure.id,
            "STATE": lambda measure: coloured(state(measure)),
            "ACTION": lambda measure: measure.action,
            "TARGET": lambda measure: measure.target,
            "VERIFIED": lambda measure: coloured(verification(measure)),
            "UNTIL": lambda measure: times.local(measure, "until"),
            "BY": lambda measure: measure.applied_by,
            "WHY": lambda measure: measure.trouble or (measure.finding if unseen(measure) else "") or measure.reason,
        },
        nothing="Nothing is in force.",
    )


def show(measure: MEASURE, /, *, options: Options = DEFAULTS) -> None:
    """Show one measure."""
    with options.open() as tocsin:
        found = tocsin.containment.GetMeasure(service.GetMeasureRequest(measure_id=measure)).measure
    options.screen.result(found, drawn)


def record(
    incident: Reference, action: str, target: str, /, *, kind: Kind = "host", reason: str = "", until: str = "", options: Options = DEFAULTS
) -> None:
    """Enter a measure that was taken by hand, so that it is not forgotten: `tocsin measure record 12 isolate-host db-1`.

    Parameters
    ----------
    action
        What was done: "isolate-host", or in your own words.
    target
        What it was done to.
    kind
        What that is.
    reason
        Why, for people.
    until
        When it is to be lifted: "8h", or a time.
    """
    with options.open() as tocsin:
        request = service.RecordMeasureRequest(
            incident_id=tocsin.incident_id(incident), action=action, target=target, target_kind=kind_of(kind), reason=reason
        )
        if until:
            request.until.FromDatetime(times.end(until, options.now, "--until"))
        made = tocsin.containment.RecordMeasure(request).measure
    options.screen.result(made, drawn)


def lift(measure: MEASURE, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Have a measure undone, by its connector or by hand.

    Parameters
    ----------
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        after = tocsin.containment.LiftMeasure(service.LiftMeasureRequest(measure_id=measure, reason=reason)).measure
    options.screen.result(after, drawn)


def confirm(measure: MEASURE, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Say that a measure was undone by hand.

    Parameters
    ----------
    reason
        How, for people.
    """
    with options.open() as tocsin:
        after = tocsin.containment.ConfirmLifted(service.ConfirmLiftedRequest(measure_id=measure, reason=reason)).measure
    options.screen.result(after, drawn)


def keep(measure: MEASURE, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Decide that a measure stays, so that no phase waits for it.

    Parameters
    ----------
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        after = tocsin.containment.KeepMeasure(service.KeepMeasureRequest(measure_id=measure, reason=reason)).measure
    options.screen.result(after, drawn)


def prolong(measure: MEASURE, /, *, until: str = "", options: Options = DEFAULTS) -> None:
    """Give a measure another end; without --until none.

    Parameters
    ----------
    until
        The new end: "8h" from now, or a time.
    """
    request = service.ProlongMeasureRequest(measure_id=measure)
    if until:
        request.until.FromDatetime(times.end(until, options.now, "--until"))
    with options.open() as tocsin:
        after = tocsin.containment.ProlongMeasure(request).measure
    options.screen.result(after, drawn)


def report(measure: MEASURE, found: Literal["holds", "lost"], /, *, finding: str = "", options: Options = DEFAULTS) -> None:
    """Say that you looked, and whether a measure still holds.

    Parameters
    ----------
    found
        What you found.
    finding
        More of that, for people.
    """
    request = service.ReportMeasureRequest(measure_id=measure, holds=found == "holds", finding=finding)
    with options.open() as tocsin:
        after = tocsin.containment.ReportMeasure(request).measure
    options.screen.result(after, drawn)


def verify(measure: MEASURE, /, *, options: Options = DEFAULTS) -> None:
    """Have a runner look now whether a measure still holds; nothing is changed. `tocsin measure show` says soon what it found."""
    with options.open() as tocsin:
        after = tocsin.containment.VerifyMeasure(service.VerifyMeasureRequest(measure_id=measure)).measure
    options.screen.result(after, drawn)


def guard(action: str, target: str, /, *, kind: Kind = "host", severity: int = 0, options: Options = DEFAULTS) -> None:
    """Say whether guard rails would let an action be done now. Exit status 1 if not.

    Parameters
    ----------
    action
        As the catalogue names it: "isolate-host".
    target
        What it would be done to.
    kind
        What that is.
    severity
        The incident's, 1 to 5.
    """
    request = service.TryGuardRailsRequest(action=action, target=target, target_kind=kind_of(kind), severity=severity)
    with options.open() as tocsin:
        answer = tocsin.containment.TryGuardRails(request)
    options.screen.result(
        answer, lambda said: facts({"Allowed": "yes" if said.allowed else "no", "Why": said.reason or "no rail is against it"})
    )
    if not answer.allowed:
        raise TocsinError("guard rails are against it")


def kind_of(word: str) -> "containment.TargetKind.ValueType":
    """The number of a kind."""
    name = "UNSPECIFIED" if word == "other" else word.upper()
    return containment.TargetKind.Value(f"TARGET_KIND_{name}")


def state(measure: "containment.Measure") -> str:
    """Its state; one that somebody decided to keep says so, and one that only an exercise took."""
    word = short(containment.Measure.State, measure.state)
    return " ".join(filter(None, [word, "kept" if measure.kept else "", "simulated" if measure.simulated else ""]))


def verification(measure: "containment.Measure") -> str:
    """Whether it was seen to be effective."""
    words = {"AWAITED": "taken on, not seen yet", "EFFECTIVE": "effective", "NOT_VERIFIED": "not verified"}
    name = containment.Measure.Verification.Name(measure.verification).removeprefix("VERIFICATION_")
    return words.get(name, "nobody looked")


def unseen(measure: "containment.Measure") -> bool:
    """Whether it was taken on, and not seen to be effective."""
    kinds = containment.Measure
    return measure.verification in (kinds.VERIFICATION_AWAITED, kinds.VERIFICATION_NOT_VERIFIED)


def drawn(measure: "containment.Measure") -> "RenderableType":
    return facts(
        {
            "Measure": measure.id,
            "State": coloured(state(measure)),
            "Action": f"{measure.action} {measure.target}",
            "Exercise": "yes: a simulated twin, nothing real is held" if measure.simulated else "",
            "By": f"{measure.applied_by} ({measure.connector or 'by hand'}) {times.local(measure, 'applied_at')}",
            "Why": measure.reason,
            "Until": times.local(measure, "until") or "it is lifted",
            "Verification": verification(measure),
            "Looked at": times.local(measure, "verified_at") or "never",
            "Found": measure.finding,
            "Looked at again": times.local(measure, "next_look_at"),
            "Lifted": " ".join(filter(None, [measure.lifted_by, times.local(measure, "lifted_at")])),
            "Decision": measure.decision,
            "Trouble": measure.trouble,
        }
    )
