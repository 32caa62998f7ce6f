"""`tocsin page`: page people, and see what became of pages."""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.asking import agree
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, coloured, grid, plain, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from tocsin.communication.v1 import communication_service_pb2 as communication
    from tocsin.communication.v1 import page_pb2 as contract
    from tocsin.communication.v1 import paging_service_pb2 as paging
else:
    communication = later("tocsin.communication.v1.communication_service_pb2")
    contract = later("tocsin.communication.v1.page_pb2")
    paging = later("tocsin.communication.v1.paging_service_pb2")


def send(responder: str, message: str, /, *, incident: str = "", options: Options = DEFAULTS) -> None:
    """Page one responder directly, on all contact methods.

    Parameters
    ----------
    responder
        Whom, by name.
    message
        What to say.
    incident
        The incident it is about, by number or id.
    """
    with options.open() as tocsin:
        incident_id = tocsin.incident_id(incident) if incident else ""
        request = communication.PageResponderRequest(responder=responder, message=message, incident_id=incident_id)
        pages = list(tocsin.communication.PageResponder(request).pages)
    options.screen.table(pages, columns(), nothing="No page was made.")


def list_(
    *,
    incident: str = "",
    responder: str = "",
    channel: str = "",
    state: str = "",
    start: Annotated[str, Parameter(name="--from")] = "",
    until: str = "",
    limit: int = 50,
    options: Options = DEFAULTS,
) -> None:
    """List pages, newest first, and what became of them.

    Parameters
    ----------
    incident
        Only those about this incident, by number or id.
    responder
        Only those to this responder, by name.
    channel
        Only over this kind of channel: "sms", "email", "slack", ….
    state
        Only in this state: "pending", "sent", "delivered", "failed", "cancelled".
    start
        Only those made since then: ISO 8601, "2h ago".
    until
        Only those made before then.
    limit
        At most this many.
    """
    request = communication.ListPagesRequest(responder=responder, page_size=min(limit, 500))
    if channel:
        request.channels.append(named(contract.ContactMethod.Kind, "KIND_", channel, "--channel"))
    if state:
        request.states.append(named(contract.Page.State, "STATE_", state, "--state"))
    if start:
        request.made_from.FromDatetime(times.instant(start, options.now, "--from"))
    if until:
        request.made_before.FromDatetime(times.instant(until, options.now, "--until"))
    with options.open() as tocsin:
        request.incident_id = tocsin.incident_id(incident) if incident else ""
        pages = list(islice(tocsin.pages_of(request), limit))
    options.screen.table(pages, columns(), nothing="No page.")


def show(page: str, /, *, options: Options = DEFAULTS) -> None:
    """Show one page: why it was made, what it says, and what every attempt came to.

    Parameters
    ----------
    page
        The page, by id, as `tocsin page list -o json` shows it.
    """
    with options.open() as tocsin:
        found = tocsin.paging.GetPage(paging.GetPageRequest(page_id=page))
    options.screen.result(found, story)


def story(found: "paging.GetPageResponse") -> "RenderableType":
    """A page as people read it."""
    from rich.console import Group
    from rich.text import Text

    page = found.page
    facts = [
        f"{page.subject}",
        f"to {page.responder} over {page.contact_method or 'nothing'}" + (f", for {page.delegated_from}" if page.delegated_from else ""),
        f"made {times.local(page, 'created_at')} because: {page.reason}",
        f"{short(contract.Page.State, page.state).lower()}: {page.state_reason}",
    ]
    known = {field.name for field, _ in page.ListFields()}
    facts += [f"{word} {times.local(page, field)}" for word, field in SEEN if field in known]
    attempts = grid(
        list(found.attempts),
        {
            "TRY": lambda attempt: str(attempt.number),
            "AT": lambda attempt: times.local(attempt, "at"),
            "ACCOUNT": lambda attempt: attempt.account,
            "OUTCOME": lambda attempt: attempt.outcome,
            "SAID": lambda attempt: attempt.detail,
        },
    )
    return Group(Text(plain("\n".join(facts))), Text(""), Text(plain(found.body)), Text(""), attempts)


SEEN = (("arrived", "delivered_at"), ("seen", "seen_at"), ("answered", "answered_at"), ("next try", "next_attempt_at"))


def why(
    responder: str,
    /,
    *,
    low: bool = False,
    at: str = "now",
    severity: str = "",
    service: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Say over which contact methods somebody would be paged, when, and why; by their rules as they are now. Nothing is sent.

    Parameters
    ----------
    responder
        Whom, by name.
    low
        For something that can wait.
    at
        When: ISO 8601, "now", "+2h".
    severity
        The incident's severity, "SEV1" to "SEV5".
    service
        The incident's service, by name.
    """
    urgency = contract.URGENCY_LOW if low else contract.URGENCY_HIGH
    request = paging.PreviewPagesRequest(responder=responder, urgency=urgency, severity=severity.upper(), service=service)
    if at != "now":
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
    with options.open() as tocsin:
        found = tocsin.paging.PreviewPages(request)
    if found.warning:
        options.screen.note(found.warning)
    options.screen.table(
        found.pages,
        {
            "AT": lambda page: times.local(page, "at"),
            "TO": lambda page: page.responder,
            "OVER": lambda page: page.contact_method,
            "CHANNEL": lambda page: short(contract.ContactMethod.Kind, page.channel).lower(),
            "WHY": lambda page: page.reason,
            "BUT": lambda page: page.warning,
        },
        nothing="Nobody would be paged.",
    )


def ack(page: str, /, *, options: Options = DEFAULTS) -> None:
    """Answer a page as its link would: its responder takes what it is about, and every other page of the request stops.

    Parameters
    ----------
    page
        The page, by id.
    """
    _answer(page, paging.ANSWER_ACKNOWLEDGE, options)


def pass_on(page: str, /, *, options: Options = DEFAULTS) -> None:
    """Answer a page: its responder cannot, and the next one is asked now.

    Parameters
    ----------
    page
        The page, by id.
    """
    _answer(page, paging.ANSWER_ESCALATE, options)


def _answer(page: str, answer: "paging.Answer.ValueType", options: Options) -> None:
    with options.open() as tocsin:
        answered = tocsin.paging.AnswerPage(paging.AnswerPageRequest(page_id=page, answer=answer))
    if options.output == "table":
        options.screen.say(answered.effect)
    else:
        options.screen.data(as_data(answered))


def test(responder: str = "", /, *, contact: str = "", options: Options = DEFAULTS) -> None:
    """Send a page that is only a test. Using its link, or answering it, confirms the contact method.

    Parameters
    ----------
    responder
        Whose contact methods, all of them, by name.
    contact
        Only this contact method, by name.
    """
    with options.open() as tocsin:
        pages = list(tocsin.paging.SendTestPage(paging.SendTestPageRequest(responder=responder, contact_method=contact)).pages)
    options.screen.table(pages, columns(), nothing="No page was made.")


def status(*, options: Options = DEFAULTS) -> None:
    """Say whether pages go out, and over which channels."""
    with options.open() as tocsin:
        _show_status(tocsin.paging.GetPagingStatus(paging.GetPagingStatusRequest()).status, options)


def stop(reason: str, /, *, yes: bool = False, options: Options = DEFAULTS) -> None:
    """Hold back every page of the installation until `tocsin page resume`. Pages are kept meanwhile; nobody is woken.

    Parameters
    ----------
    reason
        Why; everybody sees it.
    yes
        Do not ask.
    """
    agree("Nobody will be paged for anything until paging is resumed. Stop it?", yes)
    with options.open() as tocsin:
        _show_status(tocsin.paging.StopPaging(paging.StopPagingRequest(reason=reason)).status, options)


def resume(*, options: Options = DEFAULTS) -> None:
    """Let pages go again. What waited and is still needed goes out; what was taken or is over meanwhile does not."""
    with options.open() as tocsin:
        _show_status(tocsin.paging.ResumePaging(paging.ResumePagingRequest()).status, options)


def _show_status(found: "paging.PagingStatus", options: Options) -> None:
    if options.output != "table":
        options.screen.data(as_data(found))
        return
    if found.stopped:
        options.screen.say(f"PAGING IS STOPPED by {found.stopped_by} since {times.local(found, 'stopped_at')}: {found.reason}")
    else:
        options.screen.say("Pages go out.")
    options.screen.say(f"{found.waiting} pages wait and are due.")
    options.screen.table(
        found.channels,
        {
            "CHANNEL": lambda channel: short(contract.ContactMethod.Kind, channel.kind).lower(),
            "ACCOUNTS": lambda channel: ", ".join(channel.accounts) or "none",
            "PROBLEM": lambda channel: "; ".join(filter(None, [channel.problem, "best effort" if channel.best_effort else ""])),
        },
        nothing="No channel.",
    )


def named(enum: Any, prefix: str, word: str, argument: str) -> Any:
    """The value of an enum by the word that people use. UsageError names `argument` and lists the words."""
    known = {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number}
    wanted = word.strip().lower().replace("-", "_").replace(" ", "_")
    if wanted not in known:
        raise UsageError(f"{argument}: {word!r} is none of {', '.join(known)}")
    return known[wanted]


def columns() -> "dict[str, Callable[[contract.Page], str | Text]]":
    return {
        "MADE": lambda page: times.local(page, "created_at"),
        "STATE": lambda page: coloured(short(contract.Page.State, page.state)),
        "KIND": lambda page: short(contract.Page.Kind, page.kind).lower(),
        "RESPONDER": lambda page: page.responder,
        "OVER": lambda page: page.contact_method or short(contract.ContactMethod.Kind, page.channel).lower(),
        "TRIES": lambda page: str(page.attempts),
        "SUBJECT": lambda page: page.subject,
        "WHY": lambda page: "; ".join(filter(None, [page.reason, page.state_reason])),
    }
