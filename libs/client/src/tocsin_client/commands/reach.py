"""`tocsin reach`: who can be reached on two channels."""

from typing import TYPE_CHECKING

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later

if TYPE_CHECKING:
    from tocsin.communication.v1 import contact_pb2 as contract
    from tocsin.communication.v1 import contact_service_pb2 as contacts
else:
    contract = later("tocsin.communication.v1.contact_pb2")
    contacts = later("tocsin.communication.v1.contact_service_pb2")


def reach(*, problems: bool = False, options: Options = DEFAULTS) -> None:
    """Say of every responder whether they can be reached on two confirmed channels that work, and what is missing.

    Parameters
    ----------
    problems
        Only those who cannot.
    """
    request = contacts.ListReachabilityRequest(only_problems=problems, page_size=500)
    with options.open() as tocsin:
        found = list(tocsin.walk(tocsin.contacts.ListReachability, request, contract.Reachability))
    options.screen.table(
        found,
        {
            "RESPONDER": lambda each: each.responder,
            "ON CALL": lambda each: "yes" if each.on_call else "",
            "REACHABLE": lambda each: "yes" if each.reachable else "no",
            "MISSING": lambda each: each.problem,
            "CHECKED": lambda each: times.local(each, "checked_at") if each.HasField("checked_at") else "",
        },
        nothing="Nobody has a contact method." if not problems else "Everybody can be reached on two channels.",
    )
