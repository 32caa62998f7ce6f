"""What a summons would make of pages, without making them."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Database
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts import store as contacts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.reach import UNREACHABLE, planned_pages, reach_of
from tocsin_communication.rules.personal import Matter, Planned
from tocsin_communication.sending.departures import Departures

MOST_CONTACTS = 100


@dataclass(frozen=True, slots=True)
class Previewed:
    """The pages with what speaks against each, and what speaks against all of it."""

    pages: tuple[tuple[Planned, str], ...]
    warning: str


class Preview:
    """Looks ahead by the rules as they are now."""

    def __init__(self, database: Database, channels: Channels, departures: Departures) -> None:
        self._database = database
        self._channels = channels
        self._departures = departures

    async def of(self, responder: str, matter: Matter, at: datetime) -> Previewed:
        """The pages of a summons to this responder at this instant."""
        async with self._database.transaction() as tx:
            reach = (await reach_of(tx, [responder], at))[responder]
            rows = await contacts.contacts(tx, reach.responder, ("", ""), MOST_CONTACTS)
        known = {row.name: row.to_domain(self._channels.off(Channel(row.channel))) for row in rows}
        planned = planned_pages(reach, matter, at)
        warnings = [reach.why, "" if planned else UNREACHABLE.format(responder=reach.responder)]
        if self._departures.stopped:
            warnings.append("paging is stopped: no page leaves")
        pages = tuple((page, known[page.method.name].warning if page.method.name in known else "") for page in planned)
        return Previewed(pages, "; ".join(filter(None, warnings)))
