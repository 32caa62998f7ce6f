"""`tocsin command`: lead people through an incident: phases, roles, tasks, decisions, checks; `tocsin readiness`: before the next one."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, number, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import command_pb2 as words
    from tocsin.response.v1 import command_service_pb2 as service
    from tocsin.triage.v1 import incident_pb2 as incidents
    from tocsin.triage.v1 import triage_service_pb2 as triage_service

    from tocsin_client import configuration
else:
    words = later("tocsin.response.v1.command_pb2")
    service = later("tocsin.response.v1.command_service_pb2")
    incidents = later("tocsin.triage.v1.incident_pb2")
    triage_service = later("tocsin.triage.v1.triage_service_pb2")
    configuration = later("tocsin_client.configuration")

NEXT = "next"


def show(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """Show the command of an incident: phase and gates, roles, tasks, checks, decisions."""
    with options.open() as tocsin:
        found = tocsin.command.GetCommand(service.GetCommandRequest(incident_id=tocsin.incident_id(incident))).command
    options.screen.result(found, drawn)


def phase(
    incident: Reference,
    to: str = NEXT,
    /,
    *,
    reason: str = "",
    override: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULTS,
) -> None:
    """Go to another phase. What keeps the incident from it is listed, with how to mend each.

    Parameters
    ----------
    to
        identification, containment, eradication, recovery or lessons-learned; without it the next one.
    reason
        Why; needed to go back, and to override.
    override
        Go on though mandatory criteria are open. Only the commander may.
    """
    with options.open() as tocsin:
        named = tocsin.incident_id(incident)
        if to == NEXT:
            advance = service.AdvancePhaseRequest(incident_id=named, reason=reason, override=override)
            after = tocsin.command.AdvancePhase(advance).command
        else:
            wanted = number(words.Phase, to.replace("-", "_"), "PHASE")
            enter = service.EnterPhaseRequest(incident_id=named, phase=wanted, reason=reason, override=override)
            after = tocsin.command.EnterPhase(enter).command
    options.screen.result(after, drawn)


def role(
    incident: Reference,
    role: str,
    responder: str = "",
    /,
    *,
    leave: Annotated[bool, Parameter(negative="")] = False,
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Take a role, give it to somebody, or give it up.

    Parameters
    ----------
    role
        commander, operations, devops, it-support, communications, legal, scribe, or one of your own.
    responder
        Who gets it, by name; without it you take it.
    leave
        Nobody has it then.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        named = tocsin.incident_id(incident)
        if leave:
            after = tocsin.command.LeaveRole(service.LeaveRoleRequest(incident_id=named, role=role, reason=reason)).command
        else:
            request = service.AssignRoleRequest(incident_id=named, role=role, responder=responder, reason=reason)
            after = tocsin.command.AssignRole(request).command
    options.screen.result(after, drawn)


def handover(incident: Reference, role: str, responder: str, /, *, summary: str, options: Options = DEFAULTS) -> None:
    """Hand a role over to somebody, with a summary.

    Parameters
    ----------
    role
        The role, by key.
    responder
        Who gets it, by name.
    summary
        How things stand: what is known, what is under way, what comes next.
    """
    with options.open() as tocsin:
        request = service.HandOverRoleRequest(incident_id=tocsin.incident_id(incident), role=role, responder=responder, summary=summary)
        after = tocsin.command.HandOverRole(request).command
    options.screen.result(after, drawn)


def join(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """Say that you are at an incident."""
    with options.open() as tocsin:
        after = tocsin.command.JoinIncident(service.JoinIncidentRequest(incident_id=tocsin.incident_id(incident))).command
    options.screen.result(after, drawn)


def bridge(incident: Reference, url: str = "", /, *, dial_in: str = "", options: Options = DEFAULTS) -> None:
    """Say where those who respond meet; without anything, that they meet nowhere.

    Parameters
    ----------
    url
        A link to a call or a chat room.
    dial_in
        How to dial in, for people.
    """
    with options.open() as tocsin:
        request = service.SetBridgeRequest(incident_id=tocsin.incident_id(incident), url=url, dial_in=dial_in)
        after = tocsin.command.SetBridge(request).command
    options.screen.result(after, drawn)


def decide(incident: Reference, decision: str, /, *, reason: str = "", alternatives: str = "", options: Options = DEFAULTS) -> None:
    """Keep what was decided, and why.

    Parameters
    ----------
    decision
        What was decided.
    reason
        Why.
    alternatives
        What else could have been done.
    """
    with options.open() as tocsin:
        request = service.LogDecisionRequest(
            incident_id=tocsin.incident_id(incident), text=decision, reason=reason, alternatives=alternatives
        )
        after = tocsin.command.LogDecision(request).command
    options.screen.table(after.decisions, DECISIONS, nothing="Nothing was decided.")


def check(
    incident: Reference, item: str, /, *, off: Annotated[bool, Parameter(negative="")] = False, note: str = "", options: Options = DEFAULTS
) -> None:
    """Tick an item of the checklist, or take that back.

    Parameters
    ----------
    item
        Its key, as `tocsin command show` says.
    off
        It is not done after all.
    note
        What was seen.
    """
    with options.open() as tocsin:
        request = service.TickCheckRequest(incident_id=tocsin.incident_id(incident), key=item, untick=off, note=note)
        after = tocsin.command.TickCheck(request).command
    options.screen.table(after.checks, CHECKS, nothing="The plan has no checklist.")


def answer(incident: Reference, question: str, answer: str, /, *, options: Options = DEFAULTS) -> None:
    """Answer a question of the plan.

    Parameters
    ----------
    question
        Its key, as `tocsin command show` says.
    answer
        The answer, in words.
    """
    with options.open() as tocsin:
        request = service.AnswerQuestionRequest(incident_id=tocsin.incident_id(incident), key=question, text=answer)
        after = tocsin.command.AnswerQuestion(request).command
    options.screen.table(after.answers, ANSWERS, nothing="The plan asks nothing.")


def update(incident: Reference, text: str, /, *, options: Options = DEFAULTS) -> None:
    """Say that people were told how it goes; the clock of updates begins anew.

    Parameters
    ----------
    text
        What they were told.
    """
    with options.open() as tocsin:
        request = service.NoteUpdateRequest(incident_id=tocsin.incident_id(incident), text=text)
        after = tocsin.command.NoteUpdate(request).command
    options.screen.result(after, drawn)


def tasks(
    incident: str = "",
    /,
    *,
    owner: str = "",
    all: Annotated[bool, Parameter(negative="")] = False,
    limit: int = 50,
    options: Options = DEFAULTS,
) -> None:
    """List tasks of an incident, or of all, by due time.

    Parameters
    ----------
    incident
        The incident's number or id; without it all.
    owner
        Only those of this responder.
    all
        Completed and cancelled ones too.
    limit
        At most this many.
    """
    with options.open() as tocsin:
        named = tocsin.incident_id(incident) if incident else ""
        request = service.ListTasksRequest(incident_id=named, owner=owner, closed_too=all, page_size=min(limit, 500))
        found = list(islice(tocsin.walk(tocsin.command.ListTasks, request, words.Task), limit))
    options.screen.table(found, TASKS, nothing="No task.")


def add_task(
    incident: Reference,
    title: str,
    /,
    *,
    owner: str = "",
    due: str = "",
    description: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Make a task. Its owner is reminded before it is due, and when it is.

    Parameters
    ----------
    title
        What is to be done, in one line.
    owner
        Whose it is, by name.
    due
        When it is due: 2026-11-30T09:00, or +4h.
    description
        More for people.
    """
    with options.open() as tocsin:
        request = service.AddTaskRequest(incident_id=tocsin.incident_id(incident), title=title, owner=owner, description=description)
        if due:
            request.due_at.FromDatetime(times.instant(due, options.now, "--due"))
        made = tocsin.command.AddTask(request).task
    options.screen.table([made], TASKS, nothing="")


def finish_task(
    incident: Reference,
    task: str,
    /,
    *,
    result: str = "",
    cancel: str = "",
    reopen: Annotated[bool, Parameter(negative="")] = False,
    options: Options = DEFAULTS,
) -> None:
    """Say that a task is done, not to be done any more, or to be done after all.

    Parameters
    ----------
    task
        The task's id.
    result
        What came of it.
    cancel
        It is not to be done any more, for this reason.
    reopen
        It is to be done after all.
    """
    if cancel and reopen:
        raise UsageError("--cancel, --reopen: give one of them")
    with options.open() as tocsin:
        named = tocsin.incident_id(incident)
        if cancel:
            after = tocsin.command.CancelTask(service.CancelTaskRequest(incident_id=named, task_id=task, reason=cancel)).task
        elif reopen:
            after = tocsin.command.ReopenTask(service.ReopenTaskRequest(incident_id=named, task_id=task)).task
        else:
            after = tocsin.command.CompleteTask(service.CompleteTaskRequest(incident_id=named, task_id=task, result=result)).task
    options.screen.table([after], TASKS, nothing="")


def give_task(incident: Reference, task: str, owner: str = "", /, *, due: str = "", options: Options = DEFAULTS) -> None:
    """Give a task to somebody else, or another due time.

    Parameters
    ----------
    task
        The task's id.
    owner
        Whose it is now, by name; without it its owner keeps it.
    due
        When it is due now: 2026-11-30T09:00, or +4h.
    """
    if not owner and not due:
        raise UsageError("OWNER: say whose the task is now, or --due when")
    with options.open() as tocsin:
        request = service.ReassignTaskRequest(incident_id=tocsin.incident_id(incident), task_id=task, owner=owner)
        if due:
            request.due_at.FromDatetime(times.instant(due, options.now, "--due"))
        after = tocsin.command.ReassignTask(request).task
    options.screen.table([after], TASKS, nothing="")


def plans(*, options: Options = DEFAULTS) -> None:
    """List the plans by which incidents are gone through, and when each was reviewed. `-o yaml` shows them whole."""
    with options.open() as tocsin:
        found = tocsin.command.ListPlans(service.ListPlansRequest()).plans
    options.screen.table(found, PLANS, nothing="No plan.")


def review(plan: str, /, *, note: str = "", options: Options = DEFAULTS) -> None:
    """Say that you have read a plan and found it good, or changed it.

    Parameters
    ----------
    plan
        The plan, by name.
    note
        What you found.
    """
    with options.open() as tocsin:
        kept = tocsin.command.ReviewPlan(service.ReviewPlanRequest(plan=plan, note=note)).plan
    options.screen.table([kept], PLANS, nothing="")


def plan_template(kind: str, /, *, options: Options = DEFAULTS) -> None:
    """Print the plan that is shipped for a type of incident, as a file to change and apply.

    Parameters
    ----------
    kind
        security, operational, compliance, performance or human-error.
    """
    wanted = number(incidents.IncidentType, kind.replace("-", "_"), "KIND")
    with options.open() as tocsin:
        found = tocsin.command.ListPlans(service.ListPlansRequest()).plans
    plan = next((each.plan for each in found if each.plan.template and each.plan.incident_type == wanted), None)
    if plan is None:
        raise UsageError(f"KIND: the plan that is shipped for {kind} was replaced by one of the same name; tocsin export writes it")
    document = configuration.document_of("IncidentPlan", plan)
    if options.output == "json":
        options.screen.data(document)
    else:
        sys.stdout.write(configuration.dump([document]))


def readiness(
    team: str = "",
    /,
    *,
    services: Annotated[bool, Parameter(negative="")] = False,
    service_: Annotated[str, Parameter(name="--service")] = "",
    options: Options = DEFAULTS,
) -> None:
    """Say how ready teams and services are for their next incident, and how to mend what is missing.

    Parameters
    ----------
    team
        The team, by name; without it all.
    services
        Every service of the catalogue too.
    service_
        This service too, by name.
    """
    with options.open() as tocsin:
        request = service.GetReadinessRequest(team=team)
        if services or service_:
            listed = tocsin.triage.ListServices(triage_service.ListServicesRequest()).services
            asked = [each for each in listed if each.name == service_ or (not service_ and not each.name.startswith("tocsin-"))]
            if service_ and not asked:
                raise UsageError(f"--service: there is no service {service_}")
            for each in asked:
                request.services.add(service=each.name, team=each.team, escalation_policy=each.escalation_policy)
        found = tocsin.command.GetReadiness(request)
    options.screen.result(found, drawn_readiness)


TASKS: dict[str, Any] = {
    "ID": lambda task: task.id,
    "STATE": lambda task: coloured(short(words.Task.State, task.state)),
    "PHASE": lambda task: said(task.phase),
    "OWNER": lambda task: task.owner or task.role,
    "DUE": lambda task: times.local(task, "due_at"),
    "TITLE": lambda task: task.title,
    "RESULT": lambda task: task.result,
}
DECISIONS: dict[str, Any] = {
    "WHEN": lambda each: times.local(each, "at"),
    "WHO": lambda each: each.decided_by,
    "DECIDED": lambda each: each.text,
    "WHY": lambda each: each.reason,
    "INSTEAD OF": lambda each: each.alternatives,
}
CHECKS: dict[str, Any] = {
    "PHASE": lambda each: said(each.phase),
    "ITEM": lambda each: each.key,
    "DONE": lambda each: "yes" if each.ticked else "no",
    "WHAT": lambda each: each.text,
    "WHO": lambda each: each.by,
    "WHEN": lambda each: times.local(each, "at"),
}
ANSWERS: dict[str, Any] = {
    "PHASE": lambda each: said(each.phase),
    "KEY": lambda each: each.key,
    "QUESTION": lambda each: each.question,
    "ANSWER": lambda each: each.text,
    "WHO": lambda each: each.by,
}
GATES: dict[str, Any] = {
    "HOLDS": lambda gate: "yes" if gate.met else "no",
    "MUST": lambda gate: "yes" if gate.mandatory else "should",
    "WHAT": lambda gate: gate.text,
    "SEEN": lambda gate: gate.seen,
    "HOW": lambda gate: gate.remedy,
}
ROLES: dict[str, Any] = {
    "ROLE": lambda each: each.key,
    "WHO": lambda each: each.holder.responder or "nobody",
    "SINCE": lambda each: times.local(each.holder, "since"),
    "EXPECTED": lambda each: "; ".join(each.expectations),
}
PLANS: dict[str, Any] = {
    "NAME": lambda kept: kept.plan.name,
    "FOR": lambda kept: kept.plan.display_name or kept.plan.name,
    "VERSION": lambda kept: str(kept.version),
    "SHIPPED": lambda kept: "yes" if kept.plan.template else "no",
    "REVIEWED": lambda kept: " by ".join(filter(None, [times.local(kept, "reviewed_at"), kept.reviewed_by])) or "never",
}
FINDINGS: dict[str, Any] = {
    "CHECK": lambda each: " ".join(filter(None, [each.check, each.subject])),
    "POINTS": lambda each: f"{each.points} of {each.of}",
    "SEEN": lambda each: each.seen,
    "HOW TO MEND": lambda each: each.remedy,
}


def said(phase: int) -> str:
    """A phase as people read it."""
    return short(words.Phase, phase).lower().replace("_", " ")


def drawn(found: "words.Command") -> "RenderableType":
    updates = found.updates
    head = facts(
        {
            "plan": f"{found.plan} (version {found.plan_version})" if found.plan else "none",
            "phase": said(found.phase),
            "bridge": " ".join(filter(None, [found.bridge.url, found.bridge.dial_in])),
            "there": ", ".join(each.responder for each in found.attendants),
            "next word due": times.local(updates, "due_at"),
            "last word": " by ".join(filter(None, [times.local(updates, "told_at"), updates.told_by])),
        }
    )
    parts: list[RenderableType] = [head]
    standing = next((each for each in found.phases if each.phase == found.phase), None)
    if standing is not None and standing.exit:
        parts += [heading(f"To leave {said(found.phase)}"), grid(list(standing.exit), GATES)]
    for title, items, columns in (
        ("Roles", found.roles, ROLES),
        ("Tasks", found.tasks, TASKS),
        ("Checklist", [each for each in found.checks if each.phase == found.phase], CHECKS),
        ("Questions", [each for each in found.answers if each.phase == found.phase], ANSWERS),
        ("Decisions", found.decisions, DECISIONS),
    ):
        if items:
            parts += [heading(title), grid(list(items), columns)]
    return stack(*parts)


def drawn_readiness(found: "service.GetReadinessResponse") -> "RenderableType":
    parts: list[RenderableType] = []
    for each in (*found.teams, *found.services):
        what = f"Service {each.service}" if each.service else f"Team {each.team}"
        parts += [heading(f"{what}: {each.score} of 100"), grid(list(each.findings), FINDINGS)]
    return stack(heading(f"Overall: {found.score} of 100"), *parts) if parts else facts({"teams": "there is none"})
