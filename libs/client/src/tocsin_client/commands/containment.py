"""`tocsin proposal`, `tocsin recovery`, `tocsin blocklist`: what automations propose, the return of incidents, lists that devices read."""

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.measure import kind_of
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import command_pb2 as command
    from tocsin.response.v1 import containment_pb2 as containment
    from tocsin.response.v1 import containment_service_pb2 as service
else:
    command = later("tocsin.response.v1.command_pb2")
    containment = later("tocsin.response.v1.containment_pb2")
    service = later("tocsin.response.v1.containment_service_pb2")

PROPOSAL = Annotated[str, Parameter(help="The proposal's id; `tocsin proposal list` shows it.")]
LIST = Annotated[str, Parameter(help="The list, by name.")]


def list_proposals(
    *, incident: str = "", all_: Annotated[bool, Parameter(name="--all")] = False, limit: int = 100, options: Options = DEFAULTS
) -> None:
    """List the playbooks that automations and plans propose, the newest first.

    Parameters
    ----------
    incident
        Only those of this incident: its number or id.
    all_
        Also those that were decided, or started without asking.
    limit
        At most this many.
    """
    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        request = service.ListProposalsRequest(incident_id=about, open_only=not all_, page_size=limit)
        found = list(tocsin.containment.ListProposals(request).proposals)
    options.screen.table(
        found,
        {
            "ID": lambda proposal: proposal.id,
            "STATE": lambda proposal: coloured(short(containment.Proposal.State, proposal.state)),
            "PLAYBOOK": lambda proposal: proposal.playbook,
            "FROM": _author,
            "SINCE": lambda proposal: times.local(proposal, "proposed_at"),
            "WHY": lambda proposal: proposal.reason,
        },
        nothing="Nothing is proposed.",
    )


def accept(proposal: PROPOSAL, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Start a playbook that is proposed.

    Parameters
    ----------
    reason
        Why, for people.
    """
    _answer(proposal, True, reason, options)


def decline(proposal: PROPOSAL, /, *, reason: str = "", options: Options = DEFAULTS) -> None:
    """Decline a playbook that is proposed.

    Parameters
    ----------
    reason
        Why, for people.
    """
    _answer(proposal, False, reason, options)


def _answer(proposal: str, accept: bool, reason: str, options: Options) -> None:
    with options.open() as tocsin:
        request = service.AnswerProposalRequest(proposal_id=proposal, accept=accept, reason=reason)
        after = tocsin.containment.AnswerProposal(request).proposal
    options.screen.result(after, drawn)


def watch(
    incident: Reference,
    /,
    *,
    length: Annotated[str, Parameter(name="--for")] = "14d",
    indicator: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    options: Options = DEFAULTS,
) -> None:
    """Look out for an incident's return: `tocsin recovery watch 12 --for 30d --indicator domain:evil.example`.

    Parameters
    ----------
    length
        For how long.
    indicator
        KIND:VALUE beside what is known of the incident, with KIND one of host, address, domain, hash, user, key, workload.
    """
    with options.open() as tocsin:
        request = service.SetRecoveryWatchRequest(
            incident_id=tocsin.incident_id(incident), indicators=[_indicator(each) for each in indicator]
        )
        request.length.FromTimedelta(times.duration(length, "--for"))
        made = tocsin.containment.SetRecoveryWatch(request).watch
    options.screen.result(made, watched)


def unwatch(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """Look out for an incident's return no more."""
    with options.open() as tocsin:
        done = tocsin.containment.EndRecoveryWatch(service.EndRecoveryWatchRequest(incident_id=tocsin.incident_id(incident)))
    options.screen.result(done, lambda _: "Its return is not looked out for any more.")


def list_watches(*, incident: str = "", options: Options = DEFAULTS) -> None:
    """List the incidents whose return is looked out for, by the end of that.

    Parameters
    ----------
    incident
        Only this one, also if that is over: its number or id.
    """
    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        found = list(tocsin.containment.ListRecoveryWatches(service.ListRecoveryWatchesRequest(incident_id=about)).watches)
    options.screen.table(
        found,
        {
            "INCIDENT": lambda each: f"#{each.incident_number}",
            "UNTIL": lambda each: times.local(each, "until"),
            "INDICATORS": lambda each: ", ".join(indicator.value for indicator in each.indicators),
            "CAME BACK": lambda each: each.recurrence,
        },
        nothing="Nothing is looked out for.",
    )


def block(
    name: LIST,
    value: str,
    /,
    *,
    kind: Literal["address", "domain", "hash"] = "address",
    comment: str = "",
    until: str = "",
    incident: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Put an address, domain or hash on a list that devices read.

    Parameters
    ----------
    value
        What is blocked.
    kind
        What that is.
    comment
        Why, for people.
    until
        When it goes by itself: "8h", or a time.
    incident
        The incident: its number or id.
    """
    with options.open() as tocsin:
        about = tocsin.incident_id(incident) if incident else ""
        request = service.AddBlockEntryRequest(list=name, kind=kind_of(kind), value=value, comment=comment, incident_id=about)
        if until:
            request.until.FromDatetime(times.end(until, options.now, "--until"))
        entry = tocsin.containment.AddBlockEntry(request).entry
    options.screen.result(entry, _entry)


def unblock(name: LIST, value: str, /, *, options: Options = DEFAULTS) -> None:
    """Take a value off a list.

    Parameters
    ----------
    value
        The address, domain or hash.
    """
    with options.open() as tocsin:
        answer = tocsin.containment.RemoveBlockEntry(service.RemoveBlockEntryRequest(list=name, value=value))
    options.screen.result(answer, lambda said: f"{value} is off {name}." if said.was_there else f"{value} was not on {name}.")


def list_entries(name: LIST, /, *, limit: int = 100, options: Options = DEFAULTS) -> None:
    """List what a list holds.

    Parameters
    ----------
    limit
        At most this many.
    """
    with options.open() as tocsin:
        found = list(tocsin.containment.ListBlockEntries(service.ListBlockEntriesRequest(list=name, page_size=limit)).entries)
    options.screen.table(
        found,
        {
            "VALUE": lambda entry: entry.value,
            "SINCE": lambda entry: times.local(entry, "since"),
            "UNTIL": lambda entry: times.local(entry, "until"),
            "BY": lambda entry: entry.added_by,
            "WHY": lambda entry: entry.comment,
        },
        nothing=f"{name} holds nothing.",
    )


def list_lists(*, options: Options = DEFAULTS) -> None:
    """List the block lists, and who reads them."""
    with options.open() as tocsin:
        found = list(tocsin.containment.ListBlockLists(service.ListBlockListsRequest()).lists)
    options.screen.table(
        found,
        {
            "LIST": lambda each: each.name,
            "HOLDS": lambda each: f"{each.entries} {short(containment.TargetKind, each.kind)}",
            "READERS": lambda each: ", ".join(f"{r.address} ({'current' if r.current else 'behind'})" for r in each.readers) or "nobody",
        },
        nothing="There is no block list.",
    )


def link(name: LIST, /, *, replace: bool = False, options: Options = DEFAULTS) -> None:
    """Make a secret link at which devices read a list. It is shown once.

    Parameters
    ----------
    replace
        The links before it stop working at once.
    """
    with options.open() as tocsin:
        answer = tocsin.containment.CreateBlockListLink(service.CreateBlockListLinkRequest(list=name, replace=replace))
    options.screen.result(answer, lambda made: f"Below the console's address: {made.path}")


def _author(proposal: "containment.Proposal") -> str:
    """Which automation or plan wants it, and in which version."""
    if proposal.automation:
        return f"automation {proposal.automation} v{proposal.automation_version}"
    return f"plan {proposal.plan} v{proposal.plan_version}, {short(command.Phase, proposal.phase).lower().replace('_', ' ')}"


def drawn(proposal: "containment.Proposal") -> "RenderableType":
    return facts(
        {
            "Proposal": proposal.id,
            "State": coloured(short(containment.Proposal.State, proposal.state)),
            "Playbook": proposal.playbook,
            "From": _author(proposal),
            "Why": proposal.reason,
            "Decided by": proposal.decided_by,
            "Run": proposal.run_id,
        }
    )


def watched(watch: "containment.RecoveryWatch") -> "RenderableType":
    return facts(
        {
            "Incident": f"#{watch.incident_number}",
            "Until": times.local(watch, "until"),
            "Indicators": ", ".join(each.value for each in watch.indicators) or "none",
            "Came back": watch.recurrence or "no",
        }
    )


def _entry(entry: "containment.BlockEntry") -> "RenderableType":
    return facts(
        {"List": entry.list, "Value": entry.value, "Until": times.local(entry, "until") or "it is taken off", "Why": entry.comment}
    )


def _indicator(given: str) -> "containment.Indicator":
    kind, _, value = given.partition(":")
    try:
        return containment.Indicator(kind=kind_of(kind), value=value)
    except ValueError:
        raise UsageError(f'--indicator: {given!r} is not KIND:VALUE such as "domain:evil.example"') from None
