"""`tocsin playbook` with a server: playbooks that are kept, their runs, and what those ask people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.given import content, pairs
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import playbook_pb2 as pb
    from tocsin.response.v1 import playbook_service_pb2 as service
else:
    pb = later("tocsin.response.v1.playbook_pb2")
    service = later("tocsin.response.v1.playbook_service_pb2")

Run = Annotated[str, Parameter(help="The run's id; `tocsin playbook runs` shows it.")]
Question = Annotated[str, Parameter(help="The question's id; `tocsin playbook approvals` shows it.")]
Why = Annotated[str, Parameter(name="--reason", help="Why, for people.")]
Values = Annotated[tuple[str, ...], Parameter(name="--set", help="NAME=VALUE of a variable; its name with or without underscores.")]
ANSWERS = {"done": 1, "failed": 2, "again": 3}


def list_(*, options: Options = DEFAULTS) -> None:
    """List the playbooks that are kept, by name."""
    with options.open() as tocsin:
        found = list(tocsin.walk(tocsin.playbooks.ListPlaybooks, service.ListPlaybooksRequest(page_size=500), pb.PlaybookVersion))
    options.screen.table(
        found,
        {
            "PLAYBOOK": lambda each: each.playbook,
            "VERSION": lambda each: str(each.version),
            "TITLE": lambda each: each.title,
            "PUT BY": lambda each: each.put_by,
            "PUT": lambda each: times.local(each, "put_at"),
            "DRY RUN": lambda each: times.local(each, "last_dry_run_at"),
            "": lambda each: coloured("retired") if each.retired else "",
        },
        nothing="No playbook is kept.",
    )


def show(playbook: str, /, *, version: int = 0, versions: bool = False, cacao: bool = False, options: Options = DEFAULTS) -> None:
    """Print a playbook as it was put, or list its versions.

    Parameters
    ----------
    playbook
        Its name.
    version
        This version; without it the newest.
    versions
        List its versions instead.
    cacao
        Print it in CACAO v2.0, whatever form it was put in.
    """
    with options.open() as tocsin:
        if versions:
            request = service.ListPlaybookVersionsRequest(playbook=playbook, page_size=500)
            found = list(tocsin.walk(tocsin.playbooks.ListPlaybookVersions, request, pb.PlaybookVersion))
        else:
            answer = tocsin.playbooks.GetPlaybook(service.GetPlaybookRequest(playbook=playbook, version=version, as_cacao=cacao))
    if versions:
        options.screen.table(
            found,
            {
                "VERSION": lambda each: str(each.version),
                "TITLE": lambda each: each.title,
                "PUT BY": lambda each: each.put_by,
                "PUT": lambda each: times.local(each, "put_at"),
                "SHA-256": lambda each: each.sha256,
            },
            nothing="There is no such playbook.",
        )
    elif options.output == "table":
        options.screen.say(answer.cacao or answer.version.content)
    else:
        options.screen.result(answer, str)


def put(name: str, file: Path, /, *, options: Options = DEFAULTS) -> None:
    """Check a playbook and keep it as its newest version. The same text again makes no new one.

    Parameters
    ----------
    name
        Under which name.
    file
        CACAO v2.0 or the short form; "-" is standard input.
    """
    try:
        text = content(file, "FILE").decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"FILE: {file} is not text in UTF-8") from error
    with options.open() as tocsin:
        answer = tocsin.playbooks.PutPlaybook(service.PutPlaybookRequest(playbook=pb.Playbook(name=name, content=text)))
    for warning in answer.warnings:
        options.screen.note(warning)
    options.screen.result(answer.version, lambda made: f"{made.playbook}, version {made.version}: {made.title}")


def run(
    playbook: str,
    /,
    *,
    values: Values = (),
    incident: str = "",
    dry_run: bool = False,
    simulated: bool = False,
    reason: Why = "",
    priority: int = 0,
    options: Options = DEFAULTS,
) -> None:
    """Carry out a playbook, or with --dry-run only say what it would do.

    Parameters
    ----------
    playbook
        Its name.
    incident
        For this incident: its number or id.
    dry_run
        Touch nothing, print the plan, and keep that it was tried.
    simulated
        Touch simulated twins only.
    priority
        1 (first) to 5; without it by the incident's severity.
    """
    variables = {full(name): value for name, value in pairs(values, "--set").items()}
    with options.open() as tocsin:
        request = service.StartRunRequest(
            playbook=playbook,
            incident_id=tocsin.incident_id(incident) if incident else "",
            variables=variables,
            dry_run=dry_run,
            simulated=simulated,
            reason=reason,
            priority=priority,
        )
        answer = tocsin.playbooks.StartRun(request)
    if dry_run:
        options.screen.result(answer.plan, planned)
    else:
        options.screen.result(answer.run, shown)


def runs(
    *,
    incident: str = "",
    playbook: str = "",
    every: Annotated[bool, Parameter(name="--all")] = False,
    limit: int = 100,
    options: Options = DEFAULTS,
) -> None:
    """List runs, newest first; without --all those that are under way.

    Parameters
    ----------
    incident
        Only of this incident: its number or id.
    playbook
        Only of this playbook.
    every
        Those that have ended, too.
    limit
        At most so many.
    """
    from itertools import islice

    states = [] if every else [pb.Run.STATE_RUNNING, pb.Run.STATE_PAUSED]
    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        request = service.ListRunsRequest(incident_id=about, playbook=playbook, states=states, page_size=min(limit, 500))
        found = list(islice(tocsin.walk(tocsin.playbooks.ListRuns, request, pb.Run), limit))
    options.screen.table(
        found,
        {
            "ID": lambda each: each.id,
            "PLAYBOOK": lambda each: f"{each.playbook} v{each.playbook_version}",
            "STATE": lambda each: coloured(short(pb.Run.State, each.state)),
            "EXERCISE": lambda each: "simulated" if each.simulated else "",
            "QUESTIONS": lambda each: str(each.open_questions or ""),
            "BY": lambda each: each.started_by,
            "STARTED": lambda each: times.local(each, "started_at"),
            "ENDED": lambda each: times.local(each, "ended_at"),
            "": lambda each: each.explanation,
        },
        nothing="No run.",
    )


def run_show(run: Run, /, *, options: Options = DEFAULTS) -> None:
    """Show a run with its steps and its questions."""
    with options.open() as tocsin:
        answer = tocsin.playbooks.GetRun(service.GetRunRequest(run_id=run))
    options.screen.result(answer, run_in_full)


def approvals(
    *,
    mine: bool = False,
    incident: str = "",
    every: Annotated[bool, Parameter(name="--all")] = False,
    limit: int = 100,
    options: Options = DEFAULTS,
) -> None:
    """List what runs wait for people for, the oldest first.

    Parameters
    ----------
    mine
        Only what you may answer.
    incident
        Only of this incident: its number or id.
    every
        What is over, too.
    limit
        At most so many.
    """
    from itertools import islice

    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        request = service.ListQuestionsRequest(for_me=mine, incident_id=about, also_closed=every, page_size=min(limit, 500))
        found = list(islice(tocsin.walk(tocsin.playbooks.ListQuestions, request, pb.Question), limit))
    options.screen.table(found, QUESTIONS, nothing="Nothing waits for people.")


def approve(question: Question, /, *, reason: Why = "", options: Options = DEFAULTS) -> None:
    """Approve a step that waits for it."""
    _vote(question, True, reason, options)


def deny(question: Question, /, *, reason: Why = "", options: Options = DEFAULTS) -> None:
    """Deny a step that waits for approval: it fails."""
    _vote(question, False, reason, options)


def answer(
    question: Question,
    came: Literal["done", "failed", "again"],
    /,
    *,
    values: Values = (),
    note: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Say what came of something that was done by hand, or of an action whose outcome nobody knew.

    Parameters
    ----------
    came
        done, failed; or again: it was not done, do it once more.
    note
        For people.
    """
    variables = {full(name): value for name, value in pairs(values, "--set").items()}
    said: Any = ANSWERS[came]
    request = service.AnswerManualStepRequest(question_id=question, answer=said, variables=variables, note=note)
    with options.open() as tocsin:
        answered = tocsin.playbooks.AnswerManualStep(request).question
    options.screen.result(answered, asked)


def pause(run: Run, /, *, reason: Why = "", options: Options = DEFAULTS) -> None:
    """Let nothing new of a run begin; what runners are at is finished."""
    with options.open() as tocsin:
        paused = tocsin.playbooks.PauseRun(service.PauseRunRequest(run_id=run, reason=reason)).run
    options.screen.result(paused, shown)


def resume(run: Run, /, *, options: Options = DEFAULTS) -> None:
    """Let a run go on."""
    with options.open() as tocsin:
        resumed = tocsin.playbooks.ResumeRun(service.ResumeRunRequest(run_id=run)).run
    options.screen.result(resumed, shown)


def cancel(run: Run, /, *, reason: Why = "", options: Options = DEFAULTS) -> None:
    """End a run. Runners stop what they are at; what was done stays done."""
    with options.open() as tocsin:
        cancelled = tocsin.playbooks.CancelRun(service.CancelRunRequest(run_id=run, reason=reason)).run
    options.screen.result(cancelled, shown)


def skip(run: Run, step: str, /, *, reason: Annotated[str, Parameter(name="--reason")], options: Options = DEFAULTS) -> None:
    """Go on as if a step had gone well, though it was not done.

    Parameters
    ----------
    step
        The step's path; `tocsin playbook run-show` shows it.
    reason
        Why, for people.
    """
    with options.open() as tocsin:
        request = service.SkipStepRequest(run_id=run, step_path=step, reason=reason)
        options.screen.result(tocsin.playbooks.SkipStep(request).run, shown)


def rerun(run: Run, step: str, /, *, reason: Why = "", options: Options = DEFAULTS) -> None:
    """Let a run that failed or was cancelled go on from a step; what followed it is done again.

    Parameters
    ----------
    step
        The step's path; `tocsin playbook run-show` shows it.
    """
    with options.open() as tocsin:
        request = service.RerunFromStepRequest(run_id=run, step_path=step, reason=reason)
        options.screen.result(tocsin.playbooks.RerunFromStep(request).run, shown)


def export(run: Run, /, *, options: Options = DEFAULTS) -> None:
    """Print a run as a playbook in CACAO v2.0 with what came of each step."""
    with options.open() as tocsin:
        print(tocsin.playbooks.ExportRun(service.ExportRunRequest(run_id=run)).cacao)


def audit(*, options: Options = DEFAULTS) -> None:
    """Find runs that are under way and have nothing that moves them on. Ends with 1 if there is any."""
    with options.open() as tocsin:
        found = tocsin.playbooks.AuditRuns(service.AuditRunsRequest())
    options.screen.table(
        list(found.stuck),
        {"RUN": lambda each: each.run_id, "SINCE": lambda each: times.local(each, "since"), "WHAT": lambda each: each.text},
        nothing=f"All {found.runs} runs go on.",
    )
    if found.stuck:
        raise SystemExit(1)


def full(name: str) -> str:
    """The name of a variable with its underscores."""
    return name if name.startswith("__") else f"__{name}__"


def shown(run: Any) -> "RenderableType":
    """A run as a page of facts."""
    return facts(
        {
            "Run": run.id,
            "Playbook": f"{run.playbook} v{run.playbook_version}",
            "State": coloured(short(pb.Run.State, run.state)),
            "Exercise": "yes: only simulated twins are touched" if run.simulated else "",
            "Started": f"{times.local(run, 'started_at')} by {run.started_by}",
            "Why": run.reason,
            "Ended": times.local(run, "ended_at"),
            "": run.explanation,
        }
    )


def run_in_full(answer: Any) -> "RenderableType":
    steps = grid(list(answer.steps), STEPS)
    parts: list[RenderableType] = [shown(answer.run), heading("Steps"), steps]
    if answer.questions:
        parts += [heading("Questions"), grid(list(answer.questions), QUESTIONS)]
    return stack(*parts)


def asked(question: Any) -> "RenderableType":
    """A question as a page of facts."""
    return facts(
        {
            "Question": question.id,
            "Step": f"{question.step_name} of {question.playbook}",
            "Asks": question.text,
            "State": coloured(short(pb.Question.State, question.state)),
            "Exercise": "yes: only simulated twins are touched" if question.simulated else "",
            "Answers": votes(question),
            "": question.explanation,
        }
    )


def votes(question: Any) -> str:
    """Who said what, and how many are needed."""
    said = ", ".join(
        f"{each.by}{each.in_place_of and f' for {each.in_place_of}'} {'yes' if each.approves else 'no'}" for each in question.votes
    )
    needed = f" of {question.quorum}" if question.quorum > 1 else ""
    return f"{said}{needed and f' ({len(question.votes)}{needed})'}"


def _looked(work: Any) -> str:
    """What was taken on and is not seen to be effective."""
    return f"{work.target or work.command}: looked at {work.looks} times, not seen to be effective yet: {work.explanation}"


def planned(plan: Any) -> "RenderableType":
    """A plan as a table, with what would be touched."""
    touched = facts({"Touches": ", ".join(plan.blast_radius), "Remarks": "; ".join(plan.remarks), "Missing": "; ".join(plan.problems)})
    return stack(grid(list(plan.steps), PLANNED), touched)


def _vote(question: str, yes: bool, reason: str, options: Options) -> None:
    request = service.VoteApprovalRequest(question_id=question, approve=yes, reason=reason)
    with options.open() as tocsin:
        options.screen.result(tocsin.playbooks.VoteApproval(request).question, asked)


STEPS: dict[str, Any] = {
    "STEP": lambda each: each.path,
    "NAME": lambda each: each.name,
    "STATE": lambda each: coloured(short(pb.Step.State, each.state)),
    "TRY": lambda each: str(each.attempt) if each.attempt > 1 else "",
    "DUE": lambda each: times.local(each, "due_at"),
    "ENDED": lambda each: times.local(each, "ended_at"),
    "": lambda each: each.explanation or "; ".join(_looked(work) for work in each.work if work.looks),
}
QUESTIONS: dict[str, Any] = {
    "ID": lambda each: each.id,
    "KIND": lambda each: f"{short(pb.Question.Kind, each.kind)}{' (exercise)' if each.simulated else ''}",
    "STATE": lambda each: coloured(short(pb.Question.State, each.state)),
    "PLAYBOOK": lambda each: each.playbook,
    "STEP": lambda each: each.step_name,
    "ASKED": lambda each: ", ".join(each.roles) or "any responder",
    "ANSWERS": votes,
    "UNTIL": lambda each: times.local(each, "expires_at"),
    "WHAT": lambda each: each.text,
}
PLANNED: dict[str, Any] = {
    "STEP": lambda each: f"{'  ' * each.depth}{each.name or each.step_id}",
    "DOES": lambda each: "; ".join(each.actions),
    "WHEN": lambda each: each.condition,
    "APPROVAL": lambda each: each.approval,
    "UNDO": lambda each: "yes" if each.reversible else "",
}
