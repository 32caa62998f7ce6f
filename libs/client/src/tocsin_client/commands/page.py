"""`tocsin page`: page people, and see what became of pages."""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later
from tocsin_client.screen import coloured, short

if TYPE_CHECKING:
    from rich.text import Text
    from tocsin.communication.v1 import communication_service_pb2 as communication
    from tocsin.communication.v1 import page_pb2 as contract
else:
    communication = later("tocsin.communication.v1.communication_service_pb2")
    contract = later("tocsin.communication.v1.page_pb2")


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


def list_(*, incident: str = "", responder: str = "", limit: int = 50, options: Options = DEFAULTS) -> None:
    """List pages, newest first, and what became of them.

    Parameters
    ----------
    incident
        Only those about this incident, by number or id.
    responder
        Only those to this responder, by name.
    limit
        At most this many.
    """
    with options.open() as tocsin:
        incident_id = tocsin.incident_id(incident) if incident else ""
        pages = list(islice(tocsin.pages(incident_id, responder), limit))
    options.screen.table(pages, columns(), nothing="No page.")


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
