"""`tocsin incident`: open, take, end and list incidents."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, number, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import escalation_pb2 as escalations
    from tocsin.response.v1 import response_service_pb2 as response
    from tocsin.triage.v1 import incident_pb2 as incidents
    from tocsin.triage.v1 import triage_service_pb2 as triage
else:
    escalations = later("tocsin.response.v1.escalation_pb2")
    response = later("tocsin.response.v1.response_service_pb2")
    incidents = later("tocsin.triage.v1.incident_pb2")
    triage = later("tocsin.triage.v1.triage_service_pb2")

Reference = Annotated[str, Parameter(help="The incident's number or id.")]
State = Literal["open", "acknowledged", "resolved", "active", "any"]
STATES = {
    "open": ["OPEN"],
    "acknowledged": ["ACKNOWLEDGED"],
    "resolved": ["RESOLVED"],
    "active": ["OPEN", "ACKNOWLEDGED"],
    "any": [],
}


def declare(
    title: str,
    /,
    *,
    service: str = "",
    severity: str = "sev3",
    kind: Annotated[str, Parameter(name="--type")] = "operational",
    private: bool = False,
    member: tuple[str, ...] = (),
    summary: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Open an incident. Its service's escalation policy begins to wake people.

    Parameters
    ----------
    title
        One line for people.
    service
        The affected service, by name; without it the default service.
    severity
        sev1 (critical) to sev5 (informational).
    kind
        security, operational, compliance, performance or human-error.
    private
        Hide it from everybody but you, its members and whoever is asked to respond.
    member
        Who may know of a private incident too, by name; may be given several times.
    summary
        More for people.
    """
    level = number(incidents.Severity, severity, "--severity")
    if member and not private:
        raise UsageError("--member: an incident that is not private has no members; add --private")
    request = triage.DeclareIncidentRequest(
        title=title,
        service=service,
        severity=level,
        summary=summary,
        type=number(incidents.IncidentType, kind.replace("-", "_"), "--type"),
        private=private,
        members=member,
    )
    with options.open() as tocsin:
        incident = tocsin.triage.DeclareIncident(request).incident
    options.screen.result(incident, drawn)


def list_(*, state: State = "active", service: str = "", limit: int = 50, options: Options = DEFAULTS) -> None:
    """List incidents, newest first.

    Parameters
    ----------
    state
        Only these; active ones are open or acknowledged.
    service
        Only those of this service.
    limit
        At most this many.
    """
    now = options.now
    with options.open() as tocsin:
        found = list(islice(tocsin.incidents(states(state), service), limit))
    options.screen.table(
        found,
        {
            "#": lambda incident: str(incident.number),
            "SEVERITY": lambda incident: coloured(short(incidents.Severity, incident.severity)),
            "STATE": lambda incident: coloured(short(incidents.Incident.State, incident.state)),
            "AGE": lambda incident: times.age(incident, "opened_at", now),
            "SERVICE": lambda incident: incident.service,
            "TAKEN BY": lambda incident: incident.acknowledged_by,
            "ALERTS": lambda incident: str(incident.alert_count),
            "TITLE": lambda incident: incident.title,
        },
        nothing=f"No {state} incident." if state != "any" else "No incident.",
    )


def show(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """Show one incident, its alerts and who was asked."""
    with options.open() as tocsin:
        answer = tocsin.incident(incident)
        asked = response.ListEscalationsRequest(incident_id=answer.incident.id)
        climbed = tocsin.response.ListEscalations(asked) if options.output == "table" else response.ListEscalationsResponse()
    options.screen.result(answer, lambda found: drawn_whole(found, climbed))


def ack(incident: Reference, /, *, by: str = "", options: Options = DEFAULTS) -> None:
    """Take an incident: nobody else is woken for it.

    Parameters
    ----------
    by
        The responder who takes it, by name; without it the caller.
    """
    with options.open() as tocsin:
        request = triage.AcknowledgeIncidentRequest(incident_id=tocsin.incident_id(incident), acknowledged_by=by)
        taken = tocsin.triage.AcknowledgeIncident(request).incident
    options.screen.result(taken, drawn)


def resolve(incident: Reference, /, *, reason: str = "", by: str = "", options: Options = DEFAULTS) -> None:
    """End an incident.

    Parameters
    ----------
    reason
        Why it is over, for people.
    by
        The responder who resolves it, by name; without it the caller.
    """
    with options.open() as tocsin:
        request = triage.ResolveIncidentRequest(incident_id=tocsin.incident_id(incident), resolved_by=by, reason=reason)
        resolved = tocsin.triage.ResolveIncident(request).incident
    options.screen.result(resolved, drawn)


def reopen(incident: Reference, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Open a resolved incident again; its escalation starts anew.

    Parameters
    ----------
    reason
        Why it is not over, for people.
    """
    with options.open() as tocsin:
        request = triage.ReopenIncidentRequest(incident_id=tocsin.incident_id(incident), reason=reason)
        reopened = tocsin.triage.ReopenIncident(request).incident
    options.screen.result(reopened, drawn)


def severity(incident: Reference, severity: str, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Say how bad an incident is now.

    Parameters
    ----------
    severity
        sev1 (critical) to sev5 (informational).
    reason
        Why, for people.
    """
    level = number(incidents.Severity, severity, "SEVERITY")
    with options.open() as tocsin:
        request = triage.ChangeSeverityRequest(incident_id=tocsin.incident_id(incident), severity=level, reason=reason)
        changed = tocsin.triage.ChangeSeverity(request).incident
    options.screen.result(changed, drawn)


def type_(incident: Reference, kind: str, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Say which kind of trouble an incident is now.

    Parameters
    ----------
    kind
        security, operational, compliance, performance or human-error.
    reason
        Why, for people.
    """
    wanted = number(incidents.IncidentType, kind.replace("-", "_"), "TYPE")
    with options.open() as tocsin:
        request = triage.ChangeTypeRequest(incident_id=tocsin.incident_id(incident), type=wanted, reason=reason)
        changed = tocsin.triage.ChangeType(request).incident
    options.screen.result(changed, drawn)


def private(
    incident: Reference,
    /,
    *,
    member: tuple[str, ...] = (),
    off: Annotated[bool, Parameter(negative="")] = False,
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Hide an incident from everybody but its members: you, whoever was asked or has taken it, and those given.

    Parameters
    ----------
    member
        Who may know of it too, by name; may be given several times.
    off
        Show it to everybody again.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        named = tocsin.incident_id(incident)
        if off:
            changed = tocsin.triage.MakePublic(triage.MakePublicRequest(incident_id=named, reason=reason)).incident
        else:
            changed = tocsin.triage.MakePrivate(triage.MakePrivateRequest(incident_id=named, members=member, reason=reason)).incident
    options.screen.result(changed, drawn)


def members(
    incident: Reference, /, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), reason: str = "", options: Options = DEFAULTS
) -> None:
    """Say who may know of a private incident; let others know of it, or hide it from them.

    Parameters
    ----------
    add
        Who may know of it from now on; may be given several times.
    remove
        Who may not any more; may be given several times.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        found = tocsin.incident(incident).incident
        for name in add:
            request = triage.AddMemberRequest(incident_id=found.id, member=name, reason=reason)
            found = tocsin.triage.AddMember(request).incident
        for name in remove:
            dismissal = triage.RemoveMemberRequest(incident_id=found.id, member=name, reason=reason)
            found = tocsin.triage.RemoveMember(dismissal).incident
    options.screen.result(found, drawn)


def states(words: State) -> "list[incidents.Incident.State.ValueType]":
    return [incidents.Incident.State.Value(f"STATE_{word}") for word in STATES[words]]


def drawn(incident: "incidents.Incident") -> "RenderableType":
    return facts(
        {
            "incident": f"#{incident.number}  {incident.id}",
            "title": incident.title,
            "severity": coloured(short(incidents.Severity, incident.severity)),
            "state": coloured(short(incidents.Incident.State, incident.state)),
            "type": short(incidents.IncidentType, incident.type).lower().replace("_", " ") if incident.type else "",
            "private": f"to {', '.join(incident.members)}" if incident.private else "",
            "service": incident.service,
            "team": incident.team,
            "policy": incident.escalation_policy or "none: the platform's fallback is paged",
            "opened": times.local(incident, "opened_at"),
            "declared by": incident.declared_by,
            "taken": " by ".join(filter(None, [times.local(incident, "acknowledged_at"), incident.acknowledged_by])),
            "resolved": " by ".join(filter(None, [times.local(incident, "resolved_at"), incident.resolved_by])),
            "because": incident.resolve_reason,
            "placed": incident.placement_reason,
            "summary": incident.summary,
        }
    )


def drawn_whole(answer: "triage.GetIncidentResponse", climbed: "response.ListEscalationsResponse") -> "RenderableType":
    parts: list[RenderableType] = [drawn(answer.incident)]
    if answer.alerts:
        parts += [heading("Alerts"), grid(list(answer.alerts), ALERT_COLUMNS)]
    for escalation in climbed.escalations:
        summonses = [summons for summons in climbed.summonses if summons.escalation_id == escalation.id]
        parts += [heading(escalation_line(escalation)), grid(summonses, SUMMONS_COLUMNS)]
    return stack(*parts)


ALERT_COLUMNS: dict[str, Any] = {
    "ID": lambda alert: alert.alert_id,
    "STATE": lambda alert: coloured("OPEN" if alert.open else "RESOLVED"),
    "ATTACHED": lambda alert: times.local(alert, "attached_at"),
    "TITLE": lambda alert: alert.title,
    "WHY HERE": lambda alert: alert.reason,
}
SUMMONS_COLUMNS: dict[str, Any] = {
    "ASKED": lambda summons: times.local(summons, "at"),
    "RESPONDER": lambda summons: summons.responder,
    "STEP": lambda summons: str(summons.step + 1),
    "ROUND": lambda summons: str(summons.round + 1),
    "WHY": lambda summons: summons.explanation or summons.reason,
}


def escalation_line(escalation: "escalations.Escalation") -> str:
    state = short(escalations.Escalation.State, escalation.state).lower()
    following = f", goes on {times.local(escalation, 'due_at')}" if escalation.HasField("due_at") else ""
    stopped = f": {escalation.stop_reason}" if escalation.stop_reason else ""
    return f"Escalation by {escalation.policy or 'the fallback'}, {state}{stopped}{following}"
