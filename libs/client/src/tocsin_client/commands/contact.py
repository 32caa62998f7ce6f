"""`tocsin contact`: how responders are reached, whether that is proven, and who takes their pages meanwhile."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later
from tocsin_client.screen import as_data, short

if TYPE_CHECKING:
    from tocsin.communication.v1 import contact_pb2 as contract
    from tocsin.communication.v1 import contact_service_pb2 as contacts
    from tocsin.communication.v1 import page_pb2 as page_contract
else:
    contract = later("tocsin.communication.v1.contact_pb2")
    contacts = later("tocsin.communication.v1.contact_service_pb2")
    page_contract = later("tocsin.communication.v1.page_pb2")


def list_(responder: str = "", /, *, problems: bool = False, limit: int = 500, options: Options = DEFAULTS) -> None:
    """List contact methods and what is known of them.

    Parameters
    ----------
    responder
        Only theirs, by name.
    problems
        Only those that something is known against, or that were never confirmed.
    limit
        At most this many.
    """
    request = contacts.ListContactsRequest(responder=responder, only_problems=problems, page_size=min(limit, 500))
    with options.open() as tocsin:
        found = list(islice(tocsin.walk(tocsin.contacts.ListContacts, request, contract.Contact), limit))
    options.screen.table(
        found,
        {
            "RESPONDER": lambda contact: contact.contact_method.responder,
            "NAME": lambda contact: contact.contact_method.name,
            "CHANNEL": lambda contact: short(page_contract.ContactMethod.Kind, contact.contact_method.kind).lower(),
            "ADDRESS": lambda contact: contact.contact_method.address,
            "CONFIRMED": lambda contact: times.local(contact, "confirmed_at") if contact.HasField("confirmed_at") else "no",
            "REACHED": lambda contact: times.local(contact, "last_reached_at") if contact.HasField("last_reached_at") else "",
            "ADDED BY": lambda contact: contact.added_by or "files",
            "HEALTH": lambda contact: short(contract.Contact.Health, contact.health).lower(),
            "WHY": lambda contact: contact.health_reason,
        },
        nothing="No contact method.",
    )


def confirm(contact: str, code: str = "", /, *, options: Options = DEFAULTS) -> None:
    """Confirm a contact method: without a code one is sent over it, with the code it is confirmed.

    Parameters
    ----------
    contact
        The contact method, by name.
    code
        The code as it was received.
    """
    with options.open() as tocsin:
        if not code:
            sent = tocsin.contacts.StartConfirmation(contacts.StartConfirmationRequest(contact_method=contact))
            options.screen.say(f"A code is on its way over {contact}; it is good until {times.local(sent, 'expires_at')}.")
            return
        found = tocsin.contacts.ConfirmContactMethod(contacts.ConfirmContactMethodRequest(contact_method=contact, code=code)).contact
    if options.output == "table":
        options.screen.say(f"{contact} is confirmed.")
    else:
        options.screen.data(as_data(found))


def delegate(
    who: str,
    to: str,
    /,
    *,
    until: str,
    start: Annotated[str, Parameter(name="--from")] = "now",
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Send all pages of one responder to another for a while; each page says why.

    Parameters
    ----------
    who
        Whose pages, by name.
    to
        To whom, by name.
    until
        Until when: ISO 8601, or how long: "8h".
    start
        From when: ISO 8601, "now", "+2h".
    reason
        Why.
    """
    begins = times.instant(start, options.now, "--from")
    request = contacts.CreateDelegationRequest(from_responder=who, to_responder=to, reason=reason)
    request.starts_at.FromDatetime(begins)
    request.ends_at.FromDatetime(times.end(until, begins, "--until"))
    with options.open() as tocsin:
        made = tocsin.contacts.CreateDelegation(request).delegation
    _table([made], options)


def delegations(responder: str = "", /, *, all_: Annotated[bool, Parameter(name="--all")] = False, options: Options = DEFAULTS) -> None:
    """List delegations that have not ended.

    Parameters
    ----------
    responder
        Only from or to them, by name.
    all_
        Those that have ended too.
    """
    request = contacts.ListDelegationsRequest(responder=responder, only_current=not all_, page_size=500)
    with options.open() as tocsin:
        found = list(islice(tocsin.walk(tocsin.contacts.ListDelegations, request, contract.Delegation), 1000))
    _table(found, options)


def undelegate(delegation: str, /, *, options: Options = DEFAULTS) -> None:
    """End a delegation now.

    Parameters
    ----------
    delegation
        The delegation, by id.
    """
    with options.open() as tocsin:
        ended = tocsin.contacts.EndDelegation(contacts.EndDelegationRequest(delegation_id=delegation)).delegation
    _table([ended], options)


def _table(found: "list[contract.Delegation]", options: Options) -> None:
    options.screen.table(
        found,
        {
            "ID": lambda each: each.id,
            "PAGES OF": lambda each: each.from_responder,
            "GO TO": lambda each: each.to_responder,
            "FROM": lambda each: times.local(each, "starts_at"),
            "UNTIL": lambda each: times.local(each, "ended_at" if each.HasField("ended_at") else "ends_at"),
            "MADE BY": lambda each: each.made_by,
            "WHY": lambda each: each.reason,
        },
        nothing="No delegation.",
    )
