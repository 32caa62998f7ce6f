"""`tocsin escalation`: who is asked about an incident; take the next step now, ask somebody else, stop; try a policy out; audit timers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import TocsinError, UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, coloured, facts, grid, heading, number, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.communication.v1 import page_pb2 as pages
    from tocsin.communication.v1 import paging_service_pb2 as paging
    from tocsin.response.v1 import escalation_pb2 as escalations
    from tocsin.response.v1 import escalation_service_pb2 as service
    from tocsin.triage.v1 import incident_pb2 as incidents
    from tocsin.triage.v1 import triage_service_pb2 as triage

    from tocsin_client.client import Tocsin
else:
    pages = later("tocsin.communication.v1.page_pb2")
    paging = later("tocsin.communication.v1.paging_service_pb2")
    escalations = later("tocsin.response.v1.escalation_pb2")
    service = later("tocsin.response.v1.escalation_service_pb2")
    incidents = later("tocsin.triage.v1.incident_pb2")
    triage = later("tocsin.triage.v1.triage_service_pb2")

TARGETS = ("responder", "schedule", "team", "contact")


def now(incident: Reference, /, *, step: int = 0, reason: str = "", options: Options = DEFAULTS) -> None:
    """Take the next step of an incident's escalation now, without waiting for its time.

    Parameters
    ----------
    step
        The number of the step, from 1; without it the next one.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        request = service.EscalateNowRequest(incident_id=tocsin.incident_id(incident), step_number=step, reason=reason)
        answer = tocsin.escalation.EscalateNow(request)
    options.screen.result(answer, drawn)


def reassign(incident: Reference, to: str, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Ask somebody else from now on, or by another policy.

    Parameters
    ----------
    to
        A responder, "schedule:NAME", "team:NAME", or "policy:NAME".
    reason
        Why, for people.
    """
    kind, _, name = to.partition(":")
    with options.open() as tocsin:
        request = service.ReassignRequest(incident_id=tocsin.incident_id(incident), reason=reason)
        if kind == "policy" and name:
            request.escalation_policy = name
        else:
            request.target.CopyFrom(target(to))
        answer = tocsin.escalation.Reassign(request)
    options.screen.result(answer, drawn)


def add(incident: Reference, who: str, /, *, message: str = "", options: Options = DEFAULTS) -> None:
    """Ask somebody to help, beside those who were asked. They may decline.

    Parameters
    ----------
    who
        A responder, "schedule:NAME", "team:NAME" or "contact:NAME".
    message
        What they are needed for.
    """
    with options.open() as tocsin:
        request = service.AddResponderRequest(incident_id=tocsin.incident_id(incident), target=target(who), message=message)
        answer = tocsin.escalation.AddResponder(request)
    options.screen.table(answer.summonses, COLUMNS, nothing="Nobody was asked.")


def answer(summons: str, word: str, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Say whether you come, when somebody asked for you.

    Parameters
    ----------
    summons
        The summons' id.
    word
        "accepted" or "declined".
    reason
        Why, for people.
    """
    given = number(escalations.Summons.Answer, word, "ANSWER")
    with options.open() as tocsin:
        kept = tocsin.escalation.AnswerSummons(service.AnswerSummonsRequest(summons_id=summons, answer=given, reason=reason)).summons
    options.screen.table([kept], COLUMNS, nothing="")


def stop(incident: Reference, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Ask nobody else about an incident, though nobody has acknowledged it.

    Parameters
    ----------
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        request = service.StopEscalationRequest(incident_id=tocsin.incident_id(incident), reason=reason)
        escalation = tocsin.escalation.StopEscalation(request).escalation
    options.screen.result(escalation, said)


def confirm(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """Say that somebody is still at it: the time of the acknowledgement begins anew."""
    with options.open() as tocsin:
        request = service.ConfirmAcknowledgementRequest(incident_id=tocsin.incident_id(incident))
        confirmed = tocsin.escalation.ConfirmAcknowledgement(request)
    until = times.local(confirmed, "expires_at")
    options.screen.result(confirmed, lambda _: facts({"acknowledged": f"until {until}" if until else "for good"}))


def simulate(
    *,
    service_: Annotated[str, Parameter(name="--service")] = "",
    policy: str = "",
    severity: str = "sev3",
    at: str = "now",
    channels: bool = True,
    options: Options = DEFAULTS,
) -> None:
    """Say who would get what, when and on which channel, if an incident opened and nobody answered. Nothing is sent.

    Parameters
    ----------
    service_
        The affected service, by name: its policy is tried, and its team's hours count.
    policy
        Try this policy instead.
    severity
        sev1 (critical) to sev5 (informational).
    at
        When the incident opens: ISO 8601, "now", "+2h", "in 2h".
    channels
        Say on which channels each person would hear of it.
    """
    request = service.SimulateEscalationRequest(escalation_policy=policy, severity=number(incidents.Severity, severity, "--severity"))
    if not service_ and not policy:
        raise UsageError("--service: give a service, or a policy by --policy")
    if at != "now":
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
    with options.open() as tocsin:
        if service_:
            owner = catalogued(tocsin, service_)
            request.team = owner.team
            request.escalation_policy = policy or owner.escalation_policy
        answered = tocsin.escalation.SimulateEscalation(request)
        rows = [joined(tocsin, each, severity, service_) if channels else (each, []) for each in answered.summonses]
    if options.output != "table":
        told = [{**as_data(each), "pages": [as_data(page) for page in found]} for each, found in rows]
        options.screen.data({**as_data(answered), "summonses": told})
        return
    options.screen.draw(stack(*pictured(answered, rows)))


def audit(*, window: str = "24h", options: Options = DEFAULTS) -> None:
    """Compare what should have fired with what did. Fails if there is a difference.

    Parameters
    ----------
    window
        Look at escalations that began within this time: "24h", "7d".
    """
    request = service.AuditTimersRequest()
    request.window.FromTimedelta(times.duration(window, "--window"))
    with options.open() as tocsin:
        answered = tocsin.escalation.AuditTimers(request)
    options.screen.result(answered, audited)
    if answered.findings:
        raise TocsinError(f"{len(answered.findings)} timers did not fire as they should")


def target(text: str) -> "escalations.Target":
    """A target as people write it."""
    kind, separator, name = text.partition(":")
    if not separator:
        return escalations.Target(responder=text)
    if kind not in TARGETS or not name:
        raise UsageError(f"{text!r} is nobody; give a responder, or one of {', '.join(f'{each}:NAME' for each in TARGETS)}")
    made = escalations.Target()
    setattr(made, kind, name)
    return made


def catalogued(tocsin: "Tocsin", name: str) -> Any:
    """The service with this name. UsageError if there is none."""
    for found in tocsin.triage.ListServices(triage.ListServicesRequest()).services:
        if found.name == name:
            return found
    raise UsageError(f"--service: there is no service {name}")


def joined(tocsin: "Tocsin", summons: "service.SimulatedSummons", severity: str, affected: str) -> tuple[Any, list[Any]]:
    """A simulated summons with the pages that it would make."""
    if not summons.responder:
        return summons, []
    urgency = pages.Urgency.Value(escalations.Urgency.Name(summons.urgency))
    request = paging.PreviewPagesRequest(
        responder=summons.responder, urgency=urgency, at=summons.at, severity=severity.upper(), service=affected
    )
    return summons, list(tocsin.paging.PreviewPages(request).pages)


def pictured(answered: "service.SimulateEscalationResponse", rows: list[tuple[Any, list[Any]]]) -> "Iterator[RenderableType]":
    named = f"the policy {answered.escalation_policy}" if answered.escalation_policy else "the platform's fallback"
    ends = times.local(answered, "ends_at")
    yield heading(f"By {named}" + (f", until {ends}" if ends else ", and on from there"))
    yield grid(
        [(each, found) for each, pages_ in rows for found in (pages_ or [None])],
        {
            "AT": lambda row: times.local(row[1] or row[0], "at"),
            "STEP": lambda row: f"{row[0].step + 1}" + (f" (round {row[0].round + 1})" if row[0].round else ""),
            "WHO": lambda row: (row[1].responder if row[1] else "") or row[0].responder or row[0].contact,
            "URGENCY": lambda row: short(escalations.Urgency, row[0].urgency),
            "CHANNEL": lambda row: f"{short(pages.ContactMethod.Kind, row[1].channel)} {row[1].contact_method}" if row[1] else "",
            "WHY": lambda row: "; ".join(
                filter(None, [row[0].explanation, row[1].reason if row[1] else "", row[1].warning if row[1] else ""])
            ),
        },
    )
    if answered.remarks:
        yield heading("What else would happen")
        yield grid(answered.remarks, {"AT": lambda remark: times.local(remark, "at"), "WHAT": lambda remark: remark.text})


def audited(answered: "service.AuditTimersResponse") -> "RenderableType":
    counts = facts({"escalations": str(answered.escalations), "timers": str(answered.expected), "findings": str(len(answered.findings))})
    if not answered.findings:
        return counts
    columns = {
        "KIND": lambda found: coloured(short(service.TimerFinding.Kind, found.kind)),
        "DUE": lambda found: times.local(found, "due_at"),
        "FIRED": lambda found: times.local(found, "fired_at"),
        "INCIDENT": lambda found: found.incident_id,
        "WHAT": lambda found: found.text,
    }
    return stack(counts, grid(answered.findings, columns))


def drawn(answered: Any) -> "RenderableType":
    """An escalation, and who was asked."""
    return stack(said(answered.escalation), grid(answered.summonses, COLUMNS))


def said(escalation: "escalations.Escalation") -> "RenderableType":
    needed = max(1, escalation.acknowledgements_needed)
    return facts(
        {
            "escalation": escalation.policy or "the platform's fallback",
            "state": coloured(short(escalations.Escalation.State, escalation.state)),
            "step": str(escalation.step + 1) + (f", round {escalation.round + 1}" if escalation.round else ""),
            "goes on": times.local(escalation, "due_at"),
            "acknowledged": f"{len(escalation.acknowledged_by)} of {needed} ({', '.join(escalation.acknowledged_by) or 'nobody'})",
            "stopped": escalation.stop_reason,
        }
    )


COLUMNS: dict[str, Any] = {
    "SUMMONS": lambda summons: summons.id,
    "WHO": lambda summons: summons.responder or summons.contact,
    "URGENCY": lambda summons: short(escalations.Urgency, summons.urgency),
    "ANSWER": lambda summons: short(escalations.Summons.Answer, summons.answer),
    "WHY": lambda summons: summons.explanation,
}
